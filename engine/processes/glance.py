"""What an operator asks at a glance, looked at in one transaction at a cost that does not grow with the rows.

Before: `handraiser status`, `/metrics` or `/ready` want to know. After: `engine.cli.status_lines` says it in words, and
`engine.processes.gauges` in figures.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from engine.compiler.relay import Relay
from engine.database import Tx
from engine.errors import DatabaseError
from engine.processes.standing import Standing, Working, standing
from engine.processes.tally import Rates, rates
from engine.processes.ways import DomainStanding, RelayStanding, domains_in_trouble, relays_standing
from engine.schedule.catch_up import CatchUp, current
from engine.schedule.hold import Hold, marketing_hold
from engine.settings import MAIN
from engine.story.held_back import held_back
from engine.versions import live_rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """As of `standing.now`. `held_back`: by a person, in words; `hold`: of marketing, since the clock jumped. `without_address`:
    {relay: the processes that send and have none of it}. `capturing`: those that keep mail in their outbox beside others that
    send it.
    """

    standing: Standing
    rates: Rates
    relays: tuple[RelayStanding, ...]
    without_address: Mapping[str, tuple[Working, ...]]
    capturing: tuple[Working, ...]
    domains: tuple[DomainStanding, ...]
    held_back: tuple[str, ...]
    catch_up: CatchUp | None
    hold: Hold | None


def glance(tx: Tx) -> Glance:
    zone, relays = rules_of(tx)
    here = tx.now.astimezone(zone)
    lately = rates(tx, datetime(here.year, here.month, here.day, tzinfo=zone))
    stands = standing(tx)
    return Glance(
        standing=stands,
        rates=lately,
        without_address=without_address(relays, stands.working),
        capturing=capturing(stands.working),
        relays=relays_standing(tx, relays, here.date(), lately.today_by_relay),
        domains=domains_in_trouble(tx),
        held_back=held_back(tx),
        catch_up=current(tx),
        hold=marketing_hold(tx),
    )


def without_address(relays: Iterable[Relay], working: Iterable[Working]) -> dict[str, tuple[Working, ...]]:
    """Addresses are read when a process starts, so a relay that was declared later may have none."""
    senders = [one for one in working if one.relays is not None]
    lacking = {relay.name: tuple(one for one in senders if relay.name not in (one.relays or ())) for relay in relays}
    return {name: processes for name, processes in lacking.items() if processes}


def capturing(working: Iterable[Working]) -> tuple[Working, ...]:
    seen = tuple(working)
    return tuple(one for one in seen if one.captures) if any(one.relays is not None for one in seen) else ()


def rules_of(tx: Tx) -> tuple[ZoneInfo, tuple[Relay, ...]]:
    """In whose zone it is today, and which relays there are."""
    try:
        policy = live_rules(tx).policy
    except DatabaseError:  # nothing was applied yet
        return ZoneInfo("UTC"), (Relay(name=MAIN),)
    return ZoneInfo(policy.zone), policy.relays
