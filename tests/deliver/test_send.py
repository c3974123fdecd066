"""The pipeline over real sockets and a real database: what is claimed is delivered once, or has its reason."""

import email
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.policy import SMTP
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.claim import SEND, take_due
from engine.clock import VirtualClock
from engine.compiler.plan import Offer
from engine.compiler.sender import Sender
from engine.database import Database, Tx
from engine.deliver.load import load_sends
from engine.deliver.places import MARKETING_BATCH, Places
from engine.deliver.record import go_on_behind, record_stopped, settle_lost
from engine.deliver.send import deliver, evenly
from engine.deliver.transactional import request_email
from engine.precedence import A_BIT
from engine.render.artifact import link_table_id
from engine.runtime import Runtime
from engine.schedule.leave import leave, resume, suspend
from engine.schema import bodies, enrolments, events, leads, sends, suppressions, touches, workers
from engine.simulate.sink import Sink
from engine.simulate.sink_rules import Fault, Phase, Rule
from engine.tokens import SendToken, from_address
from engine.versions import live_rules
from engine.vocabulary import Reason, SendState, Stream
from tests.deliver.given import (
    ALWAYS,
    a_cadence,
    add_cadence,
    add_claimed,
    add_internal,
    add_mail,
    add_workspace,
    an_artifact,
    deliver_begun,
    keep_artifact,
    runtime_over,
    send_of,
    touch_of,
)
from tests.factories import TOKENS, add_event, add_lead, add_suppression

Mail = tuple[str, str, bytes]
LEASE = timedelta(minutes=1)


