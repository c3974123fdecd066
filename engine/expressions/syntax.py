"""Reading a condition's text with Jinja's own parser, so that it is written as in the templates.

The text comes from the workspace; the nodes go to `engine.expressions.check`. Jinja's nodes know only their line, so
the tokens are numbered by their offset in the text instead: in every node from here `lineno` is a column.
"""

import re
from collections.abc import Iterator

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.lexer import TokenStream
from jinja2.parser import Parser

from engine.errors import ConditionError, Problem

LONGEST_CONDITION = 2_000

# what people write in other languages, at the place where reading stopped
HINTS = (
    (r"=(?!=)", "`=` does not compare; write `==`"),
    (r"&", "`&` means nothing here; write `and`"),
    (r"\|", "`|` means nothing here; write `or`"),
    (r"!", "`!` means nothing here; write `not` (or `!=`)"),
    (r">", "`>` is not expected here; for unequal write `!=`"),
    (r"(AND|OR|NOT|IN)\b", "write `and`, `or`, `not` and `in` in small letters"),
    (r"[{}%]", "write the condition alone, without `{{ }}` or `{% %}`"),
    (r"[‘’“”«»„`]", "write straight quotes, as in 'Germany'"),
    (r"['\"]", "this text has no closing quote, or a backslash in it"),
    (r"\(", "inside these brackets the value comes first, then `name=value`"),
    (r"#", "`#` means nothing here; put texts in quotes"),
)

_ENVIRONMENT = Environment(autoescape=False)


def parse_syntax(text: str) -> nodes.Expr:
    """The nodes of one condition, unchecked. Raises ConditionError with the first place that cannot be read."""
    if not text.strip():
        raise _error(0, "the condition is empty")
    if len(text) > LONGEST_CONDITION:
        raise _error(LONGEST_CONDITION, f"the condition is longer than {LONGEST_CONDITION} characters; use segments")
    return _parse(text)


def _parse(text: str) -> nodes.Expr:
    parser, has_begun = Parser(_ENVIRONMENT, "", state="variable"), False
    try:
        parser.stream = TokenStream(_ENVIRONMENT.lexer.wrap(_with_offsets(text)), None, None)
        has_begun = True
        found = parser.parse_expression()
    except TemplateSyntaxError as error:
        raise _unreadable(text, error.lineno, has_begun and parser.stream.eos) from None
    except (RecursionError, ValueError, OverflowError):
        raise _error(0, "the condition has too many brackets, or a number that is too long") from None
    if not parser.stream.eos:
        raise _unreadable(text, parser.stream.current.lineno, False)
    return found


def _with_offsets(text: str) -> Iterator[tuple[int, str, str]]:
    """The lexer's tokens (white space too, so that their lengths add up), each with its offset for a line number."""
    offset = 0
    try:
        for _, kind, value in _ENVIRONMENT.lexer.tokeniter(text, None, None, state="variable"):
            yield offset, kind, value
            offset += len(value)
    except TemplateSyntaxError as error:
        raise TemplateSyntaxError(error.message or "", offset) from None


def _unreadable(text: str, offset: int, at_end: bool) -> ConditionError:
    if at_end:
        return _error(len(text), "the condition ends too early; something is missing at its end")
    rest = text[offset:]
    for pattern, hint in HINTS:
        if re.match(pattern, rest):
            return _error(offset, hint)
    word = re.match(r"\w+|.", rest, re.DOTALL)
    return _error(offset, f"`{word[0] if word else rest}` is not expected here")


def _error(column: int, message: str) -> ConditionError:
    problem = Problem(column=column, message=message)
    return ConditionError(str(problem), (problem,))
