"""What follows from each answer of a mail server: one table, and how long to wait.

Pure. Before: the wire returned an outcome. After: `engine.deliver.record` writes what is said here. Codes are RFC 5321's, the
enhanced ones RFC 3463's.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import assert_never

from engine.deliver.wire import Accepted, Deferred, NoAnswer, NotBegun, Outcome, PerhapsSent, Refused, Stopped
from engine.vocabulary import Reason, SendState, Stream

MINUTE = timedelta(minutes=1)
# After the first, second, … temporary refusal of this recipient; then every four hours.
RECIPIENT_WAITS = tuple(minutes * MINUTE for minutes in (5, 15, 30, 60, 120, 240))
# After the relay itself was away or would not have us: nobody's mail is at fault, so look again soon.
RELAY_WAITS = tuple(minutes * MINUTE for minutes in (0.5, 1, 2, 5, 10, 30))
JITTER = 0.2
TRY_FOR = timedelta(hours=72)
TRY_AT_LEAST = 12  # a mail that a cap or a window held for days still gets its attempts
ASK_AGAIN_AFTER = 2 * MINUTE

ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
# The address itself is bad. All of 5.7 speaks about us, 5.2 about a mailbox that may heal, 5.6.7 about the relay.
DEAD_ADDRESS = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.10"})
NO_MAIL_THERE = 556  # the domain takes none, and says so in the DNS (RFC 7504, RFC 7505)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """A send that was on the wire. `attempts` and `unknowns` count those before this one."""

    send_id: int
    stream: Stream
    attempts: int
    unknowns: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of a send. `wait`: how long until it may be tried again; None where it may not. `counts` as an attempt."""

    state: SendState
    reason: Reason | None = None
    wait: timedelta | None = None
    counts: bool = True
    unknowns: int = 0


OF_A_LOST_WORLD = Fate(state=SendState.UNKNOWN, reason=Reason.RESTORED, unknowns=1)


def fate_of(outcome: Outcome, send: Attempted, now: datetime) -> Fate:
    """The policy for every outcome."""
    match outcome:
        case Accepted():
            return Fate(state=SendState.ACCEPTED)
        case Refused():
            return Fate(state=SendState.REFUSED, reason=Reason.PERMANENT)
        case Deferred() if is_given_up(send, now):
            return Fate(state=SendState.REFUSED, reason=Reason.TOO_OLD)
        case Deferred():
            return Fate(state=SendState.READY, reason=Reason.TEMPORARY, wait=wait_after(outcome, send))
        case NoAnswer():
            return without_answer(send, Reason.NO_ANSWER)
        case NotBegun():
            return Fate(state=SendState.READY, wait=timedelta(0), counts=False)
        case Stopped():
            return Fate(state=SendState.CANCELLED, reason=Reason.SUPPRESSED, counts=False)
        case PerhapsSent():
            return OF_A_LOST_WORLD
    assert_never(outcome)


def without_answer(send: Attempted, reason: Reason) -> Fate:
    """Marketing is never sent again. What somebody waits for is sent once more, byte for byte, so that a receiver can drop
    the copy; then nobody can know.
    """
    if send.stream == Stream.MARKETING or send.unknowns > 0:
        return Fate(state=SendState.UNKNOWN, reason=reason, unknowns=1)
    return Fate(state=SendState.READY, reason=Reason.UNKNOWN_ONCE, wait=ASK_AGAIN_AFTER, unknowns=1)


def is_given_up(send: Attempted, now: datetime) -> bool:
    return now - send.created_at >= TRY_FOR and send.attempts + 1 >= TRY_AT_LEAST


def wait_after(deferral: Deferred, send: Attempted) -> timedelta:
    """Longer each time, and a little different for each send, so that what failed together is not tried together."""
    waits = RELAY_WAITS if is_about_relay(deferral) else RECIPIENT_WAITS
    wait = waits[min(send.attempts, len(waits) - 1)]
    return wait * (1 + JITTER * Random(send.send_id * 1_000 + send.attempts).uniform(-1, 1))


def is_about_relay(deferral: Deferred) -> bool:
    """No connection, a closing one, or a permanent no to MAIL or AUTH, which became a deferral."""
    return deferral.code is None or deferral.code == 421 or deferral.code >= 500


def enhanced_code(reply: str) -> str | None:
    found = ENHANCED.match(reply)
    return found.group(1) if found else None


def is_dead_address(refused: Refused) -> bool:
    """Whether nobody will ever be reached there. A refusal without an enhanced code may mean anything, so it does not."""
    return enhanced_code(refused.reply) in DEAD_ADDRESS or refused.code == NO_MAIL_THERE
