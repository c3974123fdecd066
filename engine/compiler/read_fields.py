"""The typed fields of leads and of the data of events, as written.

Before: `engine.compiler.reading`. After: `read_workspace` and `read_events` collect them into schemas.
"""

from engine.compiler import kinds
from engine.compiler.diagnostics import Findings, quote
from engine.compiler.reading import Section
from engine.compiler.shapes_of_tables import DATA_FIELD, DATA_TYPES, FIELD, LEAD_TYPES
from engine.compiler.source import Node, Scalar
from engine.expressions.fields import NAME, RESERVED, Field, FieldType


def read_lead_field(key: Scalar, node: Node, findings: Findings) -> Field | None:
    """A field of leads.yaml; None: not usable (reported)."""
    return read_field(key, Section(node, "a field", FIELD, findings), LEAD_TYPES)


def read_data_field(key: Scalar, node: Node, findings: Findings) -> Field | None:
    """A field of an event's data; None: not usable (reported)."""
    return read_field(key, Section(node, "a field", DATA_FIELD, findings), DATA_TYPES)


def read_inner_field(key: Scalar, node: Node, findings: Findings) -> Field | None:
    """A field of the records in a list-of; None: not usable (reported)."""
    return read_field(key, Section(node, "a field", FIELD, findings), LEAD_TYPES)


def read_field(key: Scalar, section: Section, types: tuple[str, ...]) -> Field | None:
    type_name = section.needed("type", kinds.choice_kind(types), "").value
    choices = tuple(choice.value for choice in section.texts("choices"))
    inner = (read_inner_field(name, own, section.findings) for name, own in section.keyed_entries("of"))
    of = tuple(field for field in inner if field)
    personal = section.given("personal", kinds.YES_NO, False).value
    if not is_usable_name(key, section.findings) or not type_name:
        return None
    try:
        return Field(name=key.text, type=FieldType(type_name), choices=choices, of=of, personal=personal)
    except ValueError as error:
        if not section.misspelt:
            section.findings.add("E033", section.place, str(error))
        return None


def is_usable_name(key: Scalar, findings: Findings) -> bool:
    """Whether a field or event may be called so; else it is reported."""
    if key.text in RESERVED:
        findings.add("E017", key.place, f'"{key.text}" has a meaning of its own in conditions; choose another name')
    elif not NAME.match(key.text) or len(key.text) > kinds.LONGEST_NAME:
        findings.add(
            "E017", key.place, f"{quote(key.text)} cannot be a name here: begin with a small letter, go on with a-z, 0-9 and _"
        )
    else:
        return True
    return False
