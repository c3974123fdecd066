"""A task: the rep is told of it as of a raised hand, answers it once, and hears no more when the passage ends first."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from engine.database import Database, Tx
from engine.deliver.kept import unpacked
from engine.errors import StaleError, UsageError
from engine.leads import load_leads
from engine.schedule.leave import leave
from engine.schedule.tasks import NewTask, write_tasks
from engine.schema import bodies, enrolments, events, sends, tasks
from engine.scoring.answers import answer
from engine.scoring.history import histories
from engine.scoring.notice import queue_task_notices
from engine.versions import live_rules
from engine.vocabulary import Ask, TaskState
from tests.factories import TOKENS, add_event, add_lead
from tests.scoring.asked import CALL, ask
from tests.scoring.models import DANA, runtime
from tests.scoring.test_notice import part


def mails(tx: Tx) -> dict[str, sa.Row[tuple[object, ...]]]:
    return {row.email: row for row in tx.run(sa.select(sends))}


def mail(tx: Tx, which: str = "asked") -> EmailMessage:
    kept = sa.select(bodies.c.content).join(sends, sends.c.id == bodies.c.send_id).where(sends.c.email == f"task-{which}")
    message = message_from_bytes(unpacked(tx.run(kept).scalar_one()), policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def told(tx: Tx) -> list[str]:
    lead_id = tx.run(sa.select(tasks.c.lead_id)).scalar_one()
    return [entry.words for entry in histories(tx, [lead_id])[lead_id]]


@pytest.mark.both_databases
def test_the_rep_is_told_at_once_and_reminded_when_it_is_due(database: Database):
    with database.write() as tx:
        task_id = ask(tx, runtime(database))

        found = mails(tx)
        due_at = tx.run(sa.select(tasks.c.due_at)).scalar_one()
        assert {name: row.due_at for name, row in found.items()} == {"task-asked": tx.now, "task-reminder": due_at}
        assert {row.source for row in found.values()} == {f"task:{task_id}:asked", f"task:{task_id}:reminder"}
        assert {(row.stream, row.address_key) for row in found.values()} == {("internal", TOKENS.address_key(DANA.email))}


@pytest.mark.both_databases
def test_a_touch_asks_once(database: Database):
    with database.write() as tx:
        ask(tx, runtime(database))
        row = tx.run(sa.select(tasks)).one()
        (lead,) = load_leads(tx, [row.lead_id]).values()
        again = NewTask(touch_id=row.touch_id, lead=lead, rep="dana", step=CALL, zone=ZoneInfo("Europe/London"))

        queue_task_notices(tx, runtime(database), live_rules(tx), write_tasks(tx, [again]))

        assert len(tx.run(sa.select(tasks)).all()) == 1
        assert len(tx.run(sa.select(sends)).all()) == 2


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_the_mail_tells_what_to_do_for_whom_until_when_and_why(sqlite_database: Database, kind: str):
    with sqlite_database.write() as tx:
        task_id = ask(tx, runtime(sqlite_database))
        message = mail(tx)
        text = part(message, kind)

    assert (message["To"], message["Subject"]) == (DANA.email, "Call Maya about a visit (due Wed 07 Jan)")
    assert message["Reply-To"] == "maya@fernhill.example"
    for words in (
        "Call Maya about a visit",
        "Lindqvist",
        "Ask which room Fernhill Primary complains about.",
        "+44 (0)113 496-0000",
    ):
        assert words in text
    assert "clicked a link in “co2”" in text and "+20" in text
    assert "clicked “pricing” in “co2”" in text
    assert "began the cadence" in text
    assert "Wed 07 Jan, 09:00" in text or "Wednesday 07 January, 09:00" in text
    (link,) = {word.strip('"').removeprefix('href="') for word in text.replace(">", " ").split() if "/h/" in word}
    assert TOKENS.open_ask(link.rpartition("/")[2]) == (Ask.TASK, task_id)


def test_the_row_keeps_the_gaps_and_the_reminder_says_that_it_is_one(sqlite_database: Database):
    with sqlite_database.write() as tx:
        ask(tx, runtime(sqlite_database))
        row = tx.run(sa.select(tasks)).one()
        message = mail(tx, "reminder")

    assert (row.title, row.note) == (CALL.title, CALL.note)
    assert message["Subject"] == "Overdue: Call Maya about a visit (was due Wed 07 Jan)"
    assert message["Date"].datetime == row.due_at


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_who_asked_for_no_calls_is_not_offered_for_one(sqlite_database: Database, kind: str):
    with sqlite_database.write() as tx:
        ask(tx, runtime(sqlite_database), do_not_call=True)
        text = part(mail(tx), kind)

    assert "do not call" in text.lower()
    assert "+44" not in text


def test_what_a_lead_calls_itself_breaks_no_header(sqlite_database: Database):
    with sqlite_database.write() as tx:
        ask(tx, runtime(sqlite_database), fields={"first_name": "Maya\r\nBcc: x@y.example\x07", "company": "{{ 7 * 7 }}"})
        message = mail(tx)

    assert message["Bcc"] is None
    assert message["Subject"] == "Call Maya Bcc: x@y.example about a visit (due Wed 07 Jan)"
    assert "Ask which room {{ 7 * 7 }} complains about." in part(message, "html")


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("state", "words"),
    [
        (TaskState.DONE, "sales did “Call Maya about a visit”: “visit on Friday”"),
        (TaskState.NOT_NEEDED, "sales found it not needed: “Call Maya about a visit”: “visit on Friday”"),
    ],
)
def test_an_answer_is_an_event_and_ends_what_has_not_gone_out(database: Database, state: TaskState, words: str):
    with database.write() as tx:
        task_id = ask(tx, runtime(database))
        tx.run(sa.update(sends).where(sends.c.email == "task-asked").values(state="accepted"))

        answer(tx, task_id, state, note=" visit on Friday ")
        answer(tx, task_id, state)

        row = tx.run(sa.select(tasks)).one()
        assert (row.state, row.ended_at, row.said) == (state, tx.now, "visit on Friday")
        assert tx.run(sa.select(events.c.data).where(events.c.type == f"task_{state}")).scalars().all() == [{"task": task_id}]
        assert words in told(tx) and "sales was asked: “Call Maya about a visit”" in told(tx)
        assert {name: row.state for name, row in mails(tx).items()} == {"task-asked": "accepted", "task-reminder": "cancelled"}


@pytest.mark.parametrize("is_list", [False, True])
def test_what_a_rep_said_of_a_task_is_not_told_of_a_shops_own_task_of_that_number(sqlite_database: Database, is_list: bool):
    with sqlite_database.write() as tx:
        task_id = ask(tx, runtime(sqlite_database))
        answer(tx, task_id, TaskState.DONE, note="has a new job")
        other = add_lead(tx)
        add_event(tx, type="ticket_closed", lead_id=other, data={"task": [task_id] if is_list else task_id})
        maya = tx.run(sa.select(tasks.c.lead_id)).scalar_one()

        known = histories(tx, [maya, other])

    assert [entry.words for entry in known[other]] == ["ticket closed"]


def test_of_two_answers_the_first_counts(sqlite_database: Database):
    with sqlite_database.write() as tx:
        task_id = ask(tx, runtime(sqlite_database))
        answer(tx, task_id, TaskState.DONE)

        with pytest.raises(StaleError, match="cannot be not needed: it is done"):
            answer(tx, task_id, TaskState.NOT_NEEDED)
        with pytest.raises(UsageError, match="no task 99; `handraiser tasks` lists them"):
            answer(tx, 99, TaskState.DONE)


@pytest.mark.both_databases
def test_a_passage_that_ends_first_takes_the_mails_with_it(database: Database):
    with database.write() as tx:
        task_id = ask(tx, runtime(database))

        leave(tx, [tx.run(sa.select(enrolments.c.id)).scalar_one()], reason="replied")

        assert {(row.state, row.reason) for row in mails(tx).values()} == {("cancelled", "enrolment_ended")}
        with pytest.raises(StaleError, match="it is dropped"):
            answer(tx, task_id, TaskState.DONE)
