"""The Dramatiq broker: carries jobs, which are wake-ups that may be lost or come twice, since SQL is the only truth.

Before: the dispatcher publishes. After: a worker's threads carry out. Nothing of Dramatiq's own bookkeeping means anything to
us: no delays, no retries, no dead letters, no time limits (which would interrupt a thread between a mail and its record).
"""

from collections.abc import Callable
from urllib.parse import urlsplit

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.message import Message

from engine.claim import Claim
from engine.errors import SettingsError
from engine.processes.inprocess import InProcessBroker
from engine.processes.lanes import LANES, Lane, PublishJob

ACTOR = "carry_out_"
CarryOut = Callable[[Lane, list[Claim]], None]


def open_broker(url: str) -> dramatiq.Broker:
    """The broker a HANDRAISER_BROKER_URL names, its queues declared. Raises SettingsError for a kind we do not know."""
    broker = make_broker(url)
    for lane in LANES:
        broker.declare_queue(lane.queue)
    return broker


def make_broker(url: str) -> dramatiq.Broker:
    match urlsplit(url).scheme:
        case "memory":
            return InProcessBroker()
        case "redis" | "rediss" | "unix":
            return UndelayedRedisBroker(  # type: ignore[no-untyped-call]
                url=url,
                middleware=[],
                namespace="handraiser",
                maintenance_chance=100_000,  # of a million commands: a dead process's jobs are looked for by chance
                heartbeat_timeout=60_000,
            )
        case other:
            raise SettingsError(f"HANDRAISER_BROKER_URL begins with {other!r}. Known: memory:, redis://, rediss://")


class UndelayedRedisBroker(RedisBroker):
    """Redis without the queues for delayed messages, which we never send and every worker would poll."""

    def get_declared_delay_queues(self) -> set[str]:
        return set()


def publisher(broker: dramatiq.Broker) -> PublishJob:
    """A function that puts claims into a lane's queue. It raises what the broker raises when that cannot be reached."""

    def publish(lane: Lane, claims: list[Claim]) -> None:
        name = ACTOR + lane.queue
        broker.enqueue(Message(queue_name=lane.queue, actor_name=name, args=(claims,), kwargs={}, options={}))

    return publish


def declare_actors(broker: dramatiq.Broker, carry_out: CarryOut) -> None:
    """Have the jobs of every lane done by `carry_out`."""
    for lane in LANES:
        declare_actor(broker, lane, carry_out)


def declare_actor(broker: dramatiq.Broker, lane: Lane, carry_out: CarryOut) -> None:
    def actor(claims: list[list[int]]) -> None:  # JSON makes lists of our pairs
        carry_out(lane, [(row_id, epoch) for row_id, epoch in claims])

    dramatiq.actor(actor_name=ACTOR + lane.queue, queue_name=lane.queue, broker=broker)(actor)
