"""The Jinja that emails are written in: values in, text out, and nothing else within reach.

Before: nothing. After: `engine.render.fold` evaluates what is settled at compile time with it, `engine.render.wire` what
depends on the recipient. An attribute is a key of a mapping and never a Python attribute, so `event.items` is the event's
data; no function can be called but ours; arithmetic is on numbers only, so that no text can be multiplied.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from jinja2 import StrictUndefined, Undefined
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from engine.errors import RenderError
from engine.render.bounded import BOUNDED, require_scalar, require_size
from engine.render.manner import manner_now

# Nothing that makes markup of a value, calls its argument or writes more than it was given.
ALLOWED_FILTERS = (
    "abs", "capitalize", "count", "e", "escape", "first", "float", "int", "join", "last", "length", "list", "lower", "map",
    "max", "min", "reject", "rejectattr", "replace", "reverse", "round", "select", "selectattr", "sort", "string", "sum",
    "title", "trim", "truncate", "unique", "upper", "urlencode",
)  # fmt: skip
CURRENCY_SIGNS = {"GBP": "£", "EUR": "€", "USD": "$", "JPY": "¥"}
LONGEST_FORMAT = 40
# C0 and C1 controls but tab and newline, lone surrogates, and the separators some mail programs take for a line end.
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
END_OF_ISOLATE, END_OF_EMBEDDING = "\u2069", "\u202c"
CLOSED_BY = {**dict.fromkeys("\u2066\u2067\u2068", END_OF_ISOLATE), **dict.fromkeys("\u202a\u202b\u202d\u202e", END_OF_EMBEDDING)}
TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
WEB_ADDRESS = re.compile(r"https?://[^\s/?#<>\"'\\@]+(?:[/?#][^\s<>\"'\\]*)?", re.IGNORECASE)
LONGEST_ADDRESS = 900
LAID_OUT = re.compile(r"[a-zA-Z0-9#%. _-]{0,60}")  # a colour, a length or a word; nothing that begins another declaration
MEASURE = re.compile(r"\d{1,4}(?:\.\d{1,4})?(?:px|%)?")


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja with our semantics."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """A key of a mapping, a place in a list, or what a loop knows of itself; anything else is undefined."""
        if type(obj) is dict or isinstance(obj, Mapping):
            return obj[argument] if argument in obj else self.undefined(obj=obj, name=argument)
        if isinstance(obj, LoopContext):
            return super().getattr(obj, argument)
        if isinstance(obj, list | tuple) and isinstance(argument, int) and -len(obj) <= argument < len(obj):
            return obj[argument]
        return self.undefined(obj=obj, name=argument)

    def is_safe_callable(self, obj: Any) -> bool:
        return getattr(obj, "__module__", "").startswith("engine.render.")

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise SecurityError(f"{operator} is for numbers only")
        if operator == "**":
            raise SecurityError("** is not used in emails")
        return require_size(super().call_binop(context, operator, left, right))


class Tool:
    """A function that a template may call, and cannot look at."""

    def __init__(self, use: Callable[[object], str]) -> None:
        self._use = use

    def __call__(self, value: object) -> str:
        return self._use(value)

    def __repr__(self) -> str:
        raise SecurityError("this can be called, not printed")


def make_sandbox(
    *, autoescape: bool, finalize: Callable[..., Any] | None = None, undefined: type[Undefined] = StrictUndefined
) -> Sandbox:
    """An environment in which only what this module names can be used."""
    sandbox = Sandbox(autoescape=autoescape, finalize=finalize, undefined=undefined, keep_trailing_newline=True)
    sandbox.filters = {name: FILTERS[name] for name in ALLOWED_FILTERS}
    sandbox.filters |= {
        **BOUNDED,
        "default": default,
        "d": default,
        "format": format_number,
        "spoken": spoken,
        "money": money,
        "date": spoken_date,
    }
    sandbox.tests.pop("callable")
    sandbox.globals = {}
    return sandbox


def spoken(value: object) -> str:
    """A value as a reader sees it: `340` for 340.0, `12 March 2026`, `yes` for True. Raises RenderError for a missing one."""
    match value:
        case str():
            return value if value.isprintable() else printable(value)
        case None:
            raise RenderError("a value is empty; give it a fallback, as in {{ lead.first_name or 'there' }}")
        case bool():
            return "yes" if value else "no"
        case float() if value.is_integer():
            return str(int(value))
        case date():
            return spoken_date(value)
        case float():
            return manner.fraction(value) if (manner := manner_now()) else str(value)
        case int() | Undefined():
            return str(value)
    raise RenderError("a list cannot be printed as it is; use {% for %} or |join")


def printable(text: str) -> str:
    return turned_back(UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def turned_back(text: str) -> str:
    """Signs that turn the way of writing do so to the end of the value, not of the sentence around it (UAX 9)."""
    still_open: list[str] = []
    for sign in TURNS.findall(text):
        if sign in CLOSED_BY:
            still_open.append(CLOSED_BY[sign])
        elif sign in still_open and (sign == END_OF_ISOLATE or still_open[-1] == sign):
            del still_open[-1 - still_open[::-1].index(sign) :]
    return text + "".join(reversed(still_open))


def printed(value: Any) -> str:
    """`finalize` of the plain form: what is already markup stays so."""
    return value if type(value) is Markup else spoken(value)


def default(value: Any, fallback: Any = "", boolean: bool = False) -> Any:
    """The fallback where the value is undefined or missing; with `boolean`, also where it is empty."""
    if value is None or isinstance(value, Undefined) or (boolean and not value):
        return fallback
    return value


def format_number(form: str, *values: Any) -> str:
    """`"%.2f"|format(price)`: numbers and short texts by Python's old format signs, with bounded widths."""
    if len(form) > LONGEST_FORMAT or re.search(r"%[^a-zA-Z%]*(?:\*|\d{3})", form):
        raise SecurityError("this format is too wide")
    for value in values:
        require_scalar(value, "|format")
    return str(form) % values


