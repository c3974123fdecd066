"""The tests beside a cadence, run in the real engine, and what is told where one fails."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.cli import test as command
from engine.compiler.cadence_tests import CadenceTest
from engine.compiler.workspace import Compiled
from engine.simulate.trial import CameOut, Ground, open_ground, run_test
from engine.simulate.verdict import Fault, faults_of
from tests.simulate.workspaces import compile_sound, make_workspace

CADENCE = """title: Small
owner: dana
topic: air-lessons
exits: [replied, purchased]
steps:
  - email: welcome
    at: day 0
  - wait: read
    for: "clicked('welcome')"
    timeout: 7 days
    then:
      - email: guide
        after: 1 day
    else:
      - email: guide
        id: guide-again
        after: 3 days
  - split: arms
    arms:
      long: {share: 50, steps: [{task: ring, title: Ring, due: 2 days}]}
      none: {share: 50, holdout: yes}
"""


@pytest.fixture(scope="module")
def ground(compiled_starter: Compiled) -> Iterator[Ground]:
    with open_ground(compiled_starter) as made:
        yield made


def outcome(folder: Path, tests: str) -> list[tuple[CameOut, tuple[Fault, ...]]]:
    """What the tests of a small cadence come to."""
    result = compile_sound(make_workspace(folder / "workspace", small=CADENCE + "tests:\n" + tests))
    with open_ground(result) as made:
        return [judged(made, test) for test in result.tests]


def judged(ground: Ground, test: CadenceTest) -> tuple[CameOut, tuple[Fault, ...]]:
    out = run_test(ground, test)
    return out, faults_of(test, out)


def invoke(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command.test_command, [*arguments, "--workspace", str(folder)])


def test_the_starter_passes_its_own_tests(ground: Ground, compiled_starter: Compiled) -> None:
    names = [test.cadence for test in compiled_starter.tests]
    assert {name: names.count(name) >= 2 for name in names} == dict.fromkeys(
        ("new-enquiry", "quiet-customer", "trial-ended"), True
    )

    told = [fault for test in compiled_starter.tests for fault in judged(ground, test)[1]]

    assert told == []


def test_the_same_test_comes_out_the_same_after_others(ground: Ground, compiled_starter: Compiled) -> None:
    first, second = (judged(ground, compiled_starter.tests[0]) for _ in range(2))

    assert first == second


def test_a_mail_on_another_day_is_told_with_what_moved_it(tmp_path: Path) -> None:
    [(_out, [fault])] = outcome(tmp_path, "  - {starts: 2026-01-10, expect: {sends: [{welcome: day 0}, {guide: day 12}]}}\n")

    wanted, came, *others = fault.lines
    assert (wanted.mark, wanted.on, wanted.because) == ("-", "Sat 10 Jan 2026", "it was sent on Mon 12 Jan 2026")
    assert (came.mark, came.on) == ("+", "Mon 12 Jan 2026")
    assert "mail goes out" in came.because
    assert wanted.place is not None and wanted.place.file == "cadences/small.yaml"
    assert others


def test_a_mail_of_the_other_way_is_told_with_the_place_of_the_turn(tmp_path: Path) -> None:
    test = "  - {events: [{on: day 1, clicked: welcome}], expect: {sends: [{welcome: day 0}, {guide-again: day 10}]}}\n"

    [(_out, [fault])] = outcome(tmp_path, test)

    assert [(line.name, line.because) for line in fault.lines if line.mark == "-"] == [
        ("guide-again", "the lead went another way at read")
    ]


def test_a_mail_after_the_end_is_told_with_the_reason_of_the_end(tmp_path: Path) -> None:
    test = "  - {events: [{on: day 9, replied: welcome}], expect: {sends: [{welcome: day 0}, {guide-again: day 10}]}}\n"

    [(_out, [fault])] = outcome(tmp_path, test)

    assert [line.because for line in fault.lines if line.mark == "-"] == ["left (replied): the lead replied"]


def test_an_event_about_a_mail_that_never_came_fails_the_test(tmp_path: Path) -> None:
    [(_out, [fault])] = outcome(tmp_path, "  - {events: [{on: day 1, clicked: guide}], expect: {}}\n")

    assert (fault.what, fault.because) == ("event", "no mail guide had been sent by then")


def test_a_link_that_a_mail_has_not_is_told_with_those_it_has(tmp_path: Path) -> None:
    [(_out, [fault])] = outcome(tmp_path, "  - {events: [{on: day 1, clicked: welcome, link: nowhere}], expect: {}}\n")

    assert "welcome has no link nowhere; its links are:" in fault.because


def test_sales_answers_a_task_that_was_asked_for_by_then(tmp_path: Path) -> None:
    on_day = "  - {{arms: {{arms: long}}, events: [{{on: day {}, task_done: }}], expect: {{}}}}\n"

    both = outcome(tmp_path, on_day.format(12) + on_day.format(1))

    assert [[fault.because for fault in faults] for _out, faults in both] == [[], ["no task was open by then"]]


def test_score_hand_and_end_are_told_with_their_reasons(tmp_path: Path) -> None:
    [(out, faults)] = outcome(tmp_path, "  - {expect: {score: 12, handoff: day 3, ends: replied}}\n")

    assert [(fault.what, fault.expected, fault.actual) for fault in faults] == [
        ("score", "12", f"{out.score:g}"),
        ("handoff", "Thu 08 Jan 2026", "no"),
        ("ends", "replied", "end"),
    ]
    assert faults[2].because.endswith("it came to its end")


def test_who_is_left_out_for_want_of_consent_gets_nothing(tmp_path: Path) -> None:
    [(out, faults), (_out, others)] = outcome(
        tmp_path, "  - {consent: refused, expect: {sends: [], ends: no}}\n  - {consent: refused, expect: {ends: end}}\n"
    )

    assert out.refused and not faults
    assert [(fault.expected, fault.actual) for fault in others] == [("the lead comes in", "it is left out")]


def test_a_test_says_which_arm_its_lead_draws(tmp_path: Path) -> None:
    both = outcome(tmp_path, "  - {arms: {arms: long}, expect: {ends: end}}\n  - {arms: {arms: none}, expect: {ends: end}}\n")

    drawn = [[step.arm for step in out.passages[0].steps if step.arm] for out, _faults in both]
    assert drawn == [["long"], ["none"]]
    assert [len(out.passages[0].steps) for out, _faults in both] == [5, 4]


@pytest.mark.parametrize(
    ("event", "ends"),
    [
        ("{on: day 1, replied: welcome}", "replied"),
        ("{on: day 1, unsubscribed: welcome}", "unsubscribed"),
        ("{on: day 1, bounced: welcome}", "bounced"),
        ("{on: day 1, complained: welcome}", "complained"),
        ("{on: day 1, purchased: }", "purchased"),
        ("{on: day 1, soft_bounced: welcome}", "end"),
        ("{on: day 1, auto_replied: welcome}", "end"),
        ("{on: day 1, opened: welcome}", "end"),
        ("{on: day 1, visited: /prices}", "end"),
        ("{on: day 1, form_submitted: visit}", "end"),
    ],
)
def test_every_event_happens_as_the_receiver_would_tell_it(event: str, ends: str, tmp_path: Path) -> None:
    [(out, faults)] = outcome(tmp_path, f"  - {{events: [{event}], expect: {{ends: {ends}}}}}\n")

    assert (out.trouble, faults) == ((), ())


def test_the_command_ends_with_one_where_a_test_fails_and_prints_json(tmp_path: Path) -> None:
    tests = "tests:\n  - {title: Right, expect: {handoff: no}}\n  - {title: Wrong, expect: {handoff: day 2}}\n"
    folder = make_workspace(tmp_path / "workspace", small=CADENCE + tests)

    shown, plain = invoke(folder), invoke(folder, "small", "--json")

    assert (shown.exit_code, plain.exit_code) == (1, 1)
    assert "FAIL  cadences/small.yaml:24  Wrong" in shown.output
    assert max(map(len, shown.output.splitlines())) <= 80
    told = json.loads(plain.stdout)
    assert (told["passed"], told["failed"]) == (1, 1)
    assert [fault["what"] for fault in told["tests"][1]["faults"]] == ["handoff"]


def test_an_unknown_cadence_is_told_with_the_one_that_was_meant(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "workspace", small=CADENCE + "tests:\n  - expect: {}\n")

    result = invoke(folder, "smal")

    assert "did you mean 'small'?" in str(result.exception)


def test_first_tests_are_written_for_every_way_and_pass(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "workspace", small=CADENCE)

    written, run = invoke(folder, "--write", "small"), invoke(folder)

    assert written.exit_code == 0, written.output
    text = (folder / "cadences" / "small.yaml").read_text()
    assert text.startswith(CADENCE)
    assert "clicked: welcome" in text
    assert ["long" in text, "none" in text] == [True, True]
    assert (run.exit_code, "3 tests: all passed" in run.output) == (0, True)


def test_tests_that_are_there_are_replaced_only_by_force(tmp_path: Path) -> None:
    mine = "\n# mine\ntests:\n  - {title: Mine, expect: {handoff: no}}\n"
    folder = make_workspace(tmp_path / "workspace", small=CADENCE + mine)
    file = folder / "cadences" / "small.yaml"

    refused = invoke(folder, "small", "--write")
    before = file.read_text()
    invoke(folder, "small", "--write", "--force")

    assert "has tests already" in str(refused.exception)
    assert before == CADENCE + mine
    assert file.read_text().startswith(CADENCE + "\n# mine\n")
    assert "Mine" not in file.read_text()
