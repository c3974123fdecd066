"""The values in a condition: names looked up in the scope, and literals read as the type they are compared with.

`engine.expressions.check` and `calls` use it. What is no value gets a problem in plain words and comes back as None.
"""

import math
from datetime import date
from unicodedata import normalize

from jinja2 import nodes

from engine.expressions.fields import FieldType
from engine.expressions.findings import Findings, closest, one_of
from engine.expressions.functions import FUNCTIONS
from engine.expressions.tree import Literal, Named, Operand, Plain, Source
from engine.expressions.values import parse_day

REFUSED: dict[type[nodes.Node], str] = {
    nodes.Filter: "conditions have no filters such as `|lower` (capitals never matter when texts are compared)",
    nodes.CondExpr: "conditions have no `… if … else …`; write it with `and`, `or` and `not`",
    nodes.Concat: "conditions cannot join texts with `~`",
    nodes.Dict: "`{…}` means nothing in a condition",
    nodes.Getitem: "conditions cannot look inside a value with `[…]`",
    nodes.Slice: "conditions cannot look inside a value with `[…]`",
    nodes.List: "a list may only stand behind `in`, as in `country in ['Germany', 'France']`",
    nodes.Tuple: "a list may only stand behind `in`, as in `country in ['Germany', 'France']`",
    nodes.Test: "after `is` a condition only knows `missing`, as in `company is missing`",
}
TRUTHS = (nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Call, nodes.Test)


def read_operand(node: nodes.Expr, findings: Findings) -> Operand | None:
    """The name or literal that `node` is; a literal still has the type it was written in."""
    match node:
        case nodes.Const(value=value):
            return _written(node, value, findings)
        case nodes.Neg(node=nodes.Const(value=int() | float() as value)) if not isinstance(value, bool):
            return _written(node, -value, findings)
        case nodes.Name() | nodes.Getattr():
            return read_name(node, findings)
    findings.report(node, refusal(node))
    return None


def read_name(node: nodes.Expr, findings: Findings) -> Named | None:
    """What a name, or a name behind `lead.`, stands for."""
    match node:
        case nodes.Name(name=name):
            known = findings.names
        case nodes.Getattr(node=nodes.Name(name="lead"), attr=name):
            known = findings.scope.lead_names()
        case nodes.Getattr(attr=attr):
            findings.report(node, f"only `lead` may stand before a dot, as in `lead.company`, not before `.{attr}`")
            return None
        case _:
            findings.report(node, refusal(node))
            return None
    if name not in known:
        findings.report(node, *_unknown(name, known, findings))
        return None
    return known[name]


def fit_literal(node: nodes.Expr, literal: Literal, named: Named, findings: Findings) -> Literal | None:
    """`literal` as the type of `named`, which it is compared with."""
    try:
        value = fit_value(literal.value, named.type, f"`{named.name}`", findings.scope.choices(named))
    except Misfit as misfit:
        findings.report(node, *misfit.args)
        return None
    return Literal(value=value, type=named.type)


def fit_value(value: object, wanted: FieldType, whose: str, choices: tuple[str, ...] = ()) -> Plain:
    """`value` as that type. Raises Misfit (message, suggestion)."""
    match wanted, value:
        case FieldType.TEXT, str():
            return value
        case FieldType.NUMBER, float():
            return value
        case FieldType.YES_NO, bool():
            return value
        case FieldType.DATE, str():
            return _fit_date(value, whose)
        case FieldType.CHOICE, str():
            return _fit_choice(value, whose, choices)
    raise Misfit(_mismatch(value, wanted, whose), None)


def refusal(node: nodes.Node) -> str:
    """Why a node has no place in a condition, or not here."""
    if type(node) in REFUSED:
        return REFUSED[type(node)]
    if isinstance(node, TRUTHS):
        return "a yes-or-no answer cannot be compared; join such answers with `and`, `or` and `not`"
    if isinstance(node, nodes.BinExpr | nodes.UnaryExpr):
        return "conditions do not calculate; compare a value with a fixed one, as in `employees >= 50`"
    return "this has no place in a condition"


class Misfit(Exception):
    """A literal that is not of the wanted type; its arguments are those of `Findings.report`."""


def _written(node: nodes.Expr, value: object, findings: Findings) -> Literal | None:
    match value:
        case bool():
            return Literal(value=value, type=FieldType.YES_NO)
        case int() | float() if _is_finite(value):
            return Literal(value=float(value), type=FieldType.NUMBER)
        case str():
            return Literal(value=normalize("NFC", value), type=FieldType.TEXT)
        case None:
            findings.report(node, "nothing is compared with `none`; write `company is missing` or `is not missing`")
        case _:
            findings.report(node, "this number is too large")
    return None


def _is_finite(value: int | float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _unknown(name: str, known: dict[str, Named], findings: Findings) -> tuple[str, str | None]:
    if name in FUNCTIONS:
        return f"`{name}` is a question about events: write it with brackets, as in `{FUNCTIONS[name].example}`", None
    if name in ("yes", "no"):
        return f"write `{'true' if name == 'yes' else 'false'}` for {name}, or the yes-no field alone", None
    if name in ("score", "consent"):
        return f"`{name}` cannot be used in this place", None
    if any(field.name == name for field in findings.scope.data_fields()):
        return f"`{name}` is a list of records, which cannot be compared", None
    return f"there is no field `{name}`", closest(name, known)


def _fit_date(text: str, whose: str) -> date:
    try:
        return parse_day(text)
    except ValueError:
        raise Misfit(f"{whose} is a date: {text!r} is none; write it like '2026-03-31'", None) from None


def _fit_choice(text: str, whose: str, choices: tuple[str, ...]) -> str:
    found = next((choice for choice in choices if choice.casefold() == text.casefold()), None)
    if found is None:
        raise Misfit(f"{whose} is never {text!r}; it is one of {one_of(choices)}", closest(text, choices))
    return found


def _mismatch(value: object, wanted: FieldType, whose: str) -> str:
    shown = _as_written(value)
    match wanted:
        case FieldType.TEXT | FieldType.CHOICE:
            return f"{whose} is a text: write {shown} in quotes" if value is not None else f"{whose} is a text"
        case FieldType.NUMBER:
            return f"{whose} is a number: {shown} is none; write it without quotes, like 50"
        case FieldType.YES_NO:
            return f"{whose} is a yes-no field: write it alone or with `not` before it, not compared with {shown}"
        case FieldType.DATE:
            return f"{whose} is a date: {shown} is none; write it like '2026-03-31'"
    return f"{whose} is a list: write it behind `in`, as in `'air' in interests`"


def _as_written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else repr(value)


def is_text(value: Operand) -> bool:
    """Whether it is compared as text: a choice is one, too."""
    return value.type in (FieldType.TEXT, FieldType.CHOICE)


def is_event_value(value: Operand) -> bool:
    """Whether it comes from the event that is scored."""
    return isinstance(value, Named) and value.source in (Source.EVENT, Source.DATA)
