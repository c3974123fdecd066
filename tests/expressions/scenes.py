"""Drawn scenes: a crowd of leads with hostile values, what they did, and conditions over both.

Values come from small pools, so that equal ones meet often; events lie on both sides of every boundary that a condition draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from engine.expressions.fields import EventKind, EventSchema, Field, FieldType, LeadSchema
from engine.spans import parse_span

TEXTS = (
    "", " ", "a", "A", "b", "ab", "aB", "007", "7", "0", "%", "_", "a%b", "it's", 'so "so"', "\\", "\\n", "é", "É", "e\u0301",
    "E\u0301", "ß", "ẞ", "ss", "SS", "Straße 9", "STRASSE 9", "İ", "i\u0307", "I", "i", "ı", "ﬁ", "FI", "K", "k", "ſ", "S", "ΑΣ",
    "ας", "ασ", "\u0345", "ι", "ᾼ", "αι", "ﬅ", "st", "𐐀", "𐐨", "Ꭰ", "ꭰ", "ა", "Ა", "😀", "true", "null", "[]", '{"a": 1}', "ŉ",
    "ʼn", "Дом", "ДОМ", "Münster", "MÜNSTER", "/pricing/", "Pricing", "welcome", "x" * 300, "\u202e", "\x7f", "\n",
)  # fmt: skip
SAYABLE = tuple(text for text in TEXTS if "\\" not in text and "\n" not in text and not ("'" in text and '"' in text))
NUMBERS = (
    0, -0.0, 1, -1, 2, 2.5, 7, 49, 50, 49.99999999999999, 0.1, 0.2, 0.3, 0.30000000000000004, 1 / 3, 5e-324, 2.5e-308, 1e-300,
    10**15, -(10**15), 999999999999999.9, 123456789.12345679, 0.1 + 0.7, 4.35, 1.005, 2**53 / 1024 + 1e-7,
)  # fmt: skip
DAYS = ("2024-02-29", "2025-02-28", "2026-01-31", "2026-02-28", "2026-03-31", "2026-04-01", "0001-01-01", "9999-12-31")
NO_DAYS = ("2026-02-29", "2026-02-30", "2026-13-01", "0000-01-01", "20260331", "2026-W13-2", "2026-3-1", "２０２６-03-31",
           "2026-03-31T00:00", "2026-03-31 ", "1900-02-29", "+2026-01-1")  # fmt: skip
CHOICES = ("Owner", "Straße", "TEACHER", "İ")
FIELDS = (
    Field(name="company"), Field(name="country"), Field(name="staff", type=FieldType.NUMBER),
    Field(name="rooms", type=FieldType.NUMBER), Field(name="wants_call", type=FieldType.YES_NO),
    Field(name="has_car", type=FieldType.YES_NO), Field(name="ended_on", type=FieldType.DATE),
    Field(name="begun_on", type=FieldType.DATE), Field(name="role", type=FieldType.CHOICE, choices=CHOICES),
    Field(name="interests", type=FieldType.LIST), Field(name="tags", type=FieldType.LIST),
)  # fmt: skip
DATA = (
    Field(name="number"), Field(name="total", type=FieldType.NUMBER), Field(name="gift", type=FieldType.YES_NO),
    Field(name="on_day", type=FieldType.DATE), Field(name="size", type=FieldType.CHOICE, choices=CHOICES),
)  # fmt: skip
ITEM = (Field(name="sku"), Field(name="quantity", type=FieldType.NUMBER), Field(name="fresh", type=FieldType.YES_NO))
ORDER = EventKind(name="order_placed", counts_as="purchased",
                  data=(*DATA, Field(name="items", type=FieldType.LIST_OF, of=ITEM)))  # fmt: skip
TRIAL = EventKind(name="trial_begun", data=DATA[:2])
SEGMENTS = {
    "big": "staff >= 50",
    "warm": "in_segment('big') or clicked(within='1 month')",
    "odd": "not in_segment('warm') and (company is missing or score > 10)",
}
LEADS, EVENTS = LeadSchema(FIELDS), EventSchema((ORDER, TRIAL))
SPANS = ("30 days", "1 month", "1 day", "12 months", "3 business days", "36 hours", "10 minutes", "1 month and 3 days", "1 year")
ZONES = (
    "Europe/London",
    "America/New_York",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Mars/Olympus_Mons",
    "",
    None,
)
MOMENTS = tuple(
    datetime.fromisoformat(moment).replace(tzinfo=UTC)
    for moment in ("2026-06-15T12:00", "2026-03-29T01:30", "2026-10-25T01:30", "2024-02-29T23:59:59.999999", "2026-03-31T00:00",
                   "2026-03-08T07:00", "2026-11-01T06:30", "2025-05-31T12:00:00.000001")
)  # fmt: skip
NEAR = (timedelta(0), timedelta(microseconds=1), timedelta(microseconds=-1), timedelta(hours=1), timedelta(hours=-1))
serial = count(1)


@dataclass(frozen=True, kw_only=True)
class DrawnEvent:
    type: str
    origin: str
    at: datetime
    data: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class DrawnLead:
    email: str | None
    zone: str | None
    do_not_call: bool
    created_at: datetime
    fields: dict[str, Any]
    score: float | None
    consent: str | None
    events: Sequence[DrawnEvent]


@dataclass(frozen=True, kw_only=True)
class Scene:
    now: datetime
    leads: Sequence[DrawnLead]
    conditions: Sequence[str]


texts, numbers = st.sampled_from(TEXTS), st.sampled_from(NUMBERS) | st.floats(-1e15, 1e15) | st.integers(-(10**15), 10**15)
days = st.sampled_from(DAYS) | st.dates().map(str)
lists = st.lists(texts, max_size=3)
hostile = st.one_of(
    texts, numbers, st.booleans(), st.none(), st.sampled_from(NO_DAYS), st.sampled_from((10**400, 2**63, 2**64 + 1)),
    st.lists(st.one_of(texts, numbers, st.none(), st.booleans(), lists), max_size=3),
    st.just({"a": 1}), st.just({}), st.just([]),
)  # fmt: skip
BY_TYPE: dict[FieldType, st.SearchStrategy[Any]] = {
    FieldType.TEXT: texts, FieldType.NUMBER: numbers, FieldType.YES_NO: st.booleans(), FieldType.DATE: days,
    FieldType.CHOICE: st.sampled_from(CHOICES), FieldType.LIST: lists,
}  # fmt: skip


def stored(field: Field) -> st.SearchStrategy[Any]:
    """Mostly of its type; sometimes what another version of the workspace may have left there."""
    return st.one_of(BY_TYPE[field.type], BY_TYPE[field.type], hostile)


def record(fields: Sequence[Field]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={field.name: stored(field) for field in fields})


items = st.one_of(st.lists(st.one_of(record(ITEM), hostile), max_size=3), hostile)
order_data = st.builds(lambda data, rows: data | rows, record(DATA), st.fixed_dictionaries({}, optional={"items": items}))
names = st.sampled_from(("welcome", "Welcome", "pricing", "/pricing/", "/Pricing", "//", "", "ß", "SS", "İ")) | hostile
tracked = st.fixed_dictionaries({}, optional={name: names for name in ("email", "link", "page", "form")})


@st.composite
def instants(draw: st.DrawFn, now: datetime, zone: str | None) -> datetime:
    """Often where a span that conditions ask for begins, in the lead's zone or another."""
    span = parse_span(draw(st.sampled_from(SPANS)))
    where = zone if zone and "Mars" not in zone else draw(st.sampled_from(("Europe/London", "America/New_York")))
    at = span.before(now, ZoneInfo(where)) if draw(st.booleans()) else now
    return at + draw(st.sampled_from(NEAR))


