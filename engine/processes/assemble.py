"""Putting one process together: its wire, its place in `workers`, the runtime that verbs are handed.

Before: settings are read and the database is migrated. After: `up`, `worker` and the others run on it until asked to stop.
"""

import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import dramatiq

from engine import crash
from engine.claim import Claim
from engine.database import Database
from engine.deliver.places import MOST_CONNECTIONS, Places
from engine.deliver.smtp import open_wire, open_wires, relay_of
from engine.deliver.ways import look_anew
from engine.deliver.wire import Flight, NotBegun, Outcome, Recheck, Wire
from engine.dkim.sign import Signer
from engine.errors import SettingsError
from engine.garbage import collect_apart
from engine.installation import LEAVES, first_said, said
from engine.log import start_logging
from engine.posts.http import HttpPosts
from engine.posts.wire import PostWire
from engine.processes.broker import publisher
from engine.processes.lanes import REACTIONS, TOUCHES, TRANSACTIONAL
from engine.processes.outbox.mailbox import Mailbox
from engine.processes.outbox.posts import KeptPosts
from engine.processes.presence import Presence, bury_dead_neighbours, present
from engine.processes.reach import is_in_process
from engine.processes.standing import working
from engine.runtime import Marked, Runtime, unnoted
from engine.settings import MAIN, OUTBOX, Settings, url_setting
from engine.simulate.sink import Sink, running
from engine.tokens import Tokens
from engine.versions import declared_relays
from engine.vocabulary import Reason

log = logging.getLogger(__name__)
LONGEST_STOP = 29.0  # seconds: work takes 25 at most, and many a supervisor kills after 30
LANE_OF = {lane.noun.name: lane for lane in (REACTIONS, TRANSACTIONAL, TOUCHES)}


def begin_process(settings: Settings) -> threading.Event:
    """Logs and signals of a process that runs until it is stopped; the event is set by SIGTERM or Ctrl-C."""
    collect_apart()
    start_logging(level=settings.log_level)
    crash.arm(settings.crash_at)
    return stop_on_signals()


