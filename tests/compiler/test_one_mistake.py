"""One slip of the keyboard is one finding: what follows from it is not told as well."""

from pathlib import Path

import pytest

from engine.compiler.workspace import compile_workspace
from engine.render import library
from tests.compiler.workspaces import compiled, copy_good, write

SLIPS = [
    ("workspace.yaml", "brand: fernhill", "brand: fernhil"),
    ("workspace.yaml", "topics:", "topcis:"),
    ("workspace.yaml", "  lessons:", "  Lessons:"),
    ("workspace.yaml", "zone: Europe", "zone: Europa"),
    ("leads.yaml", "employees: {type: number}", "employees: {type: numbr}"),
    ("leads.yaml", "employees:", "Employees:"),
    ("leads.yaml", "fields:", "feilds:"),
    ("leads.yaml", "choices:", "chioces:"),
    ("segments.yaml", "segments:", "segmnets:"),
    ("segments.yaml", "  big:", "  Big:"),
    ("segments.yaml", "employees >= 50", "employees >= fifty"),
    ("events.yaml", "events:", "evnets:"),
    ("events.yaml", "order_placed:", "Order:"),
    ("events.yaml", "number: {type: text}", "number: {type: txt}"),
    ("events.yaml", "of: {sku", "off: {sku"),
    ("assignment.yaml", "reps:", "resp:"),
    ("assignment.yaml", "  dana:", "  Dana:"),
    ("assignment.yaml", "  - {to:", "  - {too:"),
    ("templates/brands/fernhill.yaml", "identities:", "identitys:"),
    ("templates/emails/guide/email.yaml", "stream: marketing", "stream: transactional"),
    ("cadences/trial.yaml", "email: welcome\n    at", "email: welcom\n    at"),
    ("cadences/trial.yaml", "title: Trial", "titel: Trial"),
    ("cadences/trial.yaml", "steps:", "stpes:"),
    ("cadences/trial.yaml", "timeout: 10", "timeuot: 10"),
    ("cadences/trial.yaml", "wait: read-it", "wiat: read-it"),
    ("cadences/trial.yaml", "at: month 3", "at: 3 months"),
    ("cadences/trial.yaml", "    - email: guide\n        after", "    - emial: guide\n        after"),
    ("scoring.yaml", "on: clicked", "on: clickd"),
    ("offers.yaml", "for: [order", "fro: [order"),
]


@pytest.mark.parametrize(("file", "meant", "typed"), SLIPS)
def test_one_slip_is_one_finding(file: str, meant: str, typed: str, tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    text = (folder / file).read_text()
    assert meant in text

    (folder / file).write_text(text.replace(meant, typed, 1))

    assert len(compiled(folder).diagnostics) == 1


NAMED = pytest.mark.parametrize("file", ["cadences/trial.yaml", "cadences/other.yaml", "templates/brands/fernhill.yaml"])


@NAMED
def test_nobody_who_names_a_file_that_cannot_be_read_is_blamed(file: str, tmp_path: Path) -> None:
    folder = files_that_name_each_other(tmp_path)

    (folder / file).write_text((folder / file).read_text() + "  : [\n")

    assert [(found.code, found.file) for found in compiled(folder).diagnostics] == [("E004", file)]


@NAMED
def test_nobody_who_names_a_file_that_ends_in_yml_is_blamed(file: str, tmp_path: Path) -> None:
    folder = files_that_name_each_other(tmp_path)

    (folder / file).rename((folder / file).with_suffix(".yml"))

    assert [found.code for found in compiled(folder).diagnostics] == ["E009"]


def files_that_name_each_other(tmp_path: Path) -> Path:
    folder = copy_good(tmp_path)
    own = (folder / "workspace.yaml").read_text()
    other = "title: Other\nowner: dana\ntopic: lessons\nbrand: fernhill\nsteps:\n  - {email: welcome, valid_for: 1 day}\n"
    write(folder, "cadences/other.yaml", other + "  - {enter: trial, after: 1 week}\n")
    write(folder, "workspace.yaml", own.replace("brand: fernhill\n", "") + "between_cadences: {first: deadline, loser: drop}\n")
    assert not compiled(folder).diagnostics
    return folder


@pytest.mark.parametrize(
    ("file", "meant", "typed"),
    [
        ("leads.yaml", "employees:     {type: number}", "employees:     {type: numbr}"),
        ("templates/brands/clearroom.yaml", "identities:", "identitys:"),
    ],
)
def test_one_slip_is_one_finding_whatever_the_templates_name(file: str, meant: str, typed: str, workspace: Path) -> None:
    text = (workspace / file).read_text(encoding="utf-8")
    assert meant in text

    (workspace / file).write_text(text.replace(meant, typed, 1), encoding="utf-8")

    assert len(compile_workspace(workspace, render=library).diagnostics) == 1


def test_two_slips_in_one_file_are_two_findings(tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    text = (folder / "workspace.yaml").read_text()

    (folder / "workspace.yaml").write_text(text.replace("topics:", "topcis:").replace("Europe", "Europa"))

    assert sorted(found.code for found in compiled(folder).diagnostics) == ["E010", "E029"]
