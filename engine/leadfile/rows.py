"""The rows of a lead file, each as a lead or as a reject with its reasons. Pure: it reads lines and nothing else.

Before: `engine.leadfile.map`. After: `engine.leadfile.bring_in` saves the leads and writes the rejects.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from email_validator import EmailNotValidError, validate_email
from jinja2 import TemplateError

from engine.errors import ImportFileError
from engine.expressions.fields import LeadSchema
from engine.expressions.values import as_json, parse_value
from engine.leadfile.map import Filling, LeadMap
from engine.leads import NewLead
from engine.tokens import fold_address
from engine.vocabulary import Consent

if TYPE_CHECKING:
    from _csv import Reader

SEPARATORS = ",;\t"
LONGEST_CELL = 131_072
LONGEST_KEY = 200
MOST_NAMED = 30
TEMPLATE_FAULTS = (TemplateError, ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError)
YES = frozenset({"yes", "true", "1", "y", "x"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodRow:
    """A row that makes a lead. `unpacked`: it was one quoted field that held a whole row."""

    line: int
    lead: NewLead
    do_not_email: bool
    unpacked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that does not, with everything that is wrong with it, and its cells as they came."""

    line: int
    problems: tuple[str, ...]
    cells: tuple[str, ...]


def read_rows(lines: Iterable[str], lead_map: LeadMap, schema: LeadSchema, *, source: str) -> Iterator[GoodRow | BadRow]:
    """Every row after the header. Raises ImportFileError for what `check_lines` finds."""
    header, reader = read_header(lines, lead_map)
    while cells := next_row(reader):
        yield read_row(cells, header, reader.line_num, lead_map, schema, source)


def check_lines(lines: Iterable[str], lead_map: LeadMap) -> None:
    """Raises ImportFileError when the header lacks a column that the map names, or a line anywhere is not CSV."""
    _header, reader = read_header(lines, lead_map)
    while next_row(reader):
        pass


def read_header(lines: Iterable[str], lead_map: LeadMap) -> tuple[list[str], "Reader"]:
    """The names of the columns, and the reader of what follows. Spreadsheets in half of Europe write semicolons for commas."""
    rest = iter(lines)
    first = next((line for line in rest if line.strip()), "")
    if not first:
        raise ImportFileError("the file is empty; its first line must name the columns")
    reader = csv.reader(chain([first], rest), delimiter=max(SEPARATORS, key=first.count), strict=True)
    header = [name.strip() for name in next_row(reader)]
    require_columns(header, lead_map)
    return header, reader


def next_row(reader: "Reader") -> list[str]:
    """The next row that is not blank; an empty list at the end."""
    line = reader.line_num + 1
    try:
        return next((cells for cells in reader if cells), [])
    except csv.Error as error:
        raise ImportFileError(f"line {line}: {in_words(str(error))}") from error


def in_words(problem: str) -> str:
    if "field larger" in problem:
        return f"a cell is longer than {LONGEST_CELL:,} characters; perhaps a quote before it is never closed"
    if "unexpected end" in problem:
        return "this is not CSV: a quote is opened and never closed"
    return f"this is not CSV: {problem}; a quote inside a quoted cell is written twice"


def require_columns(header: list[str], lead_map: LeadMap) -> None:
    """Raises ImportFileError naming every column that the map wants and the file has not, or has more than once."""
    fillings = [lead_map.key, lead_map.email, lead_map.zone, lead_map.do_not_call, lead_map.do_not_email]
    fillings += [*lead_map.fields.values(), *lead_map.consent.values()]
    wanted = {column for filling in fillings if filling for column in filling.columns}
    if missing := sorted(wanted - set(header)):
        has = ", ".join(header[:MOST_NAMED]) + (", …" if len(header) > MOST_NAMED else "")
        raise ImportFileError(f"the map names columns that the file does not have: {', '.join(missing)}. It has: {has}")
    if twice := [column for column in sorted(wanted) if header.count(column) > 1]:
        times = header.count(twice[0])
        raise ImportFileError(f"“{twice[0]}” stands {times} times in the header; rename all but the one that is meant")


