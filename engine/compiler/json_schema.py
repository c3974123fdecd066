"""JSON Schemas of the workspace's files, by which editors complete and check as one types.

Before: `shapes_of_cadences` and `shapes_of_tables` say what the files may hold. After: `handraiser schema` writes them, and the
first line of each file names its own. They are less strict than `handraiser check`, which also knows what the names refer to.
"""

from typing import Any, assert_never

from engine.compiler import shapes_of_cadences, shapes_of_relays, shapes_of_tables
from engine.compiler.shapes import Choice, ListOf, MapOf, OneOf, Record, Ref, Shape, Value
from engine.vocabulary import EventType

DRAFT = "https://json-schema.org/draft/2020-12/schema"
FILES: dict[str, tuple[str, Record]] = {
    "workspace": ("workspace.yaml", shapes_of_tables.WORKSPACE),
    "leads": ("leads.yaml", shapes_of_tables.LEADS),
    "events": ("events.yaml", shapes_of_tables.EVENTS),
    "segments": ("segments.yaml", shapes_of_tables.SEGMENTS),
    "scoring": ("scoring.yaml", shapes_of_tables.SCORING),
    "assignment": ("assignment.yaml", shapes_of_tables.ASSIGNMENT),
    "offers": ("offers.yaml", shapes_of_tables.OFFERS),
    "collateral": ("collateral.yaml", shapes_of_tables.LIBRARY),
    "relays": ("relays.yaml", shapes_of_relays.RELAYS),
    "cadence": ("cadences/*.yaml", shapes_of_cadences.CADENCE),
    "brand": ("templates/brands/*.yaml", shapes_of_tables.BRAND),
    "email": ("templates/emails/*/email.yaml", shapes_of_tables.EMAIL_FILE),
    "email-language": ("templates/emails/*/languages/*/email.yaml", shapes_of_tables.EMAIL_LANGUAGE),
    "phrases": ("templates/phrases.yaml", shapes_of_tables.PHRASES),
}
STEP = OneOf((*shapes_of_cadences.STEP.values(), shapes_of_cadences.PAUSE))
UNIT = "(business +days?|seconds?|minutes?|hours?|days?|weeks?|months?|years?)"
SPAN = rf"\d+ +{UNIT}((,| and)? +\d+ +{UNIT})*"
CLOCK = r"([01]?\d|2[0-3]):[0-5]\d"
POINT = r"(day|week|month|year) +\d{1,5}"
DATE = r"\d{4}-\d\d-\d\d"
TEXT = {"type": ["string", "number", "boolean"]}
YES_NO = {"enum": ["yes", "no", "true", "false", True, False]}
NAME = r"[a-z][a-z0-9_-]*"
FIELD_NAME = r"[a-z][a-z0-9_]*"


def schema_of(file: str) -> dict[str, Any]:
    """The schema of one kind of file, by its name in `FILES`."""
    title, record = FILES[file]
    schema = {"$schema": DRAFT, "title": title, **plain_of(record)}
    return schema | ({"$defs": {"step": plain_of(STEP), "happening": happening()}} if file == "cadence" else {})


def plain_of(shape: Shape) -> dict[str, Any]:
    match shape:
        case Value():
            return value_of(shape)
        case Choice(words=words):
            return {"enum": list(words)}
        case ListOf(item=item, least=least):
            return {"type": "array", "items": plain_of(item)} | ({"minItems": least} if least else {})
        case MapOf(key=key, value=value):
            return {"type": "object", "propertyNames": value_of(key), "additionalProperties": plain_of(value)}
        case OneOf(shapes=shapes):
            return {"anyOf": [plain_of(each) for each in shapes]}
        case Ref(name=name):
            return {"$ref": f"#/$defs/{name}"}
        case Record():
            return record_of(shape)
    assert_never(shape)


def record_of(record: Record) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: plain_of(key.shape) | {"description": key.about} for name, key in record.items()},
        "required": [name for name, key in record.items() if key.is_needed],
        "additionalProperties": False,
    }


def happening() -> dict[str, Any]:
    """An event of a test: one of ours or of the workspace's own stands beside the known keys."""
    known = record_of(shapes_of_cadences.HAPPENING)
    ours: dict[str, Any] = {str(kind): {} for kind in EventType}
    return known | {"properties": known["properties"] | ours, "patternProperties": {f"^{FIELD_NAME}$": {}}}


def value_of(value: Value) -> dict[str, Any]:
    """What may stand there: YAML has made a number or a truth of some texts before an editor compares them."""
    match value:
        case Value.TEXT | Value.TEMPLATE | Value.CONDITION:
            return TEXT
        case Value.NUMBER:
            return {"type": ["number", "string"], "pattern": r"^-?\d{1,12}(\.\d{1,6})?$"}
        case Value.COUNT:
            return {"type": ["integer", "string"], "minimum": 1, "pattern": r"^\d{1,9}$"}
        case Value.SHARE:
            return {"type": ["integer", "string", "null"], "minimum": 0, "pattern": r"^(\d{1,6})?$"}
        case Value.WHOLE | Value.PRIORITY:
            bounds = {"minimum": -100, "maximum": 100} if value is Value.PRIORITY else {}
            return {"type": ["integer", "string"], **bounds, "pattern": r"^-?\d{1,9}$"}
        case Value.YES_NO:
            return YES_NO
        case Value.REENTRY:
            return {"anyOf": [YES_NO, text_like(SPAN, "6 months")]}
        case Value.MOMENT_OR_NO:
            return {"anyOf": [{"enum": ["no", False]}, value_of(Value.MOMENT)]}
        case Value.ANY:
            return {}
        case _:
            return text_like(*PATTERNS[value])


def text_like(pattern: str, *examples: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^ *{pattern} *$", "examples": list(examples)}


PATTERNS: dict[Value, tuple[str, ...]] = {
    Value.NAME: (NAME,),
    Value.FIELD_NAME: (FIELD_NAME,),
    Value.SPAN: (SPAN, "3 days", "2 weeks", "3 business days", "4 hours", "2 months"),
    Value.AT: (rf"{POINT}( *, *{CLOCK})?", "day 0", "day 4", "week 2", "month 3", "month 3, 14:30"),
    Value.AFTER: (rf"{SPAN}( *, *{CLOCK})?", "3 business days", "2 weeks, 10:00", "4 hours"),
    Value.CLOCK: (CLOCK, "09:00", "14:30"),
    Value.DATE: (DATE, "2026-12-24"),
    Value.MOMENT: (rf"({POINT}|{DATE})( *, *{CLOCK})?", "day 4", "2026-03-31"),
    Value.ZONE: (r"[A-Za-z0-9_+/-]+", "Europe/London", "America/New_York"),
    Value.COUNTRY: (r"[A-Za-z]{2}(-[A-Za-z0-9]{1,4})?", "GB", "GB-SCT", "DE-BY"),
    Value.LANGUAGE: (r"[a-z]{2,3}", "en", "de"),
    Value.ADDRESS: (r"[^@ ]+@[^@ ]+", "dana@example.com"),
    Value.DOMAIN: (r"([^@ /]+\.[^@ /]+|others)", "gmail.com"),
    Value.PERCENT: (r"\d{1,4}(\.\d{1,2})? ?%", "30%"),
    Value.LINK: (r"https?://[^ ]+", "https://example.com/"),
    Value.CODE: (r"W[0-9]{3}", "W038"),
    Value.FILE: (r"[^/\\.][^/\\]*", "guide.pdf"),
}
