"""What lies behind people inside a cadence, as an edit looks at it: steps taken, and mails had. Pure.

Before: `engine.schedule.positions` has read it as text. After: `engine.schedule.crowds` puts those together who share it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.schedule.fates import Past
from engine.schedule.positions import Position, behind_of
from engine.vocabulary import TouchState

Behind = tuple[tuple[tuple[str, str, str], ...], frozenset[tuple[str, str]]]


@dataclass(slots=True, kw_only=True)
class Pasts:
    """What lies behind people: the same object for all with the same past. `mails`: by step id, over all versions; `as_sent`:
    where a step stood for several, which it was.
    """

    mails: Mapping[str, set[str]]
    as_sent: Mapping[int, Mapping[str, str]]
    texts: dict[str | None, Past] = field(default_factory=dict)  # what the query says of a past, read once
    known: dict[Behind, Past] = field(default_factory=dict)

    def of(self, position: Position) -> Past:
        as_sent = self.as_sent.get(position.enrolment_id)
        if as_sent is not None:
            return self.read(position.behind, as_sent)
        if position.behind not in self.texts:
            self.texts[position.behind] = self.read(position.behind, {})
        return self.texts[position.behind]

    def read(self, text: str | None, as_sent: Mapping[str, str]) -> Past:
        behind = tuple(sorted(behind_of(text)))
        had = frozenset(
            (step_id, as_sent.get(step_id, next(iter(self.mails[step_id]))))
            for step_id, state, _took in behind
            if state == TouchState.DONE and step_id in self.mails
        )
        taken = {step_id: took for step_id, _state, took in behind}
        return self.known.setdefault((behind, had), Past(taken=taken, had=had))