def read_row(
    cells: list[str], header: list[str], line: int, lead_map: LeadMap, schema: LeadSchema, source: str
) -> GoodRow | BadRow:
    unpacked = lead_map.unpack_quoted_rows and len(cells) == 1 and len(header) > 1
    whole = next(csv.reader(cells)) if unpacked else cells
    if len(whole) != len(header):
        return BadRow(line=line, problems=(f"has {len(whole)} cells where the header has {len(header)}",), cells=tuple(cells))
    row = answered(dict(zip(header, whole, strict=True)), lead_map)
    problems: list[str] = []
    try:
        lead = make_lead(row, lead_map, schema, source, problems)
        do_not_email = lead_map.do_not_email is not None and is_yes(fill(lead_map.do_not_email, row))
    except TEMPLATE_FAULTS as error:
        return BadRow(line=line, problems=(f"a template of the map fails: {error}",), cells=tuple(cells))
    if problems:
        return BadRow(line=line, problems=tuple(problems), cells=tuple(cells))
    return GoodRow(line=line, lead=lead, do_not_email=do_not_email, unpacked=unpacked)


def answered(row: Mapping[str, str], lead_map: LeadMap) -> dict[str, str]:
    """The row with what stands for "not answered" made empty."""
    return {name: "" if cell.strip().casefold() in lead_map.not_answered else cell.strip() for name, cell in row.items()}


def make_lead(row: Mapping[str, str], lead_map: LeadMap, schema: LeadSchema, source: str, problems: list[str]) -> NewLead:
    """A lead, with what is wrong added to `problems`. Raises whatever a template of the map may."""
    key, email = fill(lead_map.key, row), fill(lead_map.email, row)
    if fold_address(key) == fold_address(email):
        key = fold_address(key)
    zone = fill(lead_map.zone, row) if lead_map.zone else ""
    values = {name: fill(filling, row) for name, filling in lead_map.fields.items()}
    consent = {topic: fill(filling, row) for topic, filling in lead_map.consent.items()}
    if not key:
        problems.append("the key is empty")
    if len(key) > LONGEST_KEY:
        problems.append(f"the key is longer than {LONGEST_KEY} characters")
    return NewLead(
        key=key,
        email=read_address(email, problems),
        zone=read_zone(zone, problems),
        fields=read_fields(values, schema, problems),
        do_not_call=lead_map.do_not_call is not None and is_yes(fill(lead_map.do_not_call, row)),
        consent={topic: read_consent(said, topic, problems) for topic, said in consent.items()},
        consent_source=source,
    )


def fill(filling: Filling, row: Mapping[str, str]) -> str:
    """What a filling finds in a row; an empty text when it finds nothing. Raises whatever a template may."""
    if filling.value is not None:
        return filling.value
    found = filling.template.render(row=row).strip() if filling.template else row.get(filling.column or "", "")
    if filling.lookup is None:
        return found
    return filling.lookup.get(found.casefold(), filling.otherwise or "")


def read_address(email: str, problems: list[str]) -> str | None:
    """The address in its normal form; None when there is none. Adds a problem when it is not one."""
    if not email:
        return None
    try:
        # Reserved names are let through: they are in test lists, and no mail to them can reach anyone.
        # `strict`: as long as an address may be (RFC 5321, 4.5.3.1).
        checked = validate_email(email, allow_smtputf8=False, check_deliverability=False, test_environment=True, strict=True)
        return checked.normalized
    except EmailNotValidError as error:  # letters like ë before the @ too: most mail servers cannot take them
        problems.append(f"email {email!r}: {error}")
        return None


def read_zone(zone: str, problems: list[str]) -> str | None:
    if not zone:
        return None
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        problems.append(f"zone {zone!r} is not a time zone; use a name like Europe/London")
    return zone


def read_fields(values: Mapping[str, str], schema: LeadSchema, problems: list[str]) -> dict[str, object]:
    """Typed values; a cell that is empty leaves its field out."""
    typed: dict[str, object] = {}
    for name, raw in values.items():
        field = schema.field(name)
        assert field is not None  # the map was checked against the schema
        try:
            value = as_json(parse_value(field, raw))
        except ValueError as error:
            problems.append(str(error))
            continue
        if value is not None:
            typed[name] = value
    return typed


def read_consent(said: str, topic: str, problems: list[str]) -> Consent:
    if said in set(Consent):
        return Consent(said)
    problems.append(f"consent for {topic} is {said!r}; it must be one of {', '.join(Consent)}")
    return Consent.UNKNOWN


def is_yes(text: str) -> bool:
    return text.casefold() in YES
