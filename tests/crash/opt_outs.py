"""Mails on their way while people opt out by every channel that there is: when each was heard, and when its mail began.

Before: a database and a folder. After: `tests.crash.test_opt_outs` compares the two.
"""

import smtplib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import sqlalchemy as sa

from engine.beside import beside
from engine.clock import HostClock
from engine.database import Database
from engine.deliver.smtp import open_wire
from engine.errors import TokenError
from engine.leadfile.bring_in import import_leads
from engine.leadfile.map import read_map
from engine.processes.broker import open_broker, publisher
from engine.processes.dispatcher import run_dispatcher
from engine.processes.worker import working
from engine.runtime import Runtime
from engine.schema import leads, sends, suppressions, workers
from engine.simulate.sink import Sink, running
from engine.simulate.sink_rules import Fault, Phase, Rule
from engine.suppression import Suppression, suppress
from engine.tokens import from_address
from engine.versions import live_rules
from engine.vocabulary import TERMINAL_SEND, Scope, SendState
from tests.deliver.given import WORKER, add_workspace, an_artifact
from tests.factories import TOKENS, lead_row
from tests.inbound.mails import bounce, complaint
from tests.services.ports import free_port
from tests.services.proxy import proxied
from tests.webhooks.place import Place
from webhooks.listener import start_listener

CONNECTIONS = 8
LATER = "later."  # an address that begins so is put off by the server at its first attempt
ROUND_TRIP = 0.05  # seconds: how slow the mail server is


@dataclass(slots=True, kw_only=True)
class Listening(Sink):
    """Notes when each MAIL FROM and each body came, by send."""

    mail_at: dict[int, datetime] = field(default_factory=dict)
    kept_at: dict[int, datetime] = field(default_factory=dict)
    put_off: set[str] = field(default_factory=set)

    def hear(self, line: bytes) -> None:
        if line.upper().startswith(b"MAIL FROM:<B+"):
            self.mail_at[send_of(line.decode())] = datetime.now(UTC)

    def keep(self, envelope_from: str, recipient: str, message: bytes) -> None:
        self.kept_at[send_of(envelope_from)] = datetime.now(UTC)

    def rule_at(self, phase: Phase, recipient: str = "") -> Rule | None:
        if phase != Phase.RCPT or not recipient.startswith(LATER) or recipient in self.put_off:
            return None
        self.put_off.add(recipient)
        return Rule(phase=phase, fault=Fault.REPLY, code=451, text="4.7.1 greylisted")


def send_of(text: str) -> int:
    try:
        return TOKENS.open(from_address(text.lower().partition("b+")[2].partition("@")[0])).send_id
    except TokenError:
        return 0


@dataclass(slots=True, kw_only=True)
class Crowd:
    """People who have a mail from us, and another one due. `asked`: {lead: (channel, when)} of those who opted out."""

    database: Database
    place: Place
    sink: Listening
    folder: Path
    earlier: dict[int, int]  # {lead: the mail that it has}
    due: dict[int, int]  # {lead: the mail that is due}
    asked: dict[int, tuple[str, datetime]] = field(default_factory=dict)
    states: dict[int, str] = field(default_factory=dict)  # of the mail that was due, when somebody had opted out

    def opt_out(self, lead_id: int, channel: str) -> None:
        CHANNELS[channel](self, lead_id)
        self.asked[lead_id] = (channel, datetime.now(UTC))
        with self.database.read() as tx:
            row = tx.run(sa.select(sends).where(sends.c.id == self.due[lead_id])).one()
        self.states[lead_id] = "put off" if row.state == SendState.READY and row.attempts else str(row.state)

    def mail_to(self, purpose: str, lead_id: int, raw: bytes, sender: str) -> None:
        host, port = self.place.runtime.settings.reply_listen.split(":")
        with smtplib.SMTP(host, int(port), timeout=10) as client:
            client.sendmail(sender, [self.place.address(purpose, self.earlier[lead_id])], raw)

    def address(self, lead_id: int) -> str:
        with self.database.read() as tx:
            return str(tx.run(sa.select(leads.c.email).where(leads.c.id == lead_id)).scalar_one())

    def stopped_at(self) -> dict[int, datetime]:
        """{lead: when its opt-out stood in the database}."""
        chosen = sa.select(leads.c.id, suppressions.c.created_at).join(
            suppressions, suppressions.c.address_key == leads.c.address_key
        )
        with self.database.read() as tx:
            return {row.id: row.created_at for row in tx.run(chosen)}


def one_click(crowd: Crowd, lead_id: int) -> None:
    token = crowd.place.token(crowd.earlier[lead_id])
    assert crowd.place.client.post(f"/u/{token}", data={"List-Unsubscribe": "One-Click"}).status_code == 200


def button(crowd: Crowd, lead_id: int) -> None:
    token = crowd.place.token(crowd.earlier[lead_id])
    assert crowd.place.client.post(f"/u/{token}", data={"scope": "marketing"}).status_code == 200


def by_mail(crowd: Crowd, lead_id: int) -> None:
    crowd.mail_to("u", lead_id, b"Subject: unsubscribe\r\n\r\n", crowd.address(lead_id))


def dead_address(crowd: Crowd, lead_id: int) -> None:
    crowd.mail_to("b", lead_id, bounce(), "")


def complained(crowd: Crowd, lead_id: int) -> None:
    to = f"fbl@provider.example\r\nTo: {crowd.place.address('b', crowd.earlier[lead_id])}"
    crowd.mail_to("b", lead_id, complaint().replace(b"fbl@provider.example", to.encode()), "fbl@provider.example")


