"""Evaluates what a template holds of fixed values: a brand, an email's links, the arguments of a block.

Before: `engine.render.fold` has replaced what depends on the recipient by stand-ins. After: what was printed is MJML or text.
"""

import re
from functools import lru_cache
from types import TracebackType

from jinja2 import StrictUndefined, Template
from markupsafe import Markup

from engine.render.bounded import COUNTING, counted_template
from engine.render.problems import Place, Source
from engine.render.sandbox import make_sandbox, printed


class OptionalArgument(StrictUndefined):
    """A block's argument that was not given: false in a condition, an error where it is printed."""

    def __bool__(self) -> bool:  # type: ignore[override]  # jinja2 declares that it always raises
        return False


MISSING = re.compile(r"'(\w+)' is undefined")  # as Jinja says it
LACKED = re.compile(r"'.*(?:dict|OptionalArgument) object' has no attribute '(\w+)'")
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


def mistake_in(source: Source, error: Exception, called: tuple[tuple[str, Place], ...], brand: str) -> tuple[Place, str]:
    """Where what is wrong, in words. `called`: the block that is being put together, and where it is called, if it is one."""
    line = template_line(error.__traceback__)
    place = Place(source.place.file, source.place.line + line - 1)
    if called and (missing := MISSING.fullmatch(str(error))):
        (block, called_at), name = called[0], missing[1]
        return called_at, f'the block "{block}" prints {{{{ {name} }}}}, which is not given here: block("{block}", {name}="…")'
    if lacked := lacked_by_brand(str(error), source.text.splitlines()[line - 1]):
        return place, f'the brand "{brand}" has no `{lacked}`; add it to its file in templates/brands/'
    return place, f"cannot be put together: {error}"


def lacked_by_brand(said: str, line: str) -> str:
    """What of the brand is named in that line and not there, as Jinja says it; empty where it is something else."""
    lacked = LACKED.fullmatch(said)
    named = lacked and re.search(rf"\bbrand\.((?:\w+\.)*{lacked[1]})\b", line)
    return named[1] if named else ""
