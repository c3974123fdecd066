"""Which language and arm of an email a lead gets: drawn once, by shares, written down with the mail, and kept to."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from math import sqrt

import pytest
import sqlalchemy as sa

from engine.compiler.copies import PLAIN, Copy, CopyArm, Version
from engine.compiler.plan import EmailStep, WorkspacePlan
from engine.database import Database, Tx
from engine.deliver.transactional import request_email
from engine.expressions.fields import EventKind, EventSchema, Field, LeadSchema
from engine.leads import load_leads
from engine.render.artifact import Artifact
from engine.schedule.apply import apply_plan
from engine.schedule.changes import Changes
from engine.schedule.draw import pick
from engine.schedule.enrol import enrol_leads
from engine.schema import enrolments, leads, sends
from engine.versions import cadence_plan
from tests.factories import add_event, add_lead, add_send
from tests.schedule.plans import artifact, at, cadence, chain, email, workspace
from tests.test_advance import advance_due

both = pytest.mark.both_databases
LEADS = 20_000
FIELDS = LeadSchema((Field(name="first_name"), Field(name="language")))
ORDERED = EventSchema((EventKind(name="order_placed", data=()),))


@pytest.mark.parametrize("shares", [(1, 1), (45, 45, 10), (1, 999), (0, 1, 1)])
def test_arms_are_drawn_by_their_shares(shares: tuple[int, ...]) -> None:
    copy = a_copy("tissue", arms={f"arm{number}": share for number, share in enumerate(shares)})

    drawn = Counter(picked(copy, f"lead-{number}").arm for number in range(LEADS))

    for number, share in enumerate(shares):
        part = share / sum(shares)
        assert abs(drawn[f"arm{number}"] - LEADS * part) <= 4.5 * sqrt(LEADS * part * (1 - part)), "4.5 standard deviations"


def test_a_draw_is_for_good_and_the_same_in_every_language_and_each_email_draws_for_itself() -> None:
    one, other = (a_copy(name, arms={PLAIN: 1, "question": 1}, languages=("en", "de")) for name in ("one", "other"))
    keys = [f"lead-{number}@mail.example" for number in range(400)]

    assert [picked(one, key).arm for key in keys] == [picked(one, key, language="de").arm for key in keys]
    assert [picked(one, key).arm for key in keys[:6]] == ["plain", "plain", "question", "question", "question", "question"]
    together = Counter((pick(one, email="one", lead_key=key, language=None).arm,
                        pick(other, email="other", lead_key=key, language=None).arm) for key in keys)  # fmt: skip
    assert min(together.values()) > 70


@pytest.mark.parametrize(
    ("own", "language"),
    [("de", "de"), ("de-AT", "de"), ("DE_ch", "de"), ("fr", "en"), ("deutsch", "en"), (None, "en"), ("", "en"), (["de"], "en")],
)
def test_a_lead_gets_its_language_by_the_primary_subtag_else_the_plain_files(own: object, language: str) -> None:
    assert picked(a_copy("tissue", languages=("en", "de")), "ada", language=own).language == language


@both
def test_a_mail_of_a_cadence_records_the_language_and_the_arm_that_were_picked(database: Database) -> None:
    copy = a_copy("tissue", arms={PLAIN: 1, "question": 1}, languages=("en", "de"))
    with database.write() as tx:
        put(tx, copy)
        people = [add_lead(tx, fields={"language": "de" if number % 2 else "fr"}) for number in range(8)]
        enrol_leads(tx, "new-enquiry", people)

        advance_due(tx)

        found = {row.lead_id: row for row in tx.run(sa.select(sends))}
        for lead in load_leads(tx, people).values():
            meant = pick(copy, email="tissue", lead_key=lead.key, language=lead.fields["language"])
            got = found[lead.id]
            assert (got.language, got.arm, got.artifact_hash) == (meant.language, meant.arm, meant.artifact)
        assert {row.arm for row in found.values()} == {PLAIN, "question"}


@both
def test_an_email_without_variants_records_its_language_and_no_arm(database: Database) -> None:
    with database.write() as tx:
        put(tx, a_copy("tissue", languages=("en", "de")))
        enrol_leads(tx, "new-enquiry", [add_lead(tx, fields={"language": "de"})])

        advance_due(tx)

        assert tx.run(sa.select(sends.c.language, sends.c.arm)).all() == [("de", None)]


@both
def test_who_had_an_email_in_an_arm_gets_it_in_that_arm_again_whatever_the_shares(database: Database) -> None:
    with database.write() as tx:
        put(tx, a_copy("tissue", arms={PLAIN: 0, "question": 1, "newer": 10_000}))
        had, new = add_lead(tx), add_lead(tx)
        add_send(tx, lead_id=had, email="tissue", arm="newer", state="accepted")
        add_send(tx, lead_id=had, email="tissue", arm="question", state="accepted")
        add_send(tx, lead_id=new, email="tissue", arm="gone", state="accepted")
        add_send(tx, lead_id=new, email="another", arm="question", state="accepted")
        enrol_leads(tx, "new-enquiry", [had, new])

        advance_due(tx)

        newest = sa.select(sends.c.lead_id, sends.c.arm).where(sends.c.touch_id.is_not(None))
        assert {row.lead_id: row.arm for row in tx.run(newest)} == {had: "question", new: "newer"}


@both
def test_a_confirmation_records_what_was_picked_and_stays_in_its_arm(database: Database) -> None:
    with database.write() as tx:
        copy = a_copy("receipt", arms={PLAIN: 1, "question": 1}, languages=("en", "de"), stream="transactional")
        put(tx, copy)
        lead_id = add_lead(tx, fields={"language": "de-AT"})
        ask(tx, lead_id)
        [first] = tx.run(sa.select(sends)).all()
        other = "question" if first.arm == PLAIN else PLAIN
        put(tx, replace(copy, arms=(CopyArm(name=first.arm, share=0), CopyArm(name=other, share=1))))
        ask(tx, lead_id)
        tx.run(sa.update(leads).values(fields={"language": "en"}))
        ask(tx, lead_id)

        told = tx.run(sa.select(sends.c.language, sends.c.arm).order_by(sends.c.id)).all()

    assert told == [("de", first.arm), ("de", first.arm), ("en", first.arm)]


@both
def test_a_change_of_one_version_is_a_change_of_copy_that_reaches_older_versions(database: Database) -> None:
    old = a_copy("tissue", arms={PLAIN: 1, "question": 1}, languages=("en", "de"))
    new = a_copy("tissue", arms={PLAIN: 3, "question": 1}, languages=("en", "de"), text="corrected")
    new = replace(new, versions=(old.versions[0], *new.versions[1:]))
    with database.write() as tx:
        put(tx, old, email("later", at("30 days")))
        enrol_leads(tx, "new-enquiry", [add_lead(tx)])

        only_words = put(tx, new, email("later", at("30 days")))
        pinned = put(tx, old, email("much-later", at("60 days")))

        assert [(each.how, each.words) for each in only_words.cadences] == [("copy", 1)]
        assert [(each.how, each.stays, each.corrected) for each in pinned.cadences] == [("structure", 1, 1)]
        [version_id] = tx.run(sa.select(enrolments.c.version_id)).scalars()
        step = cadence_plan(tx, version_id).steps[0]
        assert isinstance(step, EmailStep) and step.copy == old
        assert pinned.emails[0] == ("tissue", "changed")


def ask(tx: Tx, lead_id: int) -> None:
    event_id = add_event(tx, type="order_placed", lead_id=lead_id)
    assert request_email(tx, event_id, "order_placed", lead_id, lease=timedelta(minutes=1)) is not None


def a_copy(
    name: str,
    *,
    arms: dict[str, int] | None = None,
    languages: tuple[str, ...] = ("en",),
    text: str = "",
    stream: str = "marketing",
) -> Copy:
    """A copy whose artifacts are kept in `MADE`."""
    versions = []
    for language in languages:
        for arm in arms or {PLAIN: 1}:
            plain = replace(artifact(name, text), stream=stream, subject=f"{language} {arm}")
            made = replace(plain, language=language, arm=arm)
            MADE[made.hash] = made
            versions.append(Version(language=language, arm=arm, artifact=made.hash))
    shares = tuple(CopyArm(name=arm, share=share) for arm, share in (arms or {}).items())
    return Copy(language="en", versions=tuple(versions), arms=shares)


MADE: dict[str, Artifact] = {}


def picked(copy: Copy, key: str, language: object = None) -> Version:
    return pick(copy, email="tissue", lead_key=key, language=language)


def put(tx: Tx, copy: Copy, *more: EmailStep) -> Changes:
    """A workspace in which a cadence sends this email, or an order does."""
    name = MADE[copy.versions[0].artifact].email
    is_receipt = MADE[copy.versions[0].artifact].stream == "transactional"
    steps = () if is_receipt else chain(replace(email(name, at("")), copy=copy), *more)
    plan: WorkspacePlan = workspace(
        *([cadence(*steps)] if steps else []),
        lead_schema=FIELDS,
        event_schema=ORDERED,
        event_emails={"order_placed": name} if is_receipt else {},
    )
    return apply_plan(tx, replace(plan, emails={name: copy}), MADE | {step.copy.plain: artifact(step.email) for step in more})
