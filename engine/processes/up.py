"""The processes as the operator starts them: everything in one, or a dispatcher, a worker and a receiver by themselves.

Before: `engine.cli` read the settings and migrated the database. After: nothing; each runs until `stop` is set, then finishes
what it began.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from engine.beside import beside
from engine.database import Database
from engine.deliver.signing import ready_signer
from engine.dkim.sign import Signer
from engine.garbage import collect_less
from engine.processes.assemble import (
    Unwired,
    assemble,
    mail_wire,
    outbox_folder,
    posts_folder,
    require_relays,
    require_shared_broker,
    sending,
)
from engine.processes.broker import open_broker, publisher
from engine.processes.dispatcher import run_dispatcher
from engine.processes.health import Health, ledger_probe
from engine.processes.lanes import PublishJob
from engine.processes.ops import operating
from engine.processes.outbox.app import create_outbox
from engine.processes.outbox.mailbox import Mailbox
from engine.processes.presence import Presence, present
from engine.processes.reach import broker_probe, database_probe
from engine.processes.receiving import receiving
from engine.processes.serving import serving
from engine.processes.spare import standing_in
from engine.processes.tally import keeping_tally
from engine.processes.upkeep import keeping_up
from engine.processes.witnesses import Witnesses, witnessing
from engine.processes.worker import working
from engine.settings import Settings, url_setting
from webhooks.receiver import Receiver

Say = Callable[[str], None]


def run_up(settings: Settings, database: Database, *, threads: int, stop: threading.Event, say: Say) -> None:
    """Everything in this process: dispatcher, workers, receiver, and the outbox unless mail is sent for real."""
    settings.require_safe_delivery()
    require_relays(settings, database)
    signer = ready_signer(settings, database)
    broker = open_broker(settings.broker_url)
    with ExitStack() as stack:
        outbox = stack.enter_context(showing_outbox(settings))
        wire = stack.enter_context(mail_wire(settings))
        witnesses = stack.enter_context(witnessing(settings, database))
        presence = stack.enter_context(sending(settings, database, kind="up"))
        runtime = assemble(settings, database, broker, wire=wire, presence=presence, signer=signer, note_marked=witnesses.note)
        stack.enter_context(keeping_tally(database, presence.worker_id))
        stack.enter_context(working(broker, runtime, threads=threads, on_overdue=wire.close, on_unfinished=presence.abandon))
        stack.enter_context(keeping_up(runtime))
        stack.enter_context(dispatching(database, publisher(broker), settings))
        reached = stack.enter_context(receiving(runtime))
        ops = stack.enter_context(operated(settings, database, presence, witnesses, reached.receiver))
        stack.enter_context(standing_in(runtime, threads=threads, on_unfinished=presence.abandon))
        collect_less()
        say(welcome(settings, signer, reached.address, outbox, ops))
        stop.wait()
        presence.retire()
        say("Stopping: what was begun is being finished.")


def run_dispatcher_alone(settings: Settings, database: Database, *, stop: threading.Event, say: Say) -> None:
    """A dispatcher. Any number may run."""
    require_shared_broker(settings, "dispatcher")
    publish = publisher(open_broker(settings.broker_url))
    with (
        witnessing(settings, database) as witnesses,
        present(database, kind="dispatcher", lease=settings.worker_lease) as presence,
        operated(settings, database, presence, witnesses) as ops,
    ):
        collect_less()
        say(f"The dispatcher is running. {told_at(ops)}Stop it with Ctrl-C.")
        run_dispatcher(database, publish, lease=settings.queue_lease, stop=stop)


def run_worker_alone(settings: Settings, database: Database, *, threads: int, stop: threading.Event, say: Say) -> None:
    """A worker. Any number may run."""
    settings.require_safe_delivery()
    require_relays(settings, database)
    require_shared_broker(settings, "worker")
    signer = ready_signer(settings, database)
    broker = open_broker(settings.broker_url)
    with (
        mail_wire(settings) as wire,
        witnessing(settings, database) as witnesses,
        sending(settings, database, kind="worker") as presence,
    ):
        runtime = assemble(settings, database, broker, wire=wire, presence=presence, signer=signer, note_marked=witnesses.note)
        with (
            keeping_tally(database, presence.worker_id),
            working(broker, runtime, threads=threads, on_overdue=wire.close, on_unfinished=presence.abandon),
            keeping_up(runtime),
            operated(settings, database, presence, witnesses) as ops,
            standing_in(runtime, threads=threads, on_unfinished=presence.abandon),
        ):
            collect_less()
            say(f"A worker of {threads} threads is running. {destination(settings, signer)} {told_at(ops)}Stop it with Ctrl-C.")
            stop.wait()
            presence.retire()


def run_web_alone(settings: Settings, database: Database, *, stop: threading.Event, say: Say) -> None:
    """A receiver: web app and reply listener. Any number may run, each with a `.handraiser` folder of its own."""
    broker = open_broker(settings.broker_url)
    with (
        witnessing(settings, database) as witnesses,
        present(database, kind="web", lease=settings.worker_lease) as presence,
    ):
        runtime = assemble(settings, database, broker, wire=Unwired(), presence=presence)
        with (
            receiving(runtime) as reached,
            operated(settings, database, presence, witnesses, reached.receiver, only_receives=True) as ops,
        ):
            collect_less()
            listens = f"{reached.address}, for replies at {settings.reply_listen}"
            say(f"The receiver is running at {listens}. {told_at(ops)}Stop it with Ctrl-C.")
            stop.wait()


def dispatching(database: Database, publish: PublishJob, settings: Settings) -> AbstractContextManager[None]:
    """A dispatcher on a thread of its own, while the block lasts."""
    return beside(lambda stop: run_dispatcher(database, publish, lease=settings.queue_lease, stop=stop), name="dispatcher")


@contextmanager
def operated(
    settings: Settings,
    database: Database,
    presence: Presence,
    witnesses: Witnesses,
    receiver: Receiver | None = None,
    *,
    only_receives: bool = False,
) -> Iterator[str | None]:
    """What operators look at, while the block lasts. Begun last, when all that should run does."""
    health = Health(
        database=database_probe(database),
        ledger=ledger_probe(database),
        broker=receiver.broker if receiver else broker_probe(settings.broker_url),
        has_lease=presence.has_lease,
        cannot_write=lambda: database.writes.why_not,
        receiver=receiver,
        only_receives=only_receives,
        held_back=lambda: witnesses.held_back,
    )
    with operating(settings, health) as address:
        presence.tell_operators(address)
        yield address


def told_at(ops: str | None) -> str:
    return f"Operators: {ops}/metrics. " if ops else ""


@contextmanager
def showing_outbox(settings: Settings) -> Iterator[str | None]:
    """The address of the outbox while the block lasts; None when mail is sent for real."""
    if settings.sends_for_real:
        yield None
        return
    app = create_outbox(Mailbox(outbox_folder(settings)), posts_folder(settings))
    with serving(app, settings.outbox_listen, setting="OUTBOX_LISTEN", threads=2) as address:
        yield address


def welcome(settings: Settings, signer: Signer, receiver: str, outbox: str | None, ops: str | None) -> str:
    lines = ["Handraiser is running.", f"  {destination(settings, signer)}"]
    if outbox:
        lines.append(f"  Outbox    {outbox}/")
    lines += [f"  Receiver  {receiver}/", f"  Replies   smtp://{settings.reply_listen}"]
    if ops:
        lines.append(f"  Operators {ops}/metrics")
    lines.append("Stop it with Ctrl-C.")
    return "\n".join(lines)


def destination(settings: Settings, signer: Signer) -> str:
    if not settings.sends_for_real:
        return "Mail is captured in the local outbox: nothing is sent to anyone."
    domains = sorted({key.domain for key in signer.keys})
    signed = f"signed by DKIM when it is from {', '.join(domains)}" if domains else "and is not signed by DKIM here"
    return f"Mail is sent through {', '.join(map(url_setting, settings.relay_urls))}, {signed}."
