"""Live sends to a local mail server in another process, the ledger on: mails of the starter workspace, from claim to record.

Goal: 1,000 a second or more on SQLite with synchronous=FULL, in one process. Beside it, in the same run, the loop that most
programs begin with: build an EmailMessage, `await client.send_message(message)`, no ledger.
Run: python -m benchmarks.send [--mails 8000] [--threads 4] [--profile]
"""

import argparse
import asyncio
import cProfile
import pstats
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import sqlalchemy as sa

from benchmarks.conditions import conditions
from engine.claim import SEND, take_due
from engine.compiler.plan import EmailStep
from engine.compiler.workspace import compile_workspace
from engine.database import Database, Tx
from engine.deliver.pool import new_loop
from engine.deliver.send import deliver
from engine.deliver.smtp import open_wire
from engine.installed import starter_folder
from engine.migrations import upgrade
from engine.render import library
from engine.render.artifact import Artifact
from engine.runtime import Runtime
from engine.schedule.apply import apply_plan
from engine.schema import cadence_versions, enrolments, leads, sends, touches, workers
from engine.settings import read_settings
from engine.tokens import Tokens

SECRET = "a benchmark's secret which signs nothing that matters"
CLAIM_AT_ONCE = 50
CADENCE = "new-enquiry"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--mails", type=int, default=8_000)
    asked.add_argument("--threads", type=int, default=4)
    asked.add_argument("--profile", action="store_true", help="where the time of one thread goes, without its SMTP loop")
    given = asked.parse_args()
    under = conditions()
    with tempfile.TemporaryDirectory() as folder, sink() as url:
        workspace = prepare(Path(folder), given.mails)
        ours = live_sends(workspace, url, given.threads, given.mails, with_profile=given.profile)
        naive = asyncio.run(naive_loop(url, min(2_000, given.mails)))
    print_result(given.mails, given.threads, ours, naive, under)


class Workspace:
    """A database full of mails that are due."""

    def __init__(self, folder: Path) -> None:
        environ = {
            "HANDRAISER_DATABASE_URL": f"sqlite:///{folder / 'ledger.db'}",
            "HANDRAISER_SECRET_KEY": SECRET,
            "HANDRAISER_PUBLIC_URL": "https://mail.clearroom.example",
        }
        self.settings = read_settings(folder, environ)
        self.database = Database.open(self.settings.database_url)
        upgrade(self.database)
        self.tokens = Tokens(self.settings.require_secret())


def prepare(folder: Path, mails: int) -> Workspace:
    workspace = Workspace(folder)
    compiled = compile_workspace(starter_folder(), render=library)
    if compiled.plan is None:
        sys.exit("the starter workspace does not compile; run `handraiser check`")
    with workspace.database.write() as tx:
        apply_plan(tx, compiled.plan, compiled.artifacts)
        cadence = next(cadence for cadence in compiled.plan.cadences if cadence.name == CADENCE)
        first = next(step for step in cadence.steps if isinstance(step, EmailStep))
        fill(tx, workspace.tokens, first, compiled.artifacts[first.copy.plain], mails)
    return workspace


def fill(tx: Tx, tokens: Tokens, step: EmailStep, artifact: Artifact, mails: int) -> None:
    """A lead, a passage, a touch that is sending and its mail for each; no lead gets two."""
    version_id = tx.run(sa.select(cadence_versions.c.id).where(cadence_versions.c.cadence == CADENCE)).scalar_one()
    numbers, now = range(1, mails + 1), tx.now
    worker = {
        "id": "bench",
        "kind": "worker",
        "host": "here",
        "pid": 1,
        "started_at": now,
        "lease_until": now + timedelta(hours=1),
    }
    tx.run(sa.insert(workers).values(worker))
    tx.run(sa.insert(leads), [lead_row(tx, tokens, n) for n in numbers])
    passage = {"cadence": CADENCE, "version_id": version_id, "passage": 1, "state": "active", "anchor_at": now, "created_at": now}
    tx.run(sa.insert(enrolments), [passage | {"id": n, "lead_id": n} for n in numbers])
    touch = {"step_id": step.id, "state": "sending", "planned_on": now.date(), "created_at": now}
    tx.run(sa.insert(touches), [touch | {"id": n, "enrolment_id": n} for n in numbers])
    mail = {"stream": "marketing", "topic": "air-lessons", "email": artifact.email, "artifact_hash": artifact.hash,
            "state": "ready", "due_at": now, "created_at": now}  # fmt: skip
    rows = ({"source": f"touch:{n}", "lead_id": n, "touch_id": n, "address_key": tokens.address_key(address(n))} for n in numbers)
    tx.run(sa.insert(sends), [mail | row for row in rows])


