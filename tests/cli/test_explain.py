"""`explain` for every reason that there is, each with a real row behind it."""

from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from engine.cli.explain import lines_of
from engine.cli.lead_story import story_of
from engine.cli.plan import in_words, named
from engine.clock import VirtualClock
from engine.compiler.plan import Arm, CadencePlan, Caps, Holidays, Window
from engine.database import Database, Tx
from engine.deliver.doubt import call_accepted
from engine.leads import load_leads
from engine.schedule.edited import work_out
from engine.schedule.enrol import enrol_leads
from engine.schedule.progress import EndedTouch, end_touches
from engine.schema import enrolments, sends, touches
from engine.spans import Span
from engine.story.words import WHY, server_in_words
from engine.vocabulary import TouchState
from tests.factories import add_lead, add_send, add_suppression
from tests.schedule.plans import OFFICE_HOURS, at, cadence, chain, email, split, task, wait, workspace
from tests.scoring.models import apply_rules

TWO = cadence(*chain(email("welcome", at("")), email("co2", at("4 days"))))
OTHER = cadence(email("offer", at("")), name="urgent", priority=5)


def inside(tx: Tx, *plans: CadencePlan, **policy: object) -> int:
    """A lead in all of these cadences."""
    apply_rules(tx, *plans, **policy)  # type: ignore[arg-type]
    lead_id = add_lead(tx, email="maya@fernhill.example", address_key="key of maya", zone="Europe/London")
    for plan in plans:
        enrol_leads(tx, plan.name, [lead_id])
    return lead_id


def told(tx: Tx, lead_id: int) -> str:
    """On one line, so that a test need not care where lines are broken."""
    lines = list(lines_of(story_of(tx, load_leads(tx, [lead_id])[lead_id])))
    assert max(map(len, lines)) <= 80
    return " ".join(" ".join(lines).split())


@pytest.mark.parametrize(
    "reason",
    ["consent", "suppressed", "late", "shadow", "holdout", "sent_before", "no_address", "removed", "same_mail", "no_rep"],
)
def test_a_step_that_was_skipped_is_told_with_its_reason(reason: str, sqlite_database: Database) -> None:
    with sqlite_database.write() as tx:
        lead_id = inside(tx, TWO)
        tx.run(sa.update(touches).values(state="skipped", reason=reason, ended_at=tx.now))

        assert WHY[reason] in told(tx, lead_id)


def test_a_mail_is_told_with_its_language_and_arm(sqlite_database: Database) -> None:
    with sqlite_database.write() as tx:
        lead_id = inside(tx, TWO)
        touch_id = tx.run(sa.update(touches).values(state="sending").returning(touches.c.id)).scalar_one()
        version = {"language": "de", "arm": "question"}
        add_send(tx, lead_id=lead_id, email="welcome", touch_id=touch_id, state="accepted", ended_at=tx.now, **version)
        add_send(tx, lead_id=lead_id, email="receipt", stream="transactional", state="accepted", ended_at=tx.now, **version)

        story = story_of(tx, load_leads(tx, [lead_id])[lead_id])

        assert told(tx, lead_id).count("in the language de") == 2
        assert told(tx, lead_id).count("it drew the arm question of the email") == 2
        assert (story.mail[0].language, story.mail[0].variant) == ("de", "question")
        assert (story.passages[0].steps[0].language, story.passages[0].steps[0].variant) == ("de", "question")


def test_a_mail_that_was_in_doubt_and_is_settled_is_in_doubt_no_more(sqlite_database: Database) -> None:
    with sqlite_database.write() as tx:
        lead_id = inside(tx, TWO)
        doubt = {"state": "done", "reason": "worker_died", "ended_at": tx.now}
        touch_id = tx.run(sa.update(touches).values(doubt).returning(touches.c.id)).scalar_one()
        mail = add_send(tx, lead_id=lead_id, email="welcome", touch_id=touch_id, **doubt | {"state": "unknown"})
        before = told(tx, lead_id)
        call_accepted(tx, [mail])

        assert (WHY["worker_died"] in before, WHY["worker_died"] in told(tx, lead_id)) == (True, False)


