"""explain, handoffs and status, over a workspace's own database."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from engine.cli.main import handraiser
from engine.database import Database, Tx
from engine.errors import StaleError, UsageError
from engine.migrations import upgrade
from engine.schedule.enrol import UNTOLD, enrol_leads
from engine.schedule.leave import leave
from engine.schema import enrolments, handoffs, sends, touches
from engine.scoring.rescore import rescore
from engine.story.refusals import STAYED_OUT
from engine.story.words import WHY
from engine.vocabulary import NotEnrolled, Reason
from tests.factories import add_consent, add_event, add_lead, add_reaction, add_send, add_suppression, add_worker
from tests.schedule.plans import at, cadence, chain, email
from tests.scoring.models import apply_rules, runtime

MAYA = {"first_name": "Maya", "last_name": "Lindqvist", "company": "Fernhill Primary", "employees": 80}
NURTURE = cadence(*chain(email("welcome", at("")), email("co2", at("4 days"))))
Run = Callable[..., Result]


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path / 'handraiser.db'}", durable=False)
    upgrade(database)
    with database.write() as tx:
        apply_rules(tx, NURTURE)
    yield database
    database.close()


@pytest.fixture
def run(filled: Database, tmp_path: Path) -> Run:
    def invoke(*words: str) -> Result:
        return CliRunner().invoke(handraiser, [words[0], "--workspace", str(tmp_path), *words[1:]])

    return invoke


def said(run: Run, *words: str) -> str:
    done = run(*words)
    assert done.exit_code == 0, done.output + repr(done.exception)
    return done.output


def add_maya(tx: Tx, **values: object) -> int:
    return add_lead(tx, **{"email": "maya@fernhill.example", "fields": MAYA, **values})  # type: ignore[arg-type]


def raise_hand(database: Database) -> int:
    with database.write() as tx:
        lead_id = add_maya(tx)
        enrol_leads(tx, "new-enquiry", [lead_id])
        add_event(tx, type="replied", lead_id=lead_id, data={"email": "co2"})
        (handoff_id,) = rescore(tx, runtime(database), [lead_id])
    return handoff_id


def test_explain_tells_why_the_next_touch_is_when_it_is(filled: Database, run: Run):
    with filled.write() as tx:
        enrol_leads(tx, "new-enquiry", [add_maya(tx)])

    told = said(run, "explain", "maya@fernhill.example")

    assert "new-enquiry, begun" in told
    assert "with the beginning on" in told
    assert "waiting    welcome" in told


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "2216-09-01"])
def test_nobody_is_enrolled_on_a_day_that_nobody_can_mean(filled: Database, run: Run, day: str):
    with filled.write() as tx:
        add_maya(tx)

    refused = run("enrol", "new-enquiry", "--all", "--at", day)

    assert isinstance(refused.exception, UsageError)
    assert f"{day} is more than ten years away" in str(refused.exception)
    with filled.read() as tx:
        assert tx.run(sa.select(sa.func.count()).select_from(enrolments)).scalar_one() == 0


def test_explain_tells_why_a_step_was_not_sent(filled: Database, run: Run):
    with filled.write() as tx:
        lead_id = add_maya(tx)
        enrol_leads(tx, "new-enquiry", [lead_id])
        tx.run(sa.update(touches).values(state="skipped", reason="consent", ended_at=tx.now))

    told = said(run, "explain", "maya@fernhill.example")

    assert "skipped    welcome" in told
    assert WHY["consent"] in told


def test_explain_tells_what_the_mail_server_said(filled: Database, run: Run):
    with filled.write() as tx:
        lead_id = add_maya(tx)
        enrol_leads(tx, "new-enquiry", [lead_id])
        touch_id = tx.run(sa.update(touches).values(state="sending").returning(touches.c.id)).scalar_one()
        later = tx.now + timedelta(minutes=9)
        add_send(
            tx, lead_id=lead_id, touch_id=touch_id, reason="temporary", due_at=later, smtp_code=451, smtp_reply="4.7.1 later"
        )

    told = said(run, "explain", "maya@fernhill.example")

    assert WHY["temporary"] in told
    assert "the mail server said: 451 4.7.1 later" in told


def test_explain_tells_score_consent_stops_and_sales(filled: Database, run: Run):
    raise_hand(filled)
    with filled.write() as tx:
        lead_id = tx.run(sa.select(handoffs.c.lead_id)).scalar_one()
        add_consent(tx, lead_id=lead_id, source="the form of 3 May")
        key = tx.run(sa.select(sends.c.address_key)).scalars().first()
        assert key is not None

    told = said(run, "explain", "maya@fernhill.example")

    assert "70 points: replied (+60); 50 people or more (+10)" in told
    assert "consent to air-lessons: granted, by the form of 3 May" in told
    assert "WITH SALES: hand-off 1 to Dana Whitfield: raised" in told
    assert "no date" in told
    assert WHY["paused"] in " ".join(told.split())


def test_explain_tells_what_stops_mail_and_why_a_passage_ended(filled: Database, run: Run):
    with filled.write() as tx:
        lead_id = add_maya(tx, address_key="key of maya")
        add_suppression(tx, address_key="key of maya", reason="complained")
        enrol_leads(tx, "new-enquiry", [add_lead(tx)])
        tx.run(sa.update(enrolments).values(lead_id=lead_id))
        leave(tx, [1], reason=Reason.COMPLAINED)

    told = said(run, "explain", "maya@fernhill.example")

    assert "NO MAIL: everything, because it complained" in told
    assert "left: the lead marked a mail as spam" in told


def test_explain_speaks_to_machines_too(filled: Database, run: Run):
    with filled.write() as tx:
        lead_id = add_maya(tx)
        enrol_leads(tx, "new-enquiry", [lead_id])
        add_send(tx, lead_id=lead_id, stream="transactional", email="order-confirmation", state="refused", reason="permanent")

    story = json.loads(said(run, "explain", "maya@fernhill.example", "--json"))

    assert story["passages"][0]["steps"][0]["because"][0].startswith("planned for ")
    assert story["mail"][0]["because"] == [WHY["permanent"]]


def test_explain_says_when_there_is_no_such_lead(run: Run):
    assert isinstance(run("explain", "nobody@x.example").exception, UsageError)


def test_every_reason_has_its_words():
    assert {str(reason) for reason in Reason} <= set(WHY)


def test_raised_hands_are_listed_and_shown(filled: Database, run: Run):
    raise_hand(filled)

    for words in ("Maya Lindqvist, Fernhill Primary", "raised, Dana Whitfield, until", "70 points: replied (+60)"):
        assert words in said(run, "handoffs")
    assert "replied to “co2”" in said(run, "handoffs", "show", "1")
    assert json.loads(said(run, "handoffs", "--json"))[0]["who"] == "Maya Lindqvist"


def test_a_hand_that_waits_too_long_is_marked(filled: Database, run: Run):
    raise_hand(filled)
    with filled.write() as tx:
        tx.run(sa.update(handoffs).values(answer_by=tx.now - timedelta(hours=1)))

    assert "LATE since" in said(run, "handoffs")
    assert "LOOK: 1 raised hands were not answered in time" in said(run, "status")


def test_a_hand_is_answered_from_a_terminal(filled: Database, run: Run):
    raise_hand(filled)

    assert "accepted" in said(run, "handoffs", "accept", "1", "--note", "rings on Monday")
    assert "closed" in said(run, "handoffs", "close", "1")

    assert "No hand is raised." in said(run, "handoffs")
    assert "Maya" in said(run, "handoffs", "--all")
    assert isinstance(run("handoffs", "decline", "1").exception, StaleError)


@pytest.mark.parametrize("words", [("accept",), ("show",), ("accept", "9"), ("show", "9")])
def test_an_answer_needs_a_hand_that_is_there(run: Run, words: tuple[str, ...]):
    assert isinstance(run("handoffs", *words).exception, UsageError)


def test_status_counts_what_is_there_and_what_is_due(filled: Database, run: Run):
    raise_hand(filled)
    with filled.write() as tx:
        add_worker(tx, lease_until=tx.now + timedelta(hours=1))
        add_worker(tx, id="gone", lease_until=tx.now - timedelta(hours=1))

    told = said(run, "status")

    for words in (
        "leads       1, 0 suppressions",
        "passages    1 suspended",
        "0 reactions, 1 awaited mail, 0 steps, 0 marketing mails, 0 posts",
        "worker (test, 1)",
    ):
        assert words in told
    assert told.count("(test, 1)") == 1
    assert json.loads(said(run, "status", "--json"))["handoffs"] == {"raised": 1}


def test_status_tells_what_somebody_must_look_at(filled: Database, run: Run):
    with filled.write() as tx:
        add_reaction(tx, event_id=add_event(tx, type="clicked"), due_at=None, claims=3, state="waiting")

    assert "LOOK: tried three times and set aside: 1 reaction" in said(run, "status")


def test_status_says_that_the_broker_is_away(run: Run, redis_url: str, monkeypatch: pytest.MonkeyPatch):
    told = {}
    for url in ("memory:", redis_url, "redis://127.0.0.1:1/0"):
        monkeypatch.setenv("HANDRAISER_BROKER_URL", url)
        told[url] = "LOOK: the broker" in said(run, "status")

    assert list(told.values()) == [False, False, True]


def test_status_of_an_empty_database(run: Run):
    assert "none is running" in said(run, "status")


def test_explain_tells_why_a_lead_stayed_out_until_it_came_in(filled: Database, run: Run):
    with filled.write() as tx:
        lead_id = add_maya(tx)
        add_consent(tx, lead_id=lead_id, state="refused")
        enrol_leads(tx, "new-enquiry", [lead_id], by="event:order_placed")

    told = said(run, "explain", "maya@fernhill.example")

    assert "not into new-enquiry, at the event order_placed: it refused mail on this topic" in " ".join(told.split())


def test_every_way_of_staying_out_has_its_words():
    assert set(NotEnrolled) - set(UNTOLD) == set(STAYED_OUT)


@pytest.mark.parametrize("words", [("sends", "accept"), ("tasks", "done"), ("handoffs", "accept")])
def test_a_number_that_no_row_can_have_is_refused(run: Run, words: tuple[str, ...]) -> None:
    assert "is not in the range" in run(*words, "9" * 30).output
