"""Evaluates what a template holds of fixed values: a brand, an email's links, the arguments of a block.

Before: `engine.render.fold` has replaced what depends on the recipient by stand-ins. After: what was printed is MJML or text.
"""

from functools import lru_cache
from types import TracebackType

from jinja2 import StrictUndefined, Template
from markupsafe import Markup

from engine.render.bounded import COUNTING, counted_template
from engine.render.sandbox import make_sandbox, printed


class OptionalArgument(StrictUndefined):
    """A block's argument that was not given: false in a condition, an error where it is printed."""

    def __bool__(self) -> bool:  # type: ignore[override]  # jinja2 declares that it always raises
        return False


FIXED = make_sandbox(autoescape=True, finalize=printed, undefined=OptionalArgument)
FIXED.filters |= {"safe": Markup, **COUNTING}


@lru_cache(1024)  # layouts and blocks have the same bones in every email
def settled(template: str) -> Template:
    """The template, compiled; it counts the turns of its loops."""
    return counted_template(FIXED, template)


def template_line(traceback: TracebackType | None) -> int:
    """The line of the template in which an error arose: Jinja writes it into the traceback."""
    line = 1
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == "<template>":
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line
