"""Tests as text for a cadence's file, put at its end without touching anything else. Pure.

Before: `engine.simulate.propose`. After: `handraiser test --write` writes the file.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from engine.compiler.cadence_tests import CadenceTest, Happening, Moment

PLAIN = re.compile(r"[A-Za-z/][\w/@.-]*(?: [\w/@.-]+)*\Z")
BLOCK = re.compile(r"^tests:.*\n?(?:(?![A-Za-z_]+:).*\n?)*", re.MULTILINE)
HEADING = "# What comes out today, for each way through; keep what you mean and change the rest. `handraiser test` runs them."
EMPTY = ""


def has_tests(text: str) -> bool:
    return BLOCK.search(text) is not None


def with_tests(text: str, tests: Sequence[CadenceTest]) -> str:
    """The cadence's text with these tests at its end, in place of those it had."""
    kept = BLOCK.sub(EMPTY, text).rstrip("\n")
    kept = kept.removesuffix(HEADING).rstrip("\n")
    return f"{kept}\n\n{HEADING}\ntests:\n" + "\n".join("".join(f"{line}\n" for line in lines(test)) for test in tests)


def lines(test: CadenceTest) -> Iterator[str]:
    yield f"  - title: {scalar(test.title)}"
    if test.lead:
        yield f"    lead: {flow(test.lead)}"
    if test.arms:
        yield f"    arms: {flow(test.arms)}"
    yield f"    starts: {test.starts}"
    if test.events:
        yield "    events:"
        yield from (f"      - {event_in_text(event)}" for event in test.events)
    yield "    expect:"
    yield from expected(test)


def expected(test: CadenceTest) -> Iterator[str]:
    expect = test.expect
    if expect.sends is not None:
        yield "      sends:" if expect.sends else "      sends: []"
        yield from (f"        - {send.name}: {moment(send.on)}" for send in expect.sends)
    if expect.score is not None:
        yield f"      score: {expect.score:g}"
    if expect.handoff is not None:
        yield f"      handoff: {expect.handoff if isinstance(expect.handoff, str) else moment(expect.handoff)}"
    if expect.ends is not None:
        yield f"      ends: {scalar(expect.ends)}"


def event_in_text(event: Happening) -> str:
    named = event.email or event.page or event.form or EMPTY
    parts = [f"on: {moment(event.on)}", f"{event.type}: {flow(event.data) if event.data else scalar(named) if named else EMPTY}"]
    return "{" + ", ".join([*parts, *([f"link: {scalar(event.link)}"] if event.link else [])]) + "}"


def moment(of: Moment) -> str:
    return str(of.day)


def flow(values: Mapping[str, object]) -> str:
    return "{" + ", ".join(f"{name}: {scalar(value)}" for name, value in values.items()) + "}"


def scalar(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return f"{value:g}"
        case list():
            return "[" + ", ".join(map(scalar, value)) + "]"
    return str(value) if PLAIN.match(str(value)) else json.dumps(str(value), ensure_ascii=False)
