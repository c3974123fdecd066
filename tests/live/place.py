"""A workspace made by the commands that a newcomer types, its product running, and the mail server that it sends through."""

import csv
import json
import re
import smtplib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import TypeVar
from urllib.request import Request, urlopen

from engine.settings import read_env_file
from engine.simulate.sink import Sink
from engine.simulate.sink import running as listening
from tests.services.handraiser import run, running, settings_of_a_test
from webhooks.signature import keys_in, signature

PATIENCE = 20  # seconds
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
MAYA = {"email": "maya@school.example", "first_name": "Maya", "employees": "80", "country": "Germany"}
MAP = """
key: email
email: email
zone: zone
fields: {first_name: first_name, employees: employees, country: country}
consent: {air-lessons: {value: granted}}
"""
Found = TypeVar("Found")


@dataclass(slots=True, kw_only=True)
class Live:
    """The running product, seen from outside: its files, its ports and the mail that arrived."""

    folder: Path
    environment: dict[str, str]
    arrived: list[EmailMessage] = field(default_factory=list)

    def handraiser(self, *words: str) -> str:
        done = run(*words, workspace=self.folder, environment=self.environment)
        assert done.returncode == 0, f"handraiser {' '.join(words)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def mail(self, recipient: str) -> EmailMessage:
        """The first mail to this address, as soon as it is there."""
        return until(lambda: next((mail for mail in list(self.arrived) if mail["To"] == recipient), None))

    def logs(self) -> str:
        """All that the processes wrote so far."""
        return "\n".join(log.read_text(errors="replace") for log in self.folder.glob("*.log"))

    def knows(self, event: str) -> bool:
        """Whether an event of this type stands in the database."""
        with closing(sqlite3.connect(self.folder / "handraiser.db")) as database:
            return database.execute("SELECT count(*) FROM events WHERE type = ?", (event,)).fetchone()[0] > 0

    def answer_by_mail(self, mail: EmailMessage, words: str) -> None:
        """What a mail program does when its reader presses Reply."""
        reply = EmailMessage()
        reply["From"], reply["To"], reply["Subject"] = mail["To"], mail["Reply-To"], f"Re: {mail['Subject']}"
        reply["In-Reply-To"] = mail["Message-ID"]
        reply.set_content(words)
        host, port = self.environment["HANDRAISER_REPLY_LISTEN"].split(":")
        with smtplib.SMTP(host, int(port), timeout=15) as server:
            server.send_message(reply)

    def post_event(self, name: str, event: dict[str, object]) -> None:
        key = read_env_file(self.folder / ".env")["HANDRAISER_WEBHOOK_KEY"]
        body, stamp = json.dumps(event).encode(), str(int(time.time()))
        signed = {
            "webhook-id": name,
            "webhook-timestamp": stamp,
            "webhook-signature": signature(keys_in(key)[0], name, stamp, body),
            "Content-Type": "application/json",
        }
        fetch(f"{self.environment['HANDRAISER_PUBLIC_URL']}/api/events", signed, body)


@contextmanager
def live_product(folder: Path) -> Iterator[Live]:
    """`handraiser init`, `apply`, `leads import` and `up`, with mail going to a mail server on this machine."""
    environment = settings_of_a_test(LOG_LEVEL="DEBUG")
    environment["HANDRAISER_PUBLIC_URL"] = f"http://{environment['HANDRAISER_WEB_LISTEN']}"
    live = Live(folder=folder / "workspace", environment=environment)
    run("init", str(live.folder), workspace=folder, environment=environment)
    open_every_day(live.folder / "workspace.yaml")
    write_leads(live.folder)
    live.handraiser("apply")
    live.handraiser("leads", "import", "people.csv", "--map", "people.map.yaml")
    with listening(Sink(on_message=lambda _from, _to, raw: live.arrived.append(read(raw)))) as sink:
        environment["HANDRAISER_SMTP_URL"] = sink.url
        with running("up", workspace=live.folder, environment=environment):
            yield live


def open_every_day(file: Path) -> None:
    """Tests run on Sundays, too."""
    file.write_text(re.sub("days: .*?]", "days: [mon, tue, wed, thu, fri, sat, sun]", file.read_text()))


def write_leads(folder: Path) -> None:
    with (folder / "people.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, [*MAYA, "zone"])
        rows.writeheader()
        rows.writerow(MAYA | {"zone": where_it_is_noon()})
    (folder / "people.map.yaml").write_text(MAP)


def where_it_is_noon() -> str:
    """Within the sending window whenever the test runs. POSIX names of zones count westward."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"


def read(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def fetch(url: str, headers: dict[str, str], body: bytes | None = None) -> str:
    with urlopen(Request(url, body, headers), timeout=15) as answer:
        return str(answer.read().decode())


def until(look: Callable[[], Found | None]) -> Found:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("nothing came")