@pytest.mark.parametrize(
    ("state", "reason", "code"),
    [
        ("cancelled", "template_error", None),
        ("cancelled", "shadow", None),
        ("cancelled", "address_changed", None),
        ("cancelled", "enrolment_ended", None),
        ("refused", "permanent", 550),
        ("refused", "too_old", 451),
        ("unknown", "no_answer", None),
        ("unknown", "worker_died", None),
        ("ready", "temporary", 451),
        ("ready", "window", None),
        ("ready", "catch_up", None),
    ],
)
def test_a_mail_is_told_with_its_reason_and_what_the_server_said(
    state: str, reason: str, code: int | None, sqlite_database: Database
) -> None:
    with sqlite_database.write() as tx:
        lead_id = inside(tx, TWO)
        touch_id = tx.run(sa.update(touches).values(state="sending").returning(touches.c.id)).scalar_one()
        ended_at = None if state == "ready" else tx.now
        said = {"smtp_code": code, "smtp_reply": "4.7.1 not as we like it", "smtp_phase": "rcpt"} if code else {}
        add_send(tx, lead_id=lead_id, touch_id=touch_id, state=state, reason=reason, ended_at=ended_at, **said)

        story = told(tx, lead_id)

    assert WHY[reason] in story
    assert ("the mail server said: " in story) == (code is not None)
    assert ("as we like it, when it had the reader's address" in " ".join(story.split())) == (code is not None)


def test_a_mail_server_that_said_nothing_is_told_with_how_far_it_came() -> None:
    assert server_in_words(None, "no answer within 2 s", "dot") == "nothing, after the whole text (no answer within 2 s)"


@pytest.mark.parametrize("reason", ["cap", "outranked"])
def test_a_mail_without_room_names_those_that_took_it(reason: str, sqlite_database: Database) -> None:
    caps = Caps(per_day=1, per_week=2, per_month=None)
    with sqlite_database.write() as tx:
        lead_id = inside(tx, TWO, OTHER, caps=caps)
        touch_id = tx.run(sa.select(touches.c.id).where(touches.c.step_id == "welcome")).scalar_one()
        tx.run(sa.update(touches).where(touches.c.id == touch_id).values(state="sending"))
        add_send(tx, lead_id=lead_id, state="accepted", email="letter", cap_on=date(2026, 1, 5), ended_at=tx.now)
        later = tx.now + timedelta(days=1)
        add_send(tx, lead_id=lead_id, touch_id=touch_id, reason=reason, due_at=later)

        story = told(tx, lead_id)

    assert WHY[reason] in story
    assert "the caps are 1 a day, 2 a week" in story
    assert "counted: letter on Mon 05 Jan 2026" in story
    assert ("offer of urgent goes before it" in story) == (reason == "outranked")


def test_only_mails_that_go_first_are_told_to_go_before_another(sqlite_database: Database) -> None:
    with sqlite_database.write() as tx:
        task_first = cadence(*chain(task("call", at("")), email("visit", at("1 day"))), name="called", priority=9)
        last = cadence(email("news", at("")), name="less", priority=-1)
        lead_id = inside(tx, TWO, OTHER, task_first, last, caps=Caps(per_day=1, per_week=None, per_month=None))
        touch_id = tx.run(sa.select(touches.c.id).where(touches.c.step_id == "welcome")).scalar_one()
        tx.run(sa.update(touches).where(touches.c.id == touch_id).values(state="sending"))
        add_send(tx, lead_id=lead_id, touch_id=touch_id, reason="outranked", due_at=tx.now + timedelta(days=1))

        story = told(tx, lead_id)

    assert story.count("goes before it") == 1
    assert "offer of urgent goes before it" in story


def test_a_mail_says_which_relay_it_went_through_unless_it_is_the_usual_one(sqlite_database: Database) -> None:
    with sqlite_database.write() as tx:
        lead_id = inside(tx, TWO)
        touch_id = tx.run(sa.update(touches).values(state="done", ended_at=tx.now).returning(touches.c.id)).scalar_one()
        gone = {"lead_id": lead_id, "state": "accepted", "ended_at": tx.now}
        add_send(tx, **gone, touch_id=touch_id, relay="bulk")
        add_send(tx, **gone, stream="transactional", email="order", relay="main")

        story = told(tx, lead_id)

    assert "sent welcome through the relay bulk" in story
    assert "through the relay main" not in story


