"""Breakers: a relay that is in trouble, or a recipient domain that turns away what a relay brings, is left alone for a while, by
all workers; then one of them tries.

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
from engine.schema import Instant, relay_states, route_states, sends
from engine.vocabulary import Reason, SendState

log = logging.getLogger(__name__)
JITTER = 0.2
PROBE_TAKES = timedelta(seconds=20)  # after which another may try; one that began may have died
MEMORY = timedelta(days=1)  # how long a pause makes the next one longer
LONGEST_WHY = 500
Key = tuple[str, ...]  # of a relay its name, of a route its relay and the recipient domain
CODES = re.compile(r"\d{3}( [245]\.\d{1,3}\.\d{1,3})?(?= )")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What has breakers, and in which table. `called`: what people say; the last column of `key` has its name. `reason`: why mail
    waits for it. `forgives`: one success and all is forgotten.
    """

    called: str
    reason: Reason
    table: sa.Table
    key: tuple[sa.Column[Any], ...]
    strikes: sa.Column[Any]
    forgives: bool

    @property
    def name(self) -> sa.Column[Any]:
        return self.key[-1]

    @property
    def until(self) -> sa.Column[Any]:
        return self.table.c.open_until

    @property
    def tried_at(self) -> sa.Column[Any]:
        return self.table.c.tried_at

    @property
    def counts_from(self) -> sa.Column[Any]:
        return self.table.c.counts_from

    def facts(self, key: Key) -> dict[str, object]:
        return {column.name: part for column, part in zip(self.key, key, strict=True)}


