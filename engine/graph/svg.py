"""The picture of a cadence as a standalone SVG: no script, no font, no address; readable by day, by night and on a telephone.

Before: `engine.graph.layout` placed everything. After: a browser, a document or a slide shows it. Every word is escaped here.
"""

from collections.abc import Iterator
from html import escape

from engine.graph import layout
from engine.graph.flow import Flow
from engine.graph.layout import Box, Label, Line, Point, picture_of
from engine.graph.letters import FONT, MONO, shown, width_of, wrap
from engine.graph.marks import HUES, SIGNS

TITLE_SIZE, ABOUT_SIZE, RULE_SIZE = 20.0, 12.0, 12.0
TITLE_LINE, ABOUT_LINE, RULE_LINE = 25.0, 16.0, 17.0
RULES_BESIDE = 76.0  # the column of the headings
ROUND = 9.0
READABLE = 0.85  # of the natural size
PILLS = ("start", "end", "elsewhere")


def svg_of(flow: Flow) -> str:
    """The whole file."""
    across = picture_of(flow, top=0.0).width
    head, top = head_of(flow, across)
    picture = picture_of(flow, top=top)
    words = f"The cadence {shown(flow.title)}: {shown(flow.about)}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {n(picture.width)} {n(picture.height)}" '
            f'width="{n(picture.width)}" height="{n(picture.height)}" role="img" aria-label="{escape(words)}">',
            f"<title>{escape(shown(flow.title))}</title>",
            f"<style>{style(picture.width)}</style>",
            '<rect class="ground" width="100%" height="100%"/>',
            *head,
            *(line_of(line) for line in picture.lines),
            *(label_of(label) for label in picture.labels),
            *(part for box in picture.boxes for part in box_of(flow, box)),
            "</svg>",
            "",
        ]
    )


def head_of(flow: Flow, across: float) -> tuple[list[str], float]:
    """The title and what holds at any time; and where it ends."""
    width = min(across - 2 * layout.MARGIN, 620.0)
    left, y = (across - width) / 2, layout.MARGIN
    parts = []
    for words, size, step, name in ((flow.title, TITLE_SIZE, TITLE_LINE, "title"), (flow.about, ABOUT_SIZE, ABOUT_LINE, "about")):
        for line in wrap(words, size, width, lines=3):
            y += step
            parts.append(text(left, y, line, name))
    rows, y = rules_of(flow, left, y + 14, width)
    return parts + rows, y + 22


def rules_of(flow: Flow, left: float, top: float, width: float) -> tuple[list[str], float]:
    rows, y = [], top + 8
    for heading, words in flow.rules:
        rows.append(text(left + layout.PADDING, y + RULE_LINE, heading, "rule-name"))
        for line in wrap(words, RULE_SIZE, width - RULES_BESIDE - 2 * layout.PADDING, lines=4):
            y += RULE_LINE
            rows.append(text(left + layout.PADDING + RULES_BESIDE, y, line, "rule"))
        y += 4
    frame = f'<rect class="rules" x="{n(left)}" y="{n(top)}" width="{n(width)}" height="{n(y + 8 - top)}" rx="10"/>'
    return [frame, *rows], y + 8


def line_of(line: Line) -> str:
    x, y = line.points[-1]
    edge = f'data-from="{escape(line.edge.source)}" data-to="{escape(line.edge.to)}" data-took="{escape(line.edge.took)}"'
    head = f"M{n(x - 4)} {n(y - 7)}L{n(x)} {n(y - 1)}L{n(x + 4)} {n(y - 7)}"
    return f'<path class="line" {edge} d="{rounded(line.points)}{head}"/>'


def rounded(points: tuple[Point, ...]) -> str:
    """A path through these points with round corners."""
    kept = [point for number, point in enumerate(points) if number == 0 or point != points[number - 1]]
    path = f"M{n(kept[0][0])} {n(kept[0][1])}"
    for before, corner, after in zip(kept, kept[1:], kept[2:], strict=False):
        come, go = towards(corner, before), towards(corner, after)
        path += f"L{n(come[0])} {n(come[1])}Q{n(corner[0])} {n(corner[1])} {n(go[0])} {n(go[1])}"
    return path + f"L{n(kept[-1][0])} {n(kept[-1][1])}"


def towards(corner: Point, other: Point) -> Point:
    across, down = other[0] - corner[0], other[1] - corner[1]
    length = (across**2 + down**2) ** 0.5
    share = min(ROUND, length / 2) / length
    return corner[0] + across * share, corner[1] + down * share


def label_of(label: Label) -> str:
    left, top = label.x - label.width / 2, label.y - label.height / 2
    frame = f'<rect class="label" x="{n(left)}" y="{n(top)}" width="{n(label.width)}" height="{n(label.height)}" rx="10"/>'
    return frame + text(label.x, label.y + 4, label.text, "label-text")