@pytest.mark.both_databases
def test_a_claimed_mail_is_accepted_and_its_passage_goes_on(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        claim = add_mail(tx, add_workspace(tx), worker=None)
    sink = Sink()

    with runtime_over(database, sink, tmp_path) as runtime:
        deliver(runtime, [claim])

    send = send_of(database, claim[0])
    assert (send.state, send.attempts, send.smtp_code, send.worker_id) == (SendState.ACCEPTED, 1, 250, None)
    assert (send.cap_on, send.ended_at) == (send.created_at.date(), send.created_at)
    assert touch_of(database, claim[0]).state == "done"
    assert open_steps(database) == ["lesson-2"]
    assert sink.kept == 1


def test_the_message_carries_its_token_everywhere(database: Database, tmp_path: Path) -> None:
    kept: list[Mail] = []
    with database.write() as tx:
        claim = add_mail(tx, add_workspace(tx))

    with runtime_over(database, Sink(on_message=lambda *mail: kept.append(mail)), tmp_path) as runtime:
        deliver_begun(runtime, [claim])

    sender, _recipient, content = kept[0]
    message = email.message_from_bytes(content, policy=SMTP)
    token = sender.removeprefix("b+").partition("@")[0]
    assert TOKENS.open(from_address(token)) == SendToken(
        send_id=claim[0], link_table_id=table_id(), address_key=send_of(database, claim[0]).address_key
    )
    assert message["Message-ID"] == f"<{token}@reply.clearroom.example>"
    assert message["Reply-To"] == f"r+{token}@reply.clearroom.example"
    assert f"<mailto:u+{token}@reply.clearroom.example>" in message["List-Unsubscribe"]
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Subject"] == "Air in your 3 rooms"
    assert "Dear Ada" in message.get_body(("plain",)).get_content()


def test_a_mail_from_the_rep_is_from_the_owner_until_the_lead_has_one(database: Database, tmp_path: Path) -> None:
    kept: list[Mail] = []
    from_rep = Sender(name="Clearroom", address="hello@clearroom.example", is_rep=True)
    with database.write() as tx:
        add_workspace(tx)
        steps = tuple(replace(step, sender=from_rep) for step in a_cadence(ALWAYS).steps)
        claim = add_mail(tx, add_cadence(tx, replace(a_cadence(ALWAYS), name="personal", steps=steps)))

    with runtime_over(database, Sink(on_message=lambda *mail: kept.append(mail)), tmp_path) as runtime:
        deliver_begun(runtime, [claim])

    message = email.message_from_bytes(kept[0][2], policy=SMTP)
    assert (message["From"], "r+" in message["Reply-To"]) == ("Dana Whitfield <dana@clearroom.example>", True)


def table_id() -> int:
    return link_table_id(an_artifact().hash)


def test_a_stale_claim_sends_nothing(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        send_id, epoch = add_mail(tx, add_workspace(tx), worker=None)
    sink = Sink()

    with runtime_over(database, sink, tmp_path) as runtime:
        deliver(runtime, [(send_id, epoch - 1)])

    assert sink.kept == 0
    assert send_of(database, send_id).state == SendState.CLAIMED


def test_a_template_error_harms_only_its_own_mail(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        version_id = add_workspace(tx)
        broken = keep_artifact(tx, an_artifact(subject="{{ lead.first_name + 1 }}"))
        claims = [add_mail(tx, version_id), add_mail(tx, version_id, artifact_hash=broken), add_mail(tx, version_id)]
    sink = Sink()

    with runtime_over(database, sink, tmp_path) as runtime:
        deliver_begun(runtime, claims)

    states = [(send_of(database, send_id).state, send_of(database, send_id).reason) for send_id, _ in claims]
    assert states == [(SendState.ACCEPTED, None), (SendState.CANCELLED, "template_error"), (SendState.ACCEPTED, None)]
    assert (touch_of(database, claims[1][0]).state, touch_of(database, claims[1][0]).reason) == ("skipped", "template_error")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"email": None, "address_key": None}, "no_address"),
        ({"email": "jürgen@mail.example"}, "no_address"),
        ({"email": "new@mail.example", "address_key": TOKENS.address_key("new@mail.example")}, "address_changed"),
    ],
)
def test_a_lead_that_cannot_be_written_to_any_more_is_skipped(
    database: Database, tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    with database.write() as tx:
        claim = add_mail(tx, add_workspace(tx))
        tx.run(sa.update(leads).values(**change))
    sink = Sink()

    with runtime_over(database, sink, tmp_path) as runtime:
        deliver_begun(runtime, [claim])

    assert (send_of(database, claim[0]).state, send_of(database, claim[0]).reason) == (SendState.CANCELLED, reason)
    assert touch_of(database, claim[0]).reason == reason
    assert sink.kept == 0


@pytest.mark.both_databases
def test_a_suppression_between_claim_and_mark_stops_the_mail(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        version_id = add_workspace(tx)
        claims = [add_mail(tx, version_id) for _ in range(3)]
        stopped_key = tx.run(sa.select(sends.c.address_key).where(sends.c.id == claims[1][0])).scalar_one()
    with database.write() as tx:
        add_suppression(tx, address_key=stopped_key, scope="topic:air-lessons")
    sink = Sink()

    with runtime_over(database, sink, tmp_path) as runtime:
        deliver_begun(runtime, claims)

    send = send_of(database, claims[1][0])
    assert (send.state, send.reason, send.attempts) == (SendState.CANCELLED, "suppressed", 0)
    assert (touch_of(database, claims[1][0]).state, touch_of(database, claims[1][0]).reason) == ("skipped", "suppressed")
    assert sink.kept == 2


def test_a_suppression_between_mark_and_wire_stops_the_mail(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        claim = add_mail(tx, add_workspace(tx))
        address_key = tx.run(sa.select(sends.c.address_key)).scalar_one()
    slow = Sink(rules=[Rule(phase=Phase.CONNECT, fault=Fault.SLOW, pause=0.04, times=1)])

    with runtime_over(database, slow, tmp_path) as runtime:
        inner = runtime.wire.fly

        def suppress_then_fly(*arguments: object) -> object:
            with database.write() as tx:
                add_suppression(tx, address_key=address_key)
            return inner(*arguments)  # type: ignore[arg-type]

        runtime.wire.fly = suppress_then_fly  # type: ignore[method-assign, assignment]
        deliver_begun(runtime, [claim])

    send = send_of(database, claim[0])
    assert (send.state, send.reason, send.attempts) == (SendState.CANCELLED, "suppressed", 0)
    assert slow.kept == 0


@pytest.mark.both_databases
def test_a_temporary_refusal_waits_and_keeps_its_touch_open(database: Database, tmp_path: Path, clock: VirtualClock) -> None:
    with database.write() as tx:
        claim = add_mail(tx, add_workspace(tx))
    sink = Sink(rules=[Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=451, text="4.7.1 <ada@x.example> is greylisted")])

    with runtime_over(database, sink, tmp_path) as runtime:
        deliver_begun(runtime, [claim])

    send = send_of(database, claim[0])
    assert (send.state, send.reason, send.attempts, send.smtp_code) == (SendState.READY, "temporary", 1, 451)
    assert timedelta(minutes=4) <= send.due_at - clock.now() <= timedelta(minutes=6)
    assert (send.smtp_reply, send.smtp_phase) == ("4.7.1 <<address>> is greylisted", "rcpt")
    assert touch_of(database, claim[0]).state == "sending"


@pytest.mark.both_databases
def test_a_mail_that_came_back_while_sales_took_the_lead_waits_for_it(
    database: Database, tmp_path: Path, clock: VirtualClock
) -> None:
    sink, (send_id, lead_id) = Sink(rules=[greylisted_once()]), a_mail_to(database)

    with runtime_over(database, sink, tmp_path) as runtime:
        deliver_while(runtime, send_id, lambda tx: suspend(tx, [lead_id]))
        try_again(runtime, clock)
        stood = send_of(database, send_id)
        with database.write() as tx:
            resume(tx, [lead_id])
        try_again(runtime, clock)

    assert (stood.state, stood.reason, stood.due_at) == (SendState.READY, "paused", None)
    assert send_of(database, send_id).state == SendState.ACCEPTED


@pytest.mark.both_databases
def test_a_mail_that_came_back_when_its_passage_was_over_is_not_sent(
    database: Database, tmp_path: Path, clock: VirtualClock
) -> None:
    sink, (send_id, _lead_id) = Sink(rules=[greylisted_once()]), a_mail_to(database)

    with runtime_over(database, sink, tmp_path) as runtime:
        deliver_while(runtime, send_id, lambda tx: leave(tx, [touch_of(database, send_id).enrolment_id], reason="replied"))
        try_again(runtime, clock)

    assert (send_of(database, send_id).state, send_of(database, send_id).reason) == (SendState.CANCELLED, "enrolment_ended")
    assert touch_of(database, send_id).state == "skipped"
    assert (sink.kept, open_steps(database)) == (0, [])


def greylisted_once() -> Rule:
    return Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=451, text="4.7.1 try later", times=1)


def a_mail_to(database: Database) -> tuple[int, int]:
    """A mail that is held, and its lead."""
    with database.write() as tx:
        lead_id = add_lead(tx)
        send_id, _epoch = add_mail(tx, add_workspace(tx), lead_id=lead_id)
    return send_id, lead_id


def deliver_while(runtime: Runtime, send_id: int, happens: Callable[[Tx], object]) -> None:
    """Deliver it; something happens while it is with the server."""
    inner = runtime.wire.fly

    def fly(*arguments: object) -> object:
        outcomes = inner(*arguments)  # type: ignore[arg-type]
        with runtime.database.write() as tx:
            happens(tx)
        return outcomes

    runtime.wire.fly = fly  # type: ignore[method-assign, assignment]
    deliver_begun(runtime, [(send_id, 1)])
    runtime.wire.fly = inner  # type: ignore[method-assign]


def try_again(runtime: Runtime, clock: VirtualClock) -> None:
    """Deliver what is due in ten minutes."""
    clock.move_to(clock.now() + timedelta(minutes=10))
    with runtime.database.write() as tx:
        due = take_due(tx, SEND, limit=50, lease=timedelta(seconds=30))
    deliver(runtime, due)


def test_temporary_refusals_end_after_three_days(database: Database, tmp_path: Path, clock: VirtualClock) -> None:
    with database.write() as tx:
        claim = add_mail(tx, add_workspace(tx), attempts=15, created_at=clock.now() - timedelta(hours=73))
    sink = Sink(rules=[Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=451)])

    with runtime_over(database, sink, tmp_path) as runtime:
        deliver_begun(runtime, [claim])

    assert (send_of(database, claim[0]).state, send_of(database, claim[0]).reason) == (SendState.REFUSED, "too_old")
    assert touch_of(database, claim[0]).state == "skipped"


