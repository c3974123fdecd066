"""The demo: two years of nurturing in less than a minute, over real SMTP and HTTP on this machine, in virtual time.

Before: nothing; it makes a workspace of its own. After: a tally for a person to read, and a workspace to look around in.
Everything is the live code: the workspace is compiled and applied, a list is imported, mails go by SMTP to a local server,
recipients follow links and answer by SMTP, reps answer on their page, a shop posts orders. Only the clock is not real.
"""

import csv
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.clock import VirtualClock
from engine.compiler.workspace import compile_workspace
from engine.database import Database
from engine.deliver.smtp import open_wire
from engine.errors import HandraiserError, WorkspaceError
from engine.leadfile.bring_in import import_leads
from engine.leadfile.map import read_map
from engine.leads import ids_by_key
from engine.processes.outbox.mailbox import Mailbox
from engine.render import library
from engine.runtime import Runtime
from engine.schedule.apply import apply_plan
from engine.schedule.enrol import enrol_leads
from engine.settings import read_settings
from engine.simulate.mailbox import NotingWire
from engine.simulate.make import go_home, make_runtime, open_database
from engine.simulate.over_wire import WireActs
from engine.simulate.people import Person, make_people
from engine.simulate.reception import Reception, receiving
from engine.simulate.recipients import Recipients
from engine.simulate.seen import SeenMail
from engine.simulate.shop import Shop
from engine.simulate.sink import Sink, running
from engine.simulate.sink_rules import Fault, Phase, Rule
from engine.simulate.tally import Tally, tally
from engine.simulate.world import Progress, World
from engine.versions import live_rules

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
PATIENCE = timedelta(hours=12)  # so that a person watching need not have more
ARRIVING = 4  # weeks over which the leads come in
MAP = """\
key: email
email: email
zone: zone
fields:
  first_name: first_name
  last_name: last_name
  company: company
  country: country
  building: building
  employees: employees
consent: {air-lessons: {value: granted}, product-news: {value: granted}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the demo came to. `taken`: the mails that the local mail server says it took."""

    tally: Tally
    taken: int
    folder: Path


def run_demo(folder: Path, *, count: int, days: int, seed: int, progress: Progress) -> Shown:
    """Run it in `folder`, which holds a workspace. Raises HandraiserError when that does not compile."""
    compiled = compile_workspace(folder, render=library)
    if compiled.plan is None:
        raise WorkspaceError("\n".join(map(str, compiled.diagnostics)), compiled.diagnostics)
    people, recipients, clock = make_people(count, seed=seed), Recipients(seed=seed), VirtualClock(START)
    mailbox = Mailbox(folder / ".handraiser" / "outbox", clock=clock)
    with ExitStack() as stack:
        sink = stack.enter_context(running(Sink(rules=nobody_there(people, recipients), on_message=mailbox.keep)))
        reception = Reception.free()
        settings = read_settings(folder, {"HANDRAISER_SMTP_URL": sink.url, **reception.settings})
        database = open_database(settings, clock)
        with database.write() as tx:
            apply_plan(tx, compiled.plan, compiled.artifacts, attachments=compiled.attachments)
        world = make_demo_world(stack, make_runtime(settings, database, open_wire(sink.url)), clock, recipients, reception)
        bring_in(world.runtime, folder, people)
        for week in range(ARRIVING):
            enrol(database, people[week::ARRIVING])
            world.run(START + timedelta(weeks=week + 1), progress)
        world.run(START + timedelta(days=days), progress)
        go_home(database)
        with database.read() as tx:
            return Shown(tally=tally(tx), taken=sink.kept, folder=folder)


def make_demo_world(
    stack: ExitStack, runtime: Runtime, clock: VirtualClock, recipients: Recipients, reception: Reception
) -> World:
    arrived: list[tuple[int, datetime]] = []
    seen: dict[int, SeenMail] = {}
    wire = stack.enter_context(NotingWire(wire=runtime.wire, arrived=arrived, seen=seen, now=clock.now))
    noted = make_runtime(runtime.settings, runtime.database, wire)
    drain = stack.enter_context(receiving(noted, clock))
    shop = Shop(url=reception.url, key=str(runtime.settings.webhook_key), clock=clock)
    acts = WireActs(seen=seen, reply_port=reception.reply_port, shop=shop, afterwards=drain)
    return World(runtime=noted, clock=clock, recipients=recipients, perform=acts.perform, patience=PATIENCE, arrived=arrived)


def nobody_there(people: Iterable[Person], recipients: Recipients) -> Sequence[Rule]:
    """The local mail server refuses mail to those who are gone."""
    return [
        Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=550, text="5.1.1 no such mailbox here", recipient=person.email)
        for person in people
        if recipients.persona_of(person.email).refused
    ]


def bring_in(runtime: Runtime, folder: Path, people: Sequence[Person]) -> None:
    """Write the list as a file and import it, as a marketer would."""
    file, map_file = folder / "people.csv", folder / "people.map.yaml"
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, fieldnames=list(asdict(people[0])))
        writer.writeheader()
        writer.writerows(asdict(person) for person in people)
    map_file.write_text(MAP, encoding="utf-8")
    with runtime.database.read() as tx:
        policy = live_rules(tx).policy
    lead_map = read_map(map_file, policy.lead_schema, tuple(policy.topics))
    done = import_leads(runtime.database, runtime.tokens, file, lead_map, progress=lambda _rows: None)
    if done.rejected:
        raise HandraiserError(f"{done.rejected} of the demo's own leads were rejected; see {done.rejects_file}")


def enrol(database: Database, people: Sequence[Person]) -> None:
    """Each into the nurture that fits."""
    with database.write() as tx:
        ids = ids_by_key(tx, [person.email for person in people])
        for cadence in sorted({person.cadence for person in people}):
            enrol_leads(tx, cadence, [ids[person.email] for person in people if person.cadence == cadence])
