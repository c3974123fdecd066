"""Cadences that lead into one another: for ever, or until one takes nobody in again."""

from pathlib import Path

import pytest

from tests.compiler.workspaces import compiled, copy_good, write

HEAD = "title: Small\nowner: dana\ntopic: lessons\n"


def told(folder: Path, cadences: dict[str, str]) -> list[tuple[str, str]]:
    """Code and message for these cadences, each written as what follows the usual head."""
    copy_good(folder)
    for name, text in cadences.items():
        write(folder, f"cadences/{name}.yaml", HEAD + text)
    return [(found.code, found.message.rpartition(": ")[2]) for found in compiled(folder).diagnostics]


def entering(other: str, head: str = "") -> str:
    return f"{head}steps:\n  - email: welcome\n  - enter: {other}\n    after: 1 month\n"


PLAIN = "steps:\n  - email: welcome\n"


def test_a_chain_of_cadences_is_no_circle(tmp_path: Path) -> None:
    assert told(tmp_path, {"a": entering("b"), "b": entering("c"), "c": PLAIN}) == []


def test_a_circle_in_which_all_take_leads_in_again_is_for_ever(tmp_path: Path) -> None:
    cadences = {
        "a": entering("b", "reentry: yes\n"),
        "b": entering("c", "reentry: 1 week\n"),
        "c": entering("a", "reentry: yes\n"),
    }

    assert told(tmp_path, cadences) == [("E048", "a → b → c → a")]


def test_a_circle_that_one_of_them_stops_is_a_warning(tmp_path: Path) -> None:
    assert told(tmp_path, {"a": entering("b", "reentry: yes\n"), "b": entering("a")}) == [("W008", "a → b → a")]


def test_a_circle_comes_round_too_soon_for_a_long_reentry(tmp_path: Path) -> None:
    soon = {"a": entering("b", "reentry: 6 months\n"), "b": entering("a", "reentry: yes\n")}

    assert told(tmp_path, soon) == [("W008", "a → b → a")]


def test_and_late_enough_where_the_others_take_long(tmp_path: Path) -> None:
    slow = entering("a", "reentry: yes\n").replace("1 month", "7 months")

    assert told(tmp_path, {"a": entering("b", "reentry: 6 months\n"), "b": slow}) == [("E048", "a → b → a")]


def test_whoever_is_still_inside_when_the_circle_comes_round_is_not_taken_in(tmp_path: Path) -> None:
    long = entering("b", "reentry: yes\n") + "  - {email: guide, after: 6 months}\n"

    assert told(tmp_path, {"a": long, "b": entering("a", "reentry: yes\n")}) == [("W008", "a → b → a")]


def test_two_circles_are_told_apart(tmp_path: Path) -> None:
    cadences = {name: entering(other, "reentry: yes\n") for name, other in [("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")]}

    assert told(tmp_path, cadences) == [("E048", "a → b → a"), ("E048", "c → d → c")]


@pytest.mark.parametrize(
    ("answer", "asking"),
    [
        *((f"handoff_{state}", "{raise: hand, because: asked}") for state in ("declined", "accepted", "closed")),
        *((f"task_{state}", "{task: ring, title: Ring}") for state in ("done", "not_needed")),
    ],
)
def test_an_answer_of_sales_may_close_the_circle(answer: str, asking: str, tmp_path: Path) -> None:
    asks = f"reentry: yes\nsteps:\n  - {asking}\n"
    let_in = entering("a", f"enter: [{{event: {answer}}}]\nreentry: yes\n")

    assert told(tmp_path, {"a": asks, "b": let_in}) == [("E048", "a → b → a")]


def test_whoever_is_inside_cannot_be_let_in_by_the_own_raised_hand(tmp_path: Path) -> None:
    alone = "enter: [{event: handoff_declined}]\nreentry: yes\nsteps:\n  - {raise: hand, because: asked}\n"

    assert told(tmp_path, {"a": alone}) == []


def test_five_hundred_cadences_in_one_circle_are_one_finding(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(500)]
    following = [*names[1:], names[0]]

    found = told(tmp_path, {name: entering(other, "reentry: yes\n") for name, other in zip(names, following, strict=True)})

    assert [code for code, _ in found] == ["E048"]
