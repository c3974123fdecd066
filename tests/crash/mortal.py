"""A mail server that is gone, as by `kill -9`, the moment it has a mail on disk and has not said so; it is started again at once.

Before: the folder of a trial. After: `tests.crash.test_mail_server_dies`.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from engine.simulate.sink import Sink
from tests.crash.oracle import read_journal
from tests.crash.product import FORKED, Process
from tests.services.ports import free_port
from tests.services.processes import die_with_parent


@dataclass(slots=True, kw_only=True)
class MortalServer:
    """Each of its lives takes `mails` and ends with the last of them. `died_with`: the Message-IDs of these."""

    journal: Path
    port: int = field(default_factory=free_port)
    mails: int = 12
    lives: int
    died_with: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def live(self) -> None:
        """One life after the other; the last one has no end."""
        while not self.over.is_set():
            life = self.begin()
            while life.is_alive() and not self.over.is_set():
                life.join(0.05)
            if not life.is_alive():
                self.died_with.append(read_journal(self.journal)[-1].token)
            life.kill()

    def begin(self) -> Process:
        mails = self.mails if len(self.died_with) < self.lives else 0
        process = FORKED.Process(target=serve, args=(self.journal, self.port, mails))
        process.start()
        return process


@dataclass(slots=True, kw_only=True)
class Mortal(Sink):
    """`mails`: with how many it dies; 0: it does not."""

    mails: int

    def keep(self, envelope_from: str, recipient: str, message: bytes) -> None:
        Sink.keep(self, envelope_from, recipient, message)
        if self.kept == self.mails:
            os.kill(os.getpid(), signal.SIGKILL)


def serve(journal: Path, port: int, mails: int) -> None:
    die_with_parent()
    asyncio.run(serve_for_ever(Mortal(journal=journal, mails=mails), port))


async def serve_for_ever(sink: Sink, port: int) -> None:
    async with await sink.listen(port=port) as server:
        await server.serve_forever()


@contextmanager
def mortal_server(server: MortalServer) -> Iterator[int]:
    """Its port."""
    thread = threading.Thread(target=server.live)
    thread.start()
    try:
        yield server.port
    finally:
        server.over.set()
        thread.join()
