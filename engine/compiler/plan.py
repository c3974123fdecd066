"""The plan: what a workspace means, frozen and hashed; the only form in which the rest of the engine meets a cadence.

Before: `engine.compiler.build` makes it from what was written and checked. After: `engine.schedule.apply` writes it to
SQL, and the schedule walks its steps. `to_json` / `from_json` are exact inverses, and equal plans have equal text.
"""

import json
from dataclasses import dataclass, field
from datetime import date, time
from functools import cache
from hashlib import sha256
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import Field, TypeAdapter

from engine.compiler.attachment import Attachment
from engine.compiler.collateral import Collateral, Matching
from engine.compiler.copies import Copy
from engine.compiler.relay import OTHERS, DomainLimit, Relay
from engine.compiler.sender import Sender
from engine.expressions.fields import EventSchema, LeadSchema
from engine.languages import USUAL
from engine.settings import MAIN
from engine.spans import Span
from engine.vocabulary import Late


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When a step is planned: `at` counts from the enrolment's anchor, `after` from the previous step's planned date.

    `clock` is a local time of day; None: the opening of the window, or for a span of nothing as soon as it is open.
    """

    base: Literal["at", "after"]
    span: Span
    clock: time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When marketing mail may go out, in the lead's zone. `weekdays`: 0 is Monday. `opens` < `closes`.

    `quiet`: hours of every day at which nothing goes out, from the first to before the second, over midnight where that is
    the earlier one. `holidays`: whether the window stays shut on public holidays.
    """

    weekdays: tuple[int, ...]
    opens: time
    closes: time
    quiet: tuple[tuple[time, time], ...] = ()
    holidays: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailStep:
    """`valid_for`: what lateness by our own fault the mail bears (None: any), and `late` what happens after that.

    `shadow`: everything happens but the wire. `sender` None: whom the artifact names.
    """

    kind: Literal["email"] = "email"
    id: str
    timing: Timing
    email: str
    copy: Copy
    next: str | None
    attach: tuple[Attachment, ...] = ()
    valid_for: Span | None = None
    late: Late = Late.SEND
    shadow: bool = False
    sender: Sender | None = None
    collateral: Matching | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStep:
    """`owner` None: the lead's rep."""

    kind: Literal["task"] = "task"
    id: str
    timing: Timing
    title: str  # Jinja over `lead`
    note: str
    due: Span
    next: str | None
    action: Literal["call", "other"] = "call"
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitStep:
    """Waits until `condition` holds over events since the previous step ended, at most `timeout`; None: a pause."""

    kind: Literal["wait"] = "wait"
    id: str
    timing: Timing
    condition: str | None
    timeout: Span
    next: str | None  # when it held
    otherwise: str | None  # when the timeout came first; the same as `next` for a pause


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchStep:
    kind: Literal["branch"] = "branch"
    id: str
    timing: Timing
    condition: str
    next: str | None  # when it holds
    otherwise: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalStep:
    """Leaves as a success where `condition` holds (None: always); else goes on."""

    kind: Literal["goal"] = "goal"
    id: str
    timing: Timing
    condition: str | None
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way of a split. `share`: its part of all shares. `holdout`: it gets none of the split's steps, for comparison."""

    name: str
    share: int
    next: str | None
    holdout: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitStep:
    """Draws each lead one arm, by a hash of lead, cadence and step, so that a lead always draws the same one."""

    kind: Literal["split"] = "split"
    id: str
    timing: Timing
    arms: tuple[Arm, ...]
    next: str | None  # where the arms meet again


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStep:
    """Writes fields of the lead. `values` are plain JSON, of the types that leads.yaml declares; None empties a field."""

    kind: Literal["set"] = "set"
    id: str
    timing: Timing
    values: dict[str, Any]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookStep:
    """Tells another system by an HTTP POST. `to`: a name under `webhooks` in workspace.yaml; `fields`: of the lead."""

    kind: Literal["webhook"] = "webhook"
    id: str
    timing: Timing
    to: str
    fields: tuple[str, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseStep:
    """Raises the lead's hand to sales, whatever the score. The cadence goes on when sales gives the lead back."""

    kind: Literal["raise"] = "raise"
    id: str
    timing: Timing
    because: str  # Jinja over `lead`
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterStep:
    """Begins another cadence with the lead, by that one's own rule of re-entry; this one goes on."""

    kind: Literal["enter"] = "enter"
    id: str
    timing: Timing
    cadence: str
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveStep:
    """Ends the passage here; `because` is its reason."""

    kind: Literal["leave"] = "leave"
    id: str
    timing: Timing
    because: str
    next: None = None


Step = Annotated[
    EmailStep
    | TaskStep
    | WaitStep
    | BranchStep
    | GoalStep
    | SplitStep
    | SetStep
    | WebhookStep
    | RaiseStep
    | EnterStep
    | LeaveStep,
    Field(discriminator="kind"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Who comes in by itself: who comes to match `segment`, or to whom an event of `event` happens while `condition` holds.

    Exactly one of `segment` and `event` is set. Nobody comes in by a segment for having matched before the cadence asked for it.
    """

    segment: str | None
    event: str | None
    condition: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """Leaves the cadence when an event of `event` comes, or when `condition` holds. Exactly one of the two is set."""

    event: str | None
    condition: str | None
    because: str  # a Reason, or the marketer's words


@dataclass(frozen=True, slots=True, kw_only=True)
class CadencePlan:
    """One version of a cadence. `steps` are in the order written; the first is where a passage begins.

    `reentry`: how long after the end of a passage the lead may come in again; None: never. `priority`: of the mails to one person
    that a cap lets not all go, those of the higher one go first. `shadow`: everything happens, but nothing leaves the house.
    """

    name: str
    title: str
    owner: str
    topic: str
    brand: str
    on_change: Literal["pin", "migrate"]
    repeat: bool
    window: Window
    gap: Span
    goal: str | None
    exits: tuple[Exit, ...]
    steps: tuple[Step, ...]
    entries: tuple[Entry, ...] = ()
    reentry: Span | None = None
    priority: int = 0
    shadow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Marketing mails to one person; None: no limit."""

    per_day: int | None
    per_week: int | None
    per_month: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """Which of several marketing mails to one person wins where a cap lets not all go, and what becomes of the others.

    `deadline`: the one whose `valid_for` ends first; then, and without one, by the cadence's priority, then by age.
    """

    first: Literal["priority", "deadline"] = "priority"
    loser: Literal["delay", "drop"] = "delay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holidays:
    """Whose public holidays count, as ISO 3166 codes such as `GB` or `GB-SCT`.

    A lead's own country and region are read from the fields named here, where they hold a code or an English name that is known;
    else `usual` counts. `also`: days of our own, for everybody.
    """

    usual: str | None = None
    country_field: str | None = None
    region_field: str | None = None
    also: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promptness:
    """How long after its event a transactional mail is of use, and what becomes of it then: `send` or `skip`."""

    valid_for: Span
    late: Late


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is live for everyone, whatever version they are on."""

    name: str
    zone: str
    brand: str
    topics: dict[str, Topic]
    unknown_consent: Literal["nurture", "hold"]
    caps: Caps
    lead_schema: LeadSchema
    event_schema: EventSchema
    segments: dict[str, str]  # name → condition
    brands: dict[str, Any]  # name → what templates/brands/<name>.yaml says, as templates see it
    event_emails: dict[str, str]  # event type → transactional email
    between: Between = Between()
    holidays: Holidays = Holidays()
    webhooks: dict[str, Webhook] = field(default_factory=dict)
    collateral: tuple[Collateral, ...] = ()
    promptness: dict[str, Promptness] = field(default_factory=dict)  # of transactional emails; without one, any lateness is borne
    language: str = USUAL  # in which the plain files are written
    relays: tuple[Relay, ...] = (Relay(name=MAIN),)
    limits: dict[str, DomainLimit] = field(default_factory=dict)  # by recipient domain, or OTHERS

    def limit_for(self, domain: str) -> DomainLimit | None:
        """What a recipient domain bears; None: as much as we like."""
        return self.limits.get(domain) or self.limits.get(OTHERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PointRule:
    on: str
    condition: str | None
    points: float
    at_most: float | None
    fades: Span | None
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRule:
    condition: str
    points: float
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringModel:
    threshold: float
    respond_within: Span
    points: tuple[PointRule, ...]
    profile: tuple[ProfileRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rep:
    key: str
    name: str
    email: str
    phone: str | None
    zone: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentRule:
    condition: str | None
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    reps: dict[str, Rep]
    rules: tuple[AssignmentRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferWords:
    """An offer in another language. `link` is empty where it leads to the same page."""

    title: str
    text: str
    link: str
    button: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """`languages`: what it says in others than that of the plain files."""

    key: str
    priority: int
    emails: tuple[str, ...]
    condition: str | None
    title: str
    text: str
    link: str
    button: str
    languages: dict[str, OfferWords] = field(default_factory=dict)

    def words(self, language: str, usual: str) -> dict[str, str] | None:
        """As a mail in that language prints it; None: it is not written in it. `usual`: the language of the plain files."""
        own = self if language == usual else self.languages.get(language)
        if own is None:
            return None
        return {"title": own.title, "text": own.text, "link": own.link or self.link, "button": own.button}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspacePlan:
    """A whole workspace, compiled. `emails`: the copy of every email, by name (in the default brand)."""

    policy: Policy
    scoring: ScoringModel
    assignment: Assignment
    offers: tuple[Offer, ...]
    cadences: tuple[CadencePlan, ...]
    emails: dict[str, Copy]


Planned = TypeVar("Planned")


def to_json(value: object) -> str:
    """Canonical JSON: sorted keys, no spaces, so that equal values are equal text."""
    kind: Any = type(value)
    plain = adapter(kind).dump_python(value, mode="json")
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def from_json(kind: type[Planned], text: str) -> Planned:
    """The value of that type that `to_json` wrote."""
    of_kind: Any = kind
    return cast(Planned, adapter(of_kind).validate_json(text))


@cache
def adapter(kind: type) -> TypeAdapter[Any]:
    """Building one takes milliseconds, so each type has one."""
    return TypeAdapter(kind)


def hash_of(value: object) -> str:
    return sha256(to_json(value).encode()).hexdigest()


# What people inside a cadence always get anew, because it changes no one's way: words and files, whose task it is, what happens
# after an outage, who comes in, and which mail wins. Shadow is among them, for whoever switches it on means everybody.
COPY = frozenset({"title", "owner", "priority", "shadow"})
NOT_STRUCTURE = COPY | {"on_change", "entries", "reentry"}
COPY_OF_STEPS = frozenset(
    {"copy", "attach", "collateral", "valid_for", "late", "shadow", "sender", "title", "note", "action", "owner", "because"}
)


def structure_hash_of(cadence: CadencePlan) -> str:
    """Of the steps, their times and conditions, without the copy: two versions that differ in words alone share it."""
    plain = json.loads(to_json(cadence))
    structure = without(plain, NOT_STRUCTURE) | {"steps": [without(step, COPY_OF_STEPS) for step in plain["steps"]]}
    return sha256(json.dumps(structure, sort_keys=True).encode()).hexdigest()


def without(plain: dict[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in plain.items() if key not in keys}
