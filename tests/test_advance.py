"""What each kind of step does when its touch is due, on both databases."""

import os
import signal
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import process_time

import pytest
import sqlalchemy as sa

from engine import crash
from engine.advance import advance, advance_touches
from engine.claim import TOUCH, take_due
from engine.clock import VirtualClock
from engine.compiler.plan import Exit
from engine.database import Database, Tx
from engine.deliver.compose import Begun
from engine.deliver.wire import Accepted, Flight, Outcome, Recheck
from engine.expressions.fields import EventKind, EventSchema
from engine.leads import load_leads
from engine.precedence import A_BIT
from engine.runtime import Runtime
from engine.schedule.enrol import enrol_leads
from engine.schedule.leave import suspend
from engine.schedule.tasks import fill_in, worded_title
from engine.schedule.wake import wake_waits
from engine.schema import enrolments, sends, tasks, touches
from engine.settings import read_settings
from tests.factories import TOKENS, add_consent, add_event, add_lead, add_reaction, add_worker
from tests.schedule.plans import apply, at, branch, cadence, chain, email, goal, task, wait

both = pytest.mark.both_databases
WORKER = "worker-1"


@both
def test_an_email_becomes_a_send_that_this_worker_holds(database: Database):
    with database.write() as tx:
        lead_id = enrolled(tx, email("welcome", at("")))

        held = advance_due(tx)

        send = tx.run(sa.select(sends)).one()
        assert [(begun.send_id, begun.epoch, begun.lead.id) for begun in held] == [(send.id, 1, lead_id)]
        assert (send.source, send.state, send.worker_id) == (f"touch:{touch(tx).id}", "claimed", WORKER)
        assert (send.stream, send.topic, send.lead_id, send.email) == ("marketing", "air-lessons", lead_id, "welcome")
        assert touch(tx).state == "sending"


@both
@pytest.mark.parametrize(("said", "unknown"), [("refused", "nurture"), (None, "hold")])
def test_an_email_without_consent_is_skipped_and_the_passage_goes_on(database: Database, said: str | None, unknown: str):
    with database.write() as tx:
        lead_id = enrolled(tx, *chain(email("welcome", at("")), email("guide", at("7 days"))))
        add_consent(tx, lead_id=lead_id, state=said) if said else None
        apply(tx, *applied, unknown_consent=unknown)

        assert advance_due(tx) == []

        assert states(tx) == [("welcome", "skipped", "consent"), ("guide", "waiting", None)]


@both
def test_an_email_to_a_lead_without_an_address_is_skipped(database: Database):
    with database.write() as tx:
        lead_id = enrolled(tx, email("welcome", at("")))
        tx.run(sa.text(f"UPDATE leads SET email = NULL, address_key = NULL WHERE id = {lead_id}"))

        advance_due(tx)

        assert states(tx) == [("welcome", "skipped", "no_address")]


@both
def test_an_email_that_comes_late_waits_for_the_next_opening(database: Database, clock: VirtualClock):
    with database.write() as tx:
        enrolled(tx, email("welcome", at("")))
    clock.move_to(datetime(2026, 1, 9, 17, 30, tzinfo=UTC))

    with database.write() as tx:
        assert advance_due(tx) == []

        assert states(tx) == [("welcome", "waiting", "window")]
        assert touch(tx).due_at == datetime(2026, 1, 12, 9, tzinfo=UTC)


@both
def test_a_task_is_asked_of_a_rep_and_the_passage_goes_on(database: Database):
    with database.write() as tx:
        enrolled(tx, *chain(task("call"), email("guide", at("7 days"))), fields={"first_name": "Ada"}, do_not_call=True)

        advance_due(tx)

        asked = tx.run(sa.select(tasks)).one()
        (lead,) = load_leads(tx, [asked.lead_id]).values()
        assert (asked.rep, worded_title(asked.title, lead), asked.state) == ("dana", "Call Ada", "open")
        assert asked.due_at.date() == date(2026, 1, 7)
        assert states(tx) == [("call", "done", None), ("guide", "waiting", None)]


