"""events.yaml as written: what a shop or site may post, with its data and a sample of it.

Before: `engine.compiler.reading`. After: `engine.compiler.check`.
"""

from collections.abc import Iterator, Mapping

from engine.compiler import kinds
from engine.compiler.considered import OF_EVENTS, read_considered
from engine.compiler.diagnostics import Findings, Place
from engine.compiler.read_fields import is_usable_name, read_data_field
from engine.compiler.reading import Section, plain
from engine.compiler.shapes_of_tables import EVENT, EVENTS
from engine.compiler.source import Node, Scalar
from engine.compiler.syntax import Events, Text
from engine.expressions.fields import EventKind, EventSchema, Field
from engine.expressions.values import parse_value
from engine.vocabulary import EventType


def read_events(node: Node, findings: Findings) -> Events:
    section = Section(node, "events.yaml", EVENTS, findings)
    entries = section.keyed_entries("events")
    found = [event for key, own in entries if (event := read_event(key, own, findings))]
    schema = EventSchema(tuple(kind for kind, _, _ in found))
    return Events(
        schema=schema,
        emails={kind.name: email for kind, email, _ in found if email},
        places={key.text: key.place for key, _ in entries},
        considered={kind.name: considered for kind, _, considered in found if considered},
    )


def read_event(key: Scalar, node: Node, findings: Findings) -> tuple[EventKind, Text | None, Mapping[str, Place]] | None:
    """One type of event with its email and what was considered; None: its name is not usable (reported)."""
    section = Section(node, "an event", EVENT, findings)
    section.text("title")
    data = tuple(read_data(section))
    read_sample(section, data)
    counts_as = section.optional("counts_as", kinds.choice_kind((EventType.PURCHASED.value,)))
    email, considered = section.optional("email", kinds.TEXT), read_considered(section, OF_EVENTS)
    if key.text in set(EventType):
        findings.add("E024", key.place, f'"{key.text}" is an event that Handraiser observes itself; choose another name')
        return None
    if not is_usable_name(key, findings):
        return None
    return EventKind(name=key.text, data=data, counts_as=counts_as.value if counts_as else None), email, considered


def read_data(section: Section) -> Iterator[Field]:
    for key, node in section.keyed_entries("data"):
        if field := read_data_field(key, node, section.findings):
            yield field


def read_sample(section: Section, data: tuple[Field, ...]) -> None:
    """Check the sample, which previews use, against the declared data."""
    if (node := section.node("sample")) is None:
        return
    own = Section(node, "the sample", [key.text for key, _ in section.keyed_entries("data")], section.findings)
    for field in data:
        check_sample_value(field, own)


def check_sample_value(field: Field, sample: Section) -> None:
    node = sample.node(field.name)
    if node is None:
        sample.findings.add("E034", sample.place, f"the sample has no `{field.name}`")
        return
    try:
        parse_value(field, plain(node))
    except ValueError as error:
        sample.findings.add("E034", node.place, f"the sample does not fit: {error}")
