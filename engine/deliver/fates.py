"""What becomes of a mail after its attempt, how long it waits for the next one, and when that is too long.

Pure. Before: the wire returned an outcome, and `engine.deliver.replies` knows what it is about; or the gate held a mail back.
After: `engine.deliver.record` writes what is said here.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import assert_never

from engine.deliver.replies import MINUTE, POLICIES, About, Mail, Policy, about, where_said
from engine.deliver.wire import Accepted, Deferred, NoAnswer, NotBegun, OurFault, Outcome, PerhapsSent, Refused, Stopped
from engine.vocabulary import Reason, SendState, Stream

# After the first, second, … temporary refusal, then every four hours. A server that makes strangers wait for 300 seconds has the
# mail within a quarter of an hour, whatever the spread.
WAITS = tuple(minutes * MINUTE for minutes in (5, 7, 15, 30, 60, 120, 240))
SOON = timedelta(seconds=5)  # until the gate says by which relay, or when
JITTER = 0.2
TRY_FOR = timedelta(hours=72)
TRY_AT_LEAST = 12  # a mail that a cap or a window held for days still gets its attempts
ASK_AGAIN_AFTER = 2 * MINUTE
OWN_LIMITS = (Reason.PACED, Reason.WARM_UP)  # whose queues move
HELD_AT_MOST = dict.fromkeys((Reason.RELAY_AWAY, Reason.NO_RELAY, Reason.DOMAIN_PAUSED), timedelta(days=5))  # RFC 5321, 4.5.4.1
HELD_AT_MOST |= dict.fromkeys(OWN_LIMITS, timedelta(days=30))


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
        case Refused() | Deferred():
            return answered(outcome, send, now)
        case NoAnswer():
            return without_answer(send, Reason.NO_ANSWER)
        case NotBegun():
            return Fate(state=SendState.READY, wait=timedelta(0), counts=False)
        case OurFault():
            return put_off(send, now)
        case Stopped():
            return Fate(state=SendState.CANCELLED, reason=Reason.SUPPRESSED, counts=False)
        case PerhapsSent():
            return OF_A_LOST_WORLD
    assert_never(outcome)


def answered(outcome: Refused | Deferred, send: Attempted, now: datetime) -> Fate:
    policy = policy_for(outcome)
    if policy.mail == Mail.WAITS:
        return Fate(state=SendState.READY, reason=Reason.RELAY_AWAY, wait=jittered(SOON, send), counts=False)
    if isinstance(outcome, Refused) and policy.mail == Mail.AS_SAID:
        return Fate(state=SendState.REFUSED, reason=Reason.PERMANENT)
    if is_given_up(send, now):
        return Fate(state=SendState.REFUSED, reason=Reason.TOO_OLD)
    wait = SOON if policy.domain is not None else next_wait(send)
    return Fate(state=SendState.READY, reason=Reason.TEMPORARY, wait=jittered(wait, send))


def put_off(send: Attempted, now: datetime) -> Fate:
    """By a fault of ours: as after a temporary refusal."""
    if is_given_up(send, now):
        return Fate(state=SendState.UNKNOWN if send.unknowns else SendState.CANCELLED, reason=Reason.TOO_OLD)
    return Fate(state=SendState.READY, reason=Reason.TEMPORARY, wait=jittered(next_wait(send), send))


def next_wait(send: Attempted) -> timedelta:
    return WAITS[min(send.attempts, len(WAITS) - 1)]


def policy_for(outcome: Refused | Deferred | NoAnswer) -> Policy:
    if isinstance(outcome, NoAnswer):
        return POLICIES[About.LOST]
    return POLICIES[about(outcome.code, outcome.reply, where_said(outcome.code, outcome.phase))]


def without_answer(send: Attempted, reason: Reason) -> Fate:
    """Marketing is never sent again. What somebody waits for is sent once more, byte for byte, so that a receiver can drop
    the copy; then nobody can know.
    """
    if send.stream == Stream.MARKETING or send.unknowns > 0:
        return Fate(state=SendState.UNKNOWN, reason=reason, unknowns=1)
    return Fate(state=SendState.READY, reason=Reason.UNKNOWN_ONCE, wait=ASK_AGAIN_AFTER, unknowns=1)


def is_given_up(send: Attempted, now: datetime) -> bool:
    return now - send.created_at >= TRY_FOR and send.attempts + 1 >= TRY_AT_LEAST


def held_since(was_since: datetime | None, was_reason: str | None, reason: Reason, now: datetime) -> datetime | None:
    """Since when a mail that is held back for `reason` waits without end in sight. What a person or a cap holds does not age."""
    if reason not in HELD_AT_MOST:
        return None
    is_the_same = (was_reason in OWN_LIMITS) == (reason in OWN_LIMITS)
    return was_since if was_since is not None and is_the_same else now


def is_held_too_long(was_since: datetime | None, was_reason: str | None, reason: Reason, now: datetime) -> bool:
    since = held_since(was_since, was_reason, reason, now)
    return since is not None and now - since >= HELD_AT_MOST[reason]


def jittered(wait: timedelta, send: Attempted) -> timedelta:
    """A little different for each send, so that what failed together is not tried together."""
    return wait * (1 + JITTER * Random(send.send_id * 1_000 + send.attempts).uniform(-1, 1))
