"""What Prometheus is told that nobody counts as it happens: how the ledger stands, how the receiver's journal does.

Before: `engine.processes.ops` is asked for `/metrics`. After: what is true now, or was a few seconds ago: the ledger is read when
somebody asks, every five seconds at most. While it cannot be read its gauges are missing and `handraiser_ledger_answers` is 0.
"""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from engine import __version__
from engine.claim import NOUNS
from engine.processes.glance import Glance
from engine.processes.health import Health
from engine.processes.standing import Standing
from engine.processes.ways import RelayState
from engine.render.fence import FENCE
from webhooks.receiver import Receiver

PATIENCE = 3.0  # seconds; Prometheus itself waits for ten
NOTHING_ASIDE = dict.fromkeys(NOUNS, 0)


class Gauges(Collector):
    """Of one process."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering does not ask the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield gauge("handraiser_ready", "1: the process has what it needs, as /ready says", not self._health.why_not_ready())
        yield labelled("handraiser_info", "The version that runs", "version", {__version__: 1})
        ends = CounterMetricFamily("handraiser_render_ends", "Children that render and ended over a mail", labels=["why"])
        for why, number in FENCE.ends.items():
            ends.add_metric([why], number)
        yield ends
        if self._health.receiver is not None:
            yield from of_receiver(self._health.receiver)
        found = self._health.ledger.found(patience=PATIENCE)
        yield gauge("handraiser_ledger_answers", "1: the figures of the ledger are there", found is not None)
        if found is not None:
            yield from of_ledger(found.standing)
            yield from of_ways(found)


def of_receiver(receiver: Receiver) -> Iterator[Metric]:
    standing = receiver.drainer.standing()
    behind = 0.0 if standing.oldest_at is None else max(0.0, (receiver.clock.now() - standing.oldest_at).total_seconds())
    yield gauge("handraiser_journal_lines", "What was received and is not in the database yet", standing.waiting)
    yield gauge("handraiser_journal_bytes", "Bytes of the journal on the disk", receiver.journal.size)
    yield gauge("handraiser_journal_oldest_seconds", "How long the oldest of it has waited", behind)
    yield CounterMetricFamily("handraiser_requests_lost", "Opens and clicks that could not be kept", receiver.lost)


def of_ledger(found: Standing) -> Iterator[Metric]:
    lanes = found.lanes.items()
    late = {lane: waiting.late_by(found.now).total_seconds() for lane, waiting in lanes}
    yield labelled(
        "handraiser_due", "Rows that are due and not begun, 10,000 at most", "lane", {lane: due.rows for lane, due in lanes}
    )
    yield labelled("handraiser_oldest_due_seconds", "How long the first of them has been due", "lane", late)
    put_off = found.awaited_put_off
    yield gauge("handraiser_awaited_put_off", "Mails that somebody waits for and that may not go yet", put_off.rows)
    yield gauge(
        "handraiser_awaited_put_off_seconds",
        "Since when the first of them was asked for",
        put_off.late_by(found.now).total_seconds(),
    )
    yield gauge("handraiser_attempting", "Mails that are being handed over", found.attempting)
    yield gauge("handraiser_unknown", "Mails of which nobody knows whether they arrived, not settled yet", found.unknown)
    yield gauge("handraiser_unknown_lately", "Those of them that became so in the last day", found.unknown_lately)
    yield labelled("handraiser_set_aside", "Rows that wait for a person", "noun", {**NOTHING_ASIDE, **found.set_aside})
    kinds = [one.kind for one in found.working]
    yield labelled("handraiser_workers", "Processes that have their lease", "kind", {kind: kinds.count(kind) for kind in kinds})


def of_ways(found: Glance) -> Iterator[Metric]:
    left_alone = {relay.name: relay.state == RelayState.LEFT_ALONE for relay in found.relays}
    yield labelled("handraiser_relay_left_alone", "1: it is in trouble, and nobody goes near it for now", "relay", left_alone)
    lacking = {relay.name: len(found.without_address.get(relay.name, ())) for relay in found.relays}
    yield labelled("handraiser_relay_without_address", "Processes that send and have no address of it", "relay", lacking)
    yield gauge(
        "handraiser_domains_left_alone",
        "Recipient domains that turn our mail away for now",
        len({each.domain for each in found.domains}),
    )
    yield gauge("handraiser_pauses", "What a person holds back", len(found.held_back))
    yield gauge("handraiser_clock_hold", "1: marketing is held since the clock jumped", found.hold is not None)


def gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value)


def labelled(name: str, words: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, words, labels=[label])
    for said, value in values.items():
        family.add_metric([said], value)
    return family
