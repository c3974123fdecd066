"""Checking the questions about events: `clicked('pricing', within='30 days')`, `purchased(sku='FILTER')`.

`engine.expressions.check` hands over each call; a `Happened` leaf comes back, or None with the problems reported.
"""

from collections.abc import Sequence

from jinja2 import nodes

from engine.expressions.fields import EventKind, Field, FieldType
from engine.expressions.findings import Findings, closest, one_of
from engine.expressions.functions import FUNCTIONS
from engine.expressions.operands import Misfit, fit_value, read_operand
from engine.expressions.tree import DataTest, EventMatch, Happened, Literal
from engine.spans import Span, parse_span


def check_happened(name: str, call: nodes.Call, findings: Findings) -> Happened | None:
    """The leaf for a call of one of `FUNCTIONS` other than `in_segment`."""
    function, before = FUNCTIONS[name], len(findings.problems)
    subject = read_subject(name, call, findings)
    within = _within(call, findings)
    if function.type is None:
        types = _named_type(call, subject, findings)
    else:
        types = findings.scope.events.counted_as(function.type)
        _check_mail_name(name, call, subject, findings)
    matches = _matches(name, call, types, findings)
    if len(findings.problems) > before:
        return None
    about = subject if function.places else None
    return Happened(function=name, matches=matches, places=function.places, subject=about, within=within)


def read_subject(name: str, call: nodes.Call, findings: Findings) -> str | None:
    """The text in quotes that the call begins with, if it may have one."""
    function = FUNCTIONS[name]
    takes_one = bool(function.places) or function.type is None
    match call.args:
        case [nodes.Const(value=str() as text)] if takes_one and text.strip():
            return text.strip()
        case [] if function.type is not None:
            return None
        case [nodes.Name(name=word), *_] if takes_one:
            findings.report(call.args[0], f"write the name in quotes: {name}('{word}')")
        case [_, second, *_] if takes_one:
            findings.report(second, f"`{name}` takes one name; ask for several with `or`")
        case [first, *_]:
            findings.report(first, f"`{name}` is written like `{function.example}`")
        case _:
            findings.report(call.node, f"`{name}` wants a name in quotes: `{function.example}`")
    return None


def _within(call: nodes.Call, findings: Findings) -> Span | None:
    for star in filter(None, (call.dyn_args, call.dyn_kwargs)):
        findings.report(star, "`*` has no meaning inside these brackets")
    spans = []
    for position, keyword in enumerate(call.kwargs):
        if any(keyword.key == earlier.key for earlier in call.kwargs[:position]):
            findings.report(keyword, f"`{keyword.key}=` is there twice")
        elif keyword.key == "within":
            spans.append(_span(keyword, findings))
    return spans[0] if spans else None


def _span(keyword: nodes.Keyword, findings: Findings) -> Span | None:
    text = keyword.value.value if isinstance(keyword.value, nodes.Const) else None
    if not isinstance(text, str):
        findings.report(keyword, "`within` wants a span of time in quotes: within='30 days'")
        return None
    try:
        return parse_span(text)
    except ValueError as error:
        findings.report(keyword, f"`within`: {error}")
        return None


def _named_type(call: nodes.Call, name: str | None, findings: Findings) -> tuple[str, ...]:
    types = findings.scope.events.types
    if name is None:
        return ()
    if name not in types:
        findings.report(call.args[0], f"there is no type of event {name!r}", closest(name, types))
        return ()
    return (name,)


def _check_mail_name(name: str, call: nodes.Call, subject: str | None, findings: Findings) -> None:
    """An email that is opened or clicked must be in the workspace, as far as the scope knows what is."""
    places = FUNCTIONS[name].places
    known = {"email": findings.scope.emails, "link": findings.scope.links}
    named = [names for place in places if (names := known.get(place)) is not None]
    if subject is None or "email" not in places or len(named) < len(places):
        return
    names = {word.casefold(): word for group in named for word in group}
    if subject.casefold() not in names:
        findings.report(call.args[0], f"there is no {' or '.join(places)} {subject!r}", closest(subject, names.values()))


