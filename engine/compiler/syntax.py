"""What the marketer wrote, with its places: values read, names not yet looked up.

Before: `engine.compiler.read_cadence` and `read_tables` make these from YAML. After: `engine.compiler.check` compares them
with one another, `engine.compiler.build` turns them into the plan. A required value that was missing or unreadable is
there as an empty one (it has been reported), so that all the rest can still be checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Generic, Literal, TypeAlias, TypeVar

from engine.compiler.diagnostics import Place
from engine.compiler.plan import Between, Caps, Holidays, OfferWords, Rep, Timing, Window
from engine.compiler.relay import DomainLimit, Relay
from engine.compiler.sender import Sender
from engine.compiler.source import Node, Scalar
from engine.expressions.fields import EventSchema, LeadSchema
from engine.languages import USUAL
from engine.spans import Span
from engine.vocabulary import Late

V = TypeVar("V", covariant=True)


@dataclass(frozen=True, slots=True)
class Written(Generic[V]):
    """A value and where it was written; where it was left out, the place of what it belongs to."""

    value: V
    place: Place


Text: TypeAlias = Written[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailStep:
    """`late` None: the usual, which depends on `valid_for`. `collateral`: how many at most; `otherwise`: where none fits."""

    id: Text
    timing: Written[Timing]
    email: Text
    attach: tuple[Text, ...] = ()
    collateral: Written[int] | None = None
    otherwise: Text | None = None
    valid_for: Written[Span] | None = None
    late: Written[Late] | None = None
    shadow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStep:
    id: Text
    timing: Written[Timing]
    title: Scalar
    note: Scalar
    due: Span
    action: Literal["call", "other"] = "call"
    owner: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitStep:
    """`condition` None: a pause as long as `timeout`."""

    id: Text
    timing: Written[Timing]
    condition: Scalar | None
    timeout: Span
    then: "tuple[Step, ...]" = ()
    otherwise: "tuple[Step, ...]" = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchStep:
    id: Text
    timing: Written[Timing]
    condition: Scalar
    then: "tuple[Step, ...]" = ()
    otherwise: "tuple[Step, ...]" = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalStep:
    """`condition` None: reaching it is success."""

    id: Text
    timing: Written[Timing]
    condition: Scalar | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    name: Text
    share: int
    holdout: bool
    steps: "tuple[Step, ...]" = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitStep:
    id: Text
    timing: Written[Timing]
    arms: tuple[Arm, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStep:
    """`fields`: each name with its value, which is read by the field's type once that is known."""

    id: Text
    timing: Written[Timing]
    fields: tuple[tuple[Scalar, Node], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookStep:
    id: Text
    timing: Written[Timing]
    to: Text
    fields: tuple[Text, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseStep:
    id: Text
    timing: Written[Timing]
    because: Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterStep:
    id: Text
    timing: Written[Timing]
    cadence: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveStep:
    id: Text
    timing: Written[Timing]
    because: str


Step: TypeAlias = (
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
    | LeaveStep
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Who comes in by itself. Exactly one of `segment` and `event` is set; `condition` only beside an event."""

    segment: Text | None = None
    event: Text | None = None
    condition: Scalar | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """An event's name, or a condition. `because` None: the usual reason."""

    event: Text | None = None
    condition: Scalar | None = None
    because: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """`brand` and `window` None: the workspace's. `sender` None: the brand's.

    `reentry`: how long after a passage the next may begin; None: never.
    """

    name: str
    place: Place
    title: str
    owner: Text
    topic: Text
    brand: Text | None
    sender: Text | None
    on_change: Literal["pin", "migrate"]
    repeat: bool
    window: Window | None
    gap: Span
    goal: Scalar | None
    exits: tuple[Exit, ...]
    steps: tuple[Step, ...]
    entries: tuple[Entry, ...] = ()
    reentry: Written[Span | None]
    priority: int = 0
    shadow: bool = False
    tests: tuple[Node, ...] = ()  # read when everything that they may name is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """workspace.yaml. `brand` None: there is only one, or it is missing."""

    name: str
    zone: str
    brand: Text | None
    topics: Mapping[str, str]  # name → title
    unknown_consent: Literal["nurture", "hold"]
    caps: Caps
    window: Window  # with the quiet hours in it
    holidays: Holidays
    holiday_fields: tuple[Text, ...]  # where `holidays` was told to look for a lead's country and region
    between: Written[Between]
    webhooks: Mapping[str, Text] = field(default_factory=dict)  # name → URL
    language: str = USUAL  # in which the plain files are written


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """events.yaml. `emails`: the transactional email of an event type. `places`: where each type is declared.

    `considered`: the codes of warnings about a type that its author lets stand.
    """

    schema: EventSchema = field(default_factory=EventSchema)
    emails: Mapping[str, Text] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    considered: Mapping[str, Mapping[str, Place]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PointRule:
    on: Text
    condition: Scalar | None
    points: float
    at_most: float | None
    fades: Span | None
    because: Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRule:
    condition: Scalar
    points: float
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    threshold: float
    respond_within: Span
    points: tuple[PointRule, ...] = ()
    profile: tuple[ProfileRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentRule:
    condition: Scalar | None
    to: tuple[Text, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    place: Place
    reps: Mapping[str, Rep] = field(default_factory=dict)
    rules: tuple[AssignmentRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    key: str
    priority: int
    emails: tuple[Text, ...]
    condition: Scalar | None
    title: str
    text: str
    link: str
    button: str
    languages: Mapping[str, OfferWords] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collateral:
    """One file of collateral.yaml."""

    key: str
    file: Text
    title: str
    interests: tuple[str, ...]
    language: Text | None
    expires: Written[date] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relays:
    """relays.yaml. `brands`: all that its relays name."""

    place: Place
    relays: tuple[Written[Relay], ...]
    brands: tuple[Text, ...] = ()
    limits: Mapping[str, DomainLimit] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """One brand file: its own text all through, as the templates see it. `usual`: the identity of mails that name none."""

    name: str
    place: Place
    values: Mapping[str, object]
    identities: Mapping[str, Sender]
    usual: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """What the other files must know of an email.yaml. None: it does not say.

    `late` None: the usual, which is to skip. `is_worked_on`: it has variants, or a word on what to try. `considered`: the codes
    of warnings that its author lets stand.
    """

    place: Place
    owner: Text | None
    brand: Text | None
    sender: Text | None
    valid_for: Written[Span] | None = None
    late: Written[Late] | None = None
    is_worked_on: bool = False
    considered: Mapping[str, Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """A whole workspace as written."""

    workspace: Workspace
    leads: LeadSchema
    events: Events
    segments: Mapping[str, Scalar]  # name → condition
    scoring: Scoring
    assignment: Assignment
    offers: tuple[Offer, ...]
    collateral: tuple[Collateral, ...]
    relays: Relays
    brands: Mapping[str, Brand]
    emails: Mapping[str, Email]
    cadences: tuple[Cadence, ...]
    unsure: frozenset[str] = frozenset()  # the tables in which a name may be missing only because something there is misspelt