def test_a_mail_that_went_out_after_it_had_waited_says_for_what(sqlite_database: Database) -> None:
    with sqlite_database.write() as tx:
        lead_id = inside(tx, TWO)
        touch_id = tx.run(sa.update(touches).values(state="done", ended_at=tx.now).returning(touches.c.id)).scalar_one()
        gone = {"lead_id": lead_id, "state": "accepted", "ended_at": tx.now}
        add_send(tx, **gone, touch_id=touch_id, waited_for="cap")
        add_send(tx, **gone, stream="transactional", email="order", waited_for="temporary")

        story = told(tx, lead_id)

    assert "sent welcome it had to wait: the lead had as much marketing mail as the caps allow" in story
    assert "sent order it had to wait: it could not go for now" in story


def test_why_a_mail_waits_is_told_once(sqlite_database: Database) -> None:
    with sqlite_database.write() as tx:
        lead_id = inside(tx, TWO)
        add_send(tx, lead_id=lead_id, stream="transactional", email="order", reason="relay_away", waited_for="relay_away")

        assert told(tx, lead_id).count("our mail server cannot be reached") == 1


def test_a_holiday_is_told_by_its_name(sqlite_database: Database) -> None:
    with sqlite_database.write() as tx:
        lead_id = inside(tx, cadence(email("welcome", at("88 days"))), holidays=Holidays(usual="GB-ENG"))

        assert "Fri 03 Apr 2026 is a holiday: Good Friday" in told(tx, lead_id)


def test_quiet_hours_are_told_with_the_window(sqlite_database: Database, clock: VirtualClock) -> None:
    quiet = (OFFICE_HOURS.opens.replace(hour=8), OFFICE_HOURS.opens.replace(hour=11))
    window = Window(weekdays=OFFICE_HOURS.weekdays, opens=OFFICE_HOURS.opens, closes=OFFICE_HOURS.closes, quiet=(quiet,))
    with sqlite_database.write() as tx:
        lead_id = inside(tx, cadence(email("welcome", at("")), window=window))

        assert "mail goes out Mon–Fri, 09:00–17:00, not 08:00–11:00 in Europe/London" in told(tx, lead_id)


def test_lateness_by_our_own_fault_is_told(sqlite_database: Database) -> None:
    with sqlite_database.write() as tx:
        lead_id = inside(tx, TWO)
        tx.run(sa.update(touches).values(late_by=2 * 86_400 + 3 * 3_600, reason="catch_up"))

        assert "late by our own fault: 2 days and 3 hours" in told(tx, lead_id)


def test_the_arm_and_the_segments_are_told(sqlite_database: Database) -> None:
    arms = (Arm(name="short", share=50, next=None), Arm(name="none", share=50, next=None, holdout=True))
    with sqlite_database.write() as tx:
        lead_id = inside(tx, cadence(split("short-or-none", *arms)), segments={"everybody": "email != 'x'"})
        tx.run(sa.update(touches).values(state="done", arm="none", reason="holdout", ended_at=tx.now))

        story = told(tx, lead_id)

    assert "drew the arm none" in story
    assert "in the segments everybody" in story


def test_a_mail_that_was_moved_tells_what_moved_it_when_it_is_long_gone(sqlite_database: Database, clock: VirtualClock) -> None:
    with sqlite_database.write() as tx:
        lead_id = inside(tx, cadence(email("welcome", at("5 days"))))
    clock.move_to(clock.now() + timedelta(days=7))
    with sqlite_database.write() as tx:
        touch_id = tx.run(sa.update(touches).values(state="done", ended_at=tx.now).returning(touches.c.id)).scalar_one()
        add_send(tx, lead_id=lead_id, touch_id=touch_id, state="accepted", ended_at=tx.now)

        story = told(tx, lead_id)

    assert "planned for Sat 10 Jan 2026, 5 days after the beginning on Mon 05 Jan 2026" in story
    assert "mail goes out Mon–Fri, 09:00–17:00 in Europe/London" in story


