"""The `tests:` of each cadence as written, checked against the whole workspace while they are read.

Before: `engine.compiler.check` has looked at everything else. After: `engine.compiler.cadence_tests` is what
`handraiser test` runs.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Literal

from engine.compiler import kinds
from engine.compiler.cadence_tests import USUAL_START, CadenceTest, Expected, ExpectedSend, Happening, Moment
from engine.compiler.checks import Checks
from engine.compiler.diagnostics import Place, quote
from engine.compiler.reading import Section, plain, scalar_of, value_of
from engine.compiler.shapes_of_cadences import EXPECT, HAPPENING, SCRIPT, TEST
from engine.compiler.source import Mapping, Node, Scalar, read_alone
from engine.compiler.steps import all_steps
from engine.compiler.syntax import Cadence, EmailStep, EnterStep, LeaveStep, SplitStep, Text, Written
from engine.expressions.fields import Field
from engine.expressions.values import Json, as_json, parse_data, parse_value
from engine.vocabulary import Consent, EventType, Reason, Stream

# What the text behind an event of ours names. The others stand alone or have data.
NAMED = {
    EventType.VISITED: "page",
    EventType.FORM_SUBMITTED: "form",
    **dict.fromkeys(
        (EventType.OPENED, EventType.CLICKED, EventType.REPLIED, EventType.AUTO_REPLIED, EventType.BOUNCED,
         EventType.SOFT_BOUNCED, EventType.COMPLAINED, EventType.UNSUBSCRIBED), "email",
    ),
}  # fmt: skip
OWN_ENDS = (
    Reason.GOAL, Reason.END, Reason.REPLIED, Reason.PURCHASED, Reason.EXIT,
    Reason.UNSUBSCRIBED, Reason.BOUNCED, Reason.COMPLAINED,
)  # fmt: skip


def read_tests(checks: Checks) -> tuple[CadenceTest, ...]:
    """The tests of all cadences. What is wrong with them is reported, once the steps that they speak of are right."""
    sound = [cadence for cadence in checks.files.cadences if not checks.findings.has_errors_in(cadence.place.file)]
    return tuple(read_test(node, cadence, checks) for cadence in sound for node in cadence.tests)


def read_test(node: Node, cadence: Cadence, checks: Checks) -> CadenceTest:
    section = Section(node, "a test", TEST, checks.findings)
    section.require("expect")
    starts = section.given("starts", kinds.DATE, USUAL_START).value
    events = tuple(read_events(section, checks))
    expect = read_expected(section.node("expect"), cadence, checks)
    report_disorder([(each.value.on, each.place) for each in events], "this event", starts, checks)
    report_disorder([(each.on, each.place) for each in expect.sends or ()], "this mail", starts, checks)
    return CadenceTest(
        cadence=cadence.name,
        place=node.place,
        lead=dict(read_lead(section, checks)),
        starts=starts,
        events=tuple(each.value for each in events),
        expect=expect,
        title=section.given("title", kinds.TEXT, "").value,
        consent=section.given("consent", CONSENT, Consent.GRANTED).value,
        arms=dict(read_arms(section, cadence, checks)),
    )


def read_lead(section: Section, checks: Checks) -> Iterator[tuple[str, Json]]:
    for key, node in section.keyed_entries("lead"):
        if checks.field(key.text, key.place) and (field := checks.files.leads.field(key.text)):
            if key.text == "zone" and isinstance(node, Scalar) and node.text:
                value_of(node, kinds.ZONE, "`zone`", checks.findings)
            yield from read_value(field, node, checks)


def read_value(field: Field, node: Node, checks: Checks) -> Iterator[tuple[str, Json]]:
    try:
        yield field.name, as_json(parse_value(field, plain(node)))
    except ValueError as error:
        checks.findings.add("E043", node.place, str(error))


def read_arms(section: Section, cadence: Cadence, checks: Checks) -> Iterator[tuple[str, str]]:
    """Which arm the lead draws at each split that is named."""
    splits = {step.id.value: step for step in all_steps(cadence.steps) if isinstance(step, SplitStep)}
    for key, node in section.keyed_entries("arms"):
        drawn = scalar_of(node, f"`{key.text}`", checks.findings)
        if key.text not in splits:
            checks.findings.guess("E014", key.place, f"this cadence has no split {quote(key.text)}", key.text, splits)
        elif drawn and drawn.text not in (names := [arm.name.value for arm in splits[key.text].arms]):
            checks.findings.guess(
                "E014", drawn.place, f"the split {quote(key.text)} has no arm {quote(drawn.text)}", drawn.text, names
            )
        elif drawn:
            yield key.text, drawn.text


def read_events(section: Section, checks: Checks) -> Iterator[Written[Happening]]:
    for node in section.list_of_nodes("events"):
        if event := read_event(node, checks):
            yield Written(event, node.place)


def read_script(file: Path, checks: Checks) -> tuple[Happening, ...]:
    """A file of its own with `events:` as a test has them, for `handraiser simulate --script`."""
    node = read_alone(file, file.name, checks.findings)
    if node is None:
        return ()
    section = Section(node, "a script", SCRIPT, checks.findings)
    section.require("events")
    return tuple(each.value for each in read_events(section, checks))


def read_event(node: Node, checks: Checks) -> Happening | None:
    """One event; None: it cannot be told which (reported)."""
    types = checks.event_types
    section = Section(node, "an event of a test", (*HAPPENING, *types), checks.findings)
    found = [key for key, _ in node.entries if key.text in types] if isinstance(node, Mapping) else []
    on = section.needed("on", MOMENT, Moment(day=USUAL_START)).value
    if len(found) != 1:
        if not section.is_misshapen and all(key in (*HAPPENING, *types) for key in section.nodes):
            checks.findings.add("E054", node.place, "an event of a test needs one event, such as `clicked: welcome`")
        return None
    return named_event(found[0].text, on, section, checks)


def named_event(type_: str, on: Moment, section: Section, checks: Checks) -> Happening:
    names = {key: found.value for key in ("link", "page", "form") if (found := section.optional(key, kinds.TEXT))}
    node, data = section.node(type_), dict[str, Json]()
    if isinstance(node, Scalar) and node.text and type_ in NAMED:
        names[NAMED[EventType(type_)]] = node.text
    elif node is not None and not (isinstance(node, Scalar) and not node.text):
        data = read_data(type_, node, checks)
    if "email" in names and isinstance(node, Scalar):
        checks.known("E012", "email", Written(node.text, node.place), checks.emails.names)
    return Happening(
        on=on,
        type=type_,
        email=names.get("email"),
        link=names.get("link"),
        page=names.get("page"),
        form=names.get("form"),
        data=data,
        place=section.place,
    )


def read_data(type_: str, node: Node, checks: Checks) -> dict[str, Json]:
    """The data of an event, by what events.yaml says of it; an event of ours takes any."""
    kind, data = checks.files.events.schema.kind(type_), plain(node)
    if not isinstance(data, dict):
        checks.findings.add("E013", node.place, f"`{type_}` must be a mapping of its data, such as `{{total: 90}}`, or empty")
        return {}
    if kind is None:
        return {name: as_json(value) for name, value in data.items() if isinstance(value, str)}
    try:
        return {name: as_json(value) for name, value in parse_data(kind, data).items()}
    except ValueError as error:
        checks.findings.add("E043", node.place, str(error))
        return {}


def read_expected(node: Node | None, cadence: Cadence, checks: Checks) -> Expected:
    section = Section(node, "`expect`", EXPECT, checks.findings)
    score = section.optional("score", kinds.NUMBER)
    handoff = section.optional("handoff", MOMENT_OR_NO)
    ends = section.scalar("ends")
    if ends and ends.text not in (known := ends_of(cadence)):
        checks.findings.guess("E064", ends.place, f"this cadence never ends for {quote(ends.text)}", ends.text, known)
    return Expected(
        sends=tuple(read_sends(section, cadence, checks)) if "sends" in section else None,
        score=score.value if score else None,
        handoff=handoff.value if handoff else None,
        ends=ends.text if ends else None,
        places={key: section.place_of(key) for key in EXPECT if key in section},
    )


def ends_of(cadence: Cadence) -> list[str]:
    """Every reason for which a passage may end, and that it may not."""
    exits = [leaving.because or (leaving.event.value if leaving.event else Reason.EXIT.value) for leaving in cadence.exits]
    leaves = [step.because for step in all_steps(cadence.steps) if isinstance(step, LeaveStep)]
    return [*exits, *leaves, *OWN_ENDS, "no"]


def read_sends(section: Section, cadence: Cadence, checks: Checks) -> Iterator[ExpectedSend]:
    for node in section.list_of_nodes("sends"):
        if not isinstance(node, Mapping) or len(node.entries) != 1:
            checks.findings.add("E013", node.place, "each of `sends` must be one email and its day: `{welcome: day 0}`")
            continue
        [(key, value)] = node.entries
        check_sent(Written(key.text, key.place), cadence, checks)
        scalar = scalar_of(value, "the day of a mail", checks.findings)
        if scalar and (on := value_of(scalar, MOMENT, f"`{key.text}`", checks.findings)):
            yield ExpectedSend(name=key.text, on=on.value, place=key.place)


def check_sent(name: Text, cadence: Cadence, checks: Checks) -> None:
    """Report an email that nothing in this cadence could send; one that it enters may send any."""
    steps = list(all_steps(cadence.steps))
    own = {name for step in steps if isinstance(step, EmailStep) for name in (step.id.value, step.email.value)}
    if name.value in own or not checks.known("E012", "email", name, {*own, *checks.emails.names}):
        return
    is_marketing = checks.streams.get(name.value) == Stream.MARKETING
    if is_marketing and not any(isinstance(step, EnterStep) for step in steps):
        checks.findings.add("E062", name.place, f"{quote(name.value)} is sent by no step of this cadence")


def report_disorder(moments: list[tuple[Moment, Place]], what: str, starts: date, checks: Checks) -> None:
    """Report the first day that is before the one above it, or before the test begins."""
    before = starts
    for moment, place in moments:
        if moment.on(starts) < before:
            above = "the one above it" if before > starts else "the start"
            checks.findings.add("E063", place, f"{what}, on {moment.on(starts)}, is before {above}, on {before}")
            return
        before = moment.on(starts)


def parse_moment(text: str) -> Moment:
    """`day 4`, `week 2` or a date, with `, 14:30` behind it or not."""
    if text[:1].isdigit():
        day, clock = kinds.split_clock(text)
        return Moment(day=kinds.parse_date(day.strip()), clock=clock)
    try:
        timing = kinds.parse_at(text)
    except ValueError as error:
        raise kinds.Unusable(f"{quote(text)} is not a day; write it like `day 4`, `month 2` or 2026-03-31") from error
    return Moment(after=timing.span, clock=timing.clock)


def parse_moment_or_no(text: str) -> Moment | Literal["no"]:
    return "no" if text.lower() == "no" else parse_moment(text)


MOMENT = kinds.Kind("E059", parse_moment)
CONSENT = kinds.Kind("E014", lambda text: Consent(kinds.choice_kind(tuple(Consent)).parse(text)))
MOMENT_OR_NO = kinds.Kind("E059", parse_moment_or_no)
