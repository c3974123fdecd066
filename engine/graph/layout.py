"""Where everything of a picture stands: cards below one another, the ways of a fork side by side. Pure.

Before: `engine.graph.tree` says where the flow parts and meets. After: `engine.graph.svg` draws what is placed here. Each run has
a column of its own, so that no two boxes overlap and no line crosses a box; two columns fit on a telephone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from engine.graph.flow import END, Edge, Flow
from engine.graph.letters import shorten, width_of, wrap
from engine.graph.tree import Arm, Link, Run, tree_of

MARGIN = 14.0
COLUMN = 384.0  # two of the narrowest cards beside each other
WIDEST, NARROWEST = 340.0, 184.0
BETWEEN = 16.0  # columns
ICON = 26.0
PADDING = 12.0
HEADING_SIZE, SAYING_SIZE, FOOT_SIZE, LABEL_SIZE = 11.0, 13.5, 10.5, 11.5
HEADING_LINE, SAYING_LINE, FOOT_LINE = 15.0, 18.0, 14.0
BADGE_SIZE = 11.5
STRAIGHT, TURN, LABEL_ROOM = 24.0, 14.0, 34.0
PILL = 30.0
LONGEST_LABEL = 150.0
START = "start"

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A card, or a pill (the start, the end, a way to a card elsewhere). `heading` and the rest are lines ready to be drawn."""

    id: str
    kind: str
    x: float
    y: float
    width: float
    height: float
    heading: tuple[str, ...]
    saying: tuple[str, ...] = ()
    foot: tuple[str, ...] = ()
    badge: str = ""

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An edge on its way down. `to`: where it has arrived."""

    edge: Edge
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What is written on an edge, centred at `x`, `y`."""

    edge: Edge
    text: str
    x: float
    y: float
    width: float
    height: float = 20.0


@dataclass(slots=True, kw_only=True)
class Picture:
    """Everything placed, in pixels from the upper left."""

    width: float
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)


def picture_of(flow: Flow, *, top: float) -> Picture:
    """The flow placed below `top`."""
    tree = tree_of(flow)
    width = max(COLUMN, width_of_run(tree, COLUMN)) + 2 * MARGIN
    picture = Picture(width=width)
    placer = Placer(flow=flow, picture=picture)
    start = placer.pill(START, "start", "Enters", width / 2, top)
    entering = Line(edge=Edge(source=START, to=flow.first, label="", took="next"), points=((start.middle, start.bottom),))
    lines, bottom = placer.run(tree, width / 2, COLUMN, start.bottom, [entering])
    if lines:
        bottom = placer.arrive(placer.pill(END, "end", "The end", width / 2, bottom + room_for(lines, width / 2)), lines)
    picture.height = bottom + MARGIN
    return picture


def width_of_run(run: Run, available: float) -> float:
    return max([min(available, WIDEST), *(width_of_fork(link, available) for link in run.links if link.arms)], default=0.0)


def width_of_fork(link: Link, available: float) -> float:
    return sum(widths_of_arms(link.arms, available)) + BETWEEN * (len(link.arms) - 1)


def widths_of_arms(arms: Sequence[Arm], available: float) -> list[float]:
    """An arm without cards is a lane as wide as its label; the others share what is left."""
    each = for_each_arm(arms, available)
    return [max(width_of_run(arm.run, each), label_width(arm.edge)) if arm.run.links else label_width(arm.edge) for arm in arms]


def for_each_arm(arms: Sequence[Arm], available: float) -> float:
    lanes = sum(label_width(arm.edge) for arm in arms if not arm.run.links)
    full = sum(bool(arm.run.links) for arm in arms) or 1
    return max(NARROWEST, (available - lanes - BETWEEN * (len(arms) - 1)) / full)


def label_width(edge: Edge) -> float:
    return min(LONGEST_LABEL, width_of(edge.label, LABEL_SIZE)) + 20.0


def label_text(edge: Edge) -> str:
    fits = width_of(edge.label, LABEL_SIZE) <= LONGEST_LABEL
    return edge.label if fits else shorten(edge.label, LABEL_SIZE, LONGEST_LABEL)


def room_for(lines: Sequence[Line], middle: float) -> float:
    """How far below the ends of these lines the next box stands."""
    is_straight = len(lines) == 1 and abs(lines[0].points[-1][0] - middle) < 1
    is_labelled = is_straight and lines[0].edge.label and len(lines[0].points) == 1
    return (STRAIGHT if is_straight else 2 * TURN + 2) + (LABEL_ROOM - 10 if is_labelled else 0)


