"""The Dramatiq broker: carries jobs, which are wake-ups that may be lost or come twice, since SQL is the only truth.

Before: the dispatcher publishes. After: a worker's threads carry out. Nothing of Dramatiq's own bookkeeping means anything to
us: no delays, no retries, no dead letters, no time limits (which would interrupt a thread between a mail and its record).
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import dramatiq
from dramatiq.broker import Consumer
from dramatiq.brokers.redis import RedisBroker
from dramatiq.message import Message
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotReached
from redis.exceptions import RedisError
from redis.retry import Retry

from engine.claim import Claim
from engine.errors import SettingsError
from engine.processes.bells import NO_SLEEP, ListeningConsumer, ring
from engine.processes.inprocess import InProcessBroker
from engine.processes.lanes import LANES, Lane, PublishJob

ACTOR = "carry_out_"
REDIS_SECONDS = 2.0  # to connect, and to answer
TIDYING = ("ack", "nack", "requeue")
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
            return DisposableRedisBroker(  # type: ignore[no-untyped-call]
                client=redis_client(url),
                middleware=[],
                namespace="handraiser",
                maintenance_chance=100_000,  # of a million commands: a dead process's jobs are looked for by chance
                heartbeat_timeout=60_000,
            )
        case other:
            raise SettingsError(f"HANDRAISER_BROKER_URL begins with {other!r}. Known: memory:, redis://, rediss://")


def redis_client(url: str) -> Redis:
    """It gives up soon on a server that says nothing, and tries once more where a resting connection was found dead."""
    once = Retry(NoBackoff(), 1)
    return Redis.from_url(url, socket_connect_timeout=REDIS_SECONDS, socket_timeout=REDIS_SECONDS, retry=once)


class DisposableRedisBroker(RedisBroker):
    """Redis for jobs that may be lost or come twice: without the queues for delayed messages, which every worker would poll, and
    without insisting that a job is taken out of the queue; a thread would wait for that as long as Redis is away.
    """

    def get_declared_delay_queues(self) -> set[str]:
        return set()

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        enqueued: Message[Any] = super().enqueue(message, delay=delay)
        ring(self.client, message.queue_name)
        return enqueued

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1_000) -> Consumer:
        inner = super().consume(queue_name, prefetch, NO_SLEEP)
        return ListeningConsumer(inner, self.client, queue_name, patience=timeout / 1_000)

    def _dispatch(self, command: str) -> Callable[..., Any]:
        do = super()._dispatch(command)  # type: ignore[no-untyped-call]

        def dispatch(*args: object) -> Any:
            try:
                return do(*args)
            except (RedisError, OSError) as error:  # OSError: of a process that can open nothing
                if command in TIDYING:
                    return None
                raise NotReached(str(error)) from error  # the one that Dramatiq expects of a server that is away

        return dispatch


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
