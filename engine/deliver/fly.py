"""What was marked flies: each mail is signed, given to the wire, and has an outcome.

Before: `engine.deliver.send` has committed the marks. After: it records the outcomes.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from engine.deliver.flights import Ready
from engine.deliver.gate import Marked, recheck
from engine.deliver.trouble import Flown
from engine.deliver.wire import Flight, NoAnswer, OurFault, Outcome, Recheck
from engine.log import Trouble
from engine.metrics import in_phase
from engine.runtime import Runtime

log = logging.getLogger(__name__)
unsigned = Trouble(log, "mails could not be signed by DKIM, and none goes out unsigned; they wait and are tried again")


def fly(runtime: Runtime, marked: Marked, through: Sequence[Ready]) -> list[Flown]:
    """What the wire says of each, and of those that could not be signed."""
    if not through:
        return []
    with in_phase("fly"):
        flights = [signed_or_not(runtime, one) for one in through]
        again = partial(recheck, runtime.database, {one.send.send_id: one for one in through})
        said = iter(carried(runtime, [each for each in flights if isinstance(each, Flight)], again))
        outcomes = [next(said) if isinstance(each, Flight) else each for each in flights]
    return [
        Flown(send=one.send, outcome=outcome, relay=one.flight.relay, marked_at=marked.at, in_trouble=marked.in_trouble)
        for one, outcome in zip(through, outcomes, strict=True)
    ]


def carried(runtime: Runtime, flights: Sequence[Flight], again: Recheck) -> Sequence[Outcome]:
    """A wire that breaks its word and raises has said nothing we could know."""
    if not flights:
        return []
    try:
        return runtime.wire.fly(flights, again)
    except Exception:
        log.exception("the wire failed", extra={"facts": {"sends": [each.send_id for each in flights]}})
        return [NoAnswer(reply="the wire failed", is_ours=True)] * len(flights)


def signed_or_not(runtime: Runtime, one: Ready) -> Flight | OurFault:
    """One that cannot be signed harms no other, and of it nothing was said."""
    try:
        flight = signed(runtime, one)
    except Exception as error:
        unsigned.tell(error)
        return OurFault(reply="it could not be signed by DKIM, by a fault of ours; the log says more")
    unsigned.over()
    return flight


def signed(runtime: Runtime, one: Ready) -> Flight:
    """Not before the gate has let it through, since signing costs more than all else. A second copy is signed alike."""
    message = runtime.signer.signed(one.flight.message, one.send.created_at)
    return one.flight if message is one.flight.message else replace(one.flight, message=message)
