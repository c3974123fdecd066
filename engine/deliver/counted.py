"""What operators are told of deliveries, a batch at a time.

Before: `engine.deliver.send` has committed what it did, a failed commit is not counted. After: `engine.metrics`.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from engine import metrics
from engine.deliver.gate import Marked
from engine.deliver.load import Loaded
from engine.deliver.trouble import Flown
from engine.deliver.wire import Accepted, Deferred, NoAnswer, NotBegun, OurFault, Outcome, PerhapsSent, Refused, Stopped
from engine.vocabulary import Reason

NAMES: dict[type[Outcome], str] = {
    Accepted: "accepted",
    Deferred: "deferred",
    Refused: "refused",
    NoAnswer: "unknown",
    NotBegun: "not_begun",
    OurFault: "not_begun",
    Stopped: "stopped",
    PerhapsSent: "unknown",
}


def count_marked(marked: Marked) -> None:
    for (stream, is_again), number in Counter((send.stream, send.attempts > 0) for send in marked.through).items():
        metrics.marks(stream, "yes" if is_again else "no").inc(number)
    count_stopped([(send, why.reason) for send, why in marked.held])


def count_stopped(stopped: Sequence[tuple[Loaded, Reason]]) -> None:
    for send, reason in stopped:
        metrics.stopped(send.stream, reason).inc()


def count_flown(flown: Sequence[Flown], now: datetime) -> None:
    """`now`: when the outcomes were recorded, by the clock by which mails are due."""
    for (stream, relay, kind), number in Counter((one.send.stream, one.relay, type(one.outcome)) for one in flown).items():
        metrics.mails(stream, relay, NAMES[kind]).inc(number)
    for one in flown:
        if type(one.outcome) is Accepted and one.send.due_at is not None:
            metrics.due_to_accepted(one.send.stream).observe((now - one.send.due_at).total_seconds())
