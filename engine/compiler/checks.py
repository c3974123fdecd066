"""The workspace as the checks see it: look a name up, and it is reported when it is not there.

Before: the files as written, and the emails that compiled. After: `engine.compiler.check` and `check_cadences` ask it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from engine.compiler.conditions import Conditions, scope_with_sound_segments
from engine.compiler.diagnostics import Findings, Place
from engine.compiler.syntax import Files, Text, Written
from engine.expressions.scope import Scope
from engine.render.artifact import Artifact
from engine.vocabulary import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Emails:
    """The emails there are: their names, and the artifacts of those that compile, by (name, brand)."""

    names: Collection[str]
    artifacts: Mapping[tuple[str, str], Artifact]
    are_complete: bool  # every wanted one compiled, so that the links are known too

    def streams(self) -> dict[str, str]:
        return {name: artifact.stream for (name, _), artifact in self.artifacts.items()}

    def links(self) -> frozenset[str] | None:
        """The names of all links; None: not all are known."""
        if not self.are_complete:
            return None
        return frozenset(link.name for artifact in self.artifacts.values() for link in artifact.links)


class Checks:
    """The workspace as the checks see it: look a name up, and it is reported when it is not there."""

    def __init__(self, files: Files, emails: Emails, findings: Findings) -> None:
        self.files = files
        self.emails = emails
        self.findings = findings
        self.streams = emails.streams()
        self.event_types = files.events.schema.types
        self.has_deadlines = files.workspace.between.value.first == "deadline"  # so that every `valid_for` has a meaning
        self.cadence_names = [cadence.name for cadence in files.cadences]
        self.lead_fields = [field.name for field in files.leads.all_fields]
        scope = Scope(leads=files.leads, events=files.events.schema, emails=frozenset(emails.names), links=emails.links())
        self.conditions = Conditions(scope_with_sound_segments(scope, files.segments, findings), findings)

    def known(self, code: str, what: str, name: Text, known: Iterable[str]) -> bool:
        """Whether the name is among the known ones; else it is reported. An empty one was reported before."""
        if not name.value or name.value in known:
            return True
        self.findings.unknown(code, name.place, what, name.value, known)
        return False

    def email(self, name: Text, stream: Stream) -> None:
        """Check that an email exists and is of that stream."""
        known = self.known("E012", "email", name, self.emails.names)
        actual = self.streams.get(name.value, stream)
        if known and actual != stream:
            self.findings.add("E031", name.place, f'"{name.value}" is a {actual} email; here it must be {stream}')

    def rep(self, name: Text | None) -> None:
        if name:
            self.known("E021", "rep", name, self.files.assignment.reps)

    def field(self, name: str, place: Place) -> bool:
        """Check that leads have a field of that name."""
        return self.known("E042", "field", Written(name, place), self.lead_fields)

    def event(self, name: Text) -> bool:
        return self.known("E022", "event", name, self.event_types)

    def brand(self, name: Text | None) -> None:
        if name:
            self.known("E019", "brand", name, self.files.brands)
