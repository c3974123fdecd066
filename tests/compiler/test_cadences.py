"""What a cadence file means: its defaults, its times, how its ways part and meet again."""

from collections.abc import Iterator
from datetime import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.compiler.plan import CadencePlan, EmailStep, SetStep, Span, SplitStep, Step, Timing, Window
from engine.vocabulary import Late
from tests.compiler.workspaces import compiled, copy_good, write

HEAD = "title: Small\nowner: dana\ntopic: lessons\n"


def cadence(folder: Path, steps: str, head: str = "") -> CadencePlan:
    """The plan of one cadence in an otherwise sound workspace."""
    copy_good(folder)
    write(folder, "cadences/small.yaml", f"{HEAD}{head}steps:\n{steps}")
    result = compiled(folder)
    assert result.plan, [str(found) for found in result.diagnostics]
    return next(cadence for cadence in result.plan.cadences if cadence.name == "small")


def found_in(folder: Path, steps: str, head: str = "") -> list[str]:
    """The codes that one cadence gives."""
    copy_good(folder)
    write(folder, "cadences/small.yaml", f"{HEAD}{head}steps:\n{steps}")
    return [found.code for found in compiled(folder).diagnostics]


def ways(cadence: CadencePlan) -> dict[str, tuple[str | None, str | None]]:
    """Where each step goes on, and where else."""
    return {step.id: (step.next, getattr(step, "otherwise", None)) for step in cadence.steps}


def timing(step: Step) -> tuple[str, str, time | None]:
    return step.timing.base, str(step.timing.span), step.timing.clock


def test_a_cadence_of_four_lines_has_safe_defaults(tmp_path: Path) -> None:
    small = cadence(tmp_path, "  - email: welcome\n")

    assert small.brand == "fernhill"
    assert (small.on_change, small.repeat, small.gap, small.goal) == ("pin", False, Span(days=1), None)
    assert small.window == Window(weekdays=(0, 1, 2, 3, 4), opens=time(9), closes=time(17))
    assert [(way.event, way.because) for way in small.exits] == [("replied", "replied"), ("purchased", "purchased")]
    assert small.steps[0].timing == Timing(base="after", span=Span())


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("at: day 0", ("at", "0 days", None)),
        ("at: day 3", ("at", "3 days", None)),
        ("at: week 2", ("at", "2 weeks", None)),
        ("at: month 3, 14:30", ("at", "3 months", time(14, 30))),
        ("at: year 1", ("at", "1 year", None)),
        ("after: 3 business days", ("after", "3 business days", None)),
        ("after: 3 business days, 9:05", ("after", "3 business days", time(9, 5))),
        ("after: 4 hours", ("after", "4 hours", None)),
    ],
)
def test_times_are_read_as_written(written: str, meant: tuple[str, str, time | None], tmp_path: Path) -> None:
    small = cadence(tmp_path, f"  - email: welcome\n    {written}\n")

    assert timing(small.steps[0]) == meant


@pytest.mark.parametrize("written", ["at: 3 days", "at: day -1", "at: day x", "after: day 3", "after: 2", "at: day 99999"])
def test_times_that_cannot_be_read_are_reported(written: str, tmp_path: Path) -> None:
    assert found_in(tmp_path, f"  - email: welcome\n    {written}\n") == ["E015"]


def test_both_ways_of_a_branch_meet_at_the_next_step(tmp_path: Path) -> None:
    small = cadence(
        tmp_path,
        "  - branch: sizes\n    if: employees >= 50\n"
        "    then:\n      - email: welcome\n      - email: guide\n        after: 1 week\n"
        "    else: [{task: call, title: Call}]\n"
        "  - goal: done\n",
    )

    assert ways(small) == {
        "sizes": ("welcome", "call"),
        "welcome": ("guide", None),
        "guide": ("done", None),
        "call": ("done", None),
        "done": (None, None),
    }


def test_a_way_that_is_left_out_goes_straight_on(tmp_path: Path) -> None:
    small = cadence(
        tmp_path,
        "  - email: welcome\n"
        "  - wait: read-it\n    for: clicked('welcome')\n    timeout: 10 days\n    else: [{task: call, title: Call}]\n"
        "  - goal: done\n",
    )

    assert ways(small)["read-it"] == ("done", "call")


def test_the_last_step_of_nested_ways_leads_out_of_all_of_them(tmp_path: Path) -> None:
    small = cadence(
        tmp_path,
        "  - branch: outer\n    if: employees >= 50\n    then:\n"
        "      - branch: inner\n        if: employees >= 90\n        then: [{task: call, title: Call}]\n"
        "  - goal: done\n",
    )

    assert ways(small) == {
        "outer": ("inner", "done"), "inner": ("call", "done"), "call": ("done", None), "done": (None, None),
    }  # fmt: skip


ONE_STEP = st.just("email") | st.just("task") | st.just("pause") | st.just("goal")
STEPS = st.recursive(
    st.lists(ONE_STEP, min_size=1, max_size=3),
    lambda ways: st.lists(ONE_STEP | st.tuples(st.sampled_from(["wait", "branch"]), ways, ways), min_size=1, max_size=4),
    max_leaves=8,
)


