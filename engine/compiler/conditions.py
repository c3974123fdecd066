"""Conditions and placeholders of the workspace, checked at the place where they are written.

Before: `engine.compiler.check` knows the fields, events, segments, emails and links there are. After: it, and
`check_cadences`, hand each condition here; the trees serve the checks of what a cadence asks about.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from jinja2 import Environment, TemplateSyntaxError, nodes

from engine.compiler.diagnostics import Findings, Place, quote
from engine.compiler.possible import may_hold
from engine.compiler.source import Scalar
from engine.errors import ConditionError
from engine.expressions.check import check_text
from engine.expressions.condition import Condition, compile_condition
from engine.expressions.scope import Scope

LONGEST_TEMPLATE = 5_000
UNKNOWN = "replied(within='{} days')"  # in the place of a segment that cannot be read: each may hold or not, for itself
TEMPLATES = Environment(autoescape=False)  # parses only: nothing is rendered here
# How a condition's problem with a name begins, and the table that knows such names.
UNKNOWN_NAMES = (
    ("there is no field", "leads.yaml"),
    ("there is no field", "events.yaml"),  # of a scoring rule: the event's data
    ("there is no segment", "segments.yaml"),
    ("there is no type of event", "events.yaml"),
    ("such an event has no data", "events.yaml"),
    ("no one type of event", "events.yaml"),
)
LITERAL = re.compile(r"'([^']+)'|\"([^\"]+)\"")
_PLACEHOLDER = re.compile(r"\{(\w*)\}")


class Conditions:
    """Compiles conditions in the scope of one workspace and reports the ones that cannot be."""

    def __init__(self, scope: Scope, findings: Findings, unsure: Collection[str] = ()) -> None:
        self.scope = scope
        self.findings = findings
        self.unsure = unsure
        self.literals: set[str] = set()  # what conditions compare with, and ask for by name

    def check(self, scalar: Scalar | None, scope: Scope | None = None) -> Condition | None:
        """The condition; None: there is none, or it is reported. Cheap to repeat.

        Of a file with more faulty conditions than are told, the others are not read.
        """
        if scalar is None or not scalar.text.strip() or self.findings.is_cut_short("E023", scalar.place.file):
            return None
        scope = scope or self.scope
        self.literals.update(found[1] or found[2] for found in LITERAL.finditer(scalar.text))
        try:
            condition = compile_condition(scalar.text, scope)
        except ConditionError as error:
            report(error, scalar, "E023", self.findings, self.unsure)
            return None
        if not may_hold(condition.tree, scope.choices):
            report_never(scalar, self.findings)
            return None
        return condition


def scope_with_sound_segments(
    scope: Scope, segments: Mapping[str, Scalar], findings: Findings, unsure: Collection[str] = ()
) -> Scope:
    """The scope with these segments in it. Each fault is reported where it is, and not where the segment is used."""
    unknown = {name: UNKNOWN.format(number) for number, name in enumerate(segments, 1)}
    alone = replace(scope, segments=unknown).for_segment()
    texts = {
        name: scalar.text if is_sound(scalar, alone, "E023", findings, unsure) else unknown[name]
        for name, scalar in segments.items()
    }
    together = replace(scope, segments=texts).for_segment()
    for name, scalar in segments.items():
        if texts[name] != unknown[name] and not is_sound(scalar, together, "E037", findings, unsure, inside=(name,)):
            texts[name] = unknown[name]
    return replace(scope, segments=texts)


def is_sound(
    scalar: Scalar, scope: Scope, code: str, findings: Findings, unsure: Collection[str], inside: tuple[str, ...] = ()
) -> bool:
    if not scalar.text.strip():
        return False
    try:
        tree = check_text(scalar.text, scope, inside)
    except ConditionError as error:
        report(error, scalar, code, findings, unsure)
        return False
    if not may_hold(tree, scope.choices):
        report_never(scalar, findings)
        return False
    return True


def report_never(scalar: Scalar, findings: Findings) -> None:
    findings.add("E055", scalar.place, f"no lead can ever meet {quote(scalar.text)}")


def report(error: ConditionError, scalar: Scalar, code: str, findings: Findings, unsure: Collection[str]) -> None:
    for problem in error.problems:
        if not any(problem.message.startswith(start) and table in unsure for start, table in UNKNOWN_NAMES):
            findings.add(code, scalar.place_at(problem.column), problem.message, problem.suggestion)


def check_template(scalar: Scalar, lead_fields: Collection[str] | None, findings: Findings) -> None:
    """Report what a Jinja text asks for beyond `lead.<field>`; `lead_fields` None: not all are known, so any may be."""
    try:
        tree = TEMPLATES.parse(within_limit(scalar.text))
    except (TemplateSyntaxError, RecursionError, ValueError) as error:
        reason = error.message if isinstance(error, TemplateSyntaxError) else "it is too long or too deep"
        findings.add("E038", scalar.place, f"the placeholders of {quote(scalar.text)} cannot be read: {reason}")
        return
    known = [f"lead.{field}" for field in lead_fields or ()]
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load" and name.name != "lead":
            message = f"unknown placeholder {quote(name.name)}; write `lead.` and a field of leads.yaml"
            findings.guess("E035", scalar.place, message, name.name, known)
    for field in lead_fields_of(tree):
        if lead_fields is not None and field not in lead_fields:
            findings.unknown("E035", scalar.place, "field", f"lead.{field}", known)


def within_limit(text: str) -> str:
    if len(text) > LONGEST_TEMPLATE:
        raise ValueError(f"longer than {LONGEST_TEMPLATE} characters")
    return text


def lead_fields_of(tree: nodes.Template) -> list[str]:
    return [
        found.attr for found in tree.find_all(nodes.Getattr) if isinstance(found.node, nodes.Name) and found.node.name == "lead"
    ]


def check_placeholders(scalar: Scalar, allowed: Collection[str], findings: Findings) -> None:
    """Report placeholders such as `{email}` that are not among the allowed ones."""
    for found in _PLACEHOLDER.finditer(scalar.text):
        if found[1] not in allowed:
            place: Place = scalar.place_at(found.start())
            findings.unknown("E035", place, "placeholder", f"{{{found[1]}}}", [f"{{{name}}}" for name in allowed])