@both
def test_a_task_for_a_lead_without_a_name_is_asked_all_the_same(database: Database):
    with database.write() as tx:
        enrolled(tx, task("call", title="Call {{ lead.first_name or 'them' }} at {{ lead.nowhere }}"))

        advance_due(tx)

        asked = tx.run(sa.select(tasks)).one()
        (lead,) = load_leads(tx, [asked.lead_id]).values()
        assert worded_title(asked.title, lead) == "Call them at"


def test_a_task_whose_words_go_round_without_end_is_told_as_it_was_written(sqlite_database: Database):
    looping = "{% for a in lead.first_name %}" * 4 + "{% endfor %}" * 4
    with sqlite_database.write() as tx:
        (lead,) = load_leads(tx, [add_lead(tx, fields={"first_name": "a" * 1_000})]).values()

    begun = process_time()
    assert fill_in(looping, lead) == looping
    assert process_time() - begun < 2


@pytest.mark.parametrize("title", ["{% if lead.rooms > 3 %}Call{% endif %}", "{{ 7 // lead.none }}", "{{ lead.rooms|length }}"])
def test_a_task_whose_words_cannot_bear_a_value_is_told_as_it_was_written(sqlite_database: Database, title: str):
    with sqlite_database.write() as tx:
        (lead,) = load_leads(tx, [add_lead(tx, fields={"rooms": None, "none": 0})]).values()

    assert fill_in(title, lead) == title


@both
@pytest.mark.parametrize(("employees", "way", "reason"), [(80, "big", None), (8, "small", "branch"), (None, "small", "branch")])
def test_a_branch_goes_the_way_its_condition_says(database: Database, employees: int | None, way: str, reason: str | None):
    steps = branch("size", "employees >= 50", next="big", otherwise="small"), email("big"), email("small")
    with database.write() as tx:
        enrolled(tx, *steps, fields={"employees": employees})

        advance_due(tx)

        assert states(tx) == [("size", "done", reason), (way, "waiting", None)]


@both
def test_a_wait_goes_on_waiting_until_its_timeout(database: Database, clock: VirtualClock):
    with database.write() as tx:
        enrolled(tx, *waiting_for_a_click())

        advance_due(tx)
        assert (touch(tx).state, touch(tx).due_at) == ("waiting", datetime(2026, 1, 15, 9, tzinfo=UTC))

    clock.move_to(datetime(2026, 1, 15, 9, tzinfo=UTC))
    with database.write() as tx:
        advance_due(tx)

        assert states(tx) == [("read", "done", "timeout"), ("reminder", "waiting", None)]


@both
def test_an_event_ends_a_wait(database: Database, clock: VirtualClock):
    with database.write() as tx:
        lead_id = enrolled(tx, *waiting_for_a_click())
        advance_due(tx)
    clock.move_to(datetime(2026, 1, 7, 12, tzinfo=UTC))

    with database.write() as tx:
        add_event(tx, type="clicked", lead_id=lead_id, data={"email": "guide", "link": "guide"})
        wake_waits(tx, [lead_id])
        advance_due(tx)

        assert states(tx) == [("read", "done", None), ("offer", "waiting", None)]


@both
def test_an_event_before_the_wait_does_not_end_it(database: Database, clock: VirtualClock):
    with database.write() as tx:
        lead_id = add_lead(tx)
        add_event(tx, type="clicked", lead_id=lead_id, data={"email": "guide", "link": "guide"})
    clock.move_to(clock.now() + timedelta(minutes=1))

    with database.write() as tx:
        enrolled(tx, *waiting_for_a_click(), lead_id=lead_id)
        advance_due(tx)

        assert touch(tx).state == "waiting"


@both
def test_a_wait_on_a_field_looks_again_the_next_day(database: Database):
    with database.write() as tx:
        enrolled(tx, wait("grown", "30 days", condition="employees >= 50"))

        advance_due(tx)

        assert touch(tx).due_at == tx.now + timedelta(days=1)