def written(steps: list[Any], ids: Iterator[int], margin: str) -> str:
    """The YAML of some made-up steps."""
    text = ""
    for step in steps:
        name = f"s{next(ids)}"
        match step:
            case "email":
                text += f"{margin}- {{email: welcome, id: {name}}}\n"
            case "task":
                text += f"{margin}- {{task: {name}, title: Call}}\n"
            case "pause":
                text += f"{margin}- {{wait: 2 days, id: {name}}}\n"
            case "goal":
                text += f"{margin}- {{goal: {name}, if: purchased()}}\n"
            case (kind, then, otherwise):
                about = "if: employees > 5" if kind == "branch" else f"for: replied()\n{margin}  timeout: 3 days"
                text += f"{margin}- {kind}: {name}\n{margin}  {about}\n"
                text += f"{margin}  then:\n{written(then, ids, margin + '    ')}"
                text += f"{margin}  else:\n{written(otherwise, ids, margin + '    ')}"
    return text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_every_step_leads_only_to_later_ones_and_all_are_reached(steps: list[Any], tmp_path: Path) -> None:
    small = cadence(tmp_path, written(steps, count(1), "  "), "gap: 0 days\n")

    order = {step.id: number for number, step in enumerate(small.steps)}
    onward = {(step.id, there) for step in small.steps for there in ways(small)[step.id] if there}
    assert all(order[here] < order[there] for here, there in onward)
    assert {there for _, there in onward} | {small.steps[0].id} == set(order)


def test_a_plain_wait_is_named_by_its_position(tmp_path: Path) -> None:
    small = cadence(tmp_path, "  - email: welcome\n  - wait: 2 weeks\n  - wait: 1 day\n    id: a-breath\n")

    assert [step.id for step in small.steps] == ["welcome", "wait-2", "a-breath"]


def test_a_window_takes_what_it_leaves_out_from_the_workspace(tmp_path: Path) -> None:
    small = cadence(tmp_path, "  - email: welcome\n", "window: {days: [tue, thu]}\n")

    assert small.window == Window(weekdays=(1, 3), opens=time(9), closes=time(17))


def test_an_empty_list_of_exits_means_none(tmp_path: Path) -> None:
    assert cadence(tmp_path, "  - email: welcome\n", "exits: []\n").exits == ()


def test_a_time_that_has_passed_only_for_those_on_a_longer_way_is_no_error(tmp_path: Path) -> None:
    steps = (
        "  - email: welcome\n    at: day 0\n"
        "  - wait: read-it\n    for: clicked('welcome')\n    timeout: 6 weeks\n"
        "  - email: guide\n    at: day 10\n"
    )

    assert found_in(tmp_path, steps) == ["W012"]


def test_nor_is_one_that_has_passed_for_those_who_did_late_what_was_waited_for(tmp_path: Path) -> None:
    steps = (
        "  - email: welcome\n  - wait: w\n    for: clicked('welcome')\n    timeout: 6 weeks\n    then: [{email: guide, at: %s}]\n"
    )

    assert found_in(tmp_path, steps % "day 10") == ["W012"]
    assert found_in(tmp_path, steps % "week 6") == []


def test_a_cadence_ends_within_a_hundred_years(tmp_path: Path) -> None:
    steps = "".join(f"  - {{email: guide, id: guide-{number}, after: 90 years}}\n" for number in range(200))

    assert found_in(tmp_path, "  - email: welcome\n" + steps) == ["E016"]


def test_a_step_before_the_end_of_a_pause_is_out_of_order(tmp_path: Path) -> None:
    steps = "  - email: welcome\n    at: day 4\n  - wait: 5 days\n  - email: guide\n    at: day 7\n"

    assert found_in(tmp_path, steps) == ["E032"]


def test_an_email_right_after_an_awaited_click_is_not_too_close(tmp_path: Path) -> None:
    steps = (
        "  - email: welcome\n  - wait: read-it\n    for: clicked('pricing')\n    timeout: 2 days\n    then: [{email: guide}]\n"
    )

    assert found_in(tmp_path, steps) == []


def test_a_goal_in_one_way_leaves_the_next_step_reachable(tmp_path: Path) -> None:
    steps = (
        "  - branch: sizes\n    if: employees >= 50\n    then: [{goal: big}]\n    else: [{task: call, title: Call}]\n"
        "  - email: welcome\n"
    )

    assert found_in(tmp_path, steps) == []


def test_goals_in_both_ways_leave_it_unreachable(tmp_path: Path) -> None:
    steps = "  - branch: sizes\n    if: employees >= 50\n    then: [{goal: big}]\n    else: [{goal: small}]\n  - email: welcome\n"

    assert found_in(tmp_path, steps) == ["W001"]


@pytest.mark.parametrize(("steps", "head"), [("  - email: welcome\n", "goal:\n"), ("  - {goal: g, if: ''}\n", "")])
def test_an_empty_condition_is_no_condition_but_a_fault(steps: str, head: str, tmp_path: Path) -> None:
    assert found_in(tmp_path, steps, head) == ["E011"]


