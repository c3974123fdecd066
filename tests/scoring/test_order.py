"""A score is a pure function of what is stored: in whatever order, how often and how late events are told, it comes out the same.

`pytest tests/scoring/test_order.py --full` draws 5,000 lives and tells each of them in 20 ways; else as many as seconds bear.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest

from engine.compiler.plan import ScoringModel
from engine.database import Database, Tx
from engine.events import NewEvent, facts_of, record_events
from engine.expressions.facts import EventFact, Facts
from engine.scoring.rules import score
from engine.vocabulary import Origin
from tests.factories import add_lead
from tests.scoring.models import NOW, SCOPE, apply_rules, model, points, profile

MODEL = model(
    points("clicked", 8, at_most=20, fades="30 days", because="clicked a link in {email}"),
    points("clicked", 0.1, condition="link == 'pricing'", fades="10 days", because="looked at {link}"),
    points("replied", 40.7, fades="1 month", because="replied"),
    points("purchased", 10, condition="not replied(within='5 days')", because="bought something"),
    points("visited", -3.3, at_most=7, because="looked at {page}"),
    points("order_placed", 0.3, condition="total > 50", at_most=1, because="a large order"),
    profile("clicked(within='7 days')", 5, "is about"),
    threshold=45,
)
KINDS = ("clicked", "clicked", "clicked", "replied", "purchased", "visited", "order_placed", "handoff_declined", "opened")
MAILS, LINKS, PAGES = ("co2", "heat", None), ("pricing", "guide", None), ("/pricing", "/about", None)


def test_a_score_and_its_crossings_do_not_depend_on_the_order_of_telling(
    sqlite_database: Database, request: pytest.FixtureRequest
) -> None:
    lives, ways = (5_000, 20) if request.config.getoption("--full") else (25, 4)
    with sqlite_database.write() as tx:
        apply_rules(tx, scoring=MODEL)
    for seed in range(lives):
        draw = Random(seed)
        life = drawn_life(draw)
        told = {course_of(sqlite_database, told_in_some_way(draw, life)) for _ in range(ways)}
        assert len(told) == 1, f"life {seed}"


def drawn_life(draw: Random) -> list[NewEvent]:
    """Up to twenty events within a few months, several of them at one instant."""
    instants = [NOW - timedelta(hours=draw.randrange(24 * 90)) for _ in range(8)]
    return [drawn_event(draw, number, draw.choice(instants)) for number in range(draw.randrange(1, 20))]


def drawn_event(draw: Random, number: int, at: datetime) -> NewEvent:
    about = {"email": draw.choice(MAILS), "link": draw.choice(LINKS), "page": draw.choice(PAGES), "total": draw.choice((5, 90))}
    return NewEvent(
        source_key=f"event:{number}",
        type=draw.choice(KINDS),
        origin=draw.choice((Origin.HUMAN, Origin.HUMAN, Origin.HUMAN, Origin.MACHINE)),
        lead_id=None,
        data={name: value for name, value in about.items() if value is not None},
        occurred_at=at,
    )


def told_in_some_way(draw: Random, life: list[NewEvent]) -> list[list[NewEvent]]:
    """The events in any order, some of them twice, in bunches that arrive one after the other."""
    told = [*life, *draw.choices(life, k=draw.randrange(len(life) + 1))]
    draw.shuffle(told)
    size = draw.randrange(1, len(told) + 1)
    return [told[start : start + size] for start in range(0, len(told), size)]


def course_of(database: Database, told: list[list[NewEvent]]) -> tuple[object, ...]:
    """What a lead that is told so scores at the end, and how it came there: every change, and whether it was ready then."""
    with database.engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        tx = Tx(connection, NOW, connection.connection.cursor())
        lead_id = add_lead(tx, email="same@example.com")
        for bunch in told:
            record_events(tx, [replace(event, lead_id=lead_id) for event in bunch])
        found = tuple(facts_of(tx, [lead_id])[lead_id])
        connection.rollback()
    return walked(MODEL, found)


def walked(rules: ScoringModel, events: tuple[EventFact, ...]) -> tuple[object, ...]:
    """The score at each instant at which it may change, from the first event on until it changes no more or a year has gone."""
    now, course = min(event.at for event in events), []
    while now < NOW + timedelta(days=365):
        at_the_time = tuple(event for event in events if event.at <= now)
        found = score(rules, Facts(lead={}, now=now, events=at_the_time), SCOPE)
        course.append((now, found.points, found.reasons, found.is_ready))
        coming = [event.at for event in events if event.at > now]
        upcoming = [each for each in (found.next_change_at, *coming) if each is not None]
        if not upcoming:
            break
        now = min(upcoming)
    return tuple(course)