RELAYS = Kind(
    called="relay", reason=Reason.RELAY_AWAY, table=relay_states, key=(relay_states.c.relay,),
    strikes=relay_states.c.failures, forgives=True,
)  # fmt: skip
ROUTES = Kind(
    called="domain", reason=Reason.DOMAIN_PAUSED, table=route_states, key=(route_states.c.relay, route_states.c.domain),
    strikes=route_states.c.strikes, forgives=False,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """Something failed mails that were marked then. `why`: its words; `words`: ours, where there was no connection; `advice`:
    what an operator can do about it.
    """

    key: Key
    marked_at: datetime
    rest: Rest
    why: str
    words: str = ""
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """`until`: it is left alone till then, or others find out how it is; None: it has not failed often enough. `tried_at`: since
    when.
    """

    until: datetime | None
    tried_at: datetime | None


def troubles(tx: Tx, domains: Collection[str]) -> dict[Key, Trouble]:
    """The relays in trouble, and the routes to these domains that are. One statement, asked at every mark."""
    rows = IN_TROUBLE.rows(tx, domains=list(domains))
    return {key_in(row): Trouble(until=row.until, tried_at=row.tried_at) for row in rows}


def key_in(row: Any) -> Key:
    return (row.relay,) if row.domain is None else (row.relay, row.domain)


def may_probe(tx: Tx, kind: Kind, key: Key) -> bool:
    """Whether it is ours to find out how it is: of all who ask at once, one may."""
    return probing(kind).run(tx, **of(kind, key), now=tx.now, until=tx.now + PROBE_TAKES) == 1


def left_alone(tx: Tx, kind: Kind) -> list[str]:
    """Relays, or recipient domains."""
    return list(tx.run(sa.select(kind.name).where(kind.until > tx.now).distinct().order_by(kind.name)).scalars())


def ask_again(tx: Tx, kind: Kind, name: str) -> bool:
    """Whether it was left alone; then it is asked at once, by the first of what waits for it: a person says that it is mended."""
    from_now_on = {kind.until: tx.now, kind.counts_from: tx.now}
    if not tx.run(sa.update(kind.table).where(kind.name == name, kind.until > tx.now).values(from_now_on)).rowcount:
        return False
    waiting = (in_state(sends, SendState.READY), sends.c.reason == kind.reason, sends.c.due_at > tx.now)
    tx.run(sa.update(sends).where(*waiting).values(due_at=tx.now))
    return True


def strike(tx: Tx, kind: Kind, strikes: Iterable[Strike]) -> None:
    """Each of these failed once more, where that says something new. They are locked in the order of their keys."""
    struck = sorted(strikes, key=lambda each: each.key)
    if not struck:
        return
    adding(kind).run(tx, [(*each.key, 0, "", tx.now) for each in struck])
    for each in struck:
        for row in (known(kind) if tx.is_sqlite else locked(kind)).rows(tx, **of(kind, each.key)):
            if says_something_new(row, each.marked_at):
                add_strike(tx, kind, each, row)


def add_strike(tx: Tx, kind: Kind, one: Strike, row: Any) -> None:
    is_fresh = row.tried_at is not None and row.tried_at < tx.now - MEMORY
    until = write_strike(tx, kind, one, strikes=1 if is_fresh else row.strikes + 1)
    if until is not None:
        tell(kind, one, until, is_told=row.until is not None and in_short(row.why) == in_short(one.why))


def says_something_new(row: Any, marked_at: datetime) -> bool:
    """What was marked before the end of its last rest does not. What is to find out was marked after that, however long it takes
    and whatever else was sent to find out meanwhile.
    """
    return row.counts_from is None or bool(marked_at >= row.counts_from)


def write_strike(tx: Tx, kind: Kind, one: Strike, *, strikes: int) -> datetime | None:
    """Until when it is left alone now."""
    wait = one.rest.wait(strikes)
    until = None if wait is None else tx.now + spread(wait, f"{one.key[-1]}:{tx.now}")
    why = one.why[:LONGEST_WHY]
    tried = None if until is None else tx.now
    striking(kind).run(tx, **of(kind, one.key), count=strikes, until=until, tried=tried, counting=until, words=why, now=tx.now)
    return until


def tell(kind: Kind, one: Strike, until: datetime, *, is_told: bool) -> None:
    """An error once an outage, and when it turns into another; each further trial that failed is only noted."""
    if is_told:
        log.info(f"a {kind.called} is still left alone", extra={"facts": kind.facts(one.key) | {"until": until}})
        return
    facts = {"until": until, "why": one.words or in_short(one.why), "what_to_do": one.advice}
    log.error(f"a {kind.called} is left alone for a while", extra={"facts": kind.facts(one.key) | facts})


def in_short(why: str) -> str:
    """For the log: of a server's reply its codes alone, since its words may name whom it was about. The table keeps them."""
    found = CODES.match(why)
    return why if found is None else found.group()


def spread(wait: timedelta, seed: str) -> timedelta:
    """A fifth longer or shorter, so that what failed together is not tried together."""
    return wait * (1 + JITTER * Random(seed).uniform(-1, 1))


def recover(tx: Tx, kind: Kind, keys: Collection[Key], marked_at: datetime) -> None:
    """These took mails that were marked then."""
    for key in sorted(keys):
        if recovering(kind).run(tx, **of(kind, key), marked=marked_at):
            log.info(f"a {kind.called} is well again", extra={"facts": kind.facts(key)})


def of(kind: Kind, key: Key) -> dict[str, str]:
    """The parameters of `the_one`."""
    return {f"of_{column.name}": part for column, part in zip(kind.key, key, strict=True)}


def the_one(kind: Kind) -> sa.ColumnElement[bool]:
    return sa.and_(*(column == sa.bindparam(f"of_{column.name}") for column in kind.key))


IN_TROUBLE = Prepared(
    sa.select(
        relay_states.c.relay.label("relay"),
        sa.cast(sa.null(), route_states.c.domain.type).label("domain"),
        RELAYS.until.label("until"),
        RELAYS.tried_at.label("tried_at"),
    ).union_all(
        sa.select(route_states.c.relay, route_states.c.domain, ROUTES.until, ROUTES.tried_at).where(
            route_states.c.domain.in_(sa.bindparam("domains", expanding=True)), ROUTES.until.is_not(None)
        )
    )
)


@cache
def probing(kind: Kind) -> Prepared:
    now = sa.bindparam("now", type_=Instant)
    values = {kind.until: sa.bindparam("until", type_=Instant), kind.tried_at: now}
    return Prepared(sa.update(kind.table).where(the_one(kind), kind.until <= now).values(values))


@cache
def adding(kind: Kind) -> PreparedInsert:
    key = tuple(column.name for column in kind.key)
    return PreparedInsert(kind.table, (*key, kind.strikes.name, "why", "since"), unless=key)


def chosen(kind: Kind) -> sa.Select[Any]:
    columns = kind.strikes.label("strikes"), kind.until.label("until"), kind.tried_at, kind.counts_from, kind.table.c.why
    return sa.select(*columns).where(the_one(kind))


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
        kind.counts_from: sa.bindparam("counting", type_=Instant),
        kind.table.c.why: sa.bindparam("words", type_=sa.String),
        kind.table.c.since: sa.func.coalesce(kind.table.c.since, now),
    }
    return Prepared(sa.update(kind.table).where(the_one(kind)).values(values))


@cache
def recovering(kind: Kind) -> Prepared:
    has_rested = kind.counts_from <= sa.bindparam("marked", type_=Instant)
    theirs = sa.and_(the_one(kind), sa.or_(kind.counts_from.is_(None), has_rested))
    if kind.forgives:
        return Prepared(sa.delete(kind.table).where(theirs))
    return Prepared(sa.update(kind.table).where(theirs, kind.until.is_not(None)).values({kind.until: None, "since": None}))