@both
def test_a_pause_ends_when_it_is_due(database: Database, clock: VirtualClock):
    with database.write() as tx:
        enrolled(tx, *chain(wait("pause", "2 days"), email("guide")))
    clock.move_to(datetime(2026, 1, 7, 9, tzinfo=UTC))

    with database.write() as tx:
        advance_due(tx)

        assert states(tx) == [("pause", "done", None), ("guide", "waiting", None)]


@both
def test_a_goal_that_is_reached_finishes_the_passage(database: Database):
    with database.write() as tx:
        enrolled(tx, *chain(goal("big", "employees >= 50"), email("guide")), fields={"employees": 80})

        advance_due(tx)

        assert states(tx) == [("big", "done", None)]
        assert tx.run(sa.select(enrolments.c.state, enrolments.c.reason)).one() == ("finished", "goal")


@both
def test_a_goal_that_is_not_reached_is_passed(database: Database):
    with database.write() as tx:
        enrolled(tx, *chain(goal("big", "employees >= 50"), email("guide")))

        advance_due(tx)

        assert states(tx) == [("big", "done", None), ("guide", "waiting", None)]


@both
def test_the_cadences_goal_is_looked_at_before_each_touch(database: Database):
    with database.write() as tx:
        lead_id = enrolled(tx, email("welcome", at("")), goal="purchased()")
        add_event(tx, type="purchased", lead_id=lead_id)

        assert advance_due(tx) == []

        assert states(tx) == [("welcome", "left", "goal")]
        assert tx.run(sa.select(enrolments.c.state)).scalar_one() == "finished"


@both
def test_an_exits_condition_is_looked_at_before_each_touch(database: Database):
    way_out = Exit(event=None, condition="employees >= 5000", because="is too large for us")
    with database.write() as tx:
        enrolled(tx, email("welcome", at("")), exits=(way_out,), fields={"employees": 9000})

        assert advance_due(tx) == []

        assert states(tx) == [("welcome", "left", "is too large for us")]


@both
@pytest.mark.parametrize("type_", ["replied", "order_placed"])
def test_an_exit_event_that_nobody_reacted_to_yet_stops_the_mail(database: Database, type_: str):
    shop = EventSchema((EventKind(name="order_placed", counts_as="purchased"),))
    with database.write() as tx:
        lead_id = enrolled(tx, email("welcome", at("")))
        apply(tx, *applied, event_schema=shop)
        add_reaction(tx, event_id=add_event(tx, type=type_, lead_id=lead_id), state="waiting")

        assert advance_due(tx) == []

        assert tx.run(sa.select(enrolments.c.state)).scalar_one() == "left"


@both
def test_an_exit_event_from_before_the_passage_began_does_not_end_it(database: Database):
    with database.write() as tx:
        lead_id = enrolled(tx, email("welcome", at("")))
        event_id = add_event(tx, type="replied", lead_id=lead_id, occurred_at=tx.now - timedelta(seconds=1))
        add_reaction(tx, event_id=event_id)

        advance_due(tx)

        assert touch(tx).state == "sending"


@both
@pytest.mark.parametrize(
    ("type_", "scope", "reason"),
    [
        ("unsubscribed", "topic:air-lessons", "unsubscribed"),
        ("unsubscribed", None, "unsubscribed"),
        ("unsubscribed", "topic:another", None),
        ("bounced", None, "bounced"),
        ("complained", None, "complained"),
    ],
)
def test_a_stop_that_nobody_reacted_to_yet_ends_the_passage_it_is_about(
    database: Database, type_: str, scope: str | None, reason: str | None
):
    with database.write() as tx:
        lead_id = enrolled(tx, email("welcome", at("")))
        event_id = add_event(tx, type=type_, lead_id=lead_id, origin="machine", data={"scope": scope} if scope else {})
        add_reaction(tx, event_id=event_id)

        advance_due(tx)

        ended = tx.run(sa.select(enrolments.c.state, enrolments.c.reason)).one()
        assert tuple(ended) == (("left", reason) if reason else ("active", None))


