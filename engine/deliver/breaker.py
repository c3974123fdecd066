"""Breakers: a relay or a recipient domain that is in trouble is left alone for a while, by all workers; then one of them tries.

Before: `engine.deliver.record` knows from outcomes who failed and who is well. After: `engine.deliver.gate` sends nothing to what
is open. They are rows, so that a hundred workers make three mistakes and not three each. No row, or none with an instant: closed.
"""

import logging
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import Any

import sqlalchemy as sa

from engine.claim import in_state
from engine.database import Tx
from engine.deliver.replies import Rest
from engine.prepared import Prepared, PreparedInsert
from engine.schema import Instant, domain_states, relay_states, sends
from engine.vocabulary import Reason, SendState

log = logging.getLogger(__name__)
JITTER = 0.2
PROBE_TAKES = timedelta(seconds=20)  # after which another may try; one that began may have died
MEMORY = timedelta(days=1)  # how long a pause makes the next one longer
LONGEST_WHY = 500
CODES = re.compile(r"\d{3}( [245]\.\d{1,3}\.\d{1,3})?(?= )")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What has breakers: a table, and what its columns are called there. `reason`: why mail waits for it. `forgives`: one success
    and all is forgotten.
    """

    called: str
    reason: Reason
    table: sa.Table
    name: sa.Column[Any]
    strikes: sa.Column[Any]
    until: sa.Column[Any]
    forgives: bool

    @property
    def tried_at(self) -> sa.Column[Any]:
        return self.table.c.tried_at


RELAYS = Kind(
    called="relay", reason=Reason.RELAY_AWAY, table=relay_states, name=relay_states.c.relay, strikes=relay_states.c.failures,
    until=relay_states.c.open_until, forgives=True,
)  # fmt: skip
DOMAINS = Kind(
    called="domain", reason=Reason.DOMAIN_PAUSED, table=domain_states, name=domain_states.c.domain,
    strikes=domain_states.c.strikes, until=domain_states.c.paused_until, forgives=False,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """Something failed mails that were marked then. `why`: its words; `words`: ours, where there was no connection; `advice`:
    what an operator can do about it.
    """

    name: str
    marked_at: datetime
    rest: Rest
    why: str
    words: str = ""
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """`until`: it is left alone till then; None: it has not failed often enough. `tried_at`: since when."""

    until: datetime | None
    tried_at: datetime | None


def troubles(tx: Tx, domains: Collection[str]) -> dict[tuple[str, str], Trouble]:
    """By kind and name: the relays in trouble, and which of these domains are. One statement, asked at every mark."""
    rows = IN_TROUBLE.rows(tx, domains=list(domains))
    return {(row.kind, row.name): Trouble(until=row.until, tried_at=row.tried_at) for row in rows}


def may_probe(tx: Tx, kind: Kind, name: str) -> bool:
    """Whether it is ours to find out how it is: of all who ask at once, one may."""
    return probing(kind).run(tx, of=name, now=tx.now, until=tx.now + PROBE_TAKES) == 1


def left_alone(tx: Tx, kind: Kind) -> list[str]:
    return list(tx.run(sa.select(kind.name).where(kind.until > tx.now).order_by(kind.name)).scalars())


def ask_again(tx: Tx, kind: Kind, name: str) -> bool:
    """Whether it was left alone; then it is asked at once, by the first of what waits for it: a person says that it is mended."""
    if not tx.run(sa.update(kind.table).where(kind.name == name, kind.until > tx.now).values({kind.until: tx.now})).rowcount:
        return False
    waiting = (in_state(sends, SendState.READY), sends.c.reason == kind.reason, sends.c.due_at > tx.now)
    tx.run(sa.update(sends).where(*waiting).values(due_at=tx.now))
    return True


def strike(tx: Tx, kind: Kind, strikes: Iterable[Strike]) -> None:
    """Each of these failed once more, where that says something new."""
    struck = {each.name: each for each in strikes}
    if not struck:
        return
    names = sorted(struck)
    adding(kind).run(tx, [(name, 0, "", tx.now) for name in names])
    for row in (known(kind) if tx.is_sqlite else locked(kind)).rows(tx, names=names):
        each = struck[row.name]
        if says_something_new(row, each.marked_at):
            is_fresh = row.tried_at is not None and row.tried_at < tx.now - MEMORY
            until = write_strike(tx, kind, each, strikes=1 if is_fresh else row.strikes + 1)
            if until is not None:
                tell(kind, each, until, is_told=row.until is not None and in_short(row.why) == in_short(each.why))


def says_something_new(row: Any, marked_at: datetime) -> bool:
    """What was marked before it was given up does not, nor before it was asked again. While it is left alone only those do that
    were to find out: others can have been marked after it was given up and before they could read that.
    """
    if row.tried_at is None:
        return True
    return bool(marked_at >= row.tried_at if row.until is None else marked_at == row.tried_at)


def write_strike(tx: Tx, kind: Kind, one: Strike, *, strikes: int) -> datetime | None:
    """Until when it is left alone now."""
    wait = one.rest.wait(strikes)
    until = None if wait is None else tx.now + spread(wait, f"{one.name}:{tx.now}")
    why = one.why[:LONGEST_WHY]
    striking(kind).run(
        tx, of=one.name, count=strikes, until=until, tried=None if until is None else tx.now, words=why, now=tx.now
    )
    return until


def tell(kind: Kind, one: Strike, until: datetime, *, is_told: bool) -> None:
    """An error once an outage, and when it turns into another; each further trial that failed is only noted."""
    if is_told:
        log.info(f"a {kind.called} is still left alone", extra={"facts": {kind.called: one.name, "until": until}})
        return
    facts = {kind.called: one.name, "until": until, "why": one.words or in_short(one.why), "what_to_do": one.advice}
    log.error(f"a {kind.called} is left alone for a while", extra={"facts": facts})


def in_short(why: str) -> str:
    """For the log: of a server's reply its codes alone, since its words may name whom it was about. The table keeps them."""
    found = CODES.match(why)
    return why if found is None else found.group()


