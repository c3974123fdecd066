"""What a piece of a rendered mail looks like: the CSS that mail programs agree on, inherited from tag to tag.

Before: `engine.render.review.page` walks the tags, `engine.render.review.sheets` says which rules hold for each. After: each text
knows its colour, what it stands on, and its size.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from engine.render.review.colours import BLACK, LINK, WHITE, Colour, colour_over, is_colour

LENGTH = re.compile(r"(-?[\d.]+)(px|pt|em|rem|%|)")
BOLD_TAGS = frozenset({"b", "strong", "th", "h1", "h2", "h3", "h4", "h5", "h6"})
FACTORS = {"h1": 2.0, "h2": 1.5, "h3": 1.17, "h5": 0.83, "h6": 0.67, "small": 0.83}
USUAL_SIZE = 16.0


@dataclass(frozen=True, slots=True)
class Look:
    """How text looks at one place. `paper` None: a picture, or what cannot be computed. Sizes are pixels.

    `is_coloured`, `is_papered`: the mail itself says so, rather than leaving it to the mail program. `is_sure`: in colours that
    can be computed with.
    """

    colour: Colour = BLACK
    paper: Colour | None = WHITE
    is_coloured: bool = False
    is_papered: bool = False
    is_sure: bool = True
    size: float = USUAL_SIZE
    line: str = "1.2"
    is_bold: bool = False
    is_hidden: bool = False

    @property
    def is_large(self) -> bool:
        """In the sense of WCAG: 18 point, or 14 point in bold."""
        return self.size >= 24 or (self.is_bold and self.size >= 18.66)

    @property
    def line_height(self) -> float:
        return length(self.line, self.size, bare=self.size) or 1.2 * self.size


PLAIN = Look()


@lru_cache(8192)
def look_of(around: Look, tag: str, style: str, bgcolor: str) -> Look:
    """The look inside a tag, by its style sheet and `style` in one, with that of the tag around it."""
    given = declarations(style)
    size = size_of(given.get("font-size"), tag, around.size)
    weight = given.get("font-weight")
    return replace(
        with_colours(around, tag, given, bgcolor),
        size=size,
        line=given.get("line-height", around.line),
        is_bold=is_bold(weight) if weight else around.is_bold or tag in BOLD_TAGS,
        is_hidden=around.is_hidden or is_hidden(given),
    )


def with_colours(around: Look, tag: str, given: Mapping[str, str], bgcolor: str) -> Look:
    look, written = with_paper(around, given, bgcolor), given.get("color", "")
    if colour := colour_over(written, look.paper):
        return replace(look, colour=colour, is_coloured=True)
    if is_colour(written):
        return replace(look, is_sure=False)
    if tag == "a" and not around.is_coloured:
        return replace(look, colour=LINK)
    return look


def with_paper(look: Look, given: Mapping[str, str], bgcolor: str) -> Look:
    behind = given.get("background", "") or bgcolor
    if paper := colour_over(re.sub(r"url\([^)]*\)", "", behind), look.paper):
        return replace(look, paper=paper, is_papered=True, is_sure=True)
    is_picture = "url(" in behind + given.get("background-image", "") or "gradient" in behind
    return replace(look, paper=None, is_papered=True) if is_picture else look


def is_hidden(given: Mapping[str, str]) -> bool:
    return given.get("display") == "none" or given.get("visibility") == "hidden" or given.get("opacity") == "0"


def is_bold(weight: str) -> bool:
    return weight in ("bold", "bolder") or (weight.isdigit() and int(weight) >= 600)


def size_of(written: str | None, tag: str, around: float) -> float:
    if written is None:
        return around * FACTORS.get(tag, 1.0)
    size = length(written, around or USUAL_SIZE, bare=1.0)
    return around if size is None else size


def length(written: str, whole: float, *, bare: float) -> float | None:
    """Pixels. `whole`: what 100 % is; `bare`: what a number without a unit counts. None: it is not a length."""
    found = LENGTH.fullmatch(written.strip())
    if not found or found[1].count(".") > 1 or not found[1].strip("-."):
        return None
    factor = {"px": 1.0, "pt": 4 / 3, "em": whole, "rem": USUAL_SIZE, "%": whole / 100, "": bare}[found[2]]
    return float(found[1]) * factor


@lru_cache(8192)
def declarations(style: str) -> Mapping[str, str]:
    """Property → value; of two, the later counts, or the one that is `!important`."""
    given: dict[str, str] = {}
    firm: set[str] = set()
    for part in style.split(";"):
        name, colon, value = part.partition(":")
        name, is_firm = name.strip().lower(), "!important" in value
        name = "background" if name == "background-color" else name  # each takes the place of the other
        if colon and (is_firm or name not in firm):
            given[name] = value.replace("!important", "").strip()
            firm |= {name} if is_firm else set()
    return given


@lru_cache(8192)
def padding_of(style: str) -> tuple[float, float]:
    """Above and below, in pixels."""
    given = declarations(style)
    parts = [length(part, USUAL_SIZE, bare=1.0) or 0.0 for part in given.get("padding", "0").split()] or [0.0]
    above, below = parts[0], parts[2] if len(parts) > 2 else parts[0]
    own = [length(given.get(f"padding-{side}", ""), USUAL_SIZE, bare=1.0) for side in ("top", "bottom")]
    return above if own[0] is None else own[0], below if own[1] is None else own[1]
