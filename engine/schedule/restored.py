"""A database that is a copy, or older than the mail that was sent: noticed before anything is claimed, and held until told.

Before: a process starts, with what stands outside the database (`engine.witness`). After: nothing goes out until
`handraiser resume restored`. What the lost world sent names rows by ids, in links and answers that still come in; so no id that
it may have used is ever used again.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from engine.claim import CLAIMED, NOUNS, in_state, reopened
from engine.database import Tx
from engine.installation import first_said, installation_id, is_same_place, place_of, said, say
from engine.pauses import WHOLE
from engine.prepared import Prepared
from engine.schedule.catch_up import LAST_AT_WORK
from engine.schedule.pause import pause, resume
from engine.schema import enrolments, events, handoffs, installation, leads, plans, posts, sends, tasks, touches
from engine.vocabulary import PauseKind
from engine.witness import Witness

log = logging.getLogger(__name__)

PLACE = "where this database lies"
HELD = "held as restored"
GIVEN_UP = "marks up to then are of a world that was given up"
NAMED_OUTSIDE = (sends, events, enrolments, touches, handoffs, tasks, posts)
LEAP = 1_000_000  # more than is made between a mark and its witness
NEWEST = 100  # sends that are looked through for a sign of life


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """`snapshot_at`: the last sign of life in the database, about when the copy was made. `held_at`: since when we hold."""

    because: str
    snapshot_at: datetime
    held_at: datetime


def hold_if_restored(tx: Tx, witnesses: Sequence[Witness]) -> Restored | None:
    """Why everything is held: by what is noticed now, or was before. None: this database is what it was."""
    first_said(tx, PLACE, place_of(tx))
    known = restored(tx)
    if known is not None:
        return known
    because = "; ".join(doubts(tx, witnesses))
    return hold(tx, because, witnesses) if because else None


def doubts(tx: Tx, witnesses: Sequence[Witness]) -> Iterator[str]:
    """What speaks against it, in words."""
    place = place_of(tx)
    was = said(tx, PLACE) or place
    if not is_same_place(was, place):
        yield f"it is a copy: it was {was} and is {place}"
    for witness in newest_first(tx, witnesses):
        if not knows(tx, witness):
            yield f"it does not know of mail {witness.send_id}, which went out on {witness.at:%a %d %b at %H:%M:%S} UTC"
            return


def newest_first(tx: Tx, witnesses: Sequence[Witness]) -> list[Witness]:
    """Those that speak of this installation, and of a world that was not given up."""
    own, text = installation_id(tx), said(tx, GIVEN_UP)
    given_up = datetime.fromisoformat(text) if text else None
    ours = [each for each in witnesses if each.installation == own and (given_up is None or each.at > given_up)]
    return sorted(ours, key=lambda each: each.at, reverse=True)


def knows(tx: Tx, witness: Witness) -> bool:
    """Whether it was marked then, or again since."""
    return bool(MARKED.rows(tx, send_id=witness.send_id, at=witness.at))


def hold(tx: Tx, because: str, witnesses: Sequence[Witness]) -> Restored | None:
    if pause(tx, PauseKind.RESTORED, note=because):
        noted = {"because": because, "snapshot_at": last_sign_of_life(tx).isoformat(), "held_at": tx.now.isoformat()}
        say(tx, HELD, json.dumps(noted))
        leap(tx, max((each.send_id for each in witnesses), default=0))
        open_all_claimed(tx)
        log.error(
            "nothing goes out: this database may be older than the mail that was sent, for %s. What to do is told by "
            "`handraiser resume --help`", because,
        )  # fmt: skip
    return restored(tx)


def restored(tx: Tx) -> Restored | None:
    text = said(tx, HELD)
    if text is None:
        return None
    noted = json.loads(text)
    return Restored(
        because=noted["because"],
        snapshot_at=datetime.fromisoformat(noted["snapshot_at"]),
        held_at=datetime.fromisoformat(noted["held_at"]),
    )


def last_sign_of_life(tx: Tx) -> datetime:
    """What this database saw last, to the minute; before its first mail, who came in last."""
    newest = sa.select(sends.c.attempting_at).order_by(sends.c.id.desc()).limit(NEWEST)
    signs = [row.attempting_at for row in tx.run(newest) if row.attempting_at is not None]
    if (ran := said(tx, LAST_AT_WORK)) is not None:
        signs.append(datetime.fromisoformat(ran))
    if not signs:
        newest_of = (plans.c.applied_at, leads.c.updated_at, enrolments.c.created_at)
        found = [tx.run(sa.select(sa.func.max(column))).scalar() for column in newest_of]
        signs = [each for each in found if each is not None]
    return min(max(signs, default=tx.now), tx.now)


def leap(tx: Tx, beyond: int) -> None:
    """New rows get ids that no lost world, and none that still runs beside us, has given: the milliseconds since 1970 run ahead
    of whoever makes fewer than a thousand rows a second all his life, wherever he began.
    """
    for table in NAMED_OUTSIDE:
        highest = tx.run(sa.select(sa.func.max(table.c.id))).scalar() or 0
        first = max(int(tx.now.timestamp() * 1_000), highest, beyond) + LEAP
        for statement in FIRST_ON_SQLITE if tx.is_sqlite else FIRST_ON_POSTGRES:
            tx.run(statement, {"name": table.name, "first": first})


def open_all_claimed(tx: Tx) -> None:
    """Jobs of the lost world may still lie in a queue: none of them finds its rows."""
    for noun in NOUNS.values():
        tx.run(sa.update(noun.table).where(in_state(noun.table, CLAIMED)).values(reopened(noun)))


def accept(tx: Tx, *, lived_until: datetime | None) -> None:
    """This database is what there is, from now on. `lived_until`: until when all was lived through; None: nothing was lost."""
    say(tx, PLACE, place_of(tx))
    say(tx, GIVEN_UP, tx.now.isoformat())
    if lived_until is not None:
        say(tx, LAST_AT_WORK, lived_until.isoformat())
    tx.run(sa.delete(installation).where(installation.c.name == HELD))
    resume(tx, PauseKind.RESTORED, WHOLE)


MARKED = Prepared(sa.select(sends.c.id).where(sends.c.id == sa.bindparam("send_id"), sends.c.attempting_at >= sa.bindparam("at")))
FIRST_ON_POSTGRES = (sa.text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :first)"),)
FIRST_ON_SQLITE = (
    sa.text("DELETE FROM sqlite_sequence WHERE name = :name"),
    sa.text("INSERT INTO sqlite_sequence VALUES (:name, :first)"),
)
