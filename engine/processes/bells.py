"""A bell for each queue in Redis, which wakes an idle worker: it need not ask all the time whether there is a job.

Before: `engine.processes.broker` has put a job into a queue and rings. After: the worker's consumer fetches it. A bell that
nobody hears, or that somebody else has heard, costs one pause and nothing else.
"""

from contextlib import suppress
from threading import Event
from time import sleep
from typing import Any

from dramatiq.broker import Consumer, MessageProxy
from redis import Redis
from redis.exceptions import RedisError

MOST_RINGS = 16  # of a bell that nobody hears
NO_SLEEP = 0  # of Dramatiq's consumer, in milliseconds
FULL_SECONDS = 0.1  # until a worker that holds as many jobs as it may looks again, unless half of them are done before


def bell_of(queue_name: str) -> str:
    return f"handraiser:bell:{queue_name}"


def ring(client: Redis, queue_name: str) -> None:
    """Say that there is a job. Where that fails, the next look finds it."""
    with suppress(RedisError, OSError), client.pipeline(transaction=False) as commands:
        commands.lpush(bell_of(queue_name), "")
        commands.ltrim(bell_of(queue_name), 0, MOST_RINGS - 1)
        commands.execute()


class ListeningConsumer(Consumer):
    """Dramatiq's own consumer, made with `NO_SLEEP`; where it would sleep for want of a job this one listens for the bell, and
    where its worker holds as many as it may, it leaves the bell to others until half of them are done.
    """

    def __init__(self, inner: Any, client: Redis, queue_name: str, *, patience: float) -> None:
        self.inner = inner
        self._client = client
        self._bell = bell_of(queue_name)
        self._patience = patience  # seconds
        self._has_room = Event()

    def __next__(self) -> MessageProxy | None:
        self._has_room.clear()
        is_full = self.inner.outstanding_message_count >= self.inner.prefetch  # then the inner one does not ask Redis
        message: MessageProxy | None = next(self.inner)
        if message is None and is_full:
            self._has_room.wait(min(FULL_SECONDS, self._patience))
        elif message is None:
            self.listen()
        return message

    def listen(self) -> None:
        try:
            self._client.blpop([self._bell], timeout=self._patience)
        except (RedisError, OSError):
            sleep(self._patience)

    def ack(self, message: MessageProxy) -> None:
        self.inner.ack(message)
        self._make_room()

    def nack(self, message: MessageProxy) -> None:
        self.inner.nack(message)
        self._make_room()

    def _make_room(self) -> None:
        if self.inner.outstanding_message_count <= self.inner.prefetch // 2:
            self._has_room.set()

    def requeue(self, messages: Any) -> None:
        self.inner.requeue(messages)
