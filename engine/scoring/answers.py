"""A rep's answer to a raised hand or a task: it counts once, and what has not yet gone out about it stays.

Before: `webhooks.asks`, `handraiser handoffs` and `handraiser tasks`. After: the answer is an event, on which `engine.reactions`
acts and of which the history tells.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from engine.database import Tx
from engine.errors import StaleError, UsageError
from engine.events import NewEvent, record_events
from engine.schedule.leave import cancel_unbegun
from engine.schema import handoffs, sends, tasks
from engine.vocabulary import Ask, EventType, HandoffState, Origin, Reason, TaskState

LONGEST_NOTE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Where what is asked stands. `note`, `answered_at`: its columns for the answer; `mails`: the column of its mails."""

    ask: Ask
    named: str
    table: sa.Table
    note: str
    answered_at: str
    mails: sa.Column[int]

    def has_no(self, number: int) -> UsageError:
        return UsageError(f"there is no {self.named} {number}; `handraiser {self.table.name}` lists them")


HANDOFFS = Book(
    ask=Ask.HANDOFF, named="hand-off", table=handoffs, note="note", answered_at="answered_at", mails=sends.c.handoff_id
)
TASKS = Book(ask=Ask.TASK, named="task", table=tasks, note="said", answered_at="ended_at", mails=sends.c.task_id)
# answer: (where, the states it may follow, the event that it is)
ANSWERS: dict[HandoffState | TaskState, tuple[Book, tuple[str, ...], EventType]] = {
    HandoffState.ACCEPTED: (HANDOFFS, (HandoffState.RAISED,), EventType.HANDOFF_ACCEPTED),
    HandoffState.DECLINED: (HANDOFFS, (HandoffState.RAISED, HandoffState.ACCEPTED), EventType.HANDOFF_DECLINED),
    HandoffState.CLOSED: (HANDOFFS, (HandoffState.ACCEPTED,), EventType.HANDOFF_CLOSED),
    TaskState.DONE: (TASKS, (TaskState.OPEN,), EventType.TASK_DONE),
    TaskState.NOT_NEEDED: (TASKS, (TaskState.OPEN,), EventType.TASK_NOT_NEEDED),
}


def answer(tx: Tx, number: int, state: HandoffState | TaskState, *, note: str = "") -> None:
    """A rep's answer to the hand-off or the task `number`, as `state` says. Raises StaleError when it is not open to it.

    The same answer twice is one answer. Raises UsageError when there is none of that number. The caller commits.
    """
    book, may_come_from, event_type = ANSWERS[state]
    table, written = book.table, note.strip()[:LONGEST_NOTE] or None
    changed = (
        sa.update(table)
        .where(table.c.id == number, table.c.state.in_(may_come_from))
        .values({"state": state, book.answered_at: tx.now, book.note: written})
        .returning(table.c.lead_id)
    )
    lead_id = tx.run(changed).scalar()
    if lead_id is None:
        refuse_unless_repeated(tx, book, number, state)
        return
    cancel_unbegun(tx, book.mails == number, reason=Reason.HANDOFF)
    record_answer(tx, book.ask, number, lead_id, event_type)


def refuse_unless_repeated(tx: Tx, book: Book, number: int, state: HandoffState | TaskState) -> None:
    stands = tx.run(sa.select(book.table.c.state).where(book.table.c.id == number)).scalar()
    if stands is None:
        raise book.has_no(number)
    if stands != state:
        raise StaleError(f"{book.named} {number} cannot be {in_words(state)}: it is {in_words(stands)}")


def in_words(state: str) -> str:
    return state.replace("_", " ")


def record_answer(tx: Tx, ask: Ask, number: int, lead_id: int, event_type: EventType) -> None:
    record_events(
        tx,
        [
            NewEvent(
                source_key=f"{ask}:{number}:{event_type}",
                type=event_type,
                origin=Origin.HUMAN,
                lead_id=lead_id,
                occurred_at=tx.now,
                data={str(ask): number},
            )
        ],
    )
