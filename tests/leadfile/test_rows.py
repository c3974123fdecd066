"""What becomes of each row of a lead file."""

import re
from pathlib import Path

import pytest

from engine.errors import ImportFileError
from engine.expressions.fields import Field, FieldType, LeadSchema
from engine.leadfile.map import read_map
from engine.leadfile.rows import BadRow, GoodRow, check_lines, read_rows
from engine.vocabulary import Consent

SCHEMA = LeadSchema(
    (
        Field(name="first_name"),
        Field(name="employees", type=FieldType.NUMBER),
        Field(name="role", type=FieldType.CHOICE, choices=("owner", "teacher")),
    )
)
MAP = """
not_answered: ["", Select]
unpack_quoted_rows: yes
key: Email
email: Email
zone: {column: Country, values: {Germany: Europe/Berlin}}
fields: {first_name: Name, employees: Staff, role: Role}
consent: {lessons: {column: May we, values: {Yes: granted, No: refused}, otherwise: unknown}}
do_not_email: {column: May we, values: {No: yes}}
"""
HEADER = "Name,Email,Staff,Role,Country,May we\n"


def rows_of(folder: Path, *lines: str, text: str = MAP) -> list[GoodRow | BadRow]:
    (folder / "map.yaml").write_text(text)
    lead_map = read_map(folder / "map.yaml", SCHEMA, ("lessons",))
    return list(read_rows([HEADER, *lines], lead_map, SCHEMA, source="import test"))


def test_a_row_becomes_a_lead_with_typed_fields(tmp_path: Path) -> None:
    [row] = rows_of(tmp_path, "Ada,ada@firm.example,12,Owner,Germany,Yes\n")

    assert isinstance(row, GoodRow)
    assert row.lead.fields == {"first_name": "Ada", "employees": 12, "role": "owner"}
    assert (row.lead.email, row.lead.zone) == ("ada@firm.example", "Europe/Berlin")
    assert row.lead.consent == {"lessons": Consent.GRANTED}


def test_what_stands_for_not_answered_leaves_the_field_out(tmp_path: Path) -> None:
    [row] = rows_of(tmp_path, "Ada,ada@firm.example,,Select,,\n")

    assert isinstance(row, GoodRow)
    assert row.lead.fields == {"first_name": "Ada"}
    assert row.lead.consent == {"lessons": Consent.UNKNOWN}


def test_a_quoted_field_that_holds_a_whole_row_is_unpacked(tmp_path: Path) -> None:
    [row] = rows_of(tmp_path, '"Ada,ada@firm.example,3,""owner"",Germany,No"\n')

    assert isinstance(row, GoodRow)
    assert row.unpacked
    assert row.do_not_email


def test_an_address_that_is_the_key_is_one_key_in_every_spelling(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "Ada,Ada@FIRM.example,,,,\n", "Ada,ada@firm.example,,,,\n")

    assert [row.lead.key for row in rows if isinstance(row, GoodRow)] == ["ada@firm.example"] * 2


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("Ada,not an address,1,owner,,Yes\n", "not an address"),
        (f"Ada,{'a' * 65}@firm.example,1,owner,,Yes\n", "too long before the @-sign"),
        ("Ada,zoë@firm.example,1,owner,,Yes\n", "before the @-sign are not supported"),
        ("Ada,ada@firm.example,many,owner,,Yes\n", "employees"),
        ("Ada,ada@firm.example,1,astronaut,,Yes\n", "astronaut"),
        ("Ada,ada@firm.example,1\n", "has 3 cells where the header has 6"),
        ("Ada,,1,owner,,Yes\n", "the key is empty"),
    ],
)
def test_a_row_that_cannot_be_used_says_why(tmp_path: Path, line: str, says: str) -> None:
    [row] = rows_of(tmp_path, line)

    assert isinstance(row, BadRow)
    assert says in "; ".join(row.problems)


def test_every_problem_of_a_row_is_told_at_once(tmp_path: Path) -> None:
    [row] = rows_of(tmp_path, "Ada,nowhere,many,astronaut,,Yes\n")

    assert isinstance(row, BadRow)
    assert len(row.problems) == 3


def test_a_map_that_names_an_absent_column_is_refused_before_any_row(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match="Surname"):
        rows_of(tmp_path, text=MAP.replace("first_name: Name", "first_name: Surname"))


