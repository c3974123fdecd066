"""Warm-up: a new relay carries so many mails a day, more each day, until providers know it. Counted exactly, over all workers.

Before: `relays.yaml` says how it begins. After: when its day is full, `engine.deliver.ways` takes another or lets mail wait.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.compiler.plan import Policy
from engine.database import Tx
from engine.prepared import Prepared, PreparedInsert
from engine.schema import relay_days


def rooms_today(tx: Tx, policy: Policy) -> dict[str, int]:
    """{relay: how many more mails it may carry today} of those that are being warmed up, which stay locked till the commit."""
    day = today(tx.now, policy)
    allowed = {relay.name: relay.warm_up.allowed_on(day) for relay in policy.relays if relay.warm_up is not None}
    warming = {name: mails for name, mails in allowed.items() if mails is not None}
    if not warming:
        return {}
    NEW.run(tx, [(name, day, 0) for name in sorted(warming)])
    carried = (KNOWN if tx.is_sqlite else LOCKED).rows(tx, names=sorted(warming), day=day)
    return {row.relay: warming[row.relay] - row.mails for row in carried}


def count_mails(tx: Tx, policy: Policy, mails: Mapping[str, int]) -> None:
    """`mails`: how many more each of them carries."""
    day = today(tx.now, policy)
    ADD.run_each(tx, [{"of_relay": name, "of_day": day, "more": more} for name, more in sorted(mails.items())])


def give_back(tx: Tx, policy: Policy, marked: Iterable[tuple[str, datetime]]) -> None:
    """Of mails that were counted then through these relays, and that no relay carried."""
    warming = {relay.name for relay in policy.relays if relay.warm_up is not None}
    counted = Counter((name, today(at, policy)) for name, at in marked if name in warming)
    BACK.run_each(tx, [{"of_relay": name, "of_day": day, "back": mails} for (name, day), mails in sorted(counted.items())])


def today(now: datetime, policy: Policy) -> date:
    return now.astimezone(ZoneInfo(policy.zone)).date()


NEW = PreparedInsert(relay_days, ("relay", "day", "mails"), unless=("relay", "day"))
CHOSEN = (
    sa.select(relay_days.c.relay, relay_days.c.mails)
    .where(relay_days.c.relay.in_(sa.bindparam("names", expanding=True)), relay_days.c.day == sa.bindparam("day"))
    .order_by(relay_days.c.relay)
)
KNOWN, LOCKED = Prepared(CHOSEN), Prepared(CHOSEN.with_for_update())
ADD = Prepared(
    sa.update(relay_days)
    .where(relay_days.c.relay == sa.bindparam("of_relay"), relay_days.c.day == sa.bindparam("of_day"))
    .values(mails=relay_days.c.mails + sa.bindparam("more", type_=sa.Integer))
)
BACK = Prepared(
    sa.update(relay_days)
    .where(
        relay_days.c.relay == sa.bindparam("of_relay"),
        relay_days.c.day == sa.bindparam("of_day"),
        relay_days.c.mails >= sa.bindparam("back", type_=sa.Integer),
    )
    .values(mails=relay_days.c.mails - sa.bindparam("back", type_=sa.Integer))
)