@pytest.mark.both_databases
@pytest.mark.parametrize(("code", "told"), [("5.1.1", "bounced"), ("5.7.1", None), ("5.2.2", "soft_bounced")])
def test_only_a_dead_address_is_suppressed(database: Database, tmp_path: Path, code: str, told: str | None) -> None:
    with database.write() as tx:
        claim = add_mail(tx, add_workspace(tx))
    sink = Sink(rules=[Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=550, text=f"{code} no")])

    with runtime_over(database, sink, tmp_path) as runtime:
        deliver_begun(runtime, [claim])

    send = send_of(database, claim[0])
    assert (send.state, send.reason, send.smtp_reply) == (SendState.REFUSED, "permanent", f"{code} no")
    with database.read() as tx:
        assert tx.run(sa.select(suppressions.c.address_key)).scalars().all() == ([send.address_key] if told == "bounced" else [])
        assert tx.run(sa.select(events.c.type)).scalars().all() == ([told] if told else [])


@pytest.mark.both_databases
@pytest.mark.parametrize(("created_ago", "counts"), [(timedelta(0), False), (timedelta(hours=73), True)])
def test_a_full_mailbox_counts_when_a_mail_ends_by_it(
    database: Database, clock: VirtualClock, tmp_path: Path, created_ago: timedelta, counts: bool
) -> None:
    with database.write() as tx:
        claim = add_mail(tx, add_workspace(tx), attempts=15, created_at=clock.now() - created_ago)
    sink = Sink(rules=[Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=452, text="4.2.2 mailbox full")])

    with runtime_over(database, sink, tmp_path) as runtime:
        deliver_begun(runtime, [claim])

    assert send_of(database, claim[0]).state == (SendState.REFUSED if counts else SendState.READY)
    with database.read() as tx:
        assert tx.run(sa.select(events.c.type)).scalars().all() == (["soft_bounced"] if counts else [])