@st.composite
def drawn_events(draw: st.DrawFn, now: datetime, zone: str | None) -> DrawnEvent:
    type_ = draw(st.sampled_from(("clicked", "opened", "visited", "form_submitted", "replied", "purchased", "order_placed",
                                  "order_placed", "trial_begun", "imported")))  # fmt: skip
    data = draw(order_data if type_ in ("order_placed", "trial_begun", "purchased") else tracked)
    return DrawnEvent(
        type=type_, origin=draw(st.sampled_from(("human", "human", "human", "machine", "unsure"))),
        at=draw(instants(now, zone)), data=data,
    )  # fmt: skip


@st.composite
def drawn_leads(draw: st.DrawFn, now: datetime) -> DrawnLead:
    zone = draw(st.sampled_from(ZONES))
    return DrawnLead(
        email=draw(st.sampled_from((None, "", "Maya@Example.com", "ß@b.example"))),
        zone=zone,
        do_not_call=draw(st.booleans()),
        created_at=draw(instants(now, zone)),
        fields=draw(record(FIELDS)),
        score=draw(st.sampled_from((None, 0.0, 10.0, 10.5, 60.0))),
        consent=draw(st.sampled_from((None, "granted", "unknown", "refused"))),
        events=draw(st.lists(drawn_events(now, zone), max_size=4)),
    )