@both
def test_a_suspended_passage_puts_its_claimed_touch_back(database: Database):
    with database.write() as tx:
        lead_id = enrolled(tx, email("welcome", at("")))
        claims = take_due(tx, TOUCH, limit=50, lease=timedelta(seconds=30))
        suspend(tx, [lead_id])

        assert advance(tx, at_work(tx), claims) == []

        assert (touch(tx).state, touch(tx).due_at, touch(tx).reason) == ("waiting", None, "paused")


@both
def test_a_stale_claim_does_nothing(database: Database):
    with database.write() as tx:
        enrolled(tx, email("welcome", at("")))
        ((touch_id, epoch),) = take_due(tx, TOUCH, limit=50, lease=timedelta(seconds=30))

        assert advance(tx, at_work(tx), [(touch_id, epoch - 1)]) == []
        assert advance(tx, at_work(tx), [(touch_id, epoch)]) != []
        assert advance(tx, at_work(tx), [(touch_id, epoch)]) == []


@both
def test_a_condition_that_the_workspace_no_longer_knows_does_not_hold(database: Database):
    with database.write() as tx:
        enrolled(tx, branch("old", "former_field >= 50", next="yes", otherwise="no"), email("yes"), email("no"))

        advance_due(tx)

        assert states(tx) == [("old", "done", "branch"), ("no", "waiting", None)]


@both
def test_a_mail_goes_from_the_touch_to_the_wire_and_the_passage_on(database: Database, tmp_path: Path):
    wire = Accepting()
    with database.write() as tx:
        enrolled(tx, *chain(email("welcome", at("")), email("guide", at("7 days"))), email_address="ada@example.com")
        add_worker(tx, id=WORKER, lease_until=tx.now + timedelta(minutes=1))
        claims = take_due(tx, TOUCH, limit=50, lease=timedelta(seconds=30))

    advance_touches(runtime(database, wire, tmp_path), claims)

    assert [flight.recipient for flight in wire.flights] == ["ada@example.com"]
    with database.read() as tx:
        assert tx.run(sa.select(sends.c.state)).scalar_one() == "accepted"
        assert states(tx) == [("welcome", "done", None), ("guide", "waiting", None)]


@pytest.mark.parametrize("name", ["touch-begun", "touch-decided-before-commit"])
def test_a_process_that_dies_before_the_commit_has_done_nothing(database: Database, tmp_path: Path, name: str):
    with database.write() as tx:
        enrolled(tx, email("welcome", at("")))
        claims = take_due(tx, TOUCH, limit=50, lease=timedelta(seconds=30))

    assert died_at(name, database, claims, tmp_path)

    with database.read() as tx:
        assert (touch(tx).state, touch(tx).worker_id) == ("claimed", None)
        assert tx.run(sa.select(sends)).all() == []


def test_a_process_that_dies_after_the_commit_leaves_its_send_to_the_sweep(database: Database, tmp_path: Path):
    with database.write() as tx:
        enrolled(tx, email("welcome", at("")))
        claims = take_due(tx, TOUCH, limit=50, lease=timedelta(seconds=30))

    assert died_at("touch-decided-after-commit", database, claims, tmp_path)

    with database.read() as tx:
        assert touch(tx).state == "sending"
        assert tx.run(sa.select(sends.c.state, sends.c.worker_id)).one() == ("claimed", WORKER)