@dataclass(slots=True, kw_only=True)
class Placer:
    """Places runs into a picture. Lines under way are handed from box to box until they arrive."""

    flow: Flow
    picture: Picture

    def run(self, run: Run, middle: float, available: float, top: float, lines: list[Line]) -> tuple[list[Line], float]:
        """Place a run below `top`; returns the lines that leave it, and its bottom."""
        for link in run.links:
            box = self.card(link.id, middle, min(available, WIDEST), top + room_for(lines, middle))
            top = self.arrive(box, lines)
            lines = []
            if link.onward is not None:
                lines = [Line(edge=link.onward, points=((middle, top),))]
                self.label_straight(link.onward, middle, top)
            elif link.arms:
                lines, top = self.fork(link, middle, available, top)
        return lines, top

    def fork(self, link: Link, middle: float, available: float, top: float) -> tuple[list[Line], float]:
        widths = widths_of_arms(link.arms, available)
        each = for_each_arm(link.arms, available)
        left = middle - (sum(widths) + BETWEEN * (len(widths) - 1)) / 2
        leaving: list[Line] = []
        bottoms = []
        for arm, width in zip(link.arms, widths, strict=True):
            found, bottom = self.arm(arm, left + width / 2, each, (middle, top))
            leaving += found
            bottoms.append(bottom)
            left += width + BETWEEN
        lowest = max(bottoms)
        return [replace(line, points=(*line.points, (line.points[-1][0], lowest))) for line in leaving], lowest

    def arm(self, arm: Arm, middle: float, available: float, start: Point) -> tuple[list[Line], float]:
        """One way of a fork: a line out to its column, its label, its cards."""
        out = start[1] + TURN
        below = out + LABEL_ROOM
        self.picture.labels.append(
            Label(edge=arm.edge, text=label_text(arm.edge), x=middle, y=out + 18, width=label_width(arm.edge))
        )
        line = Line(edge=arm.edge, points=(start, (start[0], out), (middle, out), (middle, below)))
        if arm.run.links:
            return self.run(arm.run, middle, available, below - STRAIGHT + 14, [line])
        if arm.edge.to in (arm.run.to, END):
            return [line], below
        elsewhere = self.pill(f"on to {arm.edge.to}", "elsewhere", f"on to {arm.edge.to}", middle, below + 6)
        return [], self.arrive(elsewhere, [line])

    def card(self, card_id: str, middle: float, width: float, top: float) -> Box:
        card = self.flow.cards[card_id]
        beside = width - ICON - 3 * PADDING
        badge = f"{card.people:,}" if card.people else ""
        heading = wrap(f"{card.heading} · {card.when}", HEADING_SIZE, beside, lines=3)
        saying = wrap(card.saying, SAYING_SIZE, beside, lines=4)
        foot = wrap(card.id, FOOT_SIZE, beside, lines=2, mono=True)
        height = len(heading) * HEADING_LINE + len(saying) * SAYING_LINE + len(foot) * FOOT_LINE + 2 * PADDING - 2
        box = Box(
            id=card_id, kind=card.kind, x=middle - width / 2, y=top, width=width, height=height,
            heading=tuple(heading), saying=tuple(saying), foot=tuple(foot), badge=badge,
        )  # fmt: skip
        self.picture.boxes.append(box)
        return box

    def pill(self, pill_id: str, kind: str, words: str, middle: float, top: float) -> Box:
        text = words if width_of(words, LABEL_SIZE) <= LONGEST_LABEL else shorten(words, LABEL_SIZE, LONGEST_LABEL)
        width = width_of(text, LABEL_SIZE) + 34
        box = Box(id=pill_id, kind=kind, x=middle - width / 2, y=top, width=width, height=PILL, heading=(text,))
        self.picture.boxes.append(box)
        return box

    def arrive(self, box: Box, lines: Sequence[Line]) -> float:
        """Lead these lines into the box's upper edge; returns its bottom."""
        turn = box.y - TURN - 2
        for line in lines:
            x = line.points[-1][0]
            ways = () if abs(x - box.middle) < 1 else ((x, turn), (box.middle, turn))
            self.picture.lines.append(replace(line, points=(*line.points, *ways, (box.middle, box.y))))
        return box.bottom

    def label_straight(self, edge: Edge, middle: float, top: float) -> None:
        if edge.label:
            label = Label(edge=edge, text=label_text(edge), x=middle, y=top + 20, width=label_width(edge))
            self.picture.labels.append(label)
