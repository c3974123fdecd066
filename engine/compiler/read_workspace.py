"""workspace.yaml, leads.yaml and segments.yaml as written.

Before: `engine.compiler.reading` over each file. After: `engine.compiler.check`.
"""

from collections.abc import Iterator
from dataclasses import replace

from engine.compiler import kinds
from engine.compiler.diagnostics import Findings, Place
from engine.compiler.plan import Between, Caps, Holidays, Window
from engine.compiler.read_fields import read_lead_field
from engine.compiler.read_holidays import read_holidays
from engine.compiler.read_window import USUAL_WINDOW, read_quiet, read_window
from engine.compiler.reading import Section
from engine.compiler.shapes_of_tables import (
    BETWEEN,
    CAPS,
    CONSENT,
    LEADS,
    SEGMENT,
    SEGMENTS,
    TOPIC,
    WEBHOOK,
    WORKSPACE,
)
from engine.compiler.shapes_of_windows import WINDOW
from engine.compiler.source import Node, Scalar
from engine.compiler.syntax import Text, Workspace, Written
from engine.expressions.fields import BUILT_IN_FIELDS, Field, LeadSchema
from engine.languages import USUAL

USUAL_BETWEEN = Written(Between(), Place("workspace.yaml"))
USUAL_CAPS = Caps(per_day=1, per_week=3, per_month=10)
NO_WORKSPACE = Workspace(
    name="",
    zone="UTC",
    brand=None,
    topics={},
    unknown_consent="hold",
    caps=USUAL_CAPS,
    window=USUAL_WINDOW,
    holidays=Holidays(),
    holiday_fields=(),
    between=USUAL_BETWEEN,
)


def read_workspace(node: Node, findings: Findings) -> Workspace:
    section = Section(node, "workspace.yaml", WORKSPACE, findings)
    consent = Section(section.node("consent"), "`consent`", CONSENT, findings)
    holidays, holiday_fields = read_holidays(section)
    return Workspace(
        name=section.text("name"),
        zone=section.given("zone", kinds.ZONE, "UTC").value,
        brand=section.optional("brand", kinds.TEXT),
        topics=dict(read_topics(section)),
        unknown_consent=consent.given("unknown", kinds.UNKNOWN_CONSENT, "hold").value,
        caps=read_caps(section),
        window=read_usual_window(section),
        holidays=holidays,
        holiday_fields=holiday_fields,
        between=read_between(section),
        webhooks=dict(read_webhooks(section)),
        language=section.given("language", kinds.LANGUAGE_CODE, USUAL).value,
    )


def read_topics(section: Section) -> Iterator[tuple[str, str]]:
    section.require("topics")
    for name, node in section.named_entries("topics"):
        yield name, Section(node, "a topic", TOPIC, section.findings).text("title")


def read_caps(section: Section) -> Caps:
    """The caps as written, a line left out being no limit; without any, the usual ones."""
    if "caps" not in section:
        return USUAL_CAPS
    own = Section(section.node("caps"), "`caps`", CAPS, section.findings)

    def cap(key: str) -> int | None:
        found = own.optional(key, kinds.COUNT)
        return found.value if found else None

    return Caps(per_day=cap("per_day"), per_week=cap("per_week"), per_month=cap("per_month"))


def read_usual_window(section: Section) -> Window:
    """The window of cadences that set none, with the quiet hours of every cadence."""
    default = replace(USUAL_WINDOW, quiet=read_quiet(section))
    place = section.place_of("window" if "window" in section else "quiet")
    return read_window(section.node("window"), default, WINDOW, place, section.findings)


def read_between(section: Section) -> Written[Between]:
    """Which of several mails wins."""
    own = Section(section.node("between_cadences"), "`between_cadences`", BETWEEN, section.findings)
    first, loser = own.given("first", kinds.FIRST, "priority"), own.given("loser", kinds.LOSER, "delay")
    between = Between(
        first="deadline" if first.value == "deadline" else "priority",
        loser="drop" if loser.value == "drop" else "delay",
    )
    return Written(between, first.place)


def read_webhooks(section: Section) -> Iterator[tuple[str, Text]]:
    for name, node in section.named_entries("webhooks"):
        yield name, Section(node, "a webhook", WEBHOOK, section.findings).needed("url", kinds.LINK, "")


def read_leads(node: Node, findings: Findings) -> LeadSchema:
    """The declared fields that are usable; the others are reported."""
    section = Section(node, "leads.yaml", LEADS, findings)
    return LeadSchema(tuple(read_lead_fields(section)))


def read_lead_fields(section: Section) -> Iterator[Field]:
    built_in = {field.name for field in BUILT_IN_FIELDS}
    for key, node in section.keyed_entries("fields"):
        if key.text in built_in:
            section.findings.add("E024", key.place, f"every lead has `{key.text}` already; do not declare it again")
        elif field := read_lead_field(key, node, section.findings):
            yield field


def read_segments(node: Node, findings: Findings) -> dict[str, Scalar]:
    """The condition of each segment."""
    section = Section(node, "segments.yaml", SEGMENTS, findings)
    return {name: read_segment(own, findings) for name, own in section.named_entries("segments")}


def read_segment(node: Node, findings: Findings) -> Scalar:
    section = Section(node, "a segment", SEGMENT, findings)
    section.text("title")
    return section.needed_scalar("if")