@both
def test_a_touch_that_breaks_its_job_leaves_the_mails_of_those_before_it_free(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    worker = runtime(database, Accepting(), tmp_path)
    with database.write() as tx:
        enrolled(tx, email("welcome", at("")))
        enrol_leads(tx, "new-enquiry", [add_lead(tx) for _ in range(A_BIT)])
        claims = take_due(tx, TOUCH, limit=50, lease=timedelta(seconds=30))

    def breaks(_tx: Tx, _runtime: Runtime, some: list[tuple[int, int]]) -> list[Begun]:
        if len(some) < A_BIT:
            raise ValueError("the ninth")
        return advance(_tx, _runtime, some)

    monkeypatch.setattr("engine.advance.advance", breaks)
    with worker.precedence.awaited(), pytest.raises(ValueError, match="the ninth"):
        advance_touches(worker, claims)

    with database.read() as tx:
        mails = tx.run(sa.select(sends.c.state, sends.c.worker_id)).all()
    assert mails == [("ready", None)] * A_BIT


def test_mails_are_loaded_in_the_transaction_that_made_them(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What the touches were decided by need not be asked again."""
    wire = Accepting()
    worker = runtime(database, wire, tmp_path)
    with database.write() as tx:
        enrolled(tx, email("welcome", at("")), email_address="ada@example.com")
        claims = take_due(tx, TOUCH, limit=50, lease=timedelta(seconds=30))

    monkeypatch.setattr("engine.deliver.load.claimed_rows", nobody_asks)
    monkeypatch.setattr(database, "read", nobody_asks)
    advance_touches(worker, claims)

    assert [flight.recipient for flight in wire.flights] == ["ada@example.com"]


def nobody_asks(*_given: object):
    raise AssertionError("asked again")


@both
def test_a_batch_of_mails_is_decided_in_few_statements(database: Database):
    """Each costs as much as deciding several mails; what no condition asks for is not looked up."""
    asked: list[str] = []
    with database.write() as tx:
        enrolled(tx, email("welcome", at("")), goal="clicked('guide')")
        claims = take_due(tx, TOUCH, limit=50, lease=timedelta(seconds=30))
        sa.event.listen(tx.connection, "before_cursor_execute", lambda _c, _cursor, text, *_rest: asked.append(text))

        assert len(advance(tx, at_work(tx), claims)) == 1

    assert [text for text in asked if " scores" in text] == []
    assert len([text for text in asked if "FROM consents" in text or "FROM reactions" in text]) == 2
    assert len(asked) == (7 if tx.is_sqlite else 8)


class Accepting:
    """A mail server that takes everything."""

    def __init__(self) -> None:
        self.flights: list[Flight] = []

    def fly(self, flights: list[Flight], recheck: Recheck) -> list[Outcome]:
        self.flights.extend(flights)
        return [Accepted(code=250, reply="2.0.0 taken")] * len(flights)

    def close(self) -> None:
        pass


applied: list = []


def enrolled(tx: Tx, *steps, fields=None, lead_id=None, do_not_call=False, email_address="", **changed) -> int:
    """One lead in a cadence of these steps, which is kept in `applied`."""
    applied[:] = [cadence(*steps, **changed)]
    apply(tx, *applied)
    if lead_id is None:
        lead_id = add_lead(tx, fields=fields, do_not_call=do_not_call, email=email_address)
    assert enrol_leads(tx, "new-enquiry", [lead_id]).enrolled == 1
    return lead_id


def waiting_for_a_click():
    return (
        wait("read", "10 days", condition="clicked('guide')", next="offer", otherwise="reminder"),
        email("offer"),
        email("reminder"),
    )


def advance_due(tx: Tx):
    return advance(tx, at_work(tx), take_due(tx, TOUCH, limit=50, lease=timedelta(seconds=30)))


def touch(tx: Tx):
    return tx.run(sa.select(touches).order_by(touches.c.id)).first()


def states(tx: Tx):
    return [(row.step_id, row.state, row.reason) for row in tx.run(sa.select(touches).order_by(touches.c.id))]


def at_work(tx: Tx) -> Runtime:
    """A worker that decides and sends nothing."""
    return runtime(Database(tx.connection.engine, VirtualClock(tx.now)), Accepting(), Path("/nowhere"))


def runtime(database: Database, wire, folder: Path) -> Runtime:
    return Runtime(
        settings=read_settings(folder, {}),
        database=database,
        tokens=TOKENS,
        wire=wire,
        worker_id=WORKER,
        has_lease=lambda: True,
        publish=lambda noun, claims: None,
    )


def died_at(name: str, database: Database, claims, folder: Path) -> bool:
    """Whether a child that advances these claims is killed at that point."""
    child = os.fork()
    if child == 0:
        database.engine.dispose(close=False)
        crash.arm(f"{name}:1")
        advance_touches(runtime(database, Accepting(), folder), claims)
        os._exit(0)
    _pid, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