def box_of(flow: Flow, box: Box) -> Iterator[str]:
    identity = escape(shown(box.id))
    if box.kind in PILLS:
        yield (
            f'<g class="pill {box.kind}" data-step="{identity}"><rect x="{n(box.x)}" y="{n(box.y)}" width="{n(box.width)}" '
            f'height="{n(box.height)}" rx="15"/>{text(box.middle, box.y + 19.5, box.heading[0], "pill-text")}</g>'
        )
        return
    card = flow.cards[box.id]
    yield f'<g class="card {box.kind}" data-step="{identity}"><title>{escape(shown(card.saying))}</title>'
    yield f'<rect class="paper" x="{n(box.x)}" y="{n(box.y)}" width="{n(box.width)}" height="{n(box.height)}" rx="10"/>'
    yield from sign_of(box)
    yield from words_of(box)
    yield "</g>"


def sign_of(box: Box) -> Iterator[str]:
    x, y = box.x + layout.PADDING, box.y + layout.PADDING
    yield f'<rect class="tint" x="{n(x)}" y="{n(y)}" width="{n(layout.ICON)}" height="{n(layout.ICON)}" rx="7"/>'
    yield f'<path class="sign" transform="translate({n(x + 5)} {n(y + 5)})" d="{SIGNS[box.kind]}"/>'


def words_of(box: Box) -> Iterator[str]:
    x, y = box.x + layout.ICON + 2 * layout.PADDING, box.y + layout.PADDING - 4
    rows = (
        (box.heading, layout.HEADING_LINE, "heading"),
        (box.saying, layout.SAYING_LINE, "saying"),
        (box.foot, layout.FOOT_LINE, "foot"),
    )
    for lines, step, name in rows:
        for line in lines:
            y += step
            yield text(x, y, line, name)
    if box.badge:
        yield from badge_of(box)


def badge_of(box: Box) -> Iterator[str]:
    """How many people stand here, on the card's upper edge."""
    width = width_of(box.badge, layout.BADGE_SIZE) + 16
    left, top = box.x + box.width - width - 12, box.y - 10
    yield f'<rect class="badge" x="{n(left)}" y="{n(top)}" width="{n(width)}" height="20" rx="10"/>'
    yield text(left + width / 2, top + 14, box.badge, "badge-text")


def text(x: float, y: float, words: str, name: str) -> str:
    return f'<text class="{name}" x="{n(x)}" y="{n(y)}">{escape(words)}</text>'


def n(number: float) -> str:
    """Short, and the same on every machine."""
    return f"{number:.1f}".removesuffix(".0")


def style(width: float) -> str:
    """On a narrow screen the picture shrinks only as far as its words can be read; beyond that it is moved sideways."""
    day = "".join(f".{kind}{{--hue:{hue[0]}}}" for kind, hue in HUES.items())
    night = "".join(f".{kind}{{--hue:{hue[1]}}}" for kind, hue in HUES.items())
    return (
        STYLE.replace("DAY", day)
        .replace("NIGHT", night)
        .replace("FONT", FONT)
        .replace("MONO", MONO)
        .replace("SMALLEST", n(READABLE * width))
    )


STYLE = """
svg{--ground:#eef2f2;--paper:#fff;--ink:#1c2529;--muted:#55646a;--edge:#c9d3d5;--line:#7d8d93;max-width:max(100%,SMALLESTpx);height:auto}
text{font-family:FONT;fill:var(--ink)}
.ground{fill:var(--ground)}.rules,.paper{fill:var(--paper);stroke:var(--edge)}
.title{font-size:20px;font-weight:700}.about{font-size:12px;fill:var(--muted)}
.rule{font-size:12px}.rule-name{font-size:12px;fill:var(--muted)}
.line{fill:none;stroke:var(--line);stroke-width:1.5;stroke-linecap:round;stroke-linejoin:round}
.label{fill:var(--ground)}.label-text{font-size:11.5px;fill:var(--muted);text-anchor:middle;font-weight:600}
.tint{fill:var(--hue);opacity:.14}.sign{fill:none;stroke:var(--hue);stroke-width:1.5;stroke-linejoin:round;stroke-linecap:round}
.heading{font-size:11px;fill:var(--hue);font-weight:600}.saying{font-size:13.5px;font-weight:600}
.foot{font-size:10.5px;font-family:MONO;fill:var(--muted)}
.pill rect{fill:var(--ink)}.pill text{fill:var(--ground);font-size:11.5px;font-weight:600;text-anchor:middle}
.elsewhere rect{fill:var(--muted)}
.badge{fill:var(--ink)}
.badge-text{fill:var(--paper);font-size:11.5px;font-weight:700;text-anchor:middle}
DAY
@media (prefers-color-scheme:dark){
svg{--ground:#12181a;--paper:#1d2629;--ink:#eaf0f1;--muted:#9db0b6;--edge:#34434a;--line:#6f858d}
.tint{opacity:.22}NIGHT}
"""