def test_a_dead_address_of_a_rep_is_not_held_against_the_lead(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        add_workspace(tx)
        claim = add_internal(tx, lead_id=add_lead(tx), content=b"Subject: a hand\r\n\r\nup\r\n")
    sink = Sink(rules=[Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=550, text="5.1.1 no")])

    with runtime_over(database, sink, tmp_path) as runtime:
        deliver_begun(runtime, [claim])

    assert send_of(database, claim[0]).state == SendState.REFUSED
    with database.read() as tx:
        assert tx.run(sa.select(events.c.id)).all() == []


def test_internal_mail_goes_to_the_rep_as_it_was_stored(database: Database, tmp_path: Path) -> None:
    kept: list[Mail] = []
    content = b"Subject: a hand\r\n\r\nup\r\n"
    with database.write() as tx:
        add_workspace(tx)
        claim = add_internal(tx, lead_id=add_lead(tx), content=content)

    with runtime_over(database, Sink(on_message=lambda *mail: kept.append(mail)), tmp_path) as runtime:
        deliver_begun(runtime, [claim])

    assert [(to, message) for _sender, to, message in kept] == [("dana@clearroom.example", content)]


@pytest.mark.both_databases
def test_marketing_without_an_answer_is_unknown_and_never_sent_again(
    database: Database, tmp_path: Path, clock: VirtualClock
) -> None:
    with database.write() as tx:
        version_id = add_workspace(tx)
        claims = [add_mail(tx, version_id) for _ in range(3)]
    sink = Sink(rules=[Rule(phase=Phase.ACCEPTED, fault=Fault.DROP, times=1)])

    with runtime_over(database, sink, tmp_path) as runtime:
        deliver_begun(runtime, claims)

    first, second, third = (send_of(database, send_id) for send_id, _ in claims)
    assert (first.state, first.reason) == (SendState.UNKNOWN, "no_answer")
    assert touch_of(database, first.id).state == "done"
    assert [(send.state, send.attempts, send.due_at) for send in (second, third)] == [(SendState.READY, 0, clock.now())] * 2


def test_a_transactional_mail_without_an_answer_is_sent_once_more_byte_for_byte(
    database: Database, tmp_path: Path, clock: VirtualClock
) -> None:
    kept: list[Mail] = []
    with database.write() as tx:
        add_workspace(tx)
        send_id = an_order(tx)
    sink = Sink(rules=[Rule(phase=Phase.ACCEPTED, fault=Fault.DROP, times=2)], on_message=lambda *mail: kept.append(mail))

    seen = []
    with runtime_over(database, sink, tmp_path) as runtime:
        for _ in range(2):
            deliver(runtime, [claim_again(database, send_id)])
            seen.append((send_of(database, send_id).state, send_of(database, send_id).reason))
            clock.move_to(clock.now() + timedelta(minutes=5))
            with database.write() as tx:
                tx.run(sa.update(leads).values(fields={"first_name": "changed meanwhile"}))

    assert seen == [(SendState.READY, "unknown_once"), (SendState.UNKNOWN, "no_answer")]
    assert len(kept) == 2 and kept[0] == kept[1]
    with database.read() as tx:
        kept_until = tx.run(sa.select(bodies.c.delete_after).where(bodies.c.send_id == send_id)).scalar_one()
    assert kept_until == send_of(database, send_id).ended_at + timedelta(days=7)


