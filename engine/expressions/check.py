"""From a condition's text to its checked tree, or every problem at once.

`engine.expressions.syntax` reads the text before this; `engine.expressions.condition` compiles the tree after it. Only
yes-or-no answers are joined by `and`, `or` and `not`; only values are compared.
"""

from jinja2 import nodes

from engine.errors import ConditionError
from engine.expressions.calls import check_happened, read_subject
from engine.expressions.comparisons import check_comparison
from engine.expressions.fields import FieldType
from engine.expressions.findings import Findings, closest
from engine.expressions.functions import FUNCTIONS
from engine.expressions.operands import read_name, refusal
from engine.expressions.scope import Scope
from engine.expressions.syntax import parse_syntax
from engine.expressions.tree import AllOf, Always, AnyOf, InSegment, IsMissing, IsYes, Named, Node, Not

DEEPEST = 30
DEEPEST_SEGMENTS = 8


def check_text(text: str, scope: Scope, inside: tuple[str, ...] = ()) -> Node:
    """The tree of a condition. Raises ConditionError with every problem; `inside` are the segments we are in."""
    findings = Findings(scope=scope, inside=inside)
    tree = _truth(parse_syntax(text), findings, 0)
    if tree is None or findings.problems:
        problems = tuple(sorted(findings.problems, key=lambda problem: problem.column))
        raise ConditionError("; ".join(map(str, problems)), problems)
    return tree


def _truth(node: nodes.Expr, findings: Findings, depth: int) -> Node | None:
    """A part that must be a yes-or-no answer."""
    if depth > DEEPEST:
        findings.report(node, "the condition is nested too deeply; give parts of it names as segments")
        return None
    match node:
        case nodes.And() | nodes.Or():
            return _joined(node, findings, depth)
        case nodes.Not(node=inner):
            part = _truth(inner, findings, depth + 1)
            return Not(part=part) if part else None
        case nodes.Compare():
            return check_comparison(node, findings)
        case nodes.Call():
            return _call(node, findings)
        case nodes.Test(name="missing", args=[], kwargs=[], dyn_args=None, dyn_kwargs=None):
            named = read_name(node.node, findings)
            return IsMissing(value=named) if named else None
        case nodes.Const(value=bool() as value):
            return Always(value=value)
        case nodes.Name() | nodes.Getattr():
            return _bare(node, findings)
    findings.report(node, "this is a fixed value, not a yes or no" if isinstance(node, nodes.Const) else refusal(node))
    return None


def _joined(node: nodes.And | nodes.Or, findings: Findings, depth: int) -> Node | None:
    """A row of `and`s or of `or`s, which Jinja nests to the left."""
    kind, row, rest = type(node), list[nodes.Expr](), node.left
    row.append(node.right)
    while isinstance(rest, kind):
        row.append(rest.right)
        rest = rest.left
    row.append(rest)
    parts = [_truth(part, findings, depth + 1) for part in reversed(row)]
    sound = tuple(part for part in parts if part is not None)
    if len(sound) < len(parts):
        return None
    return AllOf(parts=sound) if kind is nodes.And else AnyOf(parts=sound)


def _bare(node: nodes.Expr, findings: Findings) -> IsYes | None:
    named = read_name(node, findings)
    if named is None:
        return None
    if named.type is FieldType.YES_NO:
        return IsYes(value=named)
    findings.report(node, f"`{named.name}` alone is neither yes nor no; write it like `{_example(named)}`")
    return None


def _example(named: Named) -> str:
    match named.type:
        case FieldType.NUMBER:
            return f"{named.name} >= 50"
        case FieldType.DATE:
            return f"{named.name} >= '2026-03-31'"
        case FieldType.LIST:
            return f"'air' in {named.name}"
        case _:
            return f"{named.name} == '…'"


def _call(call: nodes.Call, findings: Findings) -> Node | None:
    match call.node:
        case nodes.Name(name="in_segment"):
            return _in_segment(call, findings)
        case nodes.Name(name=name) if name in FUNCTIONS:
            return check_happened(name, call, findings)
        case nodes.Name(name=name) if name in findings.names:
            findings.report(call, f"`{name}` is a field and takes no brackets")
        case nodes.Name(name=name):
            findings.report(call.node, f"there is no question `{name}(…)`", closest(name, FUNCTIONS))
        case _:
            findings.report(call, "brackets are for questions about events, such as `clicked('pricing')`")
    return None


def _in_segment(call: nodes.Call, findings: Findings) -> InSegment | None:
    name, segments = read_subject("in_segment", call, findings), findings.scope.segments
    for keyword in call.kwargs:
        findings.report(keyword, f"`in_segment` has no `{keyword.key}=`")
    if name is None:
        return None
    if name not in segments:
        findings.report(call.args[0], f"there is no segment {name!r}", closest(name, segments))
    elif name in findings.inside:
        findings.report(call.args[0], "a segment cannot ask for itself: " + " → ".join((*findings.inside, name)))
    elif len(findings.inside) >= DEEPEST_SEGMENTS:
        findings.report(call.args[0], "segments ask for one another too deeply")
    else:
        return _checked_segment(name, call, findings)
    return None


def _checked_segment(name: str, call: nodes.Call, findings: Findings) -> InSegment | None:
    try:
        text = findings.scope.segments[name]
        return InSegment(name=name, part=check_text(text, findings.scope.for_segment(), (*findings.inside, name)))
    except ConditionError as error:
        findings.report(call.args[0], f"the segment {name!r} cannot be used: {error}")
        return None
