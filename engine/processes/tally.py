"""How many mails went out lately: each process writes down, every few seconds, what it has counted in a minute.

Before: `engine.deliver.counted` counts. After: `handraiser status` says the rates, and how many went today, without reading
millions of rows. The ledger alone is exact: a process that is killed takes its last seconds of this with it.
"""

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa

from engine.beside import beside
from engine.database import Database, Tx
from engine.log import Trouble
from engine.metrics import MAILS
from engine.schema import tallies
from engine.sql import insert
from engine.vocabulary import SendState

log = logging.getLogger(__name__)

EVERY_SECONDS = 5
KEPT = timedelta(days=2)
A_MINUTE, AN_HOUR = timedelta(minutes=1), timedelta(hours=1)
Key = tuple[str, str, str]  # stream, relay, outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Mails that were accepted, by stream: in the last whole minute, the last hour and since midnight; and today's by relay."""

    minute: Mapping[str, int]
    hour: Mapping[str, int]
    today: Mapping[str, int]
    today_by_relay: Mapping[str, int]


def keeping_tally(database: Database, worker_id: str) -> AbstractContextManager[None]:
    """Do it on a thread of its own while the block lasts, and once more at its end."""
    return beside(partial(keep_tally, database, worker_id), name="tally")


def keep_tally(database: Database, worker_id: str, stop: threading.Event) -> None:
    """What the process counted before is not this one's to tell."""
    told = counted()
    failing = Trouble(log, "could not write down how many mails went out; it will be tried again")
    while True:
        is_over = stop.wait(EVERY_SECONDS)
        now_counted = counted()
        try:
            write_down(database, worker_id, now_counted - told)
            told = now_counted
            failing.over()
        except sa.exc.SQLAlchemyError as error:
            failing.tell(error)
        if is_over:
            return


def counted() -> Counter[Key]:
    samples = (sample for metric in MAILS.collect() for sample in metric.samples if sample.name.endswith("_total"))
    return Counter(
        {(sample.labels["stream"], sample.labels["relay"], sample.labels["outcome"]): int(sample.value) for sample in samples}
    )


def write_down(database: Database, worker_id: str, fresh: Mapping[Key, int]) -> None:
    """Add to the row of this minute, and forget what is too old to be asked for."""
    if not fresh:
        return
    with database.write() as tx:
        minute = tx.now.replace(second=0, microsecond=0)
        own = {"minute": minute, "worker_id": worker_id}
        rows = [
            own | {"stream": stream, "relay": relay, "outcome": outcome, "mails": mails}
            for (stream, relay, outcome), mails in fresh.items()
        ]
        adding = insert(tx, tallies)
        more = {"mails": tallies.c.mails + adding.excluded.mails}
        tx.run(adding.on_conflict_do_update(index_elements=[*tallies.primary_key], set_=more), rows)
        tx.run(sa.delete(tallies).where(tallies.c.minute < tx.now - KEPT))


def rates(tx: Tx, midnight: datetime) -> Rates:
    this_minute = tx.now.replace(second=0, microsecond=0)
    return Rates(
        minute=accepted(tx, tallies.c.stream, this_minute - A_MINUTE, this_minute),
        hour=accepted(tx, tallies.c.stream, tx.now - AN_HOUR),
        today=accepted(tx, tallies.c.stream, midnight),
        today_by_relay=accepted(tx, tallies.c.relay, midnight),
    )


def accepted(tx: Tx, by: sa.Column[str], since: datetime, until: datetime | None = None) -> dict[str, int]:
    chosen = (
        sa.select(by, sa.func.sum(tallies.c.mails).label("mails"))
        .where(tallies.c.outcome == SendState.ACCEPTED, tallies.c.minute >= since)
        .group_by(by)
        .order_by(by)
    )
    if until is not None:
        chosen = chosen.where(tallies.c.minute < until)
    return {row[0]: int(row.mails) for row in tx.run(chosen)}
