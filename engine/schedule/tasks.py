"""Tasks: what a cadence asks of a rep, worded for the rep when it is read.

Before: `engine.advance` comes to a task step. After: `engine.scoring.notice` tells the rep, who answers it
(`engine.scoring.answers`); it is dropped when the passage ends first.
The row keeps the cadence's words with their gaps, for what fills them is personal and stands in `leads` alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

from jinja2 import ChainableUndefined, Template

from engine.compiler.plan import TaskStep
from engine.conditions import lead_values
from engine.database import Tx
from engine.leads import Lead
from engine.render.bounded import COUNTING, STEPS, Steps, counted_template
from engine.render.sandbox import make_sandbox, spoken
from engine.schema import tasks
from engine.spans import NO_DAYS_OFF, DaysOff
from engine.sql import insert
from engine.vocabulary import TaskState

LONGEST_TITLE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """What a touch asks of which rep. Days count in `zone`, business days without `days_off`."""

    touch_id: int
    lead: Lead
    rep: str
    step: TaskStep
    zone: ZoneInfo
    days_off: DaysOff = NO_DAYS_OFF


def write_tasks(tx: Tx, asked: Sequence[NewTask]) -> list[int]:
    """One task for each touch; a touch that has one gets no second. The ids of the new ones."""
    rows = [
        {
            "touch_id": task.touch_id,
            "lead_id": task.lead.id,
            "rep": task.rep,
            "action": task.step.action,
            "title": task.step.title[:LONGEST_TITLE],
            "note": task.step.note,
            "state": TaskState.OPEN,
            "due_at": task.step.due.after(tx.now, task.zone, task.days_off),
            "created_at": tx.now,
        }
        for task in asked
    ]
    added = insert(tx, tasks).on_conflict_do_nothing(index_elements=["touch_id"]).returning(tasks.c.id)
    return list(tx.run(added, rows).scalars()) if rows else []


def worded_title(title: str, lead: Lead) -> str:
    """A task's title on one line, with the lead's values as they are now."""
    return " ".join(fill_in(title, lead).split())[:LONGEST_TITLE]


def fill_in(text: str, lead: Lead) -> str:
    """The text with the lead's values; a missing one is left out, for a task with a gap is better than none."""
    try:
        return template(text).render({"lead": lead_values(lead), STEPS: Steps()})
    except Exception:  # whatever its expressions make of a value that is missing: a TypeError, a division by zero
        return text


@lru_cache(maxsize=512)
def template(text: str) -> Template:
    return counted_template(SANDBOX, text)


def spoken_or_nothing(value: object) -> str:
    return "" if value is None else spoken(value)


SANDBOX = make_sandbox(autoescape=False, finalize=spoken_or_nothing, undefined=ChainableUndefined)
SANDBOX.filters |= COUNTING  # it is filled in here, where a page is made, and not behind the fence
