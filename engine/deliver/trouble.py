"""What a batch's outcomes say of its relays and of its recipients' domains: who is left alone, and who is well again.

Before: `engine.deliver.record` has settled the mails. After: the breakers (`engine.deliver.breaker`) are rows of the same
transaction, and operators have been told what only they can mend.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeGuard

from engine.database import Tx
from engine.deliver.breaker import RELAYS, ROUTES, Key, Kind, Strike, recover, strike
from engine.deliver.fates import policy_for
from engine.deliver.load import Loaded
from engine.deliver.replies import Policy
from engine.deliver.wire import Accepted, Deferred, NoAnswer, Outcome, Refused, as_kept
from engine.settings import MAIN, url_setting

log = logging.getLogger(__name__)
Theirs = Refused | Deferred | NoAnswer
told: set[str] = set()  # what is wrong with our mails is said once a process, not for each


@dataclass(frozen=True, slots=True, kw_only=True)
class Flown:
    """A marked send and what the wire said. `in_trouble`: relays and routes that were so at the mark."""

    send: Loaded
    outcome: Outcome
    relay: str = MAIN
    marked_at: datetime | None = None
    in_trouble: frozenset[Key] = field(default_factory=frozenset)

    @property
    def route(self) -> Key:
        return self.relay, self.send.domain


def note_trouble(tx: Tx, flown: Sequence[Flown]) -> None:
    """A relay that took any of them is well. A domain that turned any of them away is not, whatever else it took by that relay.

    Routes before relays, as the gate locks them.
    """
    marked_at = next((one.marked_at for one in flown if one.marked_at is not None), tx.now)
    answers = [(one, one.outcome, policy_for(one.outcome)) for one in flown if is_theirs(one.outcome)]
    if answers:
        tell([(outcome, policy) for _one, outcome, policy in answers])
    troubled = frozenset[Key]().union(*(one.in_trouble for one in flown))
    away = {one.route: (outcome, policy) for one, outcome, policy in answers if policy.domain is not None}
    took = {one.route for one in flown if isinstance(one.outcome, Accepted)} - set(away)
    strike(tx, ROUTES, strikes(away, marked_at, ROUTES))
    recover(tx, ROUTES, took & troubled, marked_at)
    failed = {(one.relay,): (outcome, policy) for one, outcome, policy in answers if policy.relay is not None}
    well = {(one.relay,) for one in flown if isinstance(one.outcome, Accepted)}
    well |= {(one.relay,) for one, outcome, policy in answers if policy.relay is None and code_of(outcome) is not None}
    strike(tx, RELAYS, strikes({key: said for key, said in failed.items() if key not in well}, marked_at, RELAYS))
    recover(tx, RELAYS, well & troubled, marked_at)


def is_theirs(outcome: Outcome) -> TypeGuard[Theirs]:
    """Whether a server said or did this."""
    return isinstance(outcome, Refused) or (isinstance(outcome, Deferred | NoAnswer) and not outcome.is_ours)


def code_of(outcome: Theirs) -> int | None:
    return None if isinstance(outcome, NoAnswer) else outcome.code


def strikes(failed: Mapping[Key, tuple[Theirs, Policy]], marked_at: datetime, kind: Kind) -> Iterator[Strike]:
    for key, (outcome, policy) in failed.items():
        rest = policy.relay if kind is RELAYS else policy.domain
        if all(key) and rest is not None:
            advice = policy.advice.format(url=url_setting(key[0]))
            words = outcome.words if isinstance(outcome, Deferred) else ""
            yield Strike(key=key, marked_at=marked_at, rest=rest, why=words_of(outcome), words=words, advice=advice)


def words_of(outcome: Theirs) -> str:
    code = "" if code_of(outcome) is None else f"{code_of(outcome)} "
    return as_kept(code + outcome.reply)


def tell(answers: Sequence[tuple[Theirs, Policy]]) -> None:
    """What is wrong with a mail of ours, which no relay or domain is left alone for."""
    for outcome, policy in answers:
        if policy.advice and policy.relay is None and policy.domain is None and policy.means not in told:
            told.add(policy.means)
            facts = {"why": words_of(outcome), "what_to_do": policy.advice}
            log.error("a mail was refused: %s", policy.means, extra={"facts": facts})
