"""Tasks: what a cadence asks of a rep, written for the rep to read.

Before: `engine.advance` comes to a task step. After: the rep sees it with the lead; it is dropped when the passage ends first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

from jinja2 import ChainableUndefined, Template, TemplateError

from engine.compiler.plan import TaskStep
from engine.conditions import lead_values
from engine.database import Tx
from engine.errors import RenderError
from engine.leads import Lead
from engine.render.sandbox import make_sandbox, spoken
from engine.schema import tasks
from engine.sql import insert
from engine.vocabulary import TaskState

LONGEST_TITLE = 300
MUST_NOT_CALL = "This lead asked not to be called."


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """What a touch asks of which rep. Days count in `zone`."""

    touch_id: int
    lead: Lead
    rep: str
    step: TaskStep
    zone: ZoneInfo


def write_tasks(tx: Tx, asked: Sequence[NewTask]) -> None:
    """One task for each touch; a touch that has one gets no second."""
    rows = [
        {
            "touch_id": task.touch_id,
            "lead_id": task.lead.id,
            "rep": task.rep,
            "title": " ".join(fill_in(task.step.title, task.lead).split())[:LONGEST_TITLE],
            "note": note_of(task),
            "state": TaskState.OPEN,
            "due_at": task.step.due.after(tx.now, task.zone),
            "created_at": tx.now,
        }
        for task in asked
    ]
    if rows:
        tx.run(insert(tx, tasks).on_conflict_do_nothing(index_elements=["touch_id"]), rows)


def note_of(task: NewTask) -> str:
    note = fill_in(task.step.note, task.lead)
    return "\n".join(part for part in (note, MUST_NOT_CALL if task.lead.do_not_call else "") if part)


def fill_in(text: str, lead: Lead) -> str:
    """The text with the lead's values; a missing one is left out, for a task with a gap is better than none."""
    try:
        return template(text).render(lead=lead_values(lead))
    except (TemplateError, RenderError):
        return text


@lru_cache(maxsize=512)
def template(text: str) -> Template:
    return SANDBOX.from_string(text)


def spoken_or_nothing(value: object) -> str:
    return "" if value is None else spoken(value)


SANDBOX = make_sandbox(autoescape=False, finalize=spoken_or_nothing, undefined=ChainableUndefined)
