"""A rendered mail as its reader meets it: texts with their looks, links, pictures, in their order.

Before: `engine.render.wire` has rendered it. After: the rules of `engine.render.review` look at it. What stands in comments for
Outlook says the same once more, and is left out.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from html import unescape

from engine.render.review.sheets import Tag, read_sheet, styled
from engine.render.review.styles import PLAIN, Look, declarations, look_of, padding_of
from engine.render.tags import VOID

TOKEN = re.compile(
    r"<!--.*?-->|<![^>]*>"
    r"|</(?P<close>[a-zA-Z][\w:-]*)[^>]*>"
    r"|<(?P<open>[a-zA-Z][\w:-]*)(?P<attributes>[^>\"']*(?:(?:\"[^\"]*\"|'[^']*')[^>\"']*)*)>"
    r"|(?P<text>[^<]+)",
    re.DOTALL,
)
ATTRIBUTE = re.compile(r"([a-zA-Z][\w:-]*)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
SHEET = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL | re.IGNORECASE)
UNSEEN = frozenset({"head", "title", "style", "script", "noscript"})
STACKED = frozenset({"img", "br", "p", "div", "table", "ul", "h1", "h2", "h3", "h4"})
SMALLEST = 3.0  # pixels; what is smaller is there to keep a distance


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text with one look."""

    text: str
    look: Look

    @property
    def words(self) -> list[str]:
        return self.text.split()


@dataclass(frozen=True, slots=True)
class Picture:
    """`alt` None: it has none at all. `width` and `height` 0: not said. `href`: of the link that it stands in; None: in none."""

    src: str
    alt: str | None
    width: float
    height: float
    href: str | None


@dataclass(frozen=True, slots=True)
class Anchor:
    """A link. `height` None: it stands in a line of text. `space`: above and below, of each numbered tag that it is in."""

    href: str
    words: str
    height: float | None
    is_button: bool
    texts_before: int  # how many texts are before it and before its end: two links with none between are neighbours
    texts_until: int
    space: tuple[tuple[int, float, float], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """The whole mail. `sheets`: its style sheets; `css`: these and every `style` in it; `tags`: the tags it uses. `padding`: the
    pixels above and below what is seen, in all.

    `is_read`: every rule of its style sheets that sets a colour is understood.
    """

    runs: tuple[Run, ...]
    anchors: tuple[Anchor, ...]
    pictures: tuple[Picture, ...]
    tags: frozenset[str]
    sheets: str
    css: str
    padding: float
    is_read: bool

    @property
    def text(self) -> str:
        """All that is seen, as words with single blanks."""
        return " ".join(" ".join(run.text for run in self.runs).split())


@dataclass(slots=True)
class Box:
    """A tag that is open."""

    own: Tag
    number: int
    look: Look
    style: str
    href: str | None = None
    texts_before: int = 0
    words: str = ""
    is_stack: bool = False  # of several things, so that its height is not that of a line


@lru_cache(512)
def read_page(html: str, *, is_dark: bool = False) -> Page:
    """The mail as seen in a light mail program, or in a dark one by the mail's own styles for it."""
    sheets = "\n".join(SHEET.findall(re.sub(r"<!--\[if[^!].*?<!\[endif\]-->", "", html, flags=re.DOTALL)))
    return Reading(sheets, is_dark).read(html)


class Reading:
    """One mail being walked through."""

    def __init__(self, sheets: str, is_dark: bool) -> None:
        self.sheets, self.sheet = sheets, read_sheet(sheets, is_dark)
        self.path = [Box(Tag(""), 0, PLAIN, "")]
        self.runs: list[Run] = []
        self.anchors: list[Anchor] = []
        self.pictures: list[Picture] = []
        self.styles: dict[str, None] = {}
        self.tags: set[str] = set()
        self.boxes = 0
        self.padding = 0.0

    def read(self, html: str) -> Page:
        for found in TOKEN.finditer(html):
            match found.lastgroup:
                case "text":
                    self.text(found["text"])
                case "attributes":
                    self.open(found["open"].lower(), found["attributes"])
                case "close":
                    self.close(found["close"].lower())
        css = "\n".join([self.sheets, *self.styles])
        return Page(
            runs=tuple(self.runs),
            anchors=tuple(self.anchors),
            pictures=tuple(self.pictures),
            tags=frozenset(self.tags),
            sheets=self.sheets,
            css=css,
            padding=self.padding,
            is_read=self.sheet.is_read,
        )

    def text(self, written: str) -> None:
        box = self.path[-1]
        if written.isspace() or box.own.name in UNSEEN or box.look.is_hidden or box.look.size < SMALLEST:
            return
        if words := unescape(written).replace("\xa0", " ").strip(" \t\r\n\u200b\u200c\ufeff"):
            self.runs.append(Run(words, box.look))
            for outer in self.path:
                if outer.href is not None:
                    outer.words = f"{outer.words} {words}".strip()

    def open(self, tag: str, written: str) -> None:
        attributes = {name.lower(): one or two or bare for name, one, two, bare in ATTRIBUTE.findall(written)}
        own = Tag(tag, attributes.get("class", ""), attributes.get("style", ""), attributes.get("bgcolor", ""))
        said = styled(self.sheet, own, [box.own for box in reversed(self.path)])
        style = f"{said};{own.style}" if said else own.style
        look = look_of(self.path[-1].look, tag, style, own.bgcolor)
        self.tags.add(tag)
        self.styles[own.style] = None
        if tag == "img":
            self.picture(attributes, look)
        if tag in STACKED:
            for outer in self.path:
                outer.is_stack = True
        if tag in VOID:
            return
        self.boxes += 1
        self.padding += 0.0 if tag == "a" or look.is_hidden else sum(padding_of(style))
        href = unescape(attributes.get("href", "")).strip() if tag == "a" and "href" in attributes else None
        self.path.append(Box(own, self.boxes, look, style, href, len(self.runs)))

    def picture(self, attributes: dict[str, str], look: Look) -> None:
        alt = attributes.get("alt")
        width, height = number(attributes.get("width")), number(attributes.get("height"))
        if look.is_hidden or (width == height == 1):
            return
        src, words = unescape(attributes.get("src", "")), None if alt is None else unescape(alt)
        href = next((box.href for box in reversed(self.path) if box.href is not None), None)
        self.pictures.append(Picture(src, words, width, height, href))
        for outer in self.path:
            if outer.href is not None:
                outer.words = f"{outer.words} {unescape(alt or '')}".strip()

    def close(self, tag: str) -> None:
        if tag not in [box.own.name for box in self.path]:
            return
        while (box := self.path.pop()).own.name != tag:
            self.leave(box)
        self.leave(box)

    def leave(self, box: Box) -> None:
        if box.href is not None and not box.look.is_hidden:
            self.anchors.append(self.anchor(box, box.href))

    def anchor(self, box: Box, href: str) -> Anchor:
        given = declarations(box.style)
        is_box = given.get("display", "") in ("inline-block", "block")
        above, below = padding_of(box.style)
        is_filled = "background" in given or "border" in given
        has_text = len(self.runs) > box.texts_before
        return Anchor(
            href=href,
            words=box.words,
            height=box.look.line_height + above + below if is_box and has_text and not box.is_stack else None,
            is_button=is_box and is_filled and has_text,
            texts_before=box.texts_before,
            texts_until=len(self.runs),
            space=tuple((outer.number, *padding_of(outer.style)) for outer in self.path),
        )


def number(written: str | None) -> float:
    found = re.match(r"\d+(?:\.\d+)?", written or "")
    return float(found[0]) if found and "%" not in (written or "") else 0.0
