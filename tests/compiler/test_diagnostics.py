"""Each code has an example that gives it and nothing else, and a paragraph in the marketer's documentation."""

import json
import re
from pathlib import Path

import pytest

from engine.compiler.diagnostics import TABLE, Diagnostic, Findings, Place
from engine.compiler.workspace import compile_workspace
from engine.render import library
from tests.compiler.workspaces import BAD, MAILS, compiled, compiled_example, copy_good, lay_over
from tests.golden_files import assert_golden

DOCS = Path(__file__).parents[2] / "docs" / "diagnostics.md"


@pytest.mark.parametrize("code", TABLE)
def test_the_example_of_a_code_gives_exactly_that_code(code: str, tmp_path: Path) -> None:
    result = compiled_example(code, tmp_path)

    assert {found.code for found in result.diagnostics} == {code}
    assert (result.plan is None) == code.startswith("E")
    assert_golden(BAD / code / "expected.txt", "".join(f"{found}\n" for found in result.diagnostics))


def test_the_workspace_under_the_examples_of_mails_is_sound() -> None:
    assert compile_workspace(MAILS, render=library).diagnostics == ()


def test_every_example_belongs_to_a_code() -> None:
    assert {folder.name for folder in BAD.iterdir()} == set(TABLE)


def test_the_documentation_explains_every_code_in_order() -> None:
    documented = re.findall(r"^\| ([EW]\d{3}) \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)

    assert documented == list(TABLE)


def test_the_documentation_says_what_the_table_says() -> None:
    text = DOCS.read_text(encoding="utf-8")

    for code, row in TABLE.items():
        assert f"| {code} | {row.title} | {row.advice} |" in text


def test_a_diagnostic_prints_its_place_code_and_suggestion() -> None:
    findings = Findings()

    findings.unknown("E012", Place("cadences/trial.yaml", 14, 7), "email", "welcom", ["welcome", "guide"])

    assert [str(found) for found in findings.in_order()] == [
        'cadences/trial.yaml:14:7: E012 unknown email "welcom" (did you mean "welcome"?)'
    ]


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ([], "; there is none"),
        (["dana"], "; there is only dana"),
        (["priya", "dana", "jonas"], "; there are dana, jonas, priya"),
        (list("abcdefgh"), ""),
    ],
)
def test_a_name_that_is_close_to_none_is_told_with_those_there_are_if_they_are_few(known: list[str], told: str) -> None:
    findings = Findings()

    findings.unknown("E021", Place("cadences/trial.yaml", 2, 8), "rep", "mr-smith", known)

    assert [found.message for found in findings.in_order()] == [f'unknown rep "mr-smith"{told}']


def test_a_diagnostic_as_json_has_each_part() -> None:
    found = Diagnostic(file="a.yaml", line=2, column=3, code="E012", message="m", suggestion="s")

    assert json.loads(json.dumps(found.to_plain())) == {
        "file": "a.yaml", "line": 2, "column": 3, "code": "E012", "message": "m", "suggestion": "s",
    }  # fmt: skip


def test_the_same_finding_twice_is_told_once() -> None:
    findings = Findings()

    findings.add("E005", Place("a.yaml"), "a tab")
    findings.add("E005", Place("a.yaml"), "a tab")

    assert len(findings.in_order()) == 1


def test_of_a_file_with_countless_faults_the_first_hundred_are_told_and_that_there_are_more() -> None:
    findings = Findings()

    for line in range(1, 5000):
        findings.unknown("E012", Place("a.yaml", line, 1), "email", f"welcom{line}", ["welcome"])

    found = findings.in_order()
    assert len(found) == 101
    assert "too many findings" in found[0].message


def test_all_errors_come_at_once(tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    for code in ("E012", "E016", "E036"):
        lay_over(folder, BAD / code)

    found = compiled(folder).diagnostics

    assert {each.code for each in found} == {"E012", "E016", "E036"}
