"""Filters that write little more than they were given, and loops that end: what Jinja itself does not bound.

Before: nothing. After: `engine.render.sandbox` takes the filters for every template; `engine.render.fold`, which evaluates in
this process and not behind the fence, has its loops and its joined texts counted too.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from functools import wraps
from typing import Any

from jinja2 import Environment, Template, Undefined, nodes, pass_context, pass_eval_context
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS, make_attrgetter
from jinja2.nodes import EvalContext
from jinja2.runtime import Context
from jinja2.visitor import NodeTransformer

LONGEST_TEXT = 512 * 1024
MOST_ITEMS = 100_000
MOST_STEPS = 100_000  # of all the loops of an email that go round as it is compiled
LARGEST_NUMBER = 10**30
SCALARS = (str, int, float, date, Undefined, type(None))
OF_TEXTS = ("capitalize", "e", "escape", "lower", "string", "title", "trim", "truncate", "upper", "urlencode")
STEPS = " steps"  # no template can name it


def of_text(name: str) -> Callable[..., Any]:
    """The filter for texts, numbers and dates; a list or a mapping, which may hold itself many times over, is no text."""
    original = FILTERS[name]
    place = 1 if hasattr(original, "jinja_pass_arg") else 0

    @wraps(original)
    def checked(*arguments: Any, **named: Any) -> Any:
        require_scalar(arguments[place], f"|{name}")
        return original(*arguments, **named)

    return checked


def require_scalar(value: object, what: str) -> None:
    if not isinstance(value, SCALARS):
        raise SecurityError(f"{what} is for texts, numbers and dates")


@pass_eval_context
def replace(context: EvalContext, text: object, old: str, new: str, count: int | None = None) -> Any:
    require_scalar(text, "|replace")
    times = str(text).count(str(old)) if count is None else count
    require_length(len(str(text)) + times * len(str(new)))
    return FILTERS["replace"](context, text, old, new, count)


@pass_eval_context
def join(context: EvalContext, items: Iterable[Any], between: str = "", attribute: str | int | None = None) -> Any:
    if attribute is not None:
        items = map(make_attrgetter(context.environment, attribute), items)
    joined = list(items)
    for item in joined:
        require_scalar(item, "|join")
    require_length(len(joined) * len(str(between)) + sum(len(str(item)) for item in joined))
    return FILTERS["join"](context, joined, between)


def require_length(length: int) -> None:
    if length > LONGEST_TEXT:
        raise SecurityError(f"a text would be longer than {LONGEST_TEXT // 1024} KB")


def require_size(value: Any) -> Any:
    """A sum or a product that is not out of all proportion."""
    if isinstance(value, str):
        require_length(len(value))
    elif isinstance(value, list | tuple) and len(value) > MOST_ITEMS:
        raise SecurityError(f"a list would be longer than {MOST_ITEMS:,}")
    elif isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        raise SecurityError("a number is out of all proportion")
    return value


BOUNDED: dict[str, Callable[..., Any]] = {**{name: of_text(name) for name in OF_TEXTS}, "replace": replace, "join": join}


class Steps:
    """How often the loops of one email may still go round."""

    def __init__(self) -> None:
        self.left = MOST_STEPS

    def take(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise SecurityError(f"its loops go round more than {MOST_STEPS:,} times")


def counted_template(environment: Environment, source: str) -> Template:
    """A template whose loops take their steps from `STEPS` in its values. The environment has `COUNTING` among its filters."""
    tree: nodes.Template = Counting().visit(environment.parse(source))
    return environment.from_string(tree)


@pass_context
def counted(context: Context, items: Iterable[Any]) -> Iterator[Any]:
    steps: Steps = context[STEPS]
    for item in items:
        steps.take()
        yield item


COUNTING: dict[str, Callable[..., Any]] = {"counted": counted, "sized": require_size}


class Counting(NodeTransformer):
    """Puts the two filters where a template goes round, or adds up."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        self.generic_visit(node)
        node.iter = filtered(node.iter, "counted")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:
        self.generic_visit(node)
        return filtered(node, "sized")

    def visit_Add(self, node: nodes.Add) -> nodes.Filter:
        self.generic_visit(node)
        return filtered(node, "sized")


def filtered(node: Any, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)
