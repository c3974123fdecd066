"""The oracle: joins what the mail server wrote down with what the ledger says, and complains of every row it cannot explain.

Pure. Before: a trial is over. After: a test fails for any complaint. What it lets pass: an accepted send that arrived once; a
send that the ledger calls unknown, arrived or not; a mail that somebody waits for, arrived twice with the same bytes after an
attempt that the ledger counts as unknown.
"""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import TokenError
from engine.tokens import Tokens, from_address
from engine.vocabulary import TERMINAL_SEND, SendState, Stream

NOTICE = re.compile(r"(handoff|task)-(\d+)-([a-z]+)-\d{14}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A send as the ledger has it."""

    send_id: int
    source: str
    stream: str
    state: str
    reason: str | None
    unknowns: int
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A message that the mail server took."""

    token: str
    address: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of the sends. `complaints`: rows that nothing explains."""

    sends: int
    accepted: int
    unknown: int
    resent: int
    duplicates: int
    lost: int
    complaints: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.complaints) or "every row is explained"


def read_journal(path: Path) -> list[Copy]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    entries = [json.loads(line) for line in lines]
    return [Copy(token=entry["token"] or "", address=entry["to"], sha256=entry["sha256"]) for entry in entries]


def join(ledger: Sequence[Entry], journal: Iterable[Copy], tokens: Tokens) -> Verdict:
    """Every row of both, held against the other."""
    arrived, strangers = by_send(ledger, journal, tokens)
    complaints = [f"no send of ours: {copy}" for copy in strangers]
    for entry in ledger:
        copies = arrived.get(entry.send_id, [])
        complaints += [f"{what}: {entry} {copies}" for what in complaints_about(entry, copies)]
    return Verdict(
        sends=len(ledger),
        accepted=count(ledger, SendState.ACCEPTED),
        unknown=count(ledger, SendState.UNKNOWN),
        resent=sum(len(copies) > 1 for copies in arrived.values()),
        duplicates=len(strangers) + sum(surplus(entry, arrived.get(entry.send_id, [])) for entry in ledger),
        lost=sum(is_lost(entry, arrived.get(entry.send_id, [])) for entry in ledger),
        complaints=tuple(complaints),
    )


def by_send(ledger: Iterable[Entry], journal: Iterable[Copy], tokens: Tokens) -> tuple[Mapping[int, list[Copy]], list[Copy]]:
    """{send id: its copies}, and the copies of no send in the ledger."""
    ids = {entry.source: entry.send_id for entry in ledger}
    arrived: dict[int, list[Copy]] = defaultdict(list)
    strangers = []
    for copy in journal:
        send_id = send_id_of(copy.token, ids, tokens)
        if send_id in ids.values():
            arrived[send_id].append(copy)
        else:
            strangers.append(copy)
    return arrived, strangers


def send_id_of(token: str, ids: Mapping[str, int], tokens: Tokens) -> int:
    """Whose copy it is, by its Message-ID; 0: nobody's."""
    notice = NOTICE.fullmatch(token)
    if notice is not None:
        return ids.get(f"{notice[1]}:{notice[2]}:{notice[3]}", 0)
    try:
        return tokens.open(from_address(token)).send_id
    except TokenError:
        return 0


def complaints_about(entry: Entry, copies: Sequence[Copy]) -> Iterable[str]:
    if entry.state not in TERMINAL_SEND:
        yield "not over"
        return
    if entry.state == SendState.ACCEPTED and not copies:
        yield "accepted and never arrived"
    if entry.state != SendState.ACCEPTED and entry.reason is None:
        yield "not sent, without a reason"
    if surplus(entry, copies):
        yield "arrived too often"
    if len({copy.sha256 for copy in copies}) > 1:
        yield "sent again with other bytes"
    if any(copy.address != entry.address for copy in copies):
        yield "sent to somebody else"


def is_lost(entry: Entry, copies: Collection[Copy]) -> bool:
    return entry.state not in TERMINAL_SEND or (entry.state == SendState.ACCEPTED and not copies)


def surplus(entry: Entry, copies: Collection[Copy]) -> int:
    """How many copies more than may be: one for a yes, one for each attempt without an answer; marketing never two.

    A send that is not over may have a copy on its way.
    """
    if entry.state not in TERMINAL_SEND:
        return 0
    allowed = (entry.state == SendState.ACCEPTED) + entry.unknowns
    most = 1 if entry.stream == Stream.MARKETING else 2
    return max(0, len(copies) - min(allowed, most))


def count(ledger: Iterable[Entry], state: SendState) -> int:
    return sum(entry.state == state for entry in ledger)
