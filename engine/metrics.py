"""What a process counts and times for Prometheus, on one page: each metric, its labels and its buckets.

Before: whoever does the work says so here, a batch at a time, since a label is looked up once and not for each mail. After:
`engine.processes.ops` shows it at `/metrics`; docs/metrics.md says what each means and when to worry. No label holds anything of
a person, and each has a handful of values.
"""

from functools import cache
from time import perf_counter
from types import TracebackType

from prometheus_client import Counter, Histogram, disable_created_metrics

from engine.vocabulary import Reason, Stream

disable_created_metrics()  # type: ignore[no-untyped-call]  # when each was begun: as many lines again, of no use to Prometheus
SHORT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
PATIENT = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 86_400)

MAILS = Counter("handraiser_mails", "Mails that were handed to a relay, by what came of it", ["stream", "relay", "outcome"])
DUE_TO_ACCEPTED = Histogram(
    "handraiser_due_to_accepted_seconds", "From when a mail was due until a relay had taken it", ["stream"], buckets=PATIENT
)
MARKS = Counter("handraiser_marks", "Mails that were marked as about to be handed over; again: not for the first time",
                ["stream", "again"])  # fmt: skip
STOPPED = Counter("handraiser_stopped", "Mails that the look before the mark stopped or put off", ["stream", "reason"])
PHASE_SECONDS = Histogram(
    "handraiser_phase_seconds",
    "What a batch of mails spent in each phase: load, write, mark, fly, record",
    ["phase"],
    buckets=SHORT,
)
SMTP_SECONDS = Histogram(
    "handraiser_smtp_seconds", "A mail, from when a connection takes it along until its answer", ["relay"], buckets=SHORT
)
CONNECTIONS = Counter("handraiser_connections", "Connections to relays: opened, failed", ["relay", "outcome"])
CLAIMED = Counter("handraiser_claimed", "Rows that a dispatcher claimed and published", ["lane"])
LOST = Counter("handraiser_lost", "Rows that a queue or a worker lost and that are due again", ["noun"])
ROUND_SECONDS = Histogram("handraiser_round_seconds", "One look of a dispatcher at all lanes", buckets=SHORT)
ROUNDS_FAILED = Counter("handraiser_rounds_failed", "Looks of a dispatcher that failed; the next is a second later")
JOBS = Counter("handraiser_jobs", "Jobs that this process carried out", ["lane", "outcome"])
JOB_SECONDS = Histogram("handraiser_job_seconds", "One job of up to 128 rows", ["lane"], buckets=SHORT)
POSTS = Counter("handraiser_posts", "Posts to other systems, by what came of it", ["outcome"])
REQUESTS = Counter("handraiser_requests", "Requests that the receiver answered", ["page", "status"])
REQUEST_SECONDS = Histogram("handraiser_request_seconds", "One request to the receiver", ["page"], buckets=SHORT)

for stream in Stream:  # Prometheus sees no growth of what was not there before
    for outcome in ("accepted", "deferred", "refused", "unknown"):
        MAILS.labels(stream, "main", outcome)
    STOPPED.labels(stream, Reason.TEMPLATE_ERROR)

# With the labels looked up once: a lookup costs more than the counting.
mails, marks, stopped, requests = cache(MAILS.labels), cache(MARKS.labels), cache(STOPPED.labels), cache(REQUESTS.labels)
due_to_accepted, phase_seconds = cache(DUE_TO_ACCEPTED.labels), cache(PHASE_SECONDS.labels)
job_seconds, request_seconds = cache(JOB_SECONDS.labels), cache(REQUEST_SECONDS.labels)


class Timed:
    """Observes how long a block took, however it ended. Cheaper than the library's own, which also serves as a decorator."""

    __slots__ = ("_began", "_histogram")

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._histogram.observe(perf_counter() - self._began)


def in_phase(phase: str) -> Timed:
    """A block that is one of the phases of a batch."""
    return Timed(phase_seconds(phase))
