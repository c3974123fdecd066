"""The tests that stand beside a cadence's steps: a lead, what happens to it, and what is then expected.

Before: `engine.compiler.read_tests` reads and checks them. After: `handraiser test` runs them. They are never part of a plan
or of its hash.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from typing import Literal

from engine.compiler.diagnostics import Place
from engine.expressions.values import Json
from engine.spans import Span
from engine.vocabulary import Consent

USUAL_START = date(2026, 1, 5)  # a Monday
USUAL_CLOCK = time(9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A day of a test, in the lead's zone: of the calendar, or counted from its start. Exactly one of the two is set.

    `clock` None: nothing is said about the time of day; an event then happens at `USUAL_CLOCK`.
    """

    day: date | None = None
    after: Span | None = None
    clock: time | None = None

    def on(self, starts: date) -> date:
        """The day of the calendar."""
        return self.day or (self.after or Span()).after_day(starts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that happens. `type`: an `EventType` or one of events.yaml; of the four names those that were given are set."""

    on: Moment
    type: str
    email: str | None = None
    link: str | None = None
    page: str | None = None
    form: str | None = None
    data: Mapping[str, Json] = field(default_factory=dict)
    place: Place = field(default=Place(""), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedSend:
    """`name`: the id of an email step, or the name of an email."""

    name: str
    on: Moment
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is to come out. None: the test says nothing about it.

    `sends`: exactly these, in this order. `handoff`: the day on which a hand is raised, or that none is. `ends`: the reason for
    which the passage ends, or that it is still under way at the end of the test. `places`: where each of these is written.
    """

    sends: tuple[ExpectedSend, ...] | None = None
    score: float | None = None
    handoff: Moment | Literal["no"] | None = None
    ends: str | Literal["no"] | None = None
    places: Mapping[str, Place] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CadenceTest:
    """One test of one cadence. `lead`: its fields as they are stored, with `key`, `email` and `zone` where they were given.

    The passage begins at 09:00 of the day `starts` in the lead's zone. `consent`: what it said of the cadence's topic; to the
    others it has agreed. `arms`: the arm that it draws at a split, by its id.
    """

    cadence: str
    place: Place
    lead: Mapping[str, Json]
    starts: date
    events: tuple[Happening, ...]
    expect: Expected
    title: str = ""
    consent: Consent = Consent.GRANTED
    arms: Mapping[str, str] = field(default_factory=dict)
