"""The calendar against what really happens: the same code that sends, under a virtual clock."""

from dataclasses import replace
from datetime import time, timedelta
from math import sqrt
from pathlib import Path

import pytest

from engine.calendar.expected import Forecast
from engine.calendar.forecast import Asked
from engine.calendar.odds import LeavingOdds, Odds, Source, StepOdds
from engine.compiler.plan import Arm, Caps, Policy, SplitStep, Window
from engine.compiler.workspace import Compiled
from engine.simulate.recipients import Persona
from engine.spans import Span
from engine.vocabulary import Reason
from tests.calendar.worlds import expected, let_pass, sent, take_in, world_of
from tests.schedule.plans import AT_ONCE, after, at, cadence, chain, email, task, wait

DAY = timedelta(days=1)
TUESDAYS = Window(weekdays=(1, 2, 3), opens=time(8, 30), closes=time(15))


def no_caps(policy: Policy) -> Policy:
    return replace(policy, caps=Caps(per_day=None, per_week=None, per_month=None))


def test_without_branches_the_calendar_is_exactly_what_is_sent(compiled_starter: Compiled, tmp_path: Path) -> None:
    plain = cadence(
        *chain(
            email("welcome", at("")), email("second", at("4 days")), task("call", after("2 days")),
            email("third", after("3 business days")), wait("pause", "9 days"), email("fourth", after("4 hours")),
            email("month-1", at("1 month")), email("month-2", at("2 months", time(14, 30))),
            email("soon-after", after("1 day")), email("year", at("1 year")),
        ),
        gap=Span(days=3),
    )  # fmt: skip
    narrow = cadence(*chain(*(email(f"letter-{n}", at(f"{n} months")) for n in range(1, 9))), name="narrow", window=TUESDAYS)
    world = world_of(compiled_starter, tmp_path, plain, narrow, change=no_caps)
    take_in(world, "new-enquiry", range(10))
    let_pass(world, 26 * DAY + timedelta(hours=3))
    take_in(world, "new-enquiry", range(10, 25))
    take_in(world, "narrow", range(5, 30))
    now = let_pass(world, 13 * DAY + timedelta(hours=5, minutes=17))

    told = expected(world)

    let_pass(world, 760 * DAY)
    assert {key: pytest.approx(mails) for key, mails in told.sends.items()} == sent(world, now)
    assert told.people == 30
    assert sum(told.ended.values()) == pytest.approx(told.passages)


def test_with_stated_odds_the_sums_agree_within_chance(compiled_starter: Compiled, tmp_path: Path) -> None:
    parting = cadence(
        email("welcome", at(""), next="draw"),
        SplitStep(
            id="draw", timing=AT_ONCE, next="late",
            arms=(Arm(name="short", share=45, next="one"), Arm(name="long", share=45, next="two"),
                  Arm(name="none", share=10, next=None, holdout=True)),
        ),
        email("one", at("2 weeks"), next="late"),
        email("two", at("1 week"), next="three"),
        email("three", after("5 business days"), next="late"),
        email("late", at("2 months"), next="last"),
        email("last", at("3 months")),
    )  # fmt: skip
    persona = Persona(name="answers", share=1.0, opens=1.0, replies=0.05, unsubscribes=0.04)
    world = world_of(compiled_starter, tmp_path, parting, persona=persona, change=no_caps)
    take_in(world, "new-enquiry", range(300))
    now = let_pass(world, timedelta(minutes=1))
    stated = LeavingOdds(rates={Reason.REPLIED: 0.05, Reason.UNSUBSCRIBED: 0.95 * 0.04}, source=Source.STATED)

    told = expected(world, Asked(stated=Odds(leaving={"new-enquiry": stated})))

    let_pass(world, 200 * DAY)
    happened = by_step(sent(world, now))
    for step, mails in by_step(told.sends).items():
        assert abs(happened.get(step, 0) - mails) <= 4 * sqrt(mails * max(0.05, 1 - mails / 300)), step


def test_what_was_observed_once_tells_what_comes_next(compiled_starter: Compiled, tmp_path: Path) -> None:
    reading = cadence(
        email("welcome", at(""), next="read"),
        wait(
            "read",
            "10 days",
            condition="clicked('guide') or clicked('pricing') or clicked()",
            next="read-it",
            otherwise="not-read",
        ),
        email("read-it", after("3 business days"), next="late"),
        email("not-read", after("1 business day"), next="late"),
        email("late", at("2 months")),
        exits=(),
    )
    persona = Persona(name="clicks", share=1.0, opens=1.0, clicks=0.3, unsubscribes=0.02)
    world = world_of(compiled_starter, tmp_path, reading, persona=persona, change=no_caps)
    take_in(world, "new-enquiry", range(250))
    let_pass(world, 80 * DAY)
    take_in(world, "new-enquiry", range(250, 500))
    now = let_pass(world, timedelta(minutes=1))

    told = expected(world)

    seen = told.odds.steps["new-enquiry", "read"]
    assert seen.source == Source.OBSERVED and seen.sample > 200
    assert told.odds.leaving["new-enquiry"].sample > 400
    let_pass(world, 80 * DAY)
    happened = by_step(sent(world, now))
    for step, mails in by_step(told.sends).items():
        # Both the past and the future are drawn, so the difference has twice the variance.
        assert abs(happened.get(step, 0) - mails) <= 4 * sqrt(2 * mails * max(0.1, 1 - mails / 250)), step


def test_nobody_is_lost_on_the_way(compiled_starter: Compiled, tmp_path: Path) -> None:
    assert compiled_starter.plan is not None
    world = world_of(compiled_starter, tmp_path, *compiled_starter.plan.cadences)
    for name in ("new-enquiry", "trial-ended", "quiet-customer"):
        take_in(world, name, range(20))
    let_pass(world, 45 * DAY)
    leaving = LeavingOdds(rates={"replied": 0.02, "unsubscribed": 0.01}, source=Source.STATED)
    odds = Odds(steps={("new-enquiry", "read-the-guide"): StepOdds(shares={"next": 0.3, "otherwise": 0.7}, source=Source.STATED,
                                                                    delays=(0.5, 0.3, 0.2))},
                leaving={"new-enquiry": leaving})  # fmt: skip

    told = expected(world, Asked(stated=odds, new={"trial-ended": 7.0}))

    came = 7.0 / 7 * sum(1 for day in told.days) - 0.5
    assert sum(told.ended.values()) + sum(told.standing_still.values()) == pytest.approx(told.passages + came, abs=1)
    for (name, step), people in told.reached.items():
        if any(each.id == step and each.kind == "email" for each in told.plans[name].steps):
            assert people == pytest.approx(mails_of(told, name, step) + unsent_of(told, name, step))


def by_step(mails: dict[tuple[int, str, str], float]) -> dict[str, float]:
    found: dict[str, float] = {}
    for (_day, _cadence, step), count in mails.items():
        found[step] = found.get(step, 0) + count
    return found


def mails_of(told: Forecast, name: str, step: str) -> float:
    return sum(mails for (_day, cadence_, step_), mails in told.sends.items() if (cadence_, step_) == (name, step))


def unsent_of(told: Forecast, name: str, step: str) -> float:
    return sum(mails for (cadence_, step_, _why), mails in told.unsent.items() if (cadence_, step_) == (name, step))