def stop_on_signals() -> threading.Event:
    """The first signal asks to finish; a second one ends the process as it would any other, and so does time."""
    stop = threading.Event()

    def ask(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()
        end_in_time()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    return stop


def end_in_time() -> None:
    """Whoever stops us need not wait for a database that hangs, since all that is left by then is to tell it that we go."""
    last = threading.Timer(LONGEST_STOP, end_now)
    last.daemon = True
    last.start()


def end_now() -> None:
    log.warning(
        "the database does not answer, so this process ends without telling it; what it held is free when its lease is over"
    )
    os._exit(0)


def assemble(
    settings: Settings,
    database: Database,
    broker: dramatiq.Broker,
    *,
    wire: Wire,
    presence: Presence,
    signer: Signer | None = None,
    note_marked: Marked = unnoted,
) -> Runtime:
    """The workplace of a process that carries jobs out, by so many threads. Raises SettingsError without a secret key."""
    publish = publisher(broker)

    def publish_rows(noun: str, claims: list[Claim]) -> None:
        publish(LANE_OF[noun], claims)

    return Runtime(
        settings=settings,
        database=database,
        tokens=Tokens(settings.require_secret()),
        wire=wire,
        worker_id=presence.worker_id,
        has_lease=presence.may_begin,
        publish=publish_rows,
        posts=post_wire(settings),
        note_marked=note_marked,
        signer=signer or Signer(),
        places=places_of(settings),
    )


def places_of(settings: Settings) -> Places:
    """As many connections as the URL of each relay allows; those to the local outbox stand for every relay."""
    if not settings.sends_for_real:
        return Places(MOST_CONNECTIONS)
    return Places({name: relay_of(url, url_setting(name)).reuse.connections for name, url in settings.relay_urls.items()})


@contextmanager
def sending(settings: Settings, database: Database, *, kind: str) -> Iterator[Presence]:
    """The presence of a process that sends. What waits for an address that it may have now is due."""
    relays = settings.relay_urls if settings.sends_for_real else None
    with present(database, kind=kind, lease=settings.worker_lease, relays=relays) as presence:
        with database.write() as tx:
            if relays is not None:
                first_said(tx, LEAVES, "through relays")
            look_anew(tx, Reason.NO_RELAY)
        yield presence


def require_relays(settings: Settings, database: Database) -> None:
    """Raises SettingsError where mail leaves, and a relay that the workspace declares has no address here; or where others of
    this database send for real, or were to, and what this process takes would stay in its outbox.
    """
    if not settings.sends_for_real:
        require_no_senders(database)
        if not settings.is_outbox_meant:
            require_that_none_left(database)
        return
    with database.read() as tx:
        missing = [name for name in declared_relays(tx) if name not in settings.relay_urls]
    if missing:
        raise SettingsError(
            f"relays.yaml declares the relay {missing[0]}, and {url_setting(missing[0])} is not set. Set it to the address "
            "of that server, or remove the relay from relays.yaml and run `handraiser apply`."
        )


def require_no_senders(database: Database) -> None:
    with database.write() as tx:
        bury_dead_neighbours(tx)
        senders = [one for one in working(tx) if one.relays is not None]
    if senders:
        one = senders[0]
        raise SettingsError(
            f"other processes of this database send mail for real, such as the {one.kind} on {one.host} ({one.pid}), and "
            f"{url_setting(MAIN)} is not set here: what this one takes would stay in its local outbox. Set it, or stop them "
            "first; one that was killed counts for as long as its lease, a minute."
        )


def require_that_none_left(database: Database) -> None:
    """An address that was lost with a server's settings must not turn all that is due into mails that count as sent."""
    with database.read() as tx:
        leaves = said(tx, LEAVES) is not None
    if leaves:
        raise SettingsError(
            f"processes of this database had a mail server's address before, and {url_setting(MAIN)} is not set now: what is "
            "due would stay in the local outbox and count as sent. Set it to the server's address; or, where mail is to stay on "
            f"this machine, to {OUTBOX}"
        )


class Unwired:
    """The wire of a process that receives and sends nothing itself."""

    def fly(self, flights: Sequence[Flight], recheck: Recheck) -> list[Outcome]:
        return [NotBegun(reply="this process sends nothing")] * len(flights)

    def close(self) -> None:
        pass


@contextmanager
def mail_wire(settings: Settings) -> Iterator[Wire]:
    """The wire to the relays that have an address in the settings; with none, to one that only fills the local outbox."""
    if settings.relay_urls:
        with closed_after(open_wires(settings.relay_urls)) as wire:
            yield wire
        return
    mailbox = Mailbox(outbox_folder(settings))
    with running(Sink(on_message=mailbox.keep)) as sink, closed_after(open_wire(sink.url)) as wire:
        yield wire


def post_wire(settings: Settings) -> PostWire:
    """The wire for webhook steps. Where mail does not leave, posts do not either."""
    outward = HttpPosts(settings.webhook_allow)
    if settings.sends_for_real:
        return outward
    return KeptPosts(folder=posts_folder(settings), allow=settings.webhook_allow, outward=outward)


@contextmanager
def closed_after(wire: Wire) -> Iterator[Wire]:
    try:
        yield wire
    finally:
        wire.close()


def outbox_folder(settings: Settings) -> Path:
    """Where captured mail is kept. The folder belongs to this machine, not to the workspace's history."""
    return settings.workspace / ".handraiser" / "outbox"


def posts_folder(settings: Settings) -> Path:
    """Where posts are kept that did not leave either."""
    return outbox_folder(settings) / "posts"


def require_shared_broker(settings: Settings, command: str) -> None:
    """Raises SettingsError when jobs would never leave the process that publishes them."""
    if is_in_process(settings.broker_url):
        raise SettingsError(
            f"`handraiser {command}` works beside other processes and needs a broker between them: set "
            "HANDRAISER_BROKER_URL=redis://… for all of them. `handraiser up` runs everything in one process without."
        )
