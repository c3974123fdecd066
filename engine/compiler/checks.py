"""The workspace as the checks see it: look a name up, and it is reported when it is not there.

Before: the files as written, and the emails that compiled. After: `engine.compiler.check` and `check_cadences` ask it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.compiler.build import default_brand
from engine.compiler.conditions import Conditions, scope_with_sound_segments
from engine.compiler.diagnostics import Findings, Place
from engine.compiler.senders import REP
from engine.compiler.steps import all_steps
from engine.compiler.syntax import EnterStep, Files, Text, Written
from engine.expressions.scope import Scope
from engine.render.artifact import Artifact, Edition
from engine.vocabulary import Stream

# Which table knows the names whose absence has that code.
TABLES = {
    "E020": "workspace.yaml", "E021": "assignment.yaml", "E022": "events.yaml",
    "E040": "workspace.yaml", "E041": "segments.yaml", "E042": "leads.yaml",
}  # fmt: skip
# Or which folder has a file of that name.
FOLDERS = {"E019": "templates/brands", "E039": "cadences"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Emails:
    """The emails there are: their names, and the editions of those that compile, by (name, brand)."""

    names: Collection[str]
    editions: Mapping[tuple[str, str], Edition]
    are_complete: bool  # every wanted one compiled, so that the links are known too

    def streams(self) -> dict[str, str]:
        return {name: edition.plain.stream for (name, _), edition in self.editions.items()}

    def artifacts(self) -> Iterator[Artifact]:
        """In each brand, language and arm."""
        return (artifact for edition in self.editions.values() for artifact in edition.artifacts.values())

    def links(self) -> frozenset[str] | None:
        """The names of all links; None: not all are known."""
        if not self.are_complete:
            return None
        return frozenset(link.name for artifact in self.artifacts() for link in artifact.links)


@dataclass(frozen=True, slots=True)
class Journey:
    """The longest way through a cadence, on a made-up calendar.

    `reached`: when it comes to each step that anybody reaches. `open_again`: from when on the cadence takes in those who took it
    once more; None: never.
    """

    begins: datetime
    reached: Mapping[str, datetime]
    open_again: datetime | None

    def takes_in_again_after(self, passed: timedelta) -> bool:
        """Whether somebody comes in again who is led here that long after they began."""
        return self.open_again is not None and passed >= self.open_again - self.begins


class Checks:
    """The workspace as the checks see it: look a name up, and it is reported when it is not there."""

    def __init__(self, files: Files, emails: Emails, findings: Findings) -> None:
        self.files = files
        self.emails = emails
        self.findings = findings
        self.streams = emails.streams()
        self.journeys: dict[str, Journey] = {}  # by cadence, as they are walked
        self._misused: set[str] = set()
        self.event_types = files.events.schema.types
        self.has_deadlines = files.workspace.between.value.first == "deadline"  # so that every `valid_for` has a meaning
        steps = (step for cadence in files.cadences for step in all_steps(cadence.steps))
        self.entered = {step.cadence.value for step in steps if isinstance(step, EnterStep)}
        self.cadence_names = [cadence.name for cadence in files.cadences]
        names = [field.name for field in files.leads.all_fields]
        self.lead_fields = None if "leads.yaml" in files.unsure else names  # None: not all are known
        scope = Scope(leads=files.leads, events=files.events.schema, emails=frozenset(emails.names), links=emails.links())
        self.conditions = Conditions(
            scope_with_sound_segments(scope, files.segments, findings, files.unsure), findings, files.unsure
        )

    def known(self, code: str, what: str, name: Text, known: Iterable[str]) -> bool:
        """Whether the name is among the known ones; else it is reported. An empty one was reported before.

        Where the table that has them is itself misspelt, or the file of that name has a mistake, the name is left alone until
        that is corrected.
        """
        if not name.value or name.value in known:
            return True
        file = f"{FOLDERS.get(code)}/{name.value}."  # .yaml, or the .yml that it should not be
        if TABLES.get(code) not in self.files.unsure and not self.findings.has_errors_below(file):
            self.findings.unknown(code, name.place, what, name.value, known)
        return False

    def email(self, name: Text, stream: Stream) -> None:
        """Check that an email exists and is of that stream."""
        known = self.known("E012", "email", name, self.emails.names)
        actual = self.streams.get(name.value, stream)
        if known and actual != stream and name.value not in self._misused:
            self._misused.add(name.value)  # once is enough: the mistake is perhaps the email's
            self.findings.add("E031", name.place, f'"{name.value}" is a {actual} email; here it must be {stream}')

    def rep(self, name: Text | None) -> None:
        if name:
            self.known("E021", "rep", name, self.files.assignment.reps)

    def field(self, name: str, place: Place) -> bool:
        """Check that leads have a field of that name."""
        names = [field.name for field in self.files.leads.all_fields]
        return self.known("E042", "field", Written(name, place), names)

    def event(self, name: Text) -> bool:
        return self.known("E022", "event", name, self.event_types)

    def brand(self, name: Text | None) -> None:
        if name:
            self.known("E019", "brand", name, self.files.brands)

    def sender(self, name: Text | None, brand: Text | None) -> None:
        """Check that the brand (None: the usual one) has an identity of that name."""
        look = self.files.brands.get(brand.value if brand else default_brand(self.files))
        if name and look and not self.findings.has_errors_in(look.place.file):
            self.known("E065", "identity", name, (*look.identities, REP))
