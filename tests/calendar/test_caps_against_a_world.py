"""What the calendar says of the caps against what the gate really does with the same people."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from math import sqrt
from pathlib import Path

import pytest

from engine.calendar.arrivals import Rate
from engine.calendar.forecast import Asked
from engine.calendar.odds import LeavingOdds, Odds, Source
from engine.compiler.plan import Between, CadencePlan, Caps, EnterStep, Policy
from engine.compiler.workspace import Compiled
from engine.simulate.recipients import Persona
from engine.spans import Span
from engine.vocabulary import Reason
from tests.calendar.test_against_a_world import DAY, by_step
from tests.calendar.worlds import expected, let_pass, sent, take_in, world_of
from tests.schedule.plans import OFFICE_HOURS, at, cadence, chain, email

TUESDAYS = replace(OFFICE_HOURS, weekdays=(1, 3))


def capped(per_day: int | None, per_week: int | None, per_month: int | None, **between: str) -> Callable[[Policy], Policy]:
    caps = Caps(per_day=per_day, per_week=per_week, per_month=per_month)
    return lambda policy: replace(policy, caps=caps, between=Between(**between))  # type: ignore[arg-type]


def every(name: str, *days: int, **changed: object) -> CadencePlan:
    return cadence(*chain(*(email(f"{name}-{day}", at(f"{day} days" if day else "")) for day in days)), name=name, **changed)


@pytest.mark.parametrize(
    ("change", "plans"),
    [
        (capped(1, 1, 6), [every("spaced", 0, 3, 4, 5, 9, 10, 11, 12, 30, 31, 32, gap=Span(days=3))]),
        (capped(1, 2, 6), [every("one", 0, 2, 4, 9, 11, 30), every("tuesdays", 1, 3, 10, 20, priority=-3, window=TUESDAYS)]),
        (capped(1, 2, 5, loser="drop"), [every("one", 0, 2, 4, 9, 11, 30), every("other", 1, 2, 10, 20, priority=-3)]),
    ],
)
def test_where_nothing_is_left_to_chance_mails_go_on_the_days_that_the_calendar_says(
    compiled_starter: Compiled, tmp_path: Path, change: Callable[[Policy], Policy], plans: list[CadencePlan]
) -> None:
    world = world_of(compiled_starter, tmp_path, *plans, change=change)
    for number, plan in enumerate(plans):
        take_in(world, plan.name, range(number, 5))
    now = let_pass(world, 2 * DAY + timedelta(hours=5))

    told = expected(world)

    let_pass(world, 80 * DAY)
    assert {key: pytest.approx(mails) for key, mails in told.sends.items()} == sent(world, now)
    assert sum(told.capped.values()) > 0


def test_what_leaving_makes_of_the_caps_agrees_within_chance(compiled_starter: Compiled, tmp_path: Path) -> None:
    plan = every("dense", 0, 1, 2, 3, 4, 7, 8)
    persona = Persona(name="answers", share=1.0, opens=1.0, replies=0.1)
    world = world_of(compiled_starter, tmp_path, plan, persona=persona, change=capped(1, 3, None))
    take_in(world, plan.name, range(80))
    now = let_pass(world, timedelta(minutes=1))
    stated = LeavingOdds(rates={Reason.REPLIED: 0.1}, source=Source.STATED)

    told = expected(world, Asked(stated=Odds(leaving={plan.name: stated})))

    let_pass(world, 40 * DAY)
    happened = sent(world, now)
    assert set(told.sends) == set(happened)
    for key, mails in told.sends.items():
        assert abs(happened[key] - mails) <= 4 * sqrt(mails * max(0.05, 1 - mails / 80)), key


def test_as_many_come_in_as_came_in_the_last_weeks_and_nobody_comes_twice(compiled_starter: Compiled, tmp_path: Path) -> None:
    first = cadence(
        *chain(email("hello", at("")), EnterStep(id="on", timing=at("30 days"), cadence="second", next=None)), name="first"
    )
    world = world_of(compiled_starter, tmp_path, first, every("second", 0, 7))
    take_in(world, "second", (10, 11))
    for week in range(6):  # everybody of the last four enters the second cadence within a month, but two who are through it
        take_in(world, "first", range(30) if week == 2 else range(100 * week, 100 * week + 4))
        let_pass(world, 7 * DAY)

    now = world.clock.now()
    told = expected(world, Asked(months=1, observe_new=True))

    assert told.new == {"first": Rate(in_a_week=4, source=Source.OBSERVED, weeks=6)}
    assert sum(told.newcomers_by_day()["first"].values()) == pytest.approx(4 / 7 * 30, abs=2)
    told = expected(world, Asked(months=1))
    let_pass(world, 31 * DAY)
    assert {key: pytest.approx(mails) for key, mails in told.sends.items()} == {
        key: mails for key, mails in sent(world, now).items() if key[0] < told.ends.toordinal()
    }
    assert by_step(told.sends)["second-0"] == 26 - 2 + 3 * 4
