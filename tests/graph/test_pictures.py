"""A cadence's pictures show all of it, let nothing overlap, and let no title act as markup."""

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest

from engine.compiler.plan import CadencePlan
from engine.compiler.workspace import Compiled
from engine.graph.flow import END, Flow, flow_of
from engine.graph.layout import START, Box, Picture, picture_of
from engine.graph.letters import width_of, wrap
from engine.graph.mermaid import mermaid_of
from engine.graph.svg import svg_of
from engine.graph.tree import Run, tree_of
from tests.graph.shapes import HOSTILE, every_kind, random_cadence

SVG = "{http://www.w3.org/2000/svg}"
SEEDS = range(60)


def flow(plan: CadencePlan, subject: str = "A letter") -> Flow:
    return flow_of(plan, {getattr(step, "artifact", ""): subject for step in plan.steps}, {"welcome": 1234, "gone": 5})


def drawn_ids(run: Run) -> list[str]:
    return [card_id for link in run.links for card_id in [link.id, *(each for arm in link.arms for each in drawn_ids(arm.run))]]


@pytest.mark.parametrize("plan", [every_kind(), *map(random_cadence, SEEDS)], ids=lambda plan: plan.title)
def test_every_step_that_can_be_reached_and_every_edge_is_in_both_pictures(plan: CadencePlan) -> None:
    shown = flow(plan)
    reached = set(drawn_ids(tree_of(shown)))
    edges = [edge for edge in shown.edges if edge.source in reached]

    svg, mermaid = ElementTree.fromstring(svg_of(shown)), mermaid_of(shown)

    cards = [each.get("data-step") for each in svg.iter(f"{SVG}g") if "card" in (each.get("class") or "")]
    lines = [
        (each.get("data-from"), each.get("data-to"), each.get("data-took"))
        for each in svg.iter(f"{SVG}path")
        if each.get("data-to")
    ]
    assert sorted(map(str, cards)) == sorted(reached)
    assert sorted(lines) == sorted([(START, shown.first, "next"), *((edge.source, edge.to, edge.took) for edge in edges)])
    assert len(re.findall(r"^  s\d+ -->", mermaid, re.MULTILINE)) == len(shown.edges)
    assert len(re.findall(r"^  s\d+[\[({]", mermaid, re.MULTILINE)) == len(shown.cards)


@pytest.mark.parametrize("name", ["new-enquiry", "quiet-customer", "trial-ended"])
def test_the_starter_is_drawn_whole_and_fits_a_telephone(name: str, compiled_starter: Compiled) -> None:
    assert compiled_starter.plan is not None
    plan = next(each for each in compiled_starter.plan.cadences if each.name == name)
    subjects = {digest: artifact.subject for digest, artifact in compiled_starter.artifacts.items()}
    shown = flow_of(plan, subjects)

    picture = picture_of(shown, top=0)

    assert {box.id for box in picture.boxes} == {START, END, *shown.cards}
    assert picture.width <= 420
    assert overlapping(picture) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_no_box_overlaps_another_and_none_hangs_over_the_edge(seed: int) -> None:
    picture = picture_of(flow(random_cadence(seed, words="an uncommonly long-winded company name")), top=0)

    assert overlapping(picture) == []
    assert all(box.x >= 0 and box.x + box.width <= picture.width and box.bottom <= picture.height for box in picture.boxes)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_line_crosses_a_box_that_it_does_not_belong_to(seed: int) -> None:
    picture = picture_of(flow(random_cadence(seed)), top=0)

    crossed = [
        (line.edge, box.id)
        for line in picture.lines
        for box in picture.boxes
        for one, other in zip(line.points, line.points[1:], strict=False)
        if crosses(one, other, box)
    ]

    assert crossed == []


def test_no_word_of_a_card_is_wider_than_its_card() -> None:
    picture = picture_of(flow(every_kind(), subject="Donaudampfschifffahrtsgesellschaftskapitänsmütze " * 3), top=0)

    for box in picture.boxes:
        assert all(width_of(line, 13.5) <= box.width - 50 for line in box.saying)


def test_text_of_any_script_is_broken_and_ends_in_an_ellipsis_where_it_is_too_long() -> None:
    for text in ("x" * 500, "日本語" * 90, "a b " * 200, "\U0001f600" * 80, "", "\u202e\u0000"):
        lines = wrap(text, 13.5, 160, lines=3)

        assert 1 <= len(lines) <= 3
        assert all(width_of(line, 13.5) <= 160 for line in lines)
        assert len(text) < 10 or lines[-1].endswith("…")


def test_a_hostile_title_stays_text_in_the_svg() -> None:
    text = svg_of(flow(every_kind(HOSTILE), subject=HOSTILE))

    svg = ElementTree.fromstring(text)

    assert [each.tag for each in svg.iter() if "script" in str(each.tag)] == []
    assert "<script" not in text
    assert "alert(1)" in "".join(svg.itertext())


def test_a_hostile_title_stays_text_in_mermaid() -> None:
    text = mermaid_of(flow(every_kind(HOSTILE), subject=HOSTILE))

    words = re.findall(r'"([^"]*)"', text)

    assert any("alert(1)" in each for each in words)
    assert not any(set("<>`%;|{}[]\\") & set(re.sub(r"<br/>|#\d+;", "", each)) for each in words)
    assert text.count("\n") == len(text.splitlines())


def test_the_picture_says_what_every_kind_does() -> None:
    told = " ".join(" ".join(ElementTree.fromstring(svg_of(flow(every_kind()))).itertext()).split())

    for words in (
        "Pause", "Wait", "Branch", "Split", "none 10 %, held out", "Webhook", "tells crm", "Raised hand", "begins trial-ended",
        "wants_call = yes", "old = nothing", "has fewer than 10 people", "month 3, 14:30", "3 business days later", "Shadow",
        "by the segment big-offices", "if purchased()", "1,239 people inside, 5 of them at steps of older versions",
    ):  # fmt: skip
        assert words in told


def overlapping(picture: Picture) -> list[tuple[str, str]]:
    frames = [(box.id, box.x, box.y, box.width, box.height) for box in picture.boxes]
    frames += [(label.text, label.x - label.width / 2, label.y - 10, label.width, 20) for label in picture.labels]
    return [
        (a[0], b[0])
        for a, b in combinations(frames, 2)
        if a[1] < b[1] + b[3] and b[1] < a[1] + a[3] and a[2] < b[2] + b[4] and b[2] < a[2] + a[4]
    ]


def crosses(one: tuple[float, float], other: tuple[float, float], box: Box) -> bool:
    left, right = sorted((one[0], other[0]))
    top, bottom = sorted((one[1], other[1]))
    return left < box.x + box.width - 1 and right > box.x + 1 and top < box.bottom - 1 and bottom > box.y + 1
