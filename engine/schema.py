"""Every table, on one page. SQL is the only truth: what is not here did not happen.

Columns that any claimed row has (`state, due_at, epoch, worker_id, lease_until, claims`) come from `claim_columns`;
`engine.claim` reads and writes them. A person's data stands in `leads` and `bodies` alone. Alembic's migrations make these
tables; a test proves that they make exactly them.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine


class InstantText(sqlite.DATETIME):
    """SQLite keeps instants as text. SQLAlchemy's own formatting costs as much as all the rest of a row; `Instant` does it."""

    def bind_processor(self, dialect: Dialect) -> None:
        return None

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        return None

    def literal_processor(self, dialect: Dialect) -> Callable[[str], str]:
        return "'{}'".format


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant. SQLite keeps no zone, so there it is written as naive UTC and read back as aware."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        kind: TypeEngine[Any] = InstantText() if dialect.name == "sqlite" else self.impl_instance  # type: ignore[no-untyped-call]
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no zone; instants are aware")
        if dialect.name != "sqlite":
            return value
        return text_of(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name != "sqlite":
            found: datetime | None = value
            return found
        return instant_of(value)


# Kept, since the rows of a batch share most of their instants.
@lru_cache(maxsize=4_096)
def text_of(instant: datetime) -> str:
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


@lru_cache(maxsize=4_096)
def instant_of(text: str) -> datetime:
    return datetime.fromisoformat(text + "+00:00")


# SQLite numbers rows by itself only in an INTEGER PRIMARY KEY; where their ids are told outside, so that none is ever given twice
# (`engine.schedule.restored`), it must be told to remember the highest: sqlite_autoincrement.
Id = BigInteger().with_variant(Integer, "sqlite")
Json = JSON().with_variant(JSONB, "postgresql")
KeptJson = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Hash = String(64)
Name = String(120)
Words = String(200)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def claim_columns(open_state: str) -> tuple[Column[object], ...]:
    """What a row needs to be claimed: when it is due, who holds it and until when, and the counter that fences."""
    return (
        Column("state", String(20), nullable=False, default=open_state),
        Column("due_at", Instant),  # NULL: not due until somebody sets it
        Column("epoch", Integer, nullable=False, default=0),  # grows at each claim and each sweep
        Column("worker_id", String(40)),  # whose lease in `workers` covers the row once it was begun
        Column("lease_until", Instant),  # until when a claimed row may lie in a queue
        Column("claims", Integer, nullable=False, default=0),  # how often it was claimed since it last moved
    )


def claim_indexes(table: str, open_state: str, *lane: str) -> tuple[Index, ...]:
    """Small indexes over the few rows that are due, held or set aside, so that a claim costs the same over millions.

    `lane`: columns by which rows are claimed apart. There is no index of due times alone beside it: PostgreSQL would sometimes
    take that one, and read past all rows of other lanes.
    """
    columns = metadata.tables[table].c
    is_open, is_claimed = text(f"state = '{open_state}'"), text("state = 'claimed'")
    is_aside = text(f"state = '{open_state}' AND due_at IS NULL AND claims >= 3")  # see engine.claim
    due = [columns[name] for name in (*lane, "due_at")]
    return (
        Index(f"ix_{table}_due", *due, sqlite_where=is_open, postgresql_where=is_open),
        Index(f"ix_{table}_held", columns.worker_id, sqlite_where=is_claimed, postgresql_where=is_claimed),
        Index(f"ix_{table}_aside", columns.id, sqlite_where=is_aside, postgresql_where=is_aside),
    )


installation = Table(
    "installation",  # facts about this database: which secret key it belongs to
    metadata,
    Column("name", Name, primary_key=True),
    Column("value", Text, nullable=False),
)

workers = Table(
    "workers",  # one row a live process; its lease carries every row that it holds
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("host", Name, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("lease_until", Instant, nullable=False),
    Column("ops", Words),  # where operators may look at it; NULL: nowhere
    Column("relays", Text),  # those that it has an address of, between spaces; NULL: it sends no mail to a relay
)

tallies = Table(
    "tallies",  # how many mails came to which end in a minute, as each process counted; the ledger itself is `sends`
    metadata,
    Column("minute", Instant, primary_key=True),
    Column("worker_id", String(40), primary_key=True),
    Column("stream", String(20), primary_key=True),
    Column("relay", Name, primary_key=True),
    Column("outcome", String(20), primary_key=True),
    Column("mails", Integer, nullable=False),
)

plans = Table(
    "plans",  # each workspace that was applied, whole
    metadata,
    Column("id", Id, primary_key=True),
    Column("hash", Hash, nullable=False),
    Column("body", Text, nullable=False),  # canonical JSON, see engine.compiler.plan
    Column("applied_at", Instant, nullable=False),
)

catch_ups = Table(
    "catch_ups",  # each time that nothing ran for long: what had been held up, and how it is let out
    metadata,
    Column("id", Id, primary_key=True),
    Column("since", Instant, nullable=False),  # when something last ran
    Column("found_at", Instant, nullable=False),
    Column("mails", Integer, nullable=False),  # that are to go out later than they should
    Column("skipped", Integer, nullable=False, default=0),  # that were too late by then
    Column("per_hour", Integer),  # of all marketing mail; NULL: an operator lifted the limit
    Column("until", Instant),  # when the last of them is due, as far as it is known
    Column("looked_at", Instant, nullable=False),
    Column("ended_at", Instant),  # when there was nothing left of it
)

rules = Table(
    "rules",  # what is live: scoring, assignment, offers, policy; the newest row of a kind holds
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("hash", Hash, nullable=False),
    Column("body", Text, nullable=False),
    Column("applied_at", Instant, nullable=False),
    Index("ix_rules_kind", "kind", "id"),
)

artifacts = Table(
    "artifacts",  # compiled emails, content-addressed
    metadata,
    Column("hash", Hash, primary_key=True),
    Column("link_table_id", BigInteger, nullable=False, unique=True),  # named by tokens
    Column("email", Name, nullable=False),
    Column("brand", Name, nullable=False),
    Column("body", Text, nullable=False),  # see engine.render.artifact
    Column("created_at", Instant, nullable=False),
)

cadence_versions = Table(
    "cadence_versions",  # immutable
    metadata,
    Column("id", Id, primary_key=True),
    Column("cadence", Name, nullable=False),
    Column("hash", Hash, nullable=False),  # of everything
    Column("structure_hash", Hash, nullable=False),  # of the steps and their times, without the copy
    Column("body", Text, nullable=False),  # a CadencePlan
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("cadence", "hash"),
)

cadences = Table(
    "cadences",  # which version a new enrolment gets; NULL when the cadence was removed from the workspace
    metadata,
    Column("name", Name, primary_key=True),
    Column("version_id", Id, ForeignKey("cadence_versions.id")),
)

emails = Table(
    "emails",  # which copy a transactional email uses now
    metadata,
    Column("name", Name, primary_key=True),
    Column("copy", Text, nullable=False),  # a Copy, see engine.compiler.copies
)

leads = Table(
    "leads",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(200), nullable=False, unique=True),  # the email unless the import says otherwise
    Column("email", String(320)),
    Column("address_key", String(18), index=True),  # Tokens.address_key(email)
    Column("zone", String(64)),  # IANA name; NULL: the brand's, then the workspace's
    Column("fields", Json, nullable=False),  # by leads.yaml
    Column("rep", Name),  # who was assigned; NULL: nobody yet
    Column("do_not_call", Boolean, nullable=False, default=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)
Index("ix_leads_email", func.lower(leads.c.email))  # who orders is looked for by address, whatever its letters

consents = Table(
    "consents",  # the last word of a lead on a topic; no row is unknown
    metadata,
    Column("lead_id", Id, ForeignKey("leads.id"), primary_key=True),
    Column("topic", Name, primary_key=True),
    Column("state", String(20), nullable=False),
    Column("source", String(200), nullable=False),
    Column("at", Instant, nullable=False),
)

enrolments = Table(
    "enrolments",  # one passage of one lead through one cadence
    metadata,
    Column("id", Id, primary_key=True),
    Column("lead_id", Id, ForeignKey("leads.id"), nullable=False),
    Column("cadence", Name, nullable=False),
    Column("version_id", Id, ForeignKey("cadence_versions.id"), nullable=False),  # only `apply` changes it
    Column("passage", Integer, nullable=False),  # 1, 2, …
    Column("came_by", Words, nullable=False, default="hand"),  # hand | step | event:<type> | segment:<name>
    Column("state", String(20), nullable=False),
    Column("reason", Words),  # a Reason, or what `exits:` says
    Column("anchor_at", Instant, nullable=False),  # months and days count from here, in the lead's zone
    Column("shift_days", Integer, nullable=False, default=0),  # grown by suspensions
    Column("suspended_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    UniqueConstraint("lead_id", "cadence", "passage"),
    sqlite_autoincrement=True,
)
LIVE = text("state IN ('active', 'suspended')")
Index("uq_enrolments_live", enrolments.c.lead_id, enrolments.c.cadence, unique=True,
      sqlite_where=LIVE, postgresql_where=LIVE)  # fmt: skip
Index("ix_enrolments_cadence", enrolments.c.cadence, enrolments.c.state)

memberships = Table(
    "memberships",  # who matches a segment by which a cadence is entered, as it was last looked at
    metadata,
    Column("segment", Name, primary_key=True),
    Column("lead_id", Id, ForeignKey("leads.id"), primary_key=True),
    Column("since", Instant, nullable=False),
)

refusals = Table(
    "refusals",  # why a lead last did not come into a cadence
    metadata,
    Column("lead_id", Id, ForeignKey("leads.id"), primary_key=True),
    Column("cadence", Name, primary_key=True),
    Column("reason", String(40), nullable=False),
    Column("asked_by", Words, nullable=False),  # hand | step | event:<type> | segment:<name>
    Column("at", Instant, nullable=False),
)

touches = Table(
    "touches",  # one step of one enrolment: the row that decides
    metadata,
    Column("id", Id, primary_key=True),
    # No foreign key, as in `sends`: who writes a touch holds its passage, which stays. To have it looked up and locked once more
    # took a quarter of what the row cost.
    Column("enrolment_id", Id, nullable=False),
    Column("step_id", Name, nullable=False),
    *claim_columns("waiting"),
    Column("reason", Words),
    Column("arm", Name),  # which way a split drew
    Column("late_by", Integer, nullable=False, default=0),  # seconds: by our own fault, up to its due time
    Column("planned_on", Date, nullable=False),  # local date by the cadence alone, before windows and shifts
    Column("created_at", Instant, nullable=False),  # when the previous step ended
    Column("ended_at", Instant),
    UniqueConstraint("enrolment_id", "step_id"),  # for ever: a step is never taken twice in a passage
    sqlite_autoincrement=True,
)
claim_indexes("touches", "waiting")
OPEN = text("state IN ('waiting', 'claimed', 'sending')")
HELD_UP = text("state = 'waiting' AND late_by > 0")  # none but after an outage
Index("ix_touches_late", touches.c.due_at, sqlite_where=HELD_UP, postgresql_where=HELD_UP)
Index("uq_touches_open", touches.c.enrolment_id, unique=True, sqlite_where=OPEN, postgresql_where=OPEN)

sends = Table(
    "sends",  # one email to one address: the row that delivers; all of them are the ledger
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", String(120), nullable=False),  # touch:12 | event:7 | handoff:3:raised | task:5:asked
    Column("stream", String(20), nullable=False),
    Column("topic", Name),  # marketing only
    # No foreign keys of what every nurture mail names: who writes one holds its touch, and the rows of leads and touches stay. To
    # have both looked up and locked once more was two fifths of what this row cost.
    Column("lead_id", Id, nullable=False),
    Column("rep", Name),  # internal only: whom it goes to
    Column("address_key", String(18), nullable=False),
    Column("touch_id", Id),
    Column("event_id", Id, ForeignKey("events.id")),  # transactional: what asked for it
    Column("handoff_id", Id, ForeignKey("handoffs.id")),
    Column("task_id", Id, ForeignKey("tasks.id")),
    Column("email", Name, nullable=False),
    Column("artifact_hash", Hash),  # NULL for internal mail, which is not compiled
    Column("language", String(8)),  # of that artifact
    Column("arm", Name),  # which one was drawn; NULL: the email had no variants
    Column("offer", Name),
    Column("collateral", KeptJson),  # what goes along by the lead's interests; NULL: nothing does
    Column("is_shadow", Boolean, nullable=False, default=False),  # was asked for in shadow, and so never leaves
    *claim_columns("ready"),
    Column("reason", String(40)),
    Column("held_since", Instant),  # by servers in trouble, or by our own limits; NULL: neither, or a person or a cap did since
    Column("waited_for", String(40)),  # the last reason for which it was put off before it went out
    Column("attempts", Integer, nullable=False, default=0),
    Column("unknowns", Integer, nullable=False, default=0),  # attempts that ended without an answer
    Column("cap_on", Date),  # the lead's local date on which it counts towards caps; NULL: it does not
    Column("attempting_at", Instant),
    Column("relay", Name),  # through which the last attempt went
    Column("ended_at", Instant),
    Column("smtp_code", Integer),
    Column("smtp_reply", String(500)),
    Column("smtp_phase", String(10)),  # how far the last attempt came; NULL: it went well, or no server was asked
    Column("created_at", Instant, nullable=False),  # the mail's Date header, the same at every attempt
    sqlite_autoincrement=True,
)
claim_indexes("sends", "ready", "stream")  # awaited mail is found at once among any number of marketing mails
ATTEMPTING = text("state = 'attempting'")
Index("ix_sends_attempting", sends.c.worker_id, sqlite_where=ATTEMPTING, postgresql_where=ATTEMPTING)
UNKNOWN = text("state = 'unknown'")
Index("ix_sends_unknown", sends.c.ended_at, sqlite_where=UNKNOWN, postgresql_where=UNKNOWN)
Index("ix_sends_lead", sends.c.lead_id)
Index("ix_sends_cap", sends.c.address_key, sends.c.cap_on)
Index("ix_sends_touch", sends.c.touch_id, unique=True)
OF_NO_TOUCH = text("touch_id IS NULL")  # for the others `ix_sends_touch` does it: each index has three entries of a mail
Index("uq_sends_source", sends.c.source, unique=True, sqlite_where=OF_NO_TOUCH, postgresql_where=OF_NO_TOUCH)
HANDED_OFF = text("handoff_id IS NOT NULL")
Index("ix_sends_handoff", sends.c.handoff_id, sqlite_where=HANDED_OFF, postgresql_where=HANDED_OFF)
OF_A_TASK = text("task_id IS NOT NULL")
Index("ix_sends_task", sends.c.task_id, sqlite_where=OF_A_TASK, postgresql_where=OF_A_TASK)

files = Table(
    "files",  # what goes with mails, content-addressed
    metadata,
    Column("digest", Hash, primary_key=True),  # SHA-256 of the content
    Column("content", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
)

bodies = Table(
    "bodies",  # what people wrote or were written: a transactional mail's bytes, a reply, an order's personal data
    metadata,
    Column("id", Id, primary_key=True),
    Column("send_id", Id, ForeignKey("sends.id"), unique=True),
    Column("event_id", Id, ForeignKey("events.id"), unique=True),
    Column("content", LargeBinary, nullable=False),
    Column("delete_after", Instant),
)

relay_states = Table(
    "relay_states",  # the breaker of each relay that is in trouble, shared by all workers; no row: it is well
    metadata,
    Column("relay", Name, primary_key=True),
    Column("failures", Integer, nullable=False),  # in a row; each one past the third leaves it alone for longer
    Column("open_until", Instant),  # nobody goes near it before; then one mail tries. NULL: too few failures for that
    Column("tried_at", Instant),  # when it was given up, or asked again since
    Column("counts_from", Instant),  # what became of mails that were marked before says nothing: the end of its last rest
    Column("why", String(500), nullable=False),  # its last words
    Column("since", Instant, nullable=False),
)

relay_days = Table(
    "relay_days",  # how many mails a relay that is being warmed up carried each day
    metadata,
    Column("relay", Name, primary_key=True),
    Column("day", Date, primary_key=True),  # in the workspace's zone
    Column("mails", Integer, nullable=False),
)

route_states = Table(
    "route_states",  # recipient domains that turned away what came by a relay; what another relay brings may be welcome
    metadata,
    Column("relay", Name, primary_key=True),
    Column("domain", String(255), primary_key=True),
    Column("strikes", Integer, nullable=False),  # pauses in a row, each longer than the last
    Column("open_until", Instant),  # nothing goes there before; then one mail tries
    Column("tried_at", Instant),  # when it was given up, or asked again since
    Column("counts_from", Instant),  # what became of mails that were marked before says nothing: the end of its last rest
    Column("why", String(500), nullable=False),  # its last words when it was given up
    Column("since", Instant),  # when that trouble began
)

domain_states = Table(
    "domain_states",  # recipient domains that get only so many mails an hour
    metadata,
    Column("domain", String(255), primary_key=True),
    Column("paced_until", Instant),  # as far as the mails that went use up its hours
    Column("queued_until", Instant),  # as far as those that wait were given their turns
)

pauses = Table(
    "pauses",  # what a person holds back
    metadata,
    Column("kind", String(20), primary_key=True),  # all | marketing | cadence | relay | domain
    Column("name", String(255), primary_key=True),  # of the cadence, relay or domain; else empty
    Column("since", Instant, nullable=False),
    Column("note", String(500), nullable=False),
)

suppressions = Table(
    "suppressions",  # addresses we must not write to
    metadata,
    Column("id", Id, primary_key=True),
    Column("address_key", String(18), nullable=False),
    Column("scope", String(140), nullable=False),  # everything | marketing | topic:<name>
    Column("reason", String(40), nullable=False),
    Column("source", String(200), nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("address_key", "scope"),
)

events = Table(
    "events",  # what was observed; append-only
    metadata,
    Column("id", Id, primary_key=True),
    Column("source_key", String(200), nullable=False, unique=True),  # the same observation told twice is one row
    Column("type", Name, nullable=False),
    Column("origin", String(20), nullable=False),
    Column("lead_id", Id, ForeignKey("leads.id")),
    Column("send_id", Id),  # no foreign key: events and sends would name each other
    Column("data", Json, nullable=False),  # nothing personal: email, link, page, form, and fields so declared
    Column("occurred_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_events_lead", events.c.lead_id, events.c.id)
Index("ix_events_send", events.c.send_id)

reactions = Table(
    "reactions",  # an event that has yet to be reacted to
    metadata,
    Column("id", Id, primary_key=True),
    Column("event_id", Id, ForeignKey("events.id"), nullable=False, unique=True),
    *claim_columns("waiting"),
    Column("ended_at", Instant),
)
claim_indexes("reactions", "waiting")

scores = Table(
    "scores",  # a lead's points as of an instant, derived from events alone
    metadata,
    Column("lead_id", Id, ForeignKey("leads.id"), primary_key=True),
    Column("points", Float, nullable=False),
    Column("reasons", Json, nullable=False),  # [{points, because, at}], most points first
    Column("as_of", Instant, nullable=False),
    Column("next_change_at", Instant),  # when points fade by themselves
    Column("above", Boolean, nullable=False, default=False),  # at or over the threshold
    Column("crossings", Integer, nullable=False, default=0),  # how often it rose over it
    Column("rules_id", Id, ForeignKey("rules.id")),
)
Index("ix_scores_next_change_at", scores.c.next_change_at)
Index("ix_scores_rules_id", scores.c.rules_id)

handoffs = Table(
    "handoffs",  # a raised hand
    metadata,
    Column("id", Id, primary_key=True),
    Column("lead_id", Id, ForeignKey("leads.id"), nullable=False),
    Column("crossing", Integer),  # which rise of the score over the threshold raised it; NULL: a step did
    Column("touch_id", Id, ForeignKey("touches.id"), unique=True),  # the step that raised it; NULL: the score did
    Column("state", String(20), nullable=False),
    Column("rep", Name, nullable=False),
    Column("points", Float, nullable=False),
    Column("reasons", Json, nullable=False),
    Column("raised_at", Instant, nullable=False),
    Column("answer_by", Instant, nullable=False),
    Column("answered_at", Instant),
    Column("note", String(500)),
    UniqueConstraint("lead_id", "crossing"),
    sqlite_autoincrement=True,
)
OPEN_HAND = text("state IN ('raised', 'accepted')")
Index("uq_handoffs_open", handoffs.c.lead_id, unique=True, sqlite_where=OPEN_HAND, postgresql_where=OPEN_HAND)

tasks = Table(
    "tasks",  # what a cadence asks of a rep
    metadata,
    Column("id", Id, primary_key=True),
    Column("touch_id", Id, ForeignKey("touches.id"), nullable=False, unique=True),
    Column("lead_id", Id, ForeignKey("leads.id"), nullable=False),
    Column("rep", Name, nullable=False),
    Column("action", String(20), nullable=False, default="call"),  # call | other
    Column("title", String(300), nullable=False),
    Column("note", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("said", String(500)),  # what the rep wrote with the answer
    sqlite_autoincrement=True,
)
Index("ix_tasks_lead", tasks.c.lead_id)

posts = Table(
    "posts",  # what a webhook step says to another system
    metadata,
    Column("id", Id, primary_key=True),
    Column("touch_id", Id, ForeignKey("touches.id"), nullable=False, unique=True),
    Column("lead_id", Id, ForeignKey("leads.id"), nullable=False),
    Column("webhook", Name, nullable=False),  # its name in workspace.yaml
    Column("fields", Json, nullable=False),  # names of the lead's fields that are told; their values are read when it goes out
    *claim_columns("ready"),
    Column("reason", String(40)),
    Column("attempts", Integer, nullable=False, default=0),
    Column("status_code", Integer),
    Column("answer", String(500)),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    sqlite_autoincrement=True,
)
claim_indexes("posts", "ready")
Index("ix_posts_lead", posts.c.lead_id)
