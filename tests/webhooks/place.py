"""A receiver over a real database, drained by hand, so that a test says when; and mails that went out a while ago."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient

from engine.claim import Claim
from engine.clock import VirtualClock
from engine.compiler.sender import Sender
from engine.database import Database
from engine.render.artifact import Artifact, Link, link_table_id
from engine.runtime import Runtime
from engine.schema import artifacts, events, suppressions
from engine.settings import read_settings
from engine.tokens import SendToken, in_address, in_url
from engine.vocabulary import SendState
from tests.factories import SECRET, TOKENS, add_send
from webhooks.app import create_app
from webhooks.receiver import Receiver

LINKS = (
    Link(name="pricing", target="https://www.clearroom.example/pricing"),
    Link(name="guide", target="https://www.clearroom.example/guide?part=2#top"),
    Link(name="mine", target=None),
    Link(name="help", target="https://www.clearroom.example/hjälp"),
    Link(name="call", target="tel:+442079460311"),
)
HTML = '<p style="color:red">Hello {{ lead.first_name }}</p><a href="{{ track }}/c/{{ token }}/0">Prices</a>'
ARTIFACT = Artifact(
    email="enquiry-01-welcome", brand="clearroom", stream="marketing", 
    sender=Sender(name="Clearroom", address="hello@clearroom.example"), subject="", preheader="", html=HTML, text="", links=LINKS,
)  # fmt: skip
WEBHOOK_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


class NoWire:
    """Nothing is sent in these tests."""

    def fly(self, flights: object, recheck: object) -> list[Any]:
        raise AssertionError("nothing is to be sent here")

    def close(self) -> None: ...


class Place:
    """What a test about the receiver has at hand."""

    def __init__(self, database: Database, clock: VirtualClock, workspace: Path, **environ: str) -> None:
        self.database, self.clock, self.workspace = database, clock, workspace
        self.published: list[tuple[str, list[Claim]]] = []
        self.runtime = Runtime(
            settings=read_settings(workspace, SETTINGS | {f"HANDRAISER_{name}": value for name, value in environ.items()}),
            database=database,
            tokens=TOKENS,
            wire=NoWire(),
            worker_id="web-1",
            has_lease=lambda: True,
            publish=lambda noun, claims: self.published.append((noun, claims)),
        )
        with database.write() as tx:
            row = {"email": ARTIFACT.email, "brand": ARTIFACT.brand, "body": ARTIFACT.to_json(), "created_at": tx.now}
            if tx.run(sa.select(artifacts.c.hash).where(artifacts.c.hash == ARTIFACT.hash)).first() is None:
                tx.run(sa.insert(artifacts).values(hash=ARTIFACT.hash, link_table_id=link_table_id(ARTIFACT.hash), **row))
        self.open()

    def open(self) -> None:
        """A new process, as it were."""
        self.receiver = Receiver(self.runtime, clock=self.clock)
        self.app = create_app(self.runtime, self.receiver)

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client(use_cookies=False)

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(path, headers={"User-Agent": BROWSER} | headers)

    def send(self, **values: object) -> int:
        """A mail that was accepted two hours ago."""
        with self.database.write() as tx:
            then = tx.now - timedelta(hours=2)
            went = {"state": SendState.ACCEPTED, "attempting_at": then, "ended_at": then, "artifact_hash": ARTIFACT.hash}
            return add_send(tx, **(went | values))  # type: ignore[arg-type]

    def token(self, send_id: int, to: str = "") -> str:
        return in_url(sealed(send_id, to))

    def address(self, purpose: str, send_id: int, to: str = "") -> str:
        return f"{purpose}+{in_address(sealed(send_id, to))}@{self.runtime.settings.reply_domain}"

    def drain(self) -> list[sa.Row[Any]]:
        """What is ripe in the journal becomes events; all events, oldest first."""
        self.receiver.drainer.drain()
        return self.events()

    def settle(self) -> list[sa.Row[Any]]:
        """The same, after the time that requests wait for their neighbours."""
        self.clock.move_to(self.clock.now() + timedelta(seconds=10))
        return self.drain()

    def events(self) -> list[sa.Row[Any]]:
        with self.database.read() as tx:
            return list(tx.run(sa.select(events).order_by(events.c.id)))

    def stopped(self) -> set[str]:
        """The scopes of every suppression."""
        with self.database.read() as tx:
            return set(tx.run(sa.select(suppressions.c.scope)).scalars())


def sealed(send_id: int, to: str = "") -> bytes:
    """`to`: the address that a mail went to whose row may be lost."""
    key = TOKENS.address_key(to)
    return TOKENS.seal(SendToken(send_id=send_id, link_table_id=link_table_id(ARTIFACT.hash), address_key=key))


SETTINGS = {
    "HANDRAISER_SECRET_KEY": SECRET,
    "HANDRAISER_WEBHOOK_KEY": WEBHOOK_KEY,
    "HANDRAISER_PUBLIC_URL": "https://mail.clearroom.example",
}
