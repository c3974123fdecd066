"""The calendar as one page that needs nothing beside it: no network, no server; for a browser, a mail's attachment, a board.

Before: `engine.calendar.told`. After: `handraiser calendar --html FILE` writes it. Values go in as JSON that cannot end the
script, and reach the page as text only.
"""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from engine.calendar.expected import Forecast
from engine.calendar.told import as_plain, rate_in_words, source_in_words

PARTS = Path(__file__).parent / "page_parts"


def page_of(found: Forecast, *, name: str) -> str:
    """The whole page. `name`: of the workspace."""
    told = as_plain(found)
    for each in told["odds"]:
        each["from"] = source_in_words(each["source"], each["sample"], of_mails=each["step"] is None)
    rates = [rate_in_words(each) for each in told["newcomers"]]
    pages = Environment(loader=FileSystemLoader(PARTS), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return pages.get_template("page.html").render(
        name=name, told=told, rates=rates, data=in_script(told), style=part("page.css"), script=part("page.js")
    )


def part(file: str) -> str:
    return (PARTS / file).read_text(encoding="utf-8")


def in_script(value: dict[str, Any]) -> str:
    """JSON that stands in a script element: nothing in it can be read as the end of that, or as a comment."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return (
        text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").replace("\u2028", "").replace("\u2029", "")
    )
