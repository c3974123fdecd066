"""One person's HTML where an email could not be compiled once: Jinja first, then MJML, then the styles.

Before: `engine.render.wire` has an artifact that is MJML. After: the HTML goes the way of any other. While MJML is read, a value
is a stand-in, as tokens are at compile time: what a lead's data hold can become neither a tag nor an attribute, nor break a
style. Only `engine.render.guard`'s checked colours, lengths and words are there themselves, since MJML reckons with them.
"""

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Template, pass_context
from jinja2.runtime import Context

from engine.errors import RenderError
from engine.render.held import HELD, Held
from engine.render.markup import html_of, with_pixel
from engine.render.sandbox import LaidOut, make_sandbox

LARGEST_MJML = 512 * 1024  # characters
HOLD = "hold"  # what a value is given to; no template can name it, since names are checked


def html_afresh(template: Template, values: Mapping[str, Any], escaped: Callable[[Any], str]) -> str:
    """The HTML with the values in it. `template`: what `compile_afresh` made.

    Raises RenderError for MJML that cannot be read, and what Jinja raises.
    """
    held = Held(most_tokens=LARGEST_MJML)
    mjml = template.render({**values, HOLD: lambda value: held.hold(escaped(value))})
    if HELD.findall(mjml) != [str(number) for number in range(held.count)]:
        raise RenderError("two values together make a word that MJML keeps to itself")
    if len(mjml) > LARGEST_MJML:
        raise RenderError(f"its MJML is larger than {LARGEST_MJML // 1024} KB")
    try:
        html = html_of(mjml, held)
    except ValueError as error:
        raise RenderError(f"MJML cannot read it with these values: {error}") from error
    pixel = f"{escaped(values['track'])}/o/{escaped(values['token'])}"
    return held.restore(with_pixel(html, pixel)).rstrip() + "\n"


@pass_context
def held_back(context: Context, value: Any) -> str:
    """`finalize`: a stand-in for the value, but for what MJML is to see."""
    return value if type(value) is LaidOut else str(context[HOLD](value))


MJML = make_sandbox(autoescape=False, finalize=held_back)
compile_afresh = MJML.from_string