def an_order(tx: Tx) -> int:
    """Somebody ordered; the mail that it asks for."""
    lead_id = add_lead(tx)
    event_id = add_event(tx, type="order_placed", lead_id=lead_id, data={"number": "CR-7"}, personal={"ship_to": "1 Mill Lane"})
    claim = request_email(tx, event_id, "order_placed", lead_id, lease=LEASE)
    assert claim is not None
    return claim[0]


def claim_again(database: Database, send_id: int) -> tuple[int, int]:
    with database.write() as tx:
        claimed = sa.update(sends).where(sends.c.id == send_id).values(state="claimed", epoch=sends.c.epoch + 1, worker_id=None)
        return send_id, tx.run(claimed.returning(sends.c.epoch)).scalar_one()


def test_an_order_is_confirmed_with_its_data_and_the_offer_that_fits(database: Database, tmp_path: Path) -> None:
    kept: list[Mail] = []
    offers = [
        Offer(key="low", priority=1, emails=("order-confirmation",), condition=None, title="Low", text="", link="", button=""),
        Offer(key="not-yet", priority=9, emails=("order-confirmation",), condition="purchased(number='CR-9')", title="9",
              text="", link="", button=""),
        Offer(key="fits", priority=5, emails=("order-confirmation",), condition="purchased(number='CR-7')", title="Spare filters",
              text="", link="", button=""),
        Offer(key="other", priority=8, emails=("shipping-notice",), condition=None, title="Other", text="", link="", button=""),
    ]  # fmt: skip
    with database.write() as tx:
        add_workspace(tx, offers=offers)
        send_id = an_order(tx)

    with runtime_over(database, Sink(on_message=lambda *mail: kept.append(mail)), tmp_path) as runtime:
        deliver(runtime, [claim_again(database, send_id)])

    message = email.message_from_bytes(kept[0][2], policy=SMTP)
    assert message["Subject"] == "Your order CR-7"
    assert message.get_body(("plain",)).get_content().strip() == "To 1 Mill Lane: Spare filters"
    assert "List-Unsubscribe" not in message
    assert message["Auto-Submitted"] == "auto-generated"
    assert send_of(database, send_id).offer == "fits"


def test_an_event_asks_for_its_mail_once(database: Database) -> None:
    with database.write() as tx:
        add_workspace(tx)
        lead_id = add_lead(tx)
        event_id = add_event(tx, type="order_placed", lead_id=lead_id)

        asked = [request_email(tx, event_id, "order_placed", lead_id, lease=LEASE) for _ in range(2)]

        assert asked == [(1, 1), None]
        assert request_email(tx, event_id, "something_else", lead_id, lease=LEASE) is None
        assert request_email(tx, event_id, "order_placed", add_lead(tx, email=None), lease=LEASE) is None


