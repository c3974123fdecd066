"""The `tests:` of a cadence: read into typed values, checked, and never part of the plan."""

from datetime import date, time
from pathlib import Path

import pytest

from engine.compiler.cadence_tests import CadenceTest, Expected, Moment
from engine.compiler.plan import Span, to_json
from tests.compiler.workspaces import compiled, copy_good, write

CADENCE = """title: Small
owner: dana
topic: lessons
exits: [replied, {if: "role == 'owner' and score > 90", because: "is hot"}]
steps:
  - email: welcome
    at: day 0
  - email: guide
    id: guide-later
    at: day 4
"""
TEST = """tests:
  - lead: {employees: "80", role: OWNER, first_name: Ada, zone: Europe/Berlin}
    starts: 2026-01-12
    events:
      - {on: day 4, clicked: welcome, link: pricing}
      - {on: "2026-02-10, 14:30", order_placed: {number: "1", items: [{sku: A, price: 9.5}]}}
      - {on: month 2, visited: /prices}
      - {on: month 3, handoff_declined: }
    expect:
      sends: [{welcome: 2026-01-12}, {guide-later: day 4}]
      score: 42
      handoff: day 40
      ends: is hot
"""


def the_test(folder: Path, text: str = TEST) -> CadenceTest:
    copy_good(folder)
    write(folder, "cadences/small.yaml", CADENCE + text)
    result = compiled(folder)
    assert [str(found) for found in result.diagnostics] == []
    [test] = result.tests
    return test


def codes(folder: Path, text: str) -> list[str]:
    copy_good(folder)
    write(folder, "cadences/small.yaml", CADENCE + text)
    return [found.code for found in compiled(folder).diagnostics]


def test_the_lead_of_a_test_has_values_as_they_are_stored(tmp_path: Path) -> None:
    assert the_test(tmp_path).lead == {"employees": 80, "role": "owner", "first_name": "Ada", "zone": "Europe/Berlin"}


def test_the_events_of_a_test_have_their_names_and_data(tmp_path: Path) -> None:
    clicked, ordered, visited, declined = the_test(tmp_path).events

    assert (clicked.type, clicked.email, clicked.link) == ("clicked", "welcome", "pricing")
    assert ordered.on == Moment(day=date(2026, 2, 10), clock=time(14, 30))
    assert ordered.data == {"number": "1", "items": [{"sku": "A", "price": 9.5}], "ship_to": None}
    assert (visited.type, visited.page, visited.email) == ("visited", "/prices", None)
    assert (declined.type, declined.data) == ("handoff_declined", {})


def test_what_a_test_expects_is_counted_from_its_start(tmp_path: Path) -> None:
    test = the_test(tmp_path)

    assert [(send.name, send.on.on(test.starts)) for send in test.expect.sends or ()] == [
        ("welcome", date(2026, 1, 12)),
        ("guide-later", date(2026, 1, 16)),
    ]
    assert (test.expect.score, test.expect.handoff, test.expect.ends) == (42, Moment(after=Span(days=40)), "is hot")


def test_a_test_that_says_little_begins_on_a_monday_and_expects_little(tmp_path: Path) -> None:
    test = the_test(tmp_path, "tests:\n  - expect: {handoff: no}\n")

    assert (test.starts, test.starts.weekday(), test.lead, test.events) == (date(2026, 1, 5), 0, {}, ())
    assert test.expect == Expected(handoff="no")


def test_tests_do_not_change_the_plan(tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    write(folder, "cadences/small.yaml", CADENCE)
    without = compiled(folder).plan
    write(folder, "cadences/small.yaml", CADENCE + TEST)

    assert to_json(compiled(folder).plan) == to_json(without)


@pytest.mark.parametrize(
    ("test", "code"),
    [
        ("{lead: {employes: 80}, expect: {}}", "E042"),
        ("{lead: {employees: many}, expect: {}}", "E043"),
        ("{lead: {zone: Europe/Berln}, expect: {}}", "E029"),
        ("{events: [{on: day 1, clicked: welcom}], expect: {}}", "E012"),
        ("{events: [{on: day 1, clickd: welcome}], expect: {}}", "E010"),
        ("{events: [{on: day 1, order_placed: {nubmer: '1'}}], expect: {}}", "E043"),
        ("{events: [{on: day 1, order_placed: A-1}], expect: {}}", "E013"),
        ("{starts: 2026-W13-2, expect: {}}", "E059"),
        ("{events: [{on: soon, replied: welcome}], expect: {}}", "E059"),
        ("{arms: {short-or-long: short}, expect: {}}", "E014"),
        ("{expect: {sends: [{welcom: day 0}]}}", "E012"),
        ("{expect: {sends: [welcome]}}", "E013"),
        ("{expect: {sends: [{welcome: monday}]}}", "E059"),
        ("{expect: {score: high}}", "E016"),
        ("{}", "E011"),
        ("welcome", "E013"),
    ],
)
def test_a_mistake_in_a_test_is_one_finding(test: str, code: str, tmp_path: Path) -> None:
    assert codes(tmp_path, f"tests:\n  - {test}\n") == [code]
