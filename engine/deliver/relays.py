"""Through which relay a mail goes: the choice, always the same for the same mail. Pure.

Before: the gate is about to mark a send. After: it takes the first of these that is open to it, and the wire goes on to the
next when the first cannot be reached. A relay's share is kept by hash and not by counting, so that workers need not agree.
"""

from hashlib import blake2b
from math import log

from engine.compiler.plan import Policy
from engine.compiler.relay import Relay
from engine.vocabulary import Stream

SPARE = 0  # the weight of a relay that is used when the others are away


def relays_for(send_key: int, stream: Stream, brand: str, domain: str, policy: Policy, *, last: str | None = None) -> list[str]:
    """The names of the relays that may take a mail, the one to be preferred first; none: no relay takes such mail.

    Those that name its recipient's domain come before the others, the others by their weights, spares at the end. `last`:
    through which one it was told to come again, which so many servers want to see (greylisting); it comes first.
    """
    fitting = [relay for relay in policy.relays if relay.takes(stream, brand, domain)]
    if len(fitting) == 1:
        return [fitting[0].name]
    return [relay.name for relay in sorted(fitting, key=lambda relay: rank(relay, send_key, last))]


def rank(relay: Relay, send_key: int, last: str | None) -> tuple[bool, bool, bool, float]:
    return relay.name != last, relay.weight == SPARE, not relay.domains, lot(relay, send_key)


def lot(relay: Relay, send_key: int) -> float:
    """A number by which the smallest wins as often as its weight says, among however many (weighted rendezvous hashing).

    Where a relay is taken away only its own mails move, and they too by weight.
    """
    drawn = int.from_bytes(blake2b(f"{relay.name}:{send_key}".encode(), digest_size=6).digest())
    return -log((drawn + 1) / (2**48 + 1)) / (relay.weight or 1)
