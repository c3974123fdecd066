"""Reading one value by the type of its field: from a cell of a lead file, or from the JSON a shop posts.

Its fields come from `engine.expressions.fields`. What passes here may be stored, compared in every database and
printed in a mail; nothing else may be stored. `as_json` is the stored form.
"""

import math
import re
from collections.abc import Mapping
from datetime import date, datetime
from difflib import get_close_matches
from typing import NoReturn, TypeAlias, assert_never
from unicodedata import normalize

from engine.expressions.fields import EventKind, Field, FieldType

Record: TypeAlias = dict[str, "Value | None"]
Value: TypeAlias = str | int | float | bool | date | tuple[str, ...] | tuple[Record, ...]
Json: TypeAlias = str | int | float | bool | list["Json"] | dict[str, "Json"] | None

LONGEST_TEXT = 10_000
LARGEST_NUMBER = 1e15  # every whole number up to here has its own double
YES = frozenset({"yes", "y", "true", "1", "on"})
NO = frozenset({"no", "n", "false", "0", "off"})

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?\Z", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ].*)?\Z", re.ASCII)
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def parse_value(field: Field, raw: object) -> Value | None:
    """The value that `raw` (text, or a JSON value) stands for, or None when it is empty.

    Text is trimmed and in Unicode's composed form, whole numbers are `int`, a choice is spelt as declared, a list is
    a tuple. Raises ValueError with a sentence that names the field, what it got and what it wants.
    """
    if isinstance(raw, str):
        raw = _clean_text(field, raw)
    if raw is None or raw == "":
        return None
    match field.type:
        case FieldType.TEXT:
            return _text(field, raw)
        case FieldType.NUMBER:
            return _number(field, raw)
        case FieldType.YES_NO:
            return _yes_no(field, raw)
        case FieldType.DATE:
            return _date(field, raw)
        case FieldType.CHOICE:
            return _choice(field, raw)
        case FieldType.LIST:
            return _texts(field, raw) or None
        case FieldType.LIST_OF:
            return _records(field, raw) or None
    assert_never(field.type)


def parse_data(kind: EventKind, data: Mapping[str, object]) -> Record:
    """The data of an event by its type; what was not sent is None. Raises ValueError with every fault in it."""
    return _record(kind.data, data, f"the data of `{kind.name}`")


def as_json(value: Value | None) -> Json:
    """The form in which a value is stored: dates as ISO text, lists as lists."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: as_json(inner) for name, inner in value.items()}
    if isinstance(value, tuple):
        return [as_json(inner) for inner in value]  # type: ignore[arg-type]
    return value


def _clean_text(field: Field, raw: str) -> str:
    if _UNSTORABLE.search(raw):
        raise ValueError(f"`{field.name}` holds a character that cannot be stored; take it out")
    text = normalize("NFC", raw).strip()
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"`{field.name}` is {len(text)} characters long; {LONGEST_TEXT} are the most")
    return text


def _text(field: Field, raw: object) -> str:
    if isinstance(raw, int) and not isinstance(raw, bool):
        return str(raw) if abs(raw) <= LARGEST_NUMBER else _refuse(field, "a very large number", "text in quotes")
    return raw if isinstance(raw, str) else _refuse(field, raw, "text")


def _number(field: Field, raw: object) -> int | float:
    wanted = "a number such as 1200 or 12.5, without spaces, commas or units"
    if isinstance(raw, str):
        if not _NUMBER.match(raw) or len(raw) > 40:
            return _refuse(field, raw, wanted)
        raw = float(raw) if "." in raw else int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return _refuse(field, raw, wanted)
    if not abs(raw) <= LARGEST_NUMBER:
        raise ValueError(f"`{field.name}` is a number of more than 15 digits, which would lose some")
    return int(raw) if math.floor(raw) == raw else raw


def _yes_no(field: Field, raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    word = str(raw).casefold()
    if word in YES or word in NO:
        return word in YES
    return _refuse(field, raw, "yes or no")


def _date(field: Field, raw: object) -> date:
    if isinstance(raw, datetime):
        return raw.date()
    if isinstance(raw, date):
        return raw
    found = _DATE.match(raw) if isinstance(raw, str) else None
    if not found:
        return _refuse(field, raw, "a date such as 2026-03-31")
    try:
        return date.fromisoformat(found[1])
    except ValueError:
        return _refuse(field, raw, "a date that is in the calendar, such as 2026-03-31")


def parse_day(text: str) -> date:
    """A day of the calendar, written like `2026-03-31` and in no other of ISO's ways. Raises ValueError."""
    if not _DAY.match(text):
        raise ValueError(text)
    return date.fromisoformat(text)


def _choice(field: Field, raw: object) -> str:
    choices = {choice.casefold(): choice for choice in field.choices}
    word = str(raw).casefold()
    if word in choices:
        return choices[word]
    close = get_close_matches(word, choices, n=1)
    hint = f" (did you mean {choices[close[0]]}?)" if close else ""
    return _refuse(field, raw, "one of " + ", ".join(field.choices) + hint)


def _texts(field: Field, raw: object) -> tuple[str, ...]:
    items = re.split(r"[,;]", raw) if isinstance(raw, str) else raw
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        return _refuse(field, raw, "a list of texts: several in one text are parted by commas")
    cleaned = [_clean_text(field, item) for item in items]
    distinct: dict[str, str] = {}
    for text in filter(None, cleaned):
        distinct.setdefault(text.casefold(), text)
    return tuple(distinct.values())


def _records(field: Field, raw: object) -> tuple[Record, ...]:
    if not isinstance(raw, list | tuple) or not all(isinstance(item, Mapping) for item in raw):
        return _refuse(field, raw, "a list of records, each with " + ", ".join(inner.name for inner in field.of))
    return tuple(_record(field.of, item, f"`{field.name}` number {n}") for n, item in enumerate(raw, 1))


def _record(fields: tuple[Field, ...], raw: Mapping[str, object], whose: str) -> Record:
    names = [field.name for field in fields]
    faults = [f"{whose} has no field `{name}`" + _hint(name, names) for name in raw if name not in names]
    record: Record = {}
    for field in fields:
        try:
            record[field.name] = parse_value(field, raw.get(field.name))
        except ValueError as fault:
            faults.append(f"{whose}: {fault}")
    if faults:
        raise ValueError("; ".join(faults))
    return record


def _hint(name: str, names: list[str]) -> str:
    close = get_close_matches(str(name), names, n=1)
    return f" (did you mean `{close[0]}`?)" if close else ""


def _refuse(field: Field, raw: object, wanted: str) -> NoReturn:
    shown = repr(raw if not isinstance(raw, str) or len(raw) <= 60 else raw[:57] + "…")
    raise ValueError(f"`{field.name}` cannot be {shown}: it wants {wanted}")