def spread(wait: timedelta, seed: str) -> timedelta:
    """A fifth longer or shorter, so that what failed together is not tried together."""
    return wait * (1 + JITTER * Random(seed).uniform(-1, 1))


def recover(tx: Tx, kind: Kind, names: Collection[str], marked_at: datetime) -> None:
    """These took mails that were marked then."""
    if names and recovering(kind).run(tx, names=sorted(names), marked=marked_at):
        log.info(f"a {kind.called} is well again", extra={"facts": {kind.called: sorted(names)}})


IN_TROUBLE = Prepared(
    sa.select(
        sa.literal_column(f"'{RELAYS.called}'").label("kind"),
        RELAYS.name.label("name"),
        RELAYS.until.label("until"),
        RELAYS.tried_at.label("tried_at"),
    ).union_all(
        sa.select(sa.literal_column(f"'{DOMAINS.called}'"), DOMAINS.name, DOMAINS.until, DOMAINS.tried_at).where(
            DOMAINS.name.in_(sa.bindparam("domains", expanding=True)), DOMAINS.until.is_not(None)
        )
    )
)


@cache
def probing(kind: Kind) -> Prepared:
    now = sa.bindparam("now", type_=Instant)
    values = {kind.until: sa.bindparam("until", type_=Instant), kind.tried_at: now}
    return Prepared(sa.update(kind.table).where(kind.name == sa.bindparam("of"), kind.until <= now).values(values))


@cache
def adding(kind: Kind) -> PreparedInsert:
    return PreparedInsert(kind.table, (kind.name.name, kind.strikes.name, "why", "since"), unless=(kind.name.name,))


def chosen(kind: Kind) -> sa.Select[Any]:
    return (
        sa.select(
            kind.name.label("name"), kind.strikes.label("strikes"), kind.until.label("until"), kind.tried_at, kind.table.c.why
        )
        .where(kind.name.in_(sa.bindparam("names", expanding=True)))
        .order_by(kind.name)
    )


@cache
def known(kind: Kind) -> Prepared:
    return Prepared(chosen(kind))


@cache
def locked(kind: Kind) -> Prepared:
    return Prepared(chosen(kind).with_for_update())


@cache
def striking(kind: Kind) -> Prepared:
    now: sa.BindParameter[datetime] = sa.bindparam("now", type_=Instant)
    values = {
        kind.strikes: sa.bindparam("count"),
        kind.until: sa.bindparam("until", type_=Instant),
        kind.tried_at: sa.bindparam("tried", type_=Instant),
        kind.table.c.why: sa.bindparam("words", type_=sa.String),
        kind.table.c.since: sa.func.coalesce(kind.table.c.since, now),
    }
    return Prepared(sa.update(kind.table).where(kind.name == sa.bindparam("of")).values(values))


@cache
def recovering(kind: Kind) -> Prepared:
    names: sa.BindParameter[str] = sa.bindparam("names", expanding=True)
    tried_before = kind.tried_at <= sa.bindparam("marked", type_=Instant)
    theirs = sa.and_(kind.name.in_(names), sa.or_(kind.tried_at.is_(None), tried_before))
    if kind.forgives:
        return Prepared(sa.delete(kind.table).where(theirs))
    return Prepared(sa.update(kind.table).where(theirs, kind.until.is_not(None)).values({kind.until: None, "since": None}))
