"""What was written by a clock that was ahead, once it is right again: nothing waits for instants that are days away by mistake.

Before: `engine.processes.clock_watch` sees that the clock came back. After: what lies further ahead than it ever may is due, or
free, within minutes. To be asked early does no harm: a relay or a domain that is still in trouble sends its mail away again.
"""

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from engine.claim import CLAIMED, NOUNS, POST, REACTION
from engine.database import Tx
from engine.schema import domain_states, posts, reactions, relay_states, route_states, sends, workers
from engine.settings import LONGEST_LEASE
from engine.vocabulary import Reason, SendState

HOUR = timedelta(hours=1)
TO_RENEW = timedelta(minutes=2)  # in which everybody who lives has renewed its lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """A column of rows of a kind: how far ahead it may lie at most, and how far it is set ahead of now where it lies beyond."""

    column: sa.Column[object]
    longest: timedelta
    then: timedelta = timedelta(0)
    where: tuple[sa.ColumnElement[bool], ...] = ()


def waits_for(reason: Reason, longest: timedelta) -> Instant:
    return Instant(column=sends.c.due_at, longest=longest, where=(sends.c.state == SendState.READY, sends.c.reason == reason))


INSTANTS = (
    waits_for(Reason.TEMPORARY, 5 * HOUR),  # four, and a fifth longer
    waits_for(Reason.RELAY_AWAY, 5 * HOUR),
    waits_for(Reason.NO_RELAY, HOUR),
    waits_for(Reason.DOMAIN_PAUSED, 15 * HOUR),
    waits_for(Reason.PACED, 15 * HOUR),
    waits_for(Reason.WARM_UP, 48 * HOUR),
    Instant(column=sends.c.attempting_at, longest=HOUR, where=(sends.c.state == SendState.ATTEMPTING,)),
    Instant(column=posts.c.due_at, longest=25 * HOUR, where=(posts.c.state == POST.open_state,)),
    Instant(column=reactions.c.due_at, longest=HOUR, where=(reactions.c.state == REACTION.open_state,)),
    Instant(column=relay_states.c.open_until, longest=5 * HOUR),
    Instant(column=relay_states.c.tried_at, longest=HOUR),
    Instant(column=relay_states.c.counts_from, longest=5 * HOUR),
    Instant(column=route_states.c.open_until, longest=15 * HOUR),
    Instant(column=route_states.c.tried_at, longest=HOUR),
    Instant(column=route_states.c.counts_from, longest=15 * HOUR),
    Instant(column=domain_states.c.paced_until, longest=3 * HOUR),
    Instant(column=domain_states.c.queued_until, longest=15 * HOUR),
    Instant(column=workers.c.lease_until, longest=LONGEST_LEASE + HOUR, then=TO_RENEW),
    *(
        Instant(
            column=noun.table.c.lease_until, longest=LONGEST_LEASE + HOUR, then=TO_RENEW, where=(noun.table.c.state == CLAIMED,)
        )
        for noun in NOUNS.values()
    ),
)


def bring_back(tx: Tx) -> int:
    """How many instants were too far ahead."""
    return sum(brought_back(tx, instant) for instant in INSTANTS)


def brought_back(tx: Tx, instant: Instant) -> int:
    column = instant.column
    too_far = sa.update(column.table).where(column > tx.now + instant.longest, *instant.where)
    return tx.run(too_far.values({column.name: tx.now + instant.then})).rowcount