def test_every_mistake_of_a_map_is_told_with_its_place(tmp_path: Path) -> None:
    bad = "key: \"{{ row['a' }}\"\nemial: x\nconsent: {lesson: granted}\nfields: {frist_name: Name}\n"

    with pytest.raises(ImportFileError) as caught:
        rows_of(tmp_path, text=bad)

    said = str(caught.value)
    assert "map.yaml:1:6" in said
    assert 'map.yaml:2:1: E010 unknown key "emial" (did you mean "email"?)' in said
    assert 'unknown topic "lesson" (did you mean "lessons"?)' in said
    assert 'unknown field "frist_name" (did you mean "first_name"?)' in said
    assert "`email` is missing" in said


def test_a_file_with_semicolons_or_tabs_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(MAP)
    lead_map = read_map(tmp_path / "map.yaml", SCHEMA, ("lessons",))
    line = "Ada,ada@firm.example,12,Owner,Germany,Yes\n"

    for sign in (";", "\t"):
        lines = [HEADER.replace(",", sign), line.replace(",", sign)]
        [row] = read_rows(lines, lead_map, SCHEMA, source="import test")
        assert isinstance(row, GoodRow)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "the file is empty"),
        (["Name,Email,Email,Staff,Role,Country,May we\n"], "“Email” stands 2 times in the header"),
        (
            ["Name,Email\n"],
            "the map names columns that the file does not have: Country, May we, Role, Staff. It has: Name, Email",
        ),
        ([HEADER, '"Ada,ada@firm.example,1,owner,,Yes\n'], "line 2: this is not CSV: a quote is opened and never closed"),
        ([HEADER, '"Ada"x,ada@firm.example,1,owner,,Yes\n'], "line 2: this is not CSV"),
        ([HEADER, "A" * 200_000 + ",ada@firm.example,1,owner,,Yes\n"], "line 2: a cell is longer than 131,072 characters"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, lines: list[str], says: str) -> None:
    (tmp_path / "map.yaml").write_text(MAP)
    lead_map = read_map(tmp_path / "map.yaml", SCHEMA, ("lessons",))

    with pytest.raises(ImportFileError, match=re.escape(says)):
        check_lines(lines, lead_map)


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ row['Email'] + 1 }}", "can only concatenate"),
        ("{{ row[row['Name']] }}", "no attribute 'Ada'"),
        ("{{ row.__class__ }}", "unsafe"),
    ],
)
@pytest.mark.parametrize("key", ["key: Email", "do_not_email: {column: May we, values: {No: yes}}"])
def test_a_template_that_fails_rejects_its_row(tmp_path: Path, key: str, template: str, says: str) -> None:
    text = MAP.replace(key, f'{key.partition(":")[0]}: "{template}"')

    [row] = rows_of(tmp_path, "Ada,ada@firm.example,12,Owner,Germany,Yes\n", text=text)

    assert isinstance(row, BadRow)
    assert says in "; ".join(row.problems)


def test_a_key_that_is_too_long_rejects_its_row(tmp_path: Path) -> None:
    [row] = rows_of(
        tmp_path, "Ada,ada@firm.example,12,Owner,Germany,Yes\n", text=MAP.replace("key: Email", f"key: {{value: {'k' * 201}}}")
    )

    assert isinstance(row, BadRow)
    assert "longer than 200 characters" in "; ".join(row.problems)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("key: Email", "key: \"{{ row['Emial'] }}\"", "the map names columns that the file does not have: Emial"),
        ("key: Email", 'key: "{{ Email }}"', "map.yaml:4:6: E035 unknown name \"Email\"; a cell is row['Email']"),
        ("first_name: Name", "frist_name: Name", 'E035 unknown field "frist_name" (did you mean "first_name"?)'),
        (
            "Yes: granted",
            "Yes: grnated",
            'E014 `lessons`: "grnated" is not one of: granted, unknown, refused (did you mean "granted"?)',
        ),
        ("fields: {first_name: Name, employees: Staff, role: Role}", "first_name: Name", "put it under `fields:`"),
    ],
)
def test_a_mistake_in_the_map_is_told_before_any_row_is_read(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(ImportFileError, match=re.escape(says)):
        rows_of(tmp_path, "Ada,ada@firm.example,12,Owner,Germany,Yes\n", text=MAP.replace(old, new))
