"""`handraiser tasks`, and where else a task is told of."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.database import Database
from engine.errors import StaleError, UsageError
from engine.schedule.leave import leave
from engine.schema import enrolments, tasks
from tests.cli.test_lead_commands import Run, filled, run, said
from tests.scoring.asked import ask
from tests.scoring.models import runtime

__all__ = ["filled", "run"]


def asked(database: Database, **lead: object) -> int:
    with database.write() as tx:
        tx.run(sa.delete(enrolments))
        return ask(tx, runtime(database), **lead)


def test_open_tasks_are_listed_and_shown_with_what_a_call_needs(filled: Database, run: Run):
    asked(filled, do_not_call=True)

    for words in (
        "    1  Call Maya about a visit", ", Dana Whitfield", "Maya <b>Lindqvist, Fernhill Primary",
        "DO NOT CALL", "Ask which room Fernhill Primary complains about.",
    ):  # fmt: skip
        assert words in said(run, "tasks")
    assert "began the cadence" in said(run, "tasks", "show", "1")
    assert json.loads(said(run, "tasks", "--json"))[0]["overdue"] is False
    assert "Call Maya" in said(run, "tasks", "--rep", "dana")
    assert "No rep is asked for anything." in said(run, "tasks", "--rep", "jonas")


def test_an_overdue_task_is_marked(filled: Database, run: Run):
    asked(filled)
    with filled.write() as tx:
        tx.run(sa.update(tasks).values(due_at=tx.now - timedelta(hours=1)))

    assert "OVERDUE since" in said(run, "tasks")
    assert "LOOK: 1 tasks of reps are overdue: `handraiser tasks`" in said(run, "status")


@pytest.mark.parametrize(("verb", "words"), [("done", "done"), ("drop", "not needed")])
def test_a_task_is_answered_from_a_terminal_and_explain_tells_of_it(filled: Database, run: Run, verb: str, words: str):
    asked(filled)
    assert "task 1 of dana is open, due " in " ".join(said(run, "explain", "maya@fernhill.example").split())

    assert f"{words}: “visit on Friday”" in said(run, "tasks", verb, "1", "--note", "visit on Friday")

    assert "No rep is asked for anything." in said(run, "tasks")
    assert "Maya" in said(run, "tasks", "--all")
    told = " ".join(said(run, "explain", "maya@fernhill.example").split())
    assert f"task 1 of dana is {words}, since" in told and ": “visit on Friday”" in told
    assert isinstance(run("tasks", "drop" if verb == "done" else "done", "1").exception, StaleError)


def test_a_dropped_task_says_why(filled: Database, run: Run):
    asked(filled)
    with filled.write() as tx:
        leave(tx, tx.run(sa.select(enrolments.c.id)).scalars().all(), reason="replied")

    assert "dropped: the lead replied" in said(run, "tasks", "--all")


@pytest.mark.parametrize("words", [("done",), ("show",), ("drop", "9"), ("show", "9")])
def test_an_answer_needs_a_task_that_is_there(run: Run, words: tuple[str, ...], tmp_path: Path):
    assert isinstance(run("tasks", *words).exception, UsageError)
