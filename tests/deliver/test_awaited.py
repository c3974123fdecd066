"""Mail that somebody waits for, made late by our outage or a server's: what `valid_for:` and `late:` in an email.yaml do."""

import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from engine.cli.lead_story import story_of
from engine.cli.status_lines import Status, lines_of
from engine.clock import VirtualClock
from engine.compiler.plan import Promptness
from engine.database import Database, Tx
from engine.deliver.send import deliver
from engine.deliver.transactional import request_email
from engine.leads import load_leads
from engine.processes.glance import glance
from engine.processes.totals import totals
from engine.schema import sends
from engine.simulate.sink import Sink
from engine.simulate.sink_rules import Fault, Phase, Rule
from engine.spans import parse_span
from engine.vocabulary import Late, Reason, SendState
from tests.deliver.given import add_workspace, runtime_over, send_of
from tests.deliver.test_send import LEASE, claim_again
from tests.factories import add_event, add_lead

HOUR = timedelta(hours=1)
SKIP = Promptness(valid_for=parse_span("2 hours"), late=Late.SKIP)
SEND = Promptness(valid_for=parse_span("2 hours"), late=Late.SEND)


def an_order(tx: Tx, promptness: Promptness | None, *, told_late_by: timedelta = timedelta(0)) -> int:
    add_workspace(tx, promptness=promptness)
    lead_id = add_lead(tx)
    said = {"data": {"number": "A-1"}, "personal": {"ship_to": "1 Mill Lane"}}
    event_id = add_event(tx, type="order_placed", lead_id=lead_id, occurred_at=tx.now - told_late_by, **said)
    claim = request_email(tx, event_id, "order_placed", lead_id, lease=LEASE)
    assert claim is not None
    return claim[0]


@pytest.fixture
def after(database: Database, clock: VirtualClock, tmp_path: Path) -> Callable[..., str]:
    """The fate of an order's mail that is delivered so long after the order."""

    def deliver_after(hours: float, promptness: Promptness | None, told_late_by: timedelta = timedelta(0)) -> str:
        with database.write() as tx:
            send_id = an_order(tx, promptness, told_late_by=told_late_by)
        clock.move_to(clock.now() + hours * HOUR)
        with runtime_over(database, Sink(), tmp_path) as runtime:
            deliver(runtime, [claim_again(database, send_id)])
        send = send_of(database, send_id)
        return " ".join(str(part) for part in (send.state, send.reason, send.waited_for) if part)

    return deliver_after


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("hours", "promptness", "fate"),
    [(1.9, SKIP, "accepted"), (2.1, SKIP, "cancelled late"), (2.1, SEND, "accepted late"), (50, None, "accepted")],
)
def test_a_mail_later_than_it_is_of_use_is_skipped_or_goes_all_the_same(
    hours: float, promptness: Promptness | None, fate: str, after: Callable[..., str]
) -> None:
    assert after(hours, promptness) == fate


def test_lateness_counts_from_what_happened_not_from_when_we_were_told(after: Callable[..., str]) -> None:
    assert after(0, SKIP, told_late_by=3 * HOUR) == "cancelled late"


def test_a_server_that_puts_us_off_for_too_long_makes_it_late_too(database, clock, tmp_path):
    with database.write() as tx:
        send_id = an_order(tx, SKIP)
    sink = Sink(rules=[Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=451, text="4.7.1 try later")])

    fates = []
    with runtime_over(database, sink, tmp_path) as runtime:
        for _ in range(3):
            deliver(runtime, [claim_again(database, send_id)])
            fates.append((send_of(database, send_id).state, send_of(database, send_id).reason))
            clock.move_to(clock.now() + 1.5 * HOUR)

    assert fates == [(SendState.READY, Reason.TEMPORARY), (SendState.READY, Reason.TEMPORARY), (SendState.CANCELLED, Reason.LATE)]


def test_a_mail_that_may_be_there_already_is_not_called_cancelled(database, clock, tmp_path):
    with database.write() as tx:
        send_id = an_order(tx, SKIP)
    sink = Sink(rules=[Rule(phase=Phase.ACCEPTED, fault=Fault.DROP, times=1)])

    with runtime_over(database, sink, tmp_path) as runtime:
        deliver(runtime, [claim_again(database, send_id)])
        clock.move_to(clock.now() + 3 * HOUR)
        deliver(runtime, [claim_again(database, send_id)])

    assert (send_of(database, send_id).state, send_of(database, send_id).reason) == (SendState.UNKNOWN, Reason.LATE)
    assert sink.kept == 1


@pytest.mark.parametrize(
    ("promptness", "counted"), [(SKIP, "0 went out all the same, 1 did not"), (SEND, "1 went out all the same, 0 did not")]
)
def test_the_operator_hears_of_it_and_so_does_who_asks_about_the_person(promptness, counted, after, database, caplog):
    with caplog.at_level(logging.WARNING):
        after(3, promptness)

    assert "mail that somebody waits for is later than it is of use" in caplog.text
    with database.read() as tx:
        stands = Status(glance=glance(tx), totals=totals(tx), broker_answers=None)
        assert any(line.startswith("LOOK: ") and line.endswith(counted) for line in lines_of(stands))
        lead = load_leads(tx, [tx.run(sends.select()).one().lead_id])
        (mail,) = story_of(tx, next(iter(lead.values()))).mail
    assert mail.because == ("it was later than its `valid_for:` allows",)
