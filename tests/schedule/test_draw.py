"""Draws of a split: by their shares, for good, and each split for itself."""

from collections import Counter
from math import sqrt

import pytest

from engine.schedule.draw import arm_named, draw
from tests.schedule.plans import arm, split

LEADS = 100_000


@pytest.mark.parametrize("shares", [(50, 50), (45, 45, 10), (1, 999), (1, 1, 1, 1, 1, 1, 1)])
def test_the_shares_are_kept_over_many_leads(shares: tuple[int, ...]):
    test = split("test", *(arm(str(number), share) for number, share in enumerate(shares)))

    drawn = Counter(draw(test, lead_id=lead_id, cadence="new-enquiry").name for lead_id in range(LEADS))

    for number, share in enumerate(shares):
        part = share / sum(shares)
        assert abs(drawn[str(number)] - LEADS * part) < 4.5 * sqrt(LEADS * part * (1 - part)), "4.5 standard deviations"


def test_a_draw_is_for_good():
    test = split("test", arm("a", 45), arm("b", 45), arm("none", 10, holdout=True))

    assert [draw(test, lead_id=lead_id, cadence="new-enquiry").name for lead_id in range(1, 13)] == [
        "b", "a", "b", "none", "b", "b", "b", "a", "b", "b", "a", "b",
    ]  # fmt: skip


def test_an_arm_without_a_share_is_never_drawn():
    test = split("test", arm("a", 0), arm("b", 1), arm("c", 0))

    assert {draw(test, lead_id=lead_id, cadence="new-enquiry").name for lead_id in range(1_000)} == {"b"}


def test_two_splits_know_nothing_of_each_other():
    one, two = (split(name, arm("a"), arm("b")) for name in ("one", "two"))

    both = Counter(
        (draw(one, lead_id=lead_id, cadence="c").name, draw(two, lead_id=lead_id, cadence="c").name) for lead_id in range(LEADS)
    )

    assert all(abs(times - LEADS / 4) < 4.5 * sqrt(LEADS * 3 / 16) for times in both.values())


def test_the_order_in_which_leads_come_changes_nothing():
    test = split("test", arm("a"), arm("b"))

    forth = {lead_id: draw(test, lead_id=lead_id, cadence="c").name for lead_id in range(500)}
    back = {lead_id: draw(test, lead_id=lead_id, cadence="c").name for lead_id in reversed(range(500))}

    assert forth == back


def test_an_arm_that_is_gone_is_none():
    assert arm_named(split("test", arm("a")), "b") is None
    assert arm_named(split("test", arm("a")), None) is None
