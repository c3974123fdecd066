"""A worker of its own process that delivers what is due and then ends, or dies at a named point before.

Run by test_crash.py: `python -m tests.deliver.mortal_worker DATABASE_URL SINK_URL WORKER_ID FOLDER [CRASH_AT]`.
"""

import sys
import threading
from datetime import timedelta
from pathlib import Path

from engine import crash
from engine.claim import SEND, take_due
from engine.database import Database
from engine.deliver.send import deliver
from engine.deliver.smtp import open_wire
from engine.runtime import Runtime
from tests.deliver.given import settings_for
from tests.factories import TOKENS, add_worker


def main(database_url: str, sink_url: str, worker_id: str, folder: str, crash_at: str | None = None) -> None:
    database = Database.open(database_url)
    with database.write() as tx:
        add_worker(tx, id=worker_id, lease_until=tx.now + timedelta(minutes=1))
    wire = open_wire(sink_url)
    runtime = Runtime(
        settings=settings_for(Path(folder)), database=database, tokens=TOKENS, wire=wire, worker_id=worker_id,
        has_lease=lambda: True, publish=lambda _noun, _claims: None,
    )  # fmt: skip
    crash.arm(crash_at)
    threads = [threading.Thread(target=work_off, args=(runtime,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wire.close()


def work_off(runtime: Runtime) -> None:
    while True:
        with runtime.database.write() as tx:
            claims = take_due(tx, SEND, limit=20, lease=timedelta(seconds=30))
        if not claims:
            return
        deliver(runtime, claims)


if __name__ == "__main__":
    main(*sys.argv[1:])
