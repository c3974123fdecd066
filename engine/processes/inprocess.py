"""A Dramatiq broker whose queues are this process's memory: the whole product in one process, with no server beside it.

Dramatiq's own broker of this kind is for tests: it keeps every failure for ever and drops what was fetched when it stops.
What is lost here with the process is claimed again once its lease has run out, like anything that a queue loses.
"""

from collections.abc import Iterable
from queue import Empty, SimpleQueue
from typing import Any

import dramatiq
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.message import Message

AnyMessage = Message[Any]


class InProcessBroker(dramatiq.Broker):
    """Queues in memory."""

    def __init__(self) -> None:
        super().__init__(middleware=[])
        self.queues: dict[str, SimpleQueue[AnyMessage]] = {}

    def declare_queue(self, queue_name: str) -> None:
        if queue_name in self.queues:
            return
        self.emit_before("declare_queue", queue_name)
        self.queues[queue_name] = SimpleQueue()
        self.emit_after("declare_queue", queue_name)

    def enqueue(self, message: AnyMessage, *, delay: int | None = None) -> AnyMessage:
        self.queues[message.queue_name].put(message)
        return message

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1_000) -> "InProcessConsumer":
        return InProcessConsumer(self.queues[queue_name], timeout)

    def drain(self) -> list[AnyMessage]:
        """Take out every message that no worker has begun."""
        return [message for queue in self.queues.values() for message in emptied(queue)]


class InProcessConsumer(Consumer):
    """Hands a queue's messages out; what comes back unacknowledged goes to its end."""

    def __init__(self, queue: SimpleQueue[AnyMessage], timeout: int) -> None:
        self.queue = queue
        self.timeout = timeout / 1_000

    def __next__(self) -> MessageProxy | None:
        try:
            return MessageProxy(self.queue.get(timeout=self.timeout))
        except Empty:
            return None

    def ack(self, message: MessageProxy) -> None:
        pass

    def nack(self, message: MessageProxy) -> None:
        pass

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        for message in messages:
            self.queue.put(message._message)


def emptied(queue: SimpleQueue[AnyMessage]) -> Iterable[AnyMessage]:
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return
