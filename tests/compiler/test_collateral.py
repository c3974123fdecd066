"""The library of files that go to those who care for them: what fits whom, and what check says of it."""

from datetime import date
from pathlib import Path

import pytest

from engine.compiler.attachment import Attachment
from engine.compiler.collateral import Collateral, Matching, fitting
from engine.compiler.plan import EmailStep, Policy, WorkspacePlan, from_json, to_json
from tests.compiler.workspaces import compiled, copy_good, write

TODAY = date(2026, 1, 5)
FILE = Attachment(file="a.pdf", media_type="application/pdf", size=9, digest="0" * 64)
LIBRARY = """collateral:
  a-week-of-air:
    file: week.pdf
    title: A week of air
    interests: [Schools, co2]
    language: en
    expires: 2027-06-30
  eine-woche-luft:
    file: woche.pdf
    title: Eine Woche Luft
    interests: [schools]
    language: de
"""
STEP = "title: T\nowner: dana\ntopic: lessons\nsteps:\n  - email: welcome\n    attach: {}\n"


def an_entry(key: str, *interests: str, language: str | None = None, expires: date | None = None) -> Collateral:
    return Collateral(key=key, title=key, interests=interests, attachment=FILE, language=language, expires=expires)


def keys(
    library: list[Collateral], interests: object, language: str | None = None, had: frozenset[str] = frozenset()
) -> list[str]:
    found = fitting(library, interests, language=language, usual_language="en", on=TODAY, had=had)
    return [each.key for each in found]


def test_what_shares_more_interests_comes_first_and_then_what_stands_first() -> None:
    library = [an_entry("one", "noise"), an_entry("two", "co2", "noise"), an_entry("three", "noise"), an_entry("other", "dust")]

    assert keys(library, ["NOISE ", "co2"]) == ["two", "one", "three"]
    assert keys(library, None) == keys(library, []) == keys(library, "noise") == []


def test_the_leads_own_language_comes_before_the_workspaces_and_others_are_left_out() -> None:
    library = [
        an_entry("en", "co2", "noise", language="en"),
        an_entry("fr", "co2", language="fr"),
        an_entry("de", "co2", language="de"),
    ]

    assert keys(library, ["co2", "noise"], "de-AT") == ["de", "en"]
    assert keys(library, ["co2", "noise"]) == ["en"]
    assert keys([an_entry("a-drawing", "co2"), *library], ["co2"], "fr") == ["a-drawing", "fr", "en"]


def test_what_has_expired_or_was_had_does_not_go_again() -> None:
    library = [
        an_entry("old", "co2", expires=date(2026, 1, 4)),
        an_entry("last-day", "co2", expires=TODAY),
        an_entry("had", "co2"),
    ]

    assert keys(library, ["co2"], had=frozenset({"had"})) == ["last-day"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy_good(tmp_path)
    write(tmp_path, "leads.yaml", (tmp_path / "leads.yaml").read_text() + "  interests: {type: list}\n")
    write(tmp_path, "collateral.yaml", LIBRARY)
    for name in ("week", "woche", "overview"):
        write(tmp_path, f"attachments/{name}.pdf", f"%PDF-1.7 {name}\n")
    return tmp_path


def plan_of(folder: Path) -> WorkspacePlan:
    result = compiled(folder)
    assert result.plan, [str(found) for found in result.diagnostics]
    return result.plan


def test_a_step_asks_for_some_of_the_library_beside_fixed_files(folder: Path) -> None:
    write(folder, "cadences/small.yaml", STEP.format("[week.pdf, {collateral: 2, else: overview.pdf}]"))

    plan = plan_of(folder)

    step = plan.cadences[0].steps[0]
    assert isinstance(step, EmailStep) and step.collateral and step.collateral.otherwise
    assert [file.file for file in step.attach] == ["week.pdf"]
    assert (step.collateral.at_most, step.collateral.otherwise.file) == (2, "overview.pdf")
    assert [(each.key, each.language, each.expires) for each in plan.policy.collateral] == [
        ("a-week-of-air", "en", date(2027, 6, 30)),
        ("eine-woche-luft", "de", None),
    ]
    assert from_json(Policy, to_json(plan.policy)) == plan.policy


def test_all_of_the_librarys_files_are_kept_with_the_plan(folder: Path) -> None:
    write(folder, "cadences/small.yaml", STEP.format("[{collateral: 1}]"))

    kept = compiled(folder).attachments.values()

    assert sorted(kept) == [b"%PDF-1.7 week\n", b"%PDF-1.7 woche\n"]
    assert plan_of(folder).cadences[0].steps[0].collateral == Matching(at_most=1)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("collateral.yaml", "week.pdf", "weak.pdf", 'collateral.yaml:3:11: E049 there is no file "weak.pdf" in attachments/'),
        ("collateral.yaml", "2027-06-30", "2027-06-31", "collateral.yaml:7:14: E059"),
        ("collateral.yaml", "language: de", "language: deutsch", "collateral.yaml:12:15: E080"),
        ("collateral.yaml", "title: A week", "titel: A week", 'E010 unknown key "titel" in collateral (did you mean "title"?)'),
        ("cadences/small.yaml", "collateral: 1", "collateral: 0", "cadences/small.yaml:6:27: E016"),
        ("cadences/small.yaml", "{collateral: 1}", "{collateral: 1}, {collateral: 2}", "E024 collateral is asked for twice"),
        ("cadences/small.yaml", "{collateral: 1}", "{collateral: 1, else: gone.pdf}", 'E049 there is no file "gone.pdf"'),
        ("leads.yaml", "interests: {type: list}", "interests: {type: text}", "cadences/small.yaml:6:27: E066 collateral goes by"),
    ],
)
def test_a_mistake_is_told_where_it_stands(folder: Path, file: str, old: str, new: str, told: str) -> None:
    write(folder, "cadences/small.yaml", STEP.format("[{collateral: 1}]"))
    write(folder, file, (folder / file).read_text().replace(old, new))

    found = [str(each) for each in compiled(folder).diagnostics]

    assert any(told in each for each in found), found


def test_a_mail_that_may_become_too_large_is_an_error(folder: Path) -> None:
    for name in ("week", "woche"):
        (folder / f"attachments/{name}.pdf").write_bytes(b"%PDF" + bytes(4_900_000) + name.encode())
    (folder / "attachments/overview.pdf").write_bytes(bytes(1_000_000))
    write(folder, "cadences/small.yaml", STEP.format("[overview.pdf, {collateral: 2}]"))

    found = [str(each) for each in compiled(folder).diagnostics]

    assert any("E050 the files of this mail are 10.3 MB together; 10 MB are the most" in each for each in found), found


def test_a_link_that_leads_out_of_the_folder_is_not_followed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret.pdf"
    outside.write_bytes(b"%PDF")
    (folder / "attachments/secret.pdf").symlink_to(outside)
    write(folder, "cadences/small.yaml", STEP.format("[secret.pdf]"))

    assert any('E049 there is no file "secret.pdf"' in str(each) for each in compiled(folder).diagnostics)
