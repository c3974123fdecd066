"""What follows from the outcome of a post: over, over and failed, or tried again. The one table of it. Pure.

Before: `engine.posts.wire` has an outcome. After: `engine.posts.send` records the fate.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.posts.wire import Answered, Forbidden, PostOutcome, Unreachable
from engine.vocabulary import PostState, Reason

TRIED_FOR = timedelta(days=3)
WAITS = (
    timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=30),
    timedelta(hours=1), timedelta(hours=2), timedelta(hours=4), timedelta(hours=8),
)  # fmt: skip
LONGEST_WAIT = timedelta(days=1)  # that we let a receiver ask for
MAY_HEAL = (408, 425, 429)  # and every 5xx


@dataclass(frozen=True, slots=True, kw_only=True)
class PostFate:
    """`wait`: until it is tried again; None: it is over."""

    state: PostState
    reason: Reason | None
    wait: timedelta | None = None


def fate_of(outcome: PostOutcome, *, attempts: int, created_at: datetime, now: datetime) -> PostFate:
    """`attempts`: this one included."""
    match outcome:
        case Forbidden():
            return PostFate(state=PostState.FAILED, reason=Reason.FORBIDDEN)
        case Answered() if 200 <= outcome.status < 300:
            return PostFate(state=PostState.DONE, reason=None)
        case Answered() if outcome.status < 500 and outcome.status not in MAY_HEAL:  # a redirect among them: not followed
            return PostFate(state=PostState.FAILED, reason=Reason.REJECTED)
        case Answered() | Unreachable():
            return try_again(wait_after(outcome, attempts), created_at=created_at, now=now)


def wait_after(outcome: Answered | Unreachable, attempts: int) -> timedelta:
    asked = outcome.retry_after if isinstance(outcome, Answered) else None
    own = WAITS[min(attempts, len(WAITS)) - 1]
    return own if asked is None else max(own, min(timedelta(seconds=asked), LONGEST_WAIT))


def try_again(wait: timedelta, *, created_at: datetime, now: datetime) -> PostFate:
    if now + wait - created_at > TRIED_FOR:
        return PostFate(state=PostState.FAILED, reason=Reason.TOO_OLD)
    return PostFate(state=PostState.READY, reason=Reason.TEMPORARY, wait=wait)
