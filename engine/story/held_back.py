"""What a person holds back, in words: for whoever asks why nothing goes out.

Before: `engine.pauses`. After: `pause`, `status`, `explain`, `calendar` and `plan` print these.
"""

from collections.abc import Iterable

from engine.database import Tx
from engine.pauses import WHOLE, Pause, pauses_seen
from engine.vocabulary import PauseKind

WHAT: dict[PauseKind, str] = {
    PauseKind.ALL: "all mail is held back, whoever waits for it,",
    PauseKind.MARKETING: "all marketing mail is held back",
    PauseKind.CADENCE: "the cadence {name} stands still",
    PauseKind.RELAY: "nothing goes through the relay {name}",
    PauseKind.DOMAIN: "mail to {name} is held back",
    PauseKind.RESTORED: "nothing goes out, for this database may be older than the mail that was sent",
    PauseKind.RESUMING: "the cadence {name} is being taken up again",
}


def held_back(tx: Tx) -> tuple[str, ...]:
    """A line for each pause that holds."""
    return tuple(map(in_words, pauses_seen(tx).held.values()))


def holding(tx: Tx, cadences: Iterable[str], domain: str) -> tuple[str, ...]:
    """The lines of those that hold back mail of these cadences to that domain, or anything else to it."""
    theirs = {(PauseKind.CADENCE, name) for name in cadences} | {(PauseKind.DOMAIN, domain)}
    theirs |= {(kind, WHOLE) for kind in (PauseKind.ALL, PauseKind.MARKETING, PauseKind.RESTORED)}
    return tuple(in_words(pause) for key, pause in pauses_seen(tx).held.items() if key in theirs)


def in_words(pause: Pause) -> str:
    if pause.kind == PauseKind.RESTORED:
        return (
            f"{WHAT[pause.kind]}: {pause.note}. `handraiser resume restored` lets it go; what that does, and how it is done "
            "after a move, `handraiser resume --help` tells"
        )
    note = f" ({pause.note})" if pause.note else ""
    since = f"{WHAT[pause.kind].format(name=pause.name)} since {pause.since:%a %d %b %H:%M} UTC{note}"
    return since if pause.kind == PauseKind.RESUMING else f"{since}: `handraiser resume {called(pause)}` lets it go"


def called(pause: Pause) -> str:
    """As the commands name it."""
    return f"{pause.kind} {pause.name}".strip()
