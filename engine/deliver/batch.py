"""A batch: sends that this worker holds, with all that is needed to write them.

Before: the dispatcher claimed them, or `engine.advance` has just made them. After: `engine.deliver.send` delivers them.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engine.claim import Claim
from engine.database import Tx
from engine.deliver.compose import Begun
from engine.deliver.load import Loaded, as_loaded, load_sends
from engine.deliver.places import Places
from engine.metrics import in_phase
from engine.render.artifact import Artifact
from engine.settings import url_setting
from engine.versions import Live, artifact, live_rules

log = logging.getLogger(__name__)
told: set[str] = set()  # once a process, since it learns an address only when it starts


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is to be delivered, with the rules and {hash: template} that it needs."""

    live: Live
    sends: Sequence[Loaded]
    artifacts: Mapping[str, Artifact]


def load_begun(tx: Tx, places: Places, begun: Sequence[Begun]) -> Batch:
    """In the transaction that made them, so that nothing need be asked again."""
    with in_phase("load"):
        live = live_rules(tx)
        return batch_of(tx, live, places, [as_loaded(tx, each.row, each.touch, each.lead, live, {}, {}) for each in begun])


def load(tx: Tx, places: Places, held: Sequence[Claim]) -> Batch:
    with in_phase("load"):
        live = live_rules(tx)
        return batch_of(tx, live, places, load_sends(tx, held, live))


def batch_of(tx: Tx, live: Live, places: Places, sends: Sequence[Loaded]) -> Batch:
    hashes = {send.artifact_hash for send in sends if send.artifact_hash is not None}
    made = {artifact_hash: artifact(tx, artifact_hash) for artifact_hash in hashes}
    return within_reach(Batch(live=live, sends=sends, artifacts=made), places)


def within_reach(batch: Batch, places: Places) -> Batch:
    """With only those relays to which this process has connections: a new one may be declared while it runs. A mail that one of
    the others may have taken keeps none, and waits for a process that reaches it.
    """
    policy = batch.live.policy
    reached = tuple(relay for relay in policy.relays if places.reach(relay.name))
    if reached == policy.relays:
        return batch
    tell_once([relay.name for relay in policy.relays if relay not in reached])
    names = {relay.name for relay in reached}
    sends = [replace(send, relays=tuple(relay for relay in send.relays if relay in names)) for send in batch.sends]
    return replace(batch, live=replace(batch.live, policy=replace(policy, relays=reached)), sends=sends)


def tell_once(unaddressed: Sequence[str]) -> None:
    for relay in unaddressed:
        if relay not in told:
            told.add(relay)
            what_to_do = f"set {url_setting(relay)} and start this process anew, or take the relay out of relays.yaml"
            facts = {"relay": relay, "what_to_do": what_to_do}
            log.error("this process has no address of a relay: mail that only it takes waits", extra={"facts": facts})