def lead_row(tx: Tx, tokens: Tokens, number: int) -> dict[str, object]:
    return {
        "id": number,
        "key": address(number),
        "email": address(number),
        "address_key": tokens.address_key(address(number)),
        "zone": "Europe/London",
        "fields": {"first_name": f"Ada {number}", "company": "Mill Lane School", "employees": 40},
        "created_at": tx.now,
        "updated_at": tx.now,
    }


def address(number: int) -> str:
    return f"reader{number}@mail.example"


def live_sends(workspace: Workspace, url: str, threads: int, mails: int, *, with_profile: bool) -> tuple[float, float]:
    """(seconds, CPU seconds) of this process until no mail is left."""
    wire = open_wire(url)
    runtime = Runtime(
        settings=workspace.settings, database=workspace.database, tokens=workspace.tokens, wire=wire, worker_id="bench",
        has_lease=lambda: True, publish=lambda _noun, _claims: None,
    )  # fmt: skip
    began, cpu_before = time.perf_counter(), time.process_time()
    work = profiled(work_off, runtime) if with_profile else lambda: work_off(runtime)
    in_threads(work, threads)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_before
    wire.close()
    check_ledger(workspace.database, mails)
    return seconds, cpu


def work_off(runtime: Runtime) -> None:
    """What the dispatcher and a worker do, without a queue between them."""
    while True:
        with runtime.database.write() as tx:
            claims = take_due(tx, SEND, limit=CLAIM_AT_ONCE, lease=timedelta(seconds=30))
        if not claims:
            return
        deliver(runtime, claims)


def profiled(work: Callable[[Runtime], None], runtime: Runtime) -> Callable[[], None]:
    def with_profile() -> None:
        profile = cProfile.Profile()
        profile.runcall(work, runtime)
        pstats.Stats(profile).sort_stats("cumtime").print_stats("engine|benchmarks", 60)

    return with_profile


def in_threads(work: Callable[[], None], threads: int) -> None:
    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def check_ledger(database: Database, mails: int) -> None:
    """A benchmark that loses mails has no figure."""
    with database.read() as tx:
        rows = tx.run(sa.select(sends.c.state, sa.func.count().label("n")).group_by(sends.c.state))
        states = {row.state: row.n for row in rows}
    if states != {"accepted": mails}:
        sys.exit(f"expected {mails} accepted sends, the ledger has {states}")


async def naive_loop(url: str, mails: int) -> tuple[float, int]:
    """(seconds, mails) of the obvious loop over one connection."""
    began = time.perf_counter()
    host, port = url.removeprefix("smtp://").split(":")
    async with aiosmtplib.SMTP(hostname=host, port=int(port), start_tls=False) as client:
        for number in range(mails):
            await client.send_message(naive_message(number))
    return time.perf_counter() - began, mails


def naive_message(number: int) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "dana@clearroom.example", address(number), "A lesson on indoor air"
    message.set_content("Dear reader, this is the text of the lesson.\n" * 40)
    message.add_alternative("<p>Dear reader, this is the text of the lesson.</p>\n" * 220, subtype="html")
    return message


@contextmanager
def sink() -> Iterator[str]:
    """The mail server in a process of its own; its CPU time is not ours."""
    command = [sys.executable, "-m", "engine.simulate.sink", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def loop_name() -> str:
    """Whose event loop carries the mails: uvloop's comes with the extra `fast`."""
    loop = new_loop()
    loop.close()
    return f"{type(loop).__module__.partition('.')[0]}'s event loop"


def print_result(mails: int, threads: int, ours: tuple[float, float], naive: tuple[float, int], under: str) -> None:
    seconds, cpu = ours
    naive_seconds, naive_mails = naive
    print(f"\n{mails} mails, {threads} threads, SQLite {sqlite3.sqlite_version} with synchronous=FULL, {loop_name()} ({under})")
    print(f"{'live sends, ledger on':<34}{mails / seconds:>8,.0f} a second {cpu / mails * 1e6:>8,.0f} µs CPU a mail")
    print(f"{'EmailMessage + send_message':<34}{naive_mails / naive_seconds:>8,.0f} a second   (no ledger, one connection)")


if __name__ == "__main__":
    main()
