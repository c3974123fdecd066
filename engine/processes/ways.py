"""How the ways out do: each relay, and each recipient domain that turns away what a relay brings.

Before: the record of each batch writes `relay_states` and `route_states`. After: `handraiser status` and `/metrics` tell them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from engine.compiler.relay import Relay
from engine.database import Tx
from engine.pauses import pauses_seen
from engine.schema import relay_days, relay_states, route_states


class RelayState(StrEnum):
    """How a relay does."""

    WELL = "well"
    FAILING = "failing"  # its last mails failed by its own fault, not often enough to leave it alone
    LEFT_ALONE = "left alone"  # nobody goes near it before `next_try_at`; mail goes by another, or waits
    HELD_BACK = "held back"  # by a person


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayStanding:
    """`why`: its last words. `today`: mails that it took, about. `allowed_today`: by its warm-up; None: it has none."""

    name: str
    state: RelayState
    failures: int = 0
    why: str | None = None
    since: datetime | None = None
    next_try_at: datetime | None = None
    today: int = 0
    allowed_today: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainStanding:
    """A recipient domain that turned away what came by this relay. `strikes`: pauses in a row."""

    domain: str
    relay: str
    paused_until: datetime
    since: datetime | None
    why: str | None
    strikes: int


def relays_standing(tx: Tx, relays: tuple[Relay, ...], today: date, carried: Mapping[str, int]) -> tuple[RelayStanding, ...]:
    """`carried`: how many mails each took today."""
    troubled = {row.relay: row for row in tx.run(sa.select(relay_states))}
    marked = {row.relay: row.mails for row in tx.run(sa.select(relay_days).where(relay_days.c.day == today))}
    held = pauses_seen(tx)
    return tuple(
        RelayStanding(
            name=relay.name,
            state=RelayState.HELD_BACK if held.stops_relay(relay.name) else state_of(troubled.get(relay.name)),
            **told_of(troubled.get(relay.name)),
            today=marked.get(relay.name, carried.get(relay.name, 0)),
            allowed_today=relay.warm_up.allowed_on(today) if relay.warm_up else None,
        )
        for relay in relays
    )


def state_of(row: sa.Row[Any] | None) -> RelayState:
    if row is None:
        return RelayState.WELL
    return RelayState.LEFT_ALONE if row.open_until is not None else RelayState.FAILING


def told_of(row: sa.Row[Any] | None) -> dict[str, Any]:
    if row is None:
        return {}
    return {"failures": row.failures, "why": row.why, "since": row.since, "next_try_at": row.open_until}


def domains_in_trouble(tx: Tx) -> tuple[DomainStanding, ...]:
    left = sa.select(route_states).where(route_states.c.open_until > tx.now)
    return tuple(
        DomainStanding(
            domain=row.domain,
            relay=row.relay,
            paused_until=row.open_until,
            since=row.since,
            why=row.why,
            strikes=row.strikes,
        )
        for row in tx.run(left.order_by(route_states.c.domain, route_states.c.relay))
    )
