"""What applying a workspace would change, as a value that can be printed.

Before: `engine.schedule.apply` works it out. After: `handraiser plan` and `apply` show it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

How = Literal["new", "returned", "unchanged", "copy", "structure", "removed"]
IN_WORDS: dict[How, str] = {
    "new": "new",
    "returned": "back again",
    "unchanged": "as it was",
    "copy": "other words, the same steps",
    "structure": "other steps or times",
    "removed": "no longer in the workspace: nobody new comes in",
}
EmailHow = Literal["new", "changed", "gone"]
LETTER: dict[str, str] = {"new": "+", "returned": "+", "unchanged": " ", "copy": "~", "structure": "~", "removed": "-",
          "changed": "~", "gone": "-"}  # fmt: skip
MOST_NAMED = 8  # emails changed in one way; more are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class CadenceChange:
    """One cadence: what becomes of it, and of the people inside.

    `moves`: they go on with the new version. `stays`: they keep the version they are on. `stranded`: of those who stay although
    the cadence says `migrate`, how many stand at which step that the new version has not.
    """

    cadence: str
    how: How
    moves: int = 0
    stays: int = 0
    stranded: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Everything that differs between what is applied and the workspace."""

    cadences: tuple[CadenceChange, ...]
    rules: tuple[str, ...]  # kinds that change: policy, scoring, assignment, offers
    emails: tuple[tuple[str, EmailHow], ...]

    @property
    def is_nothing(self) -> bool:
        return not self.rules and not self.emails and all(each.how == "unchanged" for each in self.cadences)

    def lines(self) -> Iterator[str]:
        """For a person."""
        if self.is_nothing:
            yield "Nothing changes."
            return
        for change in self.cadences:
            yield f"{LETTER[change.how]} cadence {change.cadence}: {IN_WORDS[change.how]}{people(change)}"
            for step_id, count in change.stranded:
                yield f"    {count:,} stay on their version, for the new one has no step {step_id!r}"
        for kind in self.rules:
            yield f"~ {kind}: new rules, for everyone at once"
        for how in ("new", "changed", "gone"):
            yield from email_lines(how, [name for name, way in self.emails if way == how])

    def as_plain(self) -> dict[str, object]:
        """For a machine."""
        return {"nothing": self.is_nothing, **asdict(self)}


def email_lines(how: str, names: Sequence[str]) -> Iterator[str]:
    if len(names) > MOST_NAMED:
        yield f"{LETTER[how]} {len(names)} emails: {how}"
        return
    yield from (f"{LETTER[how]} email {name}: {how}" for name in names)


def people(change: CadenceChange) -> str:
    parts = []
    if change.moves:
        parts.append(f"{change.moves:,} {'person moves' if change.moves == 1 else 'people move'} to the new version")
    if change.stays:
        parts.append(f"{change.stays:,} {'person stays' if change.stays == 1 else 'people stay'} on the version they are on")
    return "; " + ", ".join(parts) if parts else ""