def test_what_comes_after_the_next_step_is_told_if_nothing_happens(sqlite_database: Database) -> None:
    read = wait("read", "7 days", condition="clicked('welcome')", otherwise="co2")
    steps = chain(email("welcome", at("")), read, email("co2", at("20 days")), email("end", at("40 days")))
    with sqlite_database.write() as tx:
        lead_id = inside(tx, cadence(*steps))

        [passage] = story_of(tx, load_leads(tx, [lead_id])[lead_id]).passages
        story = told(tx, lead_id)

    assert [(mail.step, mail.on) for mail in passage.ahead] == [
        ("co2", "Mon 26 Jan 2026 09:00"),
        ("end", "Mon 16 Feb 2026 09:00"),
    ]
    assert "then, if nothing happens Mon 26 Jan 2026 09:00 expected co2" in story


def test_a_mail_that_never_left_keeps_no_gap_to_what_is_told_as_coming(sqlite_database: Database) -> None:
    steps = chain(email("welcome", at("")), task("call", at("1 day")), email("co2", at("2 days")))
    with sqlite_database.write() as tx:
        lead_id = inside(tx, cadence(*steps, gap=Span(days=10)))
        touch_id = tx.run(sa.update(touches).values(state="sending").returning(touches.c.id)).scalar_one()
        add_send(tx, lead_id=lead_id, touch_id=touch_id, state="refused", reason="permanent", ended_at=tx.now)
        end_touches(tx, [EndedTouch(touch_id=touch_id, state=TouchState.SKIPPED, reason="permanent")])

        [passage] = story_of(tx, load_leads(tx, [lead_id])[lead_id]).passages

    assert [(mail.step, mail.on) for mail in passage.ahead] == [("co2", "Wed 07 Jan 2026 09:00")]


def test_what_was_sent_in_an_earlier_passage_or_may_not_be_sent_is_not_told_as_coming(sqlite_database: Database) -> None:
    steps = chain(email("welcome", at("")), email("co2", at("20 days")), email("end", at("40 days")))
    with sqlite_database.write() as tx:
        lead_id = inside(tx, cadence(*steps))
        tx.run(sa.update(touches).values(step_id="co2", state="done", ended_at=tx.now))
        tx.run(sa.update(enrolments).values(state="finished", ended_at=tx.now))
        enrol_leads(tx, "new-enquiry", [lead_id], again=True)

        [_first, again] = story_of(tx, load_leads(tx, [lead_id])[lead_id]).passages
        add_suppression(tx, address_key="key of maya")
        [_first, stopped] = story_of(tx, load_leads(tx, [lead_id])[lead_id]).passages

    assert [mail.step for mail in again.ahead] == ["end"]
    assert stopped.ahead == ()


def test_who_was_refused_nothing_and_sent_everything_has_nothing_ahead(sqlite_database: Database) -> None:
    with sqlite_database.write() as tx:
        lead_id = inside(tx, TWO)
        tx.run(sa.delete(sends))
        tx.run(sa.update(touches).values(state="done", ended_at=tx.now))

        [passage] = story_of(tx, load_leads(tx, [lead_id])[lead_id]).passages

    assert passage.ahead == ()


@pytest.mark.parametrize(
    ("by", "words"),
    [
        ("hand", "came in by hand"),
        ("step", "came in by a step of another cadence"),
        ("event:imported", "came in by the event imported"),
        ("segment:big-offices", "came in by the segment big-offices"),
    ],
)
def test_how_a_lead_came_in_is_told_and_plan_says_it_of_everybody_it_names(
    by: str, words: str, sqlite_database: Database
) -> None:
    with sqlite_database.write() as tx:
        apply_rules(tx, TWO)
        lead_id = add_lead(tx, email="maya@fernhill.example")
        enrol_leads(tx, TWO.name, [lead_id], by=by)
        work = work_out(tx, workspace(cadence(email("co2", at("")), on_change="migrate")), {})

        assert words in told(tx, lead_id)
        assert f"    maya@fernhill.example, {words}" in in_words(named(tx, work, "removed"), "removed", 10)