def _matches(name: str, call: nodes.Call, types: Sequence[str], findings: Findings) -> tuple[EventMatch, ...]:
    """The types that count, each with what its data must be; a type without the data that is asked for cannot count."""
    asked = [keyword for keyword in call.kwargs if keyword.key != "within"]
    if not FUNCTIONS[name].takes_data:
        for keyword in asked:
            hint = closest(keyword.key, ["within"])
            findings.report(keyword, f"`{name}` has no `{keyword.key}=`; it is written like `{FUNCTIONS[name].example}`", hint)
        return tuple(EventMatch(type=type_) for type_ in types)
    if not asked or not types:
        return tuple(EventMatch(type=type_) for type_ in types)
    kinds = [kind for type_ in types if (kind := findings.scope.events.kind(type_))]
    return _data_matches(name, asked, kinds, findings)


def _data_matches(name: str, asked: list[nodes.Keyword], kinds: list[EventKind], findings: Findings) -> tuple[EventMatch, ...]:
    before = len(findings.problems)
    for keyword in asked:
        if not any(_place(keyword.key, kind) for kind in kinds):
            _report_unknown_data(keyword, kinds, findings)
    able = [kind for kind in kinds if all(_place(keyword.key, kind) for keyword in asked)]
    matches = tuple(EventMatch(type=kind.name, data=_data_tests(asked, kind, findings)) for kind in able)
    if not matches and len(findings.problems) == before:
        findings.report(asked[0], f"no one type of event that `{name}` asks for has all of this data")
    return matches


def _report_unknown_data(keyword: nodes.Keyword, kinds: list[EventKind], findings: Findings) -> None:
    if any((field := kind.field(keyword.key)) and field.personal for kind in kinds):
        findings.report(keyword, f"`{keyword.key}` is personal data, which conditions cannot see")
        return
    names = list(dict.fromkeys(name for kind in kinds for name in _askable(kind)))
    has = f"; there is {one_of(names)}" if names else ""
    findings.report(keyword, f"such an event has no data `{keyword.key}`{has}", closest(keyword.key, names))


def _data_tests(asked: list[nodes.Keyword], kind: EventKind, findings: Findings) -> tuple[DataTest, ...]:
    """One test for the data itself and one for each list of records in it."""
    tests: dict[str | None, list[tuple[str, Literal]]] = {}
    for keyword in asked:
        place = _place(keyword.key, kind)
        wanted = _fixed(keyword, place[1], findings) if place else None
        if place and wanted:
            tests.setdefault(place[0], []).append((keyword.key, wanted))
    return tuple(DataTest(inside=inside, fields=tuple(fields)) for inside, fields in tests.items())


def _fixed(keyword: nodes.Keyword, field: Field, findings: Findings) -> Literal | None:
    value = read_operand(keyword.value, findings)
    if value is None:
        return None
    if not isinstance(value, Literal):
        findings.report(keyword, f"`{keyword.key}=` wants a fixed value; a text stands in quotes")
        return None
    try:
        return Literal(value=fit_value(value.value, field.type, f"`{field.name}`", field.choices), type=field.type)
    except Misfit as misfit:
        findings.report(keyword, *misfit.args)
        return None


def _place(name: str, kind: EventKind) -> tuple[str | None, Field] | None:
    """Where a data field stands: in the data itself (None), or in the records of the list that is named."""
    return _askable(kind).get(name)


def _askable(kind: EventKind) -> dict[str, tuple[str | None, Field]]:
    """The data that a condition may ask for; what is personal is kept elsewhere and cannot be seen."""
    open_fields = [field for field in kind.data if not field.personal]
    lists = [field for field in open_fields if field.type is FieldType.LIST_OF]
    inner: dict[str, tuple[str | None, Field]] = {f.name: (each.name, f) for each in lists for f in each.of if not f.personal}
    return inner | {field.name: (None, field) for field in open_fields if field.type is not FieldType.LIST_OF}
