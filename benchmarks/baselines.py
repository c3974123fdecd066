"""What sending is compared with, in the same run and to the same server: the loop that most programs begin with, and Postfix's
`smtp-source`. Neither keeps a ledger, asks whether anybody was unsubscribed, or knows what to do when it is killed.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from email.message import EmailMessage

import aiosmtplib

from benchmarks.lesson import address_of
from tests.services.smtp_sink import Server

TEXT_LINES, HTML_LINES = 34, 220


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Mails a second by the clock, and processor time a mail in microseconds."""

    rate: float
    cpu: float


def naive(port: int, mails: int, *, connections: int = 1) -> Figure:
    """`await client.send_message(EmailMessage)`, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.baselines", str(port), str(mails), str(connections)]
    seconds, cpu = map(float, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    return Figure(rate=mails / seconds, cpu=cpu / mails * 1e6)


async def send_naively(port: int, mails: int, connections: int) -> tuple[float, float]:
    numbers = iter(range(mails))

    async def over_one() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
            for number in numbers:
                await client.send_message(message(number))

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(over_one() for _ in range(connections)))
    return time.perf_counter() - began, time.process_time() - cpu


def message(number: int) -> EmailMessage:
    """14 KB, as ours are."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "dana@clearroom.example", address_of(number), "A lesson on indoor air"
    made.set_content("Dear reader, this is the text of the lesson.\n" * TEXT_LINES)
    made.add_alternative("<p>Dear reader, this is the text of the lesson.</p>\n" * HTML_LINES, subtype="html")
    return made


def smtp_source(server: Server, mails: int, *, connections: int, size: int) -> Figure:
    """Postfix's `smtp-source`, one message after the other over each connection: all that it does is write bytes."""
    options = ["-d", "-s", str(connections), "-m", str(mails), "-l", str(size), "-f", "dana@clearroom.example"]
    command = server.tools.command("smtp-source", *options, "-t", address_of(1), f"127.0.0.1:{server.port}")
    began = time.perf_counter()
    with subprocess.Popen(command) as process:
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode != 0:
        raise SystemExit("smtp-source failed")
    return Figure(rate=mails / seconds, cpu=(used.ru_utime + used.ru_stime) / mails * 1e6)


if __name__ == "__main__":
    asked = argparse.ArgumentParser()
    for name in ("port", "mails", "connections"):
        asked.add_argument(name, type=int)
    given = asked.parse_args()
    print(*asyncio.run(send_naively(given.port, given.mails, given.connections)))
