"""A script that happens to every lead of a run: the same events for each, at their time in the lead's own zone.

Before: the leads are in the world. After: `engine.simulate.world` goes on to the end. An event about a mail that comes only later
that day is tried again when working hours are over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from heapq import heapify, heappop, heappush
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.compiler.cadence_tests import Happening
from engine.conditions import zone_of
from engine.leads import Lead, load_leads
from engine.schedule.timing import first_instant, local_date
from engine.schema import leads
from engine.simulate.acts import DirectActs
from engine.simulate.happen import Stage, happen
from engine.simulate.recipients import Intended, Persona, Received, Recipients
from engine.simulate.world import Progress, World
from engine.versions import live_rules
from webhooks.links import LinkTables

FIRST, AGAIN = time(9, 10), time(18)
Due = tuple[datetime, int, int, bool]  # when, which event, which lead, whether for the second time


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlyTheScript(Recipients):
    """Nobody does anything of their own accord: neither people nor reps."""

    personas: Sequence[Persona] = (Persona(name="does what the script says", share=1.0),)

    def intend(self, mail: Received) -> list[Intended]:
        return []


def play(world: World, script: Sequence[Happening], start: datetime, until: datetime, progress: Progress) -> list[str]:
    """Let time pass to the last event; what could not happen, in words."""
    runtime = world.runtime
    stage = Stage(runtime=runtime, acts=DirectActs(runtime, LinkTables(runtime.database)))
    people, zones = cast_of(world)
    due = [
        (instant(event, zones[lead_id], start, FIRST), number, lead_id, False)
        for lead_id in people
        for number, event in enumerate(script)
    ]
    heapify(due)
    trouble = []
    while due and due[0][0] <= until:
        at, number, lead_id, is_second = heappop(due)
        at, event, lead = max(at, world.clock.now()), script[number], people[lead_id]
        world.run(at, progress)
        why = happen(stage, lead, event, at=at, number=number)
        if why is not None and not is_second and event.on.clock is None:
            heappush(due, (instant(event, zones[lead_id], start, AGAIN), number, lead_id, True))
        elif why is not None:
            trouble.append(f"{lead.key}, {event.on.on(local_date(start, zones[lead_id]))}, {event.type}: {why}")
    return trouble


def cast_of(world: World) -> tuple[dict[int, Lead], dict[int, ZoneInfo]]:
    with world.runtime.database.read() as tx:
        people = load_leads(tx, tx.run(sa.select(leads.c.id)).scalars().all())
        policy = live_rules(tx).policy
    return people, {lead_id: zone_of(lead, policy) for lead_id, lead in people.items()}


def instant(event: Happening, zone: ZoneInfo, start: datetime, clock: time) -> datetime:
    return first_instant(event.on.on(local_date(start, zone)), event.on.clock or clock, zone)