def by_hand(crowd: Crowd, lead_id: int) -> None:
    with crowd.database.write() as tx:
        key = TOKENS.address_key(crowd.address(lead_id))
        suppress(tx, [Suppression(address_key=key, scope=Scope.EVERYTHING, reason="asked", source="by hand")])


def by_import(crowd: Crowd, lead_id: int) -> None:
    file, map_file = crowd.folder / "refused.csv", crowd.folder / "refused.map.yaml"
    file.write_text(f"email,refused\n{crowd.address(lead_id)},yes\n")
    map_file.write_text("key: email\nemail: email\ndo_not_email: refused\nconsent: {air-lessons: {value: granted}}\n")
    with crowd.database.read() as tx:
        lead_map = read_map(map_file, live_rules(tx).policy.lead_schema, ("air-lessons",))
    import_leads(crowd.database, TOKENS, file, lead_map, progress=lambda _rows: None)


CHANNELS: dict[str, Callable[[Crowd, int], None]] = {
    "one click": one_click,
    "the page's button": button,
    "a mail to the unsubscribe address": by_mail,
    "a bounce": dead_address,
    "a complaint": complained,
    "by hand": by_hand,
    "an imported list": by_import,
}


@contextmanager
def crowd_of(people: int, database: Database, folder: Path, chance: Random) -> Iterator[Crowd]:
    """Their mails are due, and workers are at it."""
    earlier, due = fill(database, people, chance)
    sink = Listening()
    with ExitStack() as stack:
        place = Place(database, HostClock(), folder, REPLY_LISTEN=f"127.0.0.1:{free_port()}")  # type: ignore[arg-type]
        stack.callback(place.receiver.close)
        place.receiver.start()
        listener = start_listener(place.runtime, place.receiver.journal)
        stack.callback(listener.stop)
        stack.enter_context(sending(database, sink, place))
        yield Crowd(database=database, place=place, sink=sink, folder=folder, earlier=earlier, due=due)


@contextmanager
def sending(database: Database, sink: Listening, place: Place) -> Iterator[None]:
    """Dispatcher and workers, over a slow line to the mail server."""
    with ExitStack() as stack:
        stack.enter_context(running(sink))
        line = stack.enter_context(proxied(("127.0.0.1", sink.port)))
        line.slow(down=ROUND_TRIP)
        wire = open_wire(f"smtp://127.0.0.1:{line.port}?connections={CONNECTIONS}")
        stack.callback(wire.close)
        broker = open_broker("memory:")
        runtime = Runtime(
            settings=place.runtime.settings, database=database, tokens=TOKENS, wire=wire, worker_id=WORKER,
            has_lease=lambda: True, publish=lambda _noun, _claims: None,
        )  # fmt: skip
        stack.enter_context(working(broker, runtime, threads=CONNECTIONS))
        publish, lease = publisher(broker), runtime.settings.queue_lease
        stack.enter_context(beside(lambda stop: run_dispatcher(database, publish, lease=lease, stop=stop), name="dispatcher"))
        stack.enter_context(beside(lambda stop: hasten(database, stop), name="hasten"))
        yield


def hasten(database: Database, stop: threading.Event) -> None:
    """What was put off is tried again after a second."""
    while not stop.wait(1):
        with database.write() as tx:
            later = sa.and_(sends.c.state == SendState.READY, sends.c.due_at > tx.now)
            tx.run(sa.update(sends).where(later).values(due_at=tx.now))


def fill(database: Database, people: int, chance: Random) -> tuple[dict[int, int], dict[int, int]]:
    """{lead: the mail that it has}, {lead: the mail that is due}."""
    with database.write() as tx:
        add_workspace(tx)
        tx.run(sa.update(workers).values(lease_until=tx.now.replace(year=2100)))
        addresses = [f"{LATER if chance.random() < 0.15 else ''}reader{number}@mail.example" for number in range(people)]
        ids = tx.run(
            sa.insert(leads).returning(leads.c.id, leads.c.address_key), [lead_row(tx, email=each) for each in addresses]
        )
        rows = [
            {"stream": "marketing", "topic": "air-lessons", "lead_id": row.id, "address_key": row.address_key, "email": "lesson",
             "artifact_hash": an_artifact().hash, "created_at": tx.now}
            for row in ids.all()
        ]  # fmt: skip
        went = {"state": SendState.ACCEPTED, "attempting_at": tx.now, "ended_at": tx.now, "due_at": None}
        open_ = {"state": SendState.READY, "attempting_at": None, "ended_at": None, "due_at": tx.now}
        return insert_all(tx, rows, "earlier", went), insert_all(tx, rows, "due", open_)


def insert_all(tx: object, rows: Sequence[dict[str, object]], kind: str, state: dict[str, object]) -> dict[int, int]:
    values = [row | state | {"source": f"test:{kind}:{row['lead_id']}"} for row in rows]
    made = tx.run(sa.insert(sends).returning(sends.c.id, sends.c.lead_id), values)  # type: ignore[attr-defined]
    return {row.lead_id: row.id for row in made}


def wait_until_over(crowd: Crowd, patience: float) -> None:
    deadline = time.monotonic() + patience
    left = sa.select(sa.func.count()).select_from(sends).where(sends.c.state.not_in(TERMINAL_SEND))
    while time.monotonic() < deadline:
        with crowd.database.read() as tx:
            if tx.run(left).scalar_one() == 0:
                return
        time.sleep(0.2)
    raise AssertionError("not all mails are over")
