"""Checking comparisons: both sides are values of one type, and at least one of them is a name.

`engine.expressions.check` hands over Jinja's node; a `Comparison` comes back (several joined for `1 < x < 9`), or None
with the problems reported.
"""

from jinja2 import nodes

from engine.expressions.fields import FieldType
from engine.expressions.findings import Findings
from engine.expressions.operands import fit_literal, is_text, read_operand
from engine.expressions.tree import AllOf, Comparator, Comparison, Literal, Named

COMPARATORS = {
    "eq": Comparator.EQUAL,
    "ne": Comparator.UNEQUAL,
    "lt": Comparator.LESS,
    "lteq": Comparator.AT_MOST,
    "gt": Comparator.MORE,
    "gteq": Comparator.AT_LEAST,
    "in": Comparator.IN,
    "notin": Comparator.NOT_IN,
}
TURNED = {
    Comparator.EQUAL: Comparator.EQUAL,
    Comparator.UNEQUAL: Comparator.UNEQUAL,
    Comparator.LESS: Comparator.MORE,
    Comparator.AT_MOST: Comparator.AT_LEAST,
    Comparator.MORE: Comparator.LESS,
    Comparator.AT_LEAST: Comparator.AT_MOST,
}
MEMBERSHIP = (Comparator.IN, Comparator.NOT_IN)
EQUALITY = (Comparator.EQUAL, Comparator.UNEQUAL)
ORDERED = (FieldType.NUMBER, FieldType.DATE)


def check_comparison(node: nodes.Compare, findings: Findings) -> Comparison | AllOf | None:
    """The leaf for a comparison; a chain such as `10 <= employees < 50` is each of its links."""
    left, parts = node.expr, list[Comparison | None]()
    for operand in node.ops:
        comparator = COMPARATORS[operand.op]
        check = _membership if comparator in MEMBERSHIP else _plain
        parts.append(check(left, comparator, operand.expr, findings))
        left = operand.expr
    sound = tuple(part for part in parts if part is not None)
    if len(sound) < len(parts):
        return None
    return sound[0] if len(sound) == 1 else AllOf(parts=sound)


def _plain(left: nodes.Expr, comparator: Comparator, right: nodes.Expr, findings: Findings) -> Comparison | None:
    first, second = read_operand(left, findings), read_operand(right, findings)
    match first, second:
        case Named(), Named():
            return _of_names(right, Comparison(left=first, comparator=comparator, right=second), findings)
        case Named(), Literal():
            return _with_literal(right, first, comparator, second, findings)
        case Literal(), Named():
            return _with_literal(left, second, TURNED[comparator], first, findings)
        case Literal(), Literal():
            findings.report(left, "both sides are fixed values, so the answer never changes; one side must be a field")
    return None


def _of_names(node: nodes.Expr, comparison: Comparison, findings: Findings) -> Comparison | None:
    left, right = comparison.left, comparison.right
    assert isinstance(left, Named) and isinstance(right, Named)
    if not _may_compare(node, left, comparison.comparator, findings):
        return None
    if left.type is right.type or (is_text(left) and is_text(right)):
        return comparison
    findings.report(node, f"`{left.name}` ({left.type}) and `{right.name}` ({right.type}) cannot be compared")
    return None


def _with_literal(
    node: nodes.Expr, named: Named, comparator: Comparator, literal: Literal, findings: Findings
) -> Comparison | None:
    if not _may_compare(node, named, comparator, findings):
        return None
    fitted = fit_literal(node, literal, named, findings)
    return Comparison(left=named, comparator=comparator, right=fitted) if fitted else None


def _may_compare(node: nodes.Expr, named: Named, comparator: Comparator, findings: Findings) -> bool:
    if named.type is FieldType.LIST:
        findings.report(node, f"`{named.name}` is a list: write `'…' in {named.name}`")
    elif comparator not in EQUALITY and named.type not in ORDERED:
        findings.report(node, f"`{named.name}` ({named.type}) has no order; only numbers and dates do")
    else:
        return True
    return False


def _membership(left: nodes.Expr, comparator: Comparator, right: nodes.Expr, findings: Findings) -> Comparison | None:
    if isinstance(right, nodes.List | nodes.Tuple):
        return _in_literals(left, comparator, right, findings)
    item, whole = read_operand(left, findings), read_operand(right, findings)
    if item is None or whole is None:
        return None
    if isinstance(whole, Literal):
        findings.report(right, "behind `in` stands a list, as in `country in ['Germany', 'France']`, or a field")
    elif whole.type not in (FieldType.LIST, FieldType.TEXT):
        findings.report(right, f"`{whole.name}` ({whole.type}) holds a single value; write `==`")
    elif not is_text(item):
        findings.report(left, f"`{whole.name}` holds texts, so what is looked for must be one, in quotes")
    else:
        return Comparison(left=item, comparator=comparator, right=whole)
    return None


def _in_literals(
    left: nodes.Expr, comparator: Comparator, right: nodes.List | nodes.Tuple, findings: Findings
) -> Comparison | None:
    named, items = read_operand(left, findings), right.items
    if not items:
        findings.report(right, "the list is empty, so nothing is in it")
    if isinstance(named, Literal):
        findings.report(left, "before `in […]` must be a field")
    if not isinstance(named, Named):
        return None
    if named.type is FieldType.LIST:
        findings.report(left, f"`{named.name}` is a list: write `'…' in {named.name}`, joined with `or`")
        return None
    return _one_of(named, comparator, items, findings)


def _one_of(named: Named, comparator: Comparator, items: list[nodes.Expr], findings: Findings) -> Comparison | None:
    fitted = []
    for item in items:
        literal = read_operand(item, findings)
        if isinstance(literal, Named):
            findings.report(item, "in a list stand fixed values; a text stands in quotes")
        elif literal is not None:
            fitted.append(fit_literal(item, literal, named, findings))
    values = tuple(each.value for each in fitted if each is not None and not isinstance(each.value, tuple))
    if not values or len(values) < len(items):
        return None
    return Comparison(left=named, comparator=comparator, right=Literal(value=values, type=named.type))