def money(amount: float, currency: str = "") -> str:
    """`{{ event.total|money(event.currency) }}`: £1,249.00, or 1.249,00 £; a currency without a sign is named by its code."""
    if manner := manner_now():
        return manner.amount(amount, CURRENCY_SIGNS.get(currency, currency))
    sign = CURRENCY_SIGNS.get(currency, f"{currency} " if currency else "")
    return f"{'-' if amount < 0 else ''}{sign}{abs(amount):,.2f}"


def spoken_date(day: date | str) -> str:
    """`12 March 2026`, or 12. März 2026, of a date or of one as it is stored (ISO 8601)."""
    if isinstance(day, str):
        day = date.fromisoformat(day[:10])
    if manner := manner_now():
        return manner.date(day)
    return f"{day.day} {day:%B %Y}"


def checked_url(address: object) -> str:
    """The address, where it is a plain web address. Raises RenderError: a mail must not carry any other scheme in a value."""
    text = str(address).strip()
    if len(text) > LONGEST_ADDRESS or not WEB_ADDRESS.fullmatch(text) or not text.isprintable():
        raise RenderError("a link made of the recipient's values is not a web address")
    return text


class LaidOut(str):
    """A value that may stand where a mail is laid out: printed as it is, in MJML too."""


def laid_out(value: object) -> LaidOut:
    """A colour, a length or a word of the recipient's, for a style. Raises RenderError for anything else."""
    text = spoken(value)
    if not LAID_OUT.fullmatch(text):
        raise RenderError("a style or layout made of the recipient's values is no colour, length or plain word")
    return LaidOut(text)


def measure(value: object) -> LaidOut:
    """A width or height. Raises RenderError for anything else: MJML would take one of its own."""
    text = spoken(value)
    if not MEASURE.fullmatch(text):
        raise RenderError("a width or height made of the recipient's values is not a number, as 40, 40px or 40%")
    return LaidOut(text)


def pixels(value: object) -> LaidOut:
    """The same with its unit: pixels, where it has none."""
    text = measure(value)
    return text if text.endswith(("%", "px")) else LaidOut(f"{text}px")