def test_an_unsubscribed_person_still_gets_the_confirmation_of_an_order(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        add_workspace(tx)
        send_id = an_order(tx)
        add_suppression(tx, address_key=tx.run(sa.select(sends.c.address_key)).scalar_one(), scope="marketing")
    sink = Sink()

    with runtime_over(database, sink, tmp_path) as runtime:
        deliver(runtime, [claim_again(database, send_id)])

    assert send_of(database, send_id).state == SendState.ACCEPTED


def test_transactional_mail_goes_ahead_of_marketing(database: Database, tmp_path: Path) -> None:
    kept: list[str] = []
    with database.write() as tx:
        version_id = add_workspace(tx)
        claims = [add_mail(tx, version_id) for _ in range(2)]
        urgent = add_internal(tx, lead_id=add_lead(tx), content=b"Subject: now\r\n\r\n")

    with runtime_over(database, Sink(on_message=lambda _from, to, _message: kept.append(to)), tmp_path) as runtime:
        deliver_begun(runtime, [*claims, urgent])

    assert kept[0] == "dana@clearroom.example"


def test_a_nurture_that_stands_aside_holds_no_place_that_the_mail_before_it_needs(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stood = threading.Event()
    with database.write() as tx:
        claims = [add_mail(tx, add_workspace(tx))]
        urgent = add_internal(tx, lead_id=add_lead(tx), content=b"Subject: now\r\n\r\n")

    with runtime_over(database, Sink(), tmp_path) as runtime:
        runtime = replace(runtime, places=Places(1))

        def stand_aside() -> None:
            stood.set()
            assert sent.wait(5), "the mail that goes first came to no place"

        sent = threading.Event()
        monkeypatch.setattr(runtime.precedence, "let_pass", stand_aside)
        nurture = threading.Thread(target=deliver_begun, args=(runtime, claims), daemon=True)
        nurture.start()
        assert stood.wait(5)
        deliver_begun(runtime, [urgent])
        sent.set()
        nurture.join(5)

    assert [send_of(database, send_id).state for send_id, _ in (urgent, *claims)] == [SendState.ACCEPTED] * 2


def test_beside_mail_that_somebody_waits_for_nurture_is_marked_a_bit_at_a_time(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.precedence.LONGEST", 0.01)
    marked: list[int] = []
    monkeypatch.setattr("engine.deliver.send.count_marked", lambda said: marked.append(len(said.through)))
    with database.write() as tx:
        version_id = add_workspace(tx)
        claims = [add_mail(tx, version_id) for _ in range(2 * A_BIT + 1)]

    with runtime_over(database, Sink(), tmp_path) as runtime, runtime.precedence.awaited():
        deliver_begun(runtime, claims)

    assert marked == [A_BIT, A_BIT, 1]


def test_no_flight_begins_on_a_lease_that_runs_out(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        version_id = add_workspace(tx)
        claims = [add_mail(tx, version_id) for _ in range(2 * MARKETING_BATCH)]
    leases = iter([True, False])
    sink = Sink()

    with runtime_over(database, sink, tmp_path, has_lease=lambda: next(leases)) as runtime:
        deliver_begun(runtime, claims)

    states = [send_of(database, send_id).state for send_id, _ in claims]
    assert sink.kept == MARKETING_BATCH
    assert (states.count(SendState.ACCEPTED), states.count(SendState.READY)) == (MARKETING_BATCH, MARKETING_BATCH)


@pytest.mark.parametrize(("mails", "most", "together"), [(64, 64, 64), (64, 40, 32), (65, 64, 33), (81, 40, 27), (8, 40, 8)])
def test_what_does_not_fit_into_one_batch_is_cut_evenly(mails: int, most: int, together: int) -> None:
    assert evenly(mails, most) == together


@pytest.mark.both_databases
def test_what_a_dead_worker_left_is_unknown_or_sent_once_more(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        version_id = add_workspace(tx)
        mail, _ = add_mail(tx, version_id, state=SendState.ATTEMPTING, attempts=1, worker="gone")
        order, _ = add_claimed(tx, lead_id=add_lead(tx), stream=Stream.TRANSACTIONAL, state=SendState.ATTEMPTING, worker="gone")
        alive, _ = add_mail(tx, version_id, state=SendState.ATTEMPTING, attempts=1)

    with database.write() as tx:
        settled = settle_lost(tx)

    assert settled == 2
    assert (send_of(database, mail).state, send_of(database, mail).reason) == (SendState.UNKNOWN, "worker_died")
    assert touch_of(database, mail).state == "done"
    assert (send_of(database, order).state, send_of(database, order).reason) == (SendState.READY, "unknown_once")
    assert send_of(database, order).epoch == 2
    assert send_of(database, alive).state == SendState.ATTEMPTING


@pytest.mark.both_databases
def test_a_passage_that_cannot_go_on_keeps_nobodys_mail_from_being_written_down(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with database.write() as tx:
        version_id = add_workspace(tx)
        sound, stuck, other = (add_mail(tx, version_id) for _ in range(3))
        end_the_calendar(tx, stuck[0])

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_begun(runtime, [sound, stuck, other])

    assert [send_of(database, send_id).state for send_id, _epoch in (sound, stuck, other)] == [SendState.ACCEPTED] * 3
    assert [touch_of(database, send_id).state for send_id, _epoch in (sound, stuck, other)] == ["done", "sending", "done"]
    assert open_steps(database) == ["lesson-2"] * 2
    assert caplog.text.count("a passage cannot go on") == 1

    with database.write() as tx:
        tx.run(sa.update(enrolments).values(anchor_at=tx.now))
        go_on_behind(tx)
    assert open_steps(database) == ["lesson-2"] * 3


@pytest.mark.both_databases
def test_a_passage_that_cannot_go_on_keeps_nothing_that_is_lost_from_being_settled(database: Database) -> None:
    """It is a dispatcher that settles, which would stand still for everybody."""
    with database.write() as tx:
        version_id = add_workspace(tx)
        left = [add_mail(tx, version_id, state=SendState.ATTEMPTING, attempts=1, worker="gone")[0] for _ in range(2)]
        end_the_calendar(tx, left[0])

    with database.write() as tx:
        settle_lost(tx)

    assert [send_of(database, send_id).state for send_id in left] == [SendState.UNKNOWN] * 2
    assert [touch_of(database, send_id).state for send_id in left] == ["sending", "done"]


def end_the_calendar(tx: Tx, send_id: int) -> None:
    """The passage of this mail began on one of the last days that there are; its next lesson comes a week later."""
    its_passage = sa.select(touches.c.enrolment_id).join(sends, sends.c.touch_id == touches.c.id).where(sends.c.id == send_id)
    began_at = datetime(9999, 12, 30, tzinfo=UTC)
    tx.run(sa.update(enrolments).where(enrolments.c.id == its_passage.scalar_subquery()).values(anchor_at=began_at))


def test_a_yes_that_comes_back_from_the_dead_corrects_an_unknown(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        claim = add_mail(tx, add_workspace(tx))
    sink = Sink()

    with runtime_over(database, sink, tmp_path) as runtime:
        inner = runtime.wire.fly

        def fly_while_declared_dead(*arguments: object) -> object:
            outcomes = inner(*arguments)  # type: ignore[arg-type]
            with database.write() as tx:
                tx.run(sa.delete(workers))
                settle_lost(tx)
            assert send_of(database, claim[0]).state == SendState.UNKNOWN
            return outcomes

        runtime.wire.fly = fly_while_declared_dead  # type: ignore[method-assign, assignment]
        deliver_begun(runtime, [claim])

    assert send_of(database, claim[0]).state == SendState.ACCEPTED
    assert len(open_steps(database)) == 1


@pytest.mark.both_databases
def test_who_lost_a_mail_to_another_worker_does_not_end_its_touch(database: Database) -> None:
    with database.write() as tx:
        version_id = add_workspace(tx)
        lost, kept = [add_mail(tx, version_id) for _ in range(2)]
        held = load_sends(tx, [lost, kept], live_rules(tx))
        tx.run(sa.update(sends).where(sends.c.id == lost[0]).values(epoch=2, worker_id="worker-2"))

        record_stopped(tx, [(send, Reason.TEMPLATE_ERROR) for send in held])

    assert [send_of(database, claim[0]).state for claim in (lost, kept)] == [SendState.CLAIMED, SendState.CANCELLED]
    assert [touch_of(database, claim[0]).state for claim in (lost, kept)] == ["sending", "skipped"]
    assert open_steps(database) == ["lesson-2"]


@pytest.mark.both_databases
def test_while_nobody_lost_a_mail_nothing_more_is_asked(database: Database) -> None:
    asked: list[str] = []
    with database.write() as tx:
        version_id = add_workspace(tx)
        held = load_sends(tx, [add_mail(tx, version_id) for _ in range(3)], live_rules(tx))
        sa.event.listen(tx.connection, "before_cursor_execute", lambda _c, _cursor, text, *_rest: asked.append(text))

        record_stopped(tx, [(send, Reason.TEMPLATE_ERROR) for send in held])

    assert not [text for text in asked if text.startswith("SELECT sends.")]


def test_a_wire_that_raises_leaves_nothing_marked(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        claim = add_mail(tx, add_workspace(tx))

    def break_down(*_arguments: object) -> object:
        raise RuntimeError("out of memory")

    with runtime_over(database, Sink(), tmp_path) as runtime:
        runtime.wire.fly = break_down  # type: ignore[method-assign, assignment]
        deliver_begun(runtime, [claim])

    assert (send_of(database, claim[0]).state, send_of(database, claim[0]).reason) == (SendState.UNKNOWN, "no_answer")


def open_steps(database: Database) -> list[str]:
    with database.read() as tx:
        return list(tx.run(sa.select(touches.c.step_id).where(touches.c.state == "waiting")).scalars())
