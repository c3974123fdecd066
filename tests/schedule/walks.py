"""Whole passages walked step by step in drawn zones, windows and calendars: every step once, in order, mails a gap apart.

`tests/schedule/test_walks.py` walks a few; this file run by itself walks as many as asked:

    python -m tests.schedule.walks --walks 100000 --seed 1
"""

import argparse
import random
import sys
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from engine.compiler.plan import EmailStep, Timing, Window
from engine.schedule.next_step import NEXT, Ended, Passage, course_of, next_step
from engine.schedule.timing import end_of_gap, is_open
from engine.spans import Span
from tests.schedule.oracle import CLOCKS, FIRST, LAST, ZONES, draw_days_off, draw_window, moment
from tests.schedule.plans import cadence, chain, email, task

ALWAYS = Window(weekdays=tuple(range(7)), opens=CLOCKS[0], closes=CLOCKS[-1])


def walk(chance: random.Random) -> None:
    """One passage from its beginning to its end; now and then a step is carried out late. AssertionError where a rule breaks."""
    course = course_of(draw_cadence(chance))
    now = moment(chance, FIRST, LAST - timedelta(days=2_000))
    zone, window, gap = ZoneInfo(chance.choice(ZONES)), course.plan.window, course.plan.gap
    passage = Passage(anchor_at=now, shift_days=chance.choice([0, 0, 3]), zone=zone, days_off=draw_days_off(chance, now.date()))
    ended: Ended | None = None
    met: list[str] = []
    mailed_at: datetime | None = None
    while (coming := next_step(course, passage, ended, now=now)).step is not None:
        step, planned = coming.step, coming.planned
        assert planned is not None and planned.due_at >= now
        if isinstance(step, EmailStep):
            assert is_open(planned.due_at.astimezone(zone), window, passage.days_off)
            assert mailed_at is None or planned.due_at >= end_of_gap(gap, mailed_at, zone, passage.days_off)
        met.append(step.id)
        now = planned.due_at + timedelta(hours=chance.choice([0, 0, 0, 0, 5, 60, 900]))
        mailed_at = now if isinstance(step, EmailStep) else mailed_at
        ended = Ended(step_id=step.id, took=NEXT, on=planned.on, at=now, mailed_at=mailed_at)
    assert met == [step.id for step in course.plan.steps]


def draw_cadence(chance: random.Random):
    """Mails and tasks, counted from the beginning or from each other."""
    steps, day = [], 0
    for number in range(chance.randrange(2, 12)):
        day += chance.randrange(1, 90)
        counted = [Timing(base="at", span=Span(months=day // 30, days=day % 30), clock=chance.choice([None, *CLOCKS]))]
        counted += [Timing(base="after", span=span) for span in (Span(business_days=3), Span(seconds=14_400), Span(months=1))]
        make = chance.choice([email, email, task])
        steps.append(make(f"step-{number}", chance.choice(counted)))
    gap = chance.choice([Span(days=1), Span(days=3), Span(seconds=7_200)])
    return cadence(*chain(*steps), window=draw_window(chance) or ALWAYS, gap=gap)


def main() -> int:
    parser = argparse.ArgumentParser(description="Walk drawn passages through drawn cadences.")
    parser.add_argument("--walks", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    for number in range(asked.walks):
        try:
            walk(random.Random(f"{asked.seed}:{number}"))
        except AssertionError:
            print(f"walk {number} of seed {asked.seed} breaks a rule")
            raise
    print(f"{asked.walks} walks keep the rules (seed {asked.seed})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
