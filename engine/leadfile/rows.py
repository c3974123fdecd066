"""The rows of a lead file, each as a lead or as a reject with its reasons. Pure: it reads lines and nothing else.

Before: `engine.leadfile.map`. After: `engine.leadfile.bring_in` saves the leads and writes the rejects.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from email_validator import EmailNotValidError, validate_email
from jinja2 import TemplateError

from engine.errors import ImportFileError
from engine.expressions.fields import LeadSchema
from engine.expressions.values import as_json, parse_value
from engine.leadfile.map import Filling, LeadMap
from engine.leads import NewLead
from engine.vocabulary import Consent

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
    """Every row after the header. Raises ImportFileError when the header lacks a column that the map names."""
    reader = csv.reader(lines, strict=True)
    header = [name.strip() for name in next_row(reader, 1)]
    require_columns(header, lead_map)
    while cells := next_row(reader, reader.line_num + 1):
        yield read_row(cells, header, reader.line_num, lead_map, schema, source)


def next_row(reader: Iterator[list[str]], line: int) -> list[str]:
    """The next row that is not blank; an empty list at the end."""
    try:
        return next((cells for cells in reader if cells), [])
    except csv.Error as error:
        raise ImportFileError(f"line {line}: this is not CSV: {error}") from error


def require_columns(header: list[str], lead_map: LeadMap) -> None:
    """Raises ImportFileError naming every column that the map wants and the file has not."""
    fillings = [lead_map.key, lead_map.email, lead_map.zone, lead_map.do_not_call, lead_map.do_not_email]
    fillings += [*lead_map.fields.values(), *lead_map.consent.values()]
    wanted = {filling.column for filling in fillings if filling and filling.column is not None}
    missing = sorted(wanted - set(header))
    if missing:
        raise ImportFileError(
            f"the map names columns that the file does not have: {', '.join(missing)}. It has: {', '.join(header)}"
        )


def read_row(
    cells: list[str], header: list[str], line: int, lead_map: LeadMap, schema: LeadSchema, source: str
) -> GoodRow | BadRow:
    unpacked = lead_map.unpack_quoted_rows and len(cells) == 1 and len(header) > 1
    whole = next(csv.reader(cells)) if unpacked else cells
    if len(whole) != len(header):
        return BadRow(line=line, problems=(f"has {len(whole)} cells where the header has {len(header)}",), cells=tuple(cells))
    row = answered(dict(zip(header, whole, strict=True)), lead_map)
    problems: list[str] = []
    lead = make_lead(row, lead_map, schema, source, problems)
    if problems or lead is None:
        return BadRow(line=line, problems=tuple(problems), cells=tuple(cells))
    do_not_email = lead_map.do_not_email is not None and is_yes(fill(lead_map.do_not_email, row))
    return GoodRow(line=line, lead=lead, do_not_email=do_not_email, unpacked=unpacked)


def answered(row: Mapping[str, str], lead_map: LeadMap) -> dict[str, str]:
    """The row with what stands for "not answered" made empty."""
    return {name: "" if cell.strip().casefold() in lead_map.not_answered else cell.strip() for name, cell in row.items()}


def make_lead(row: Mapping[str, str], lead_map: LeadMap, schema: LeadSchema, source: str, problems: list[str]) -> NewLead | None:
    """A lead, or None with the reasons added to `problems`."""
    try:
        key, email = fill(lead_map.key, row), fill(lead_map.email, row)
        zone = fill(lead_map.zone, row) if lead_map.zone else ""
        values = {name: fill(filling, row) for name, filling in lead_map.fields.items()}
        consent = {topic: fill(filling, row) for topic, filling in lead_map.consent.items()}
    except TemplateError as error:
        problems.append(f"a template of the map fails: {error.message}")
        return None
    if not key:
        problems.append("the key is empty")
    return NewLead(
        key=key[:200],
        email=read_address(email, problems),
        zone=read_zone(zone, problems),
        fields=read_fields(values, schema, problems),
        do_not_call=lead_map.do_not_call is not None and is_yes(fill(lead_map.do_not_call, row)),
        consent={topic: read_consent(said, topic, problems) for topic, said in consent.items()},
        consent_source=source,
    )


def fill(filling: Filling, row: Mapping[str, str]) -> str:
    """What a filling finds in a row; an empty text when it finds nothing. Raises TemplateError."""
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
        return validate_email(email, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as error:
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