def quoted(text: str) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"


def number(value: float) -> str:
    return repr(value)


sayable = st.sampled_from(SAYABLE).map(quoted)
said_numbers = (st.sampled_from(NUMBERS) | st.integers(-60, 60)).map(number)
said_days = st.sampled_from(DAYS).map(quoted)
said_choices = st.sampled_from(CHOICES).map(quoted)
text_names = st.sampled_from(("company", "country", "lead.email", "key", "zone", "role"))
free_texts = st.sampled_from(("company", "country", "lead.email", "key"))
equals, orders = st.sampled_from(("==", "!=")), st.sampled_from(("==", "!=", "<", "<=", ">", ">="))
ins = st.sampled_from(("in", "not in"))


def one_of_them(left: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    row = st.lists(values, min_size=1, max_size=4).map(", ".join)
    return st.builds("{} {} [{}]".format, left, ins, row)


number_names = st.sampled_from(("staff", "rooms", "score"))
day_names = st.sampled_from(("ended_on", "begun_on", "created_at"))
span_parts = st.sampled_from(SPANS).map("within='{}'".format)
said_data = st.one_of(
    sayable.map("number={}".format), said_numbers.map("total={}".format), st.sampled_from(("gift=true", "gift=false")),
    said_days.map("on_day={}".format), said_choices.map("size={}".format),
)  # fmt: skip
said_item = st.one_of(sayable.map("sku={}".format), said_numbers.map("quantity={}".format), st.just("fresh=true"))
said_names = st.sampled_from(("welcome", "PRICING", "pricing", "/pricing", "ss", "//", "i\u0307")).map(quoted)


@st.composite
def questions(draw: st.DrawFn) -> str:
    function = draw(
        st.sampled_from(("opened", "clicked", "replied", "purchased", "purchased", "visited", "submitted", "happened"))
    )
    parts = []
    if function == "happened":
        parts.append(draw(st.sampled_from(("'order_placed'", "'trial_begun'", "'imported'", "'clicked'"))))
    elif function in ("opened", "clicked", "visited", "submitted") and draw(st.booleans()):
        parts.append(draw(said_names))
    if function == "purchased":
        asked = [*draw(st.lists(said_data, max_size=2)), *draw(st.lists(said_item, max_size=2))]
        parts += {part.partition("=")[0]: part for part in asked}.values()
    if draw(st.booleans()):
        parts.append(draw(span_parts))
    return f"{function}({', '.join(parts)})"


simple = st.one_of(
    st.builds("{} {} {}".format, text_names.filter(lambda name: name != "role"), equals, sayable),
    st.builds("{} {} {}".format, free_texts, equals, text_names),
    st.builds("role {} {}".format, equals, said_choices),
    one_of_them(free_texts, sayable), one_of_them(st.just("role"), said_choices),
    st.builds("{} {} {}".format, sayable | free_texts | st.just("role"), ins, free_texts),
    st.builds("{} {} {}".format, sayable | free_texts | st.just("role"), ins, st.sampled_from(("interests", "tags"))),
    st.builds("{} {} {}".format, number_names, orders, said_numbers | number_names),
    one_of_them(number_names, said_numbers),
    st.builds("{} < {} <= {}".format, said_numbers, number_names, said_numbers),
    st.builds("{} {} {}".format, day_names, orders, said_days | day_names),
    one_of_them(day_names, said_days),
    st.sampled_from(("wants_call", "has_car", "do_not_call", "wants_call == has_car", "wants_call != false", "true", "false")),
    st.builds("consent {} {}".format, equals, st.sampled_from(("'granted'", "'unknown'", "'Refused'"))),
    st.builds("{} is missing".format, st.sampled_from([field.name for field in FIELDS] + ["lead.email", "zone", "score"])),
    st.sampled_from([f"in_segment('{name}')" for name in SEGMENTS]),
    questions(), questions(), questions(),
)  # fmt: skip
conditions = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.builds("not ({})".format, inner), st.builds("({}) and ({})".format, inner, inner),
        st.builds("({}) or ({})".format, inner, inner),
    ),
    max_leaves=6,
)  # fmt: skip


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    now = draw(st.sampled_from(MOMENTS))
    return Scene(
        now=now,
        leads=draw(st.lists(drawn_leads(now), min_size=2, max_size=4)),
        conditions=draw(st.lists(conditions, min_size=4, max_size=8)),
    )
