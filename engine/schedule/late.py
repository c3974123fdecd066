"""How late a mail is by our own fault, and whether that is still borne, as pure functions.

Before: a touch or a send is carried out, with its due time and what was added to its lateness on the way (`touches.late_by`).
After: `engine.advance` and `engine.deliver.send` skip it, send it, or send it and move all that follows. Waiting for a window,
for room under a cap or for sales is not our fault: these give a new due time, and lateness counts from that. A transactional mail
waits for nothing of the kind; its lateness counts from the event that asked for it.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from engine.compiler.plan import EmailStep, Promptness
from engine.schedule.timing import local_date
from engine.vocabulary import Late

WORTH_NOTING = timedelta(hours=1)  # less than this is how long queues are, and no outage


class Verdict(StrEnum):
    """What becomes of a mail that is to go out now."""

    GO = "go"
    SKIP = "skip"
    SHIFT = "shift"


def judge(
    bears: EmailStep | Promptness, *, due_at: datetime | None, late_by: timedelta, now: datetime, zone: ZoneInfo
) -> Verdict:
    """By what the step or the email bears, for a mail that was due at `due_at` and had been late by `late_by` then."""
    if bears.late == Late.SEND or not is_late(bears, on_time(due_at, late_by, now), now, zone):
        return Verdict.GO
    return Verdict.SHIFT if bears.late == Late.SHIFT else Verdict.SKIP


def is_late(bears: EmailStep | Promptness, should_be_at: datetime, now: datetime, zone: ZoneInfo) -> bool:
    """Whether it comes later than it is of use, whatever becomes of it then."""
    return bears.valid_for is not None and now > deadline(bears, should_be_at, zone)


def deadline(bears: EmailStep | Promptness, should_be_at: datetime, zone: ZoneInfo) -> datetime:
    """Until when a mail that should go out at that time may. Raises where any lateness is borne."""
    assert bears.valid_for is not None
    return bears.valid_for.after(should_be_at, zone)


def on_time(due_at: datetime | None, late_by: timedelta, now: datetime) -> datetime:
    """When it would have gone out, had we never been late."""
    return min(due_at or now, now) - late_by


def days_late(should_be_at: datetime, now: datetime, zone: ZoneInfo) -> int:
    """Whole days on the lead's calendar."""
    return (local_date(now, zone) - local_date(should_be_at, zone)).days