def test_faults_inside_nested_steps_are_found_too(tmp_path: Path) -> None:
    steps = (
        "  - branch: sizes\n    if: employees >= 50\n    then:\n"
        "      - branch: more\n        if: employes >= 90\n        then: [{email: welcom}]\n"
    )

    assert found_in(tmp_path, steps) == ["E023", "E012"]


def split(short: str, long: str) -> str:
    arms = f"      short: {{share: 1, steps: [{short}]}}\n      long: {{share: 1, steps: [{long}]}}\n"
    return f"  - split: two-ways\n    arms:\n{arms}"


def test_the_arms_of_a_split_lead_to_their_steps_and_meet_behind_it(tmp_path: Path) -> None:
    steps = (
        "  - split: short-or-none\n    arms:\n"
        "      short: {share: 9, steps: [{email: welcome}, {email: guide, after: 1 week}]}\n"
        "      none: {share: 1, holdout: yes}\n"
        "  - goal: done\n"
    )

    small = cadence(tmp_path, steps)

    drawn = small.steps[0]
    assert isinstance(drawn, SplitStep)
    assert [(arm.name, arm.share, arm.next, arm.holdout) for arm in drawn.arms] == [
        ("short", 9, "welcome", False),
        ("none", 1, "done", True),
    ]
    assert [(step.id, step.next) for step in small.steps[1:]] == [("welcome", "guide"), ("guide", "done"), ("done", None)]


@pytest.mark.parametrize("ends", ["{goal: won}", "{leave: enough, because: has enough}"])
def test_nobody_comes_behind_a_split_whose_arms_all_end(ends: str, tmp_path: Path) -> None:
    other = ends.replace("won", "won-too").replace("enough,", "enough-too,")

    assert found_in(tmp_path, split(ends, other) + "  - email: welcome\n") == ["W001"]
    assert found_in(tmp_path, split(ends, "{email: guide}") + "  - email: welcome\n    after: 1 week\n") == []


def test_emails_in_different_arms_may_be_at_one_instant_and_on_one_way_not(tmp_path: Path) -> None:
    at_day_4 = "{email: %s, at: day 4}"

    assert found_in(tmp_path, split(at_day_4 % "welcome", at_day_4 % "guide")) == []
    assert found_in(tmp_path, split(at_day_4 % "welcome", "{task: t, title: T}") + "  - email: guide\n    at: day 4\n") == [
        "E056"
    ]


def test_a_time_before_the_end_of_every_arm_is_out_of_order(tmp_path: Path) -> None:
    pauses = split("{wait: 2 weeks, id: a}", "{wait: 3 weeks, id: b}")

    assert found_in(tmp_path, pauses + "  - email: welcome\n    at: day 10\n") == ["E032"]
    assert found_in(tmp_path, pauses + "  - email: welcome\n    at: day 20\n") == ["W012"]
    assert found_in(tmp_path, pauses + "  - email: welcome\n    at: day 21\n") == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", (None, Late.SEND)),
        ("valid_for: 2 days", (Span(days=2), Late.SKIP)),
        ("valid_for: 4 hours\n    late: shift", (Span(seconds=14400), Late.SHIFT)),
    ],
)
def test_a_mail_that_bears_little_lateness_is_skipped_unless_it_says_otherwise(
    written: str, meant: tuple[Span | None, Late], tmp_path: Path
) -> None:
    [step] = cadence(tmp_path, f"  - email: welcome\n    at: day 0\n    {written}\n").steps

    assert isinstance(step, EmailStep)
    assert (step.valid_for, step.late) == meant


@pytest.mark.parametrize(
    ("written", "meant"), [("", None), ("reentry: no", None), ("reentry: yes", Span()), ("reentry: 6 months", Span(months=6))]
)
def test_re_entry_is_never_at_once_or_after_a_time(written: str, meant: Span | None, tmp_path: Path) -> None:
    small = cadence(tmp_path, "  - email: welcome\n", f"enter: [{{segment: big}}]\n{written}\n")

    assert small.reentry == meant


def test_a_cadence_is_quiet_in_the_workspaces_quiet_hours_and_its_own(tmp_path: Path) -> None:
    copy_good(tmp_path)
    with (tmp_path / "workspace.yaml").open("a") as file:
        file.write('quiet: [{from: "20:00", to: "08:00"}]\n')
    write(tmp_path, "cadences/small.yaml", HEAD + 'window: {quiet: [{from: "12:00", to: "13:00"}]}\nsteps:\n  - email: welcome\n')

    plan = compiled(tmp_path).plan

    assert plan
    small, trial = plan.cadences
    assert trial.window.quiet == ((time(20), time(8)),)
    assert small.window.quiet == ((time(20), time(8)), (time(12), time(13)))


def test_a_field_is_set_to_a_value_of_its_type_and_emptied_by_an_empty_one(tmp_path: Path) -> None:
    small = cadence(tmp_path, "  - set: mark\n    fields: {first_name: '', employees: '80', role: OWNER}\n")

    assert isinstance(small.steps[0], SetStep)
    assert small.steps[0].values == {"first_name": None, "employees": 80, "role": "owner"}
