"""Mail that somebody waits for: orders posted to the receiver, 50 a second, alone and while 500,000 nurture touches are due.

The touches come due as they do in life, by time; nothing is written for it.

From the order's commit, which PostgreSQL tells (over SQLite from the start of the transaction that stored it, just before it),
to the record of the server's 250 (`ended_at`, taken a moment after the 250 was read), both by the database's clock, so the figure
is rather too high than too low. Beside it, from the same seconds: how long a write of 4 KB to the same disk takes by itself, of
which an order needs several. The product's own processes over HTTP, to Postfix's `smtp-sink`: `handraiser up` over SQLite, and
a dispatcher, a worker and a receiver over PostgreSQL and Redis.

Goals: alone, 99 of 100 within 50 ms; with the backlog, half within 15 ms and 99 of 100 within 250 ms.
Run: python -m benchmarks.latency [--touches 500000] [--seconds 20] [--only shared|embedded]
"""

import argparse
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from statistics import quantiles

import sqlalchemy as sa

from benchmarks.conditions import conditions
from benchmarks.disk import watched_disk
from benchmarks.lesson import make_due
from benchmarks.live import WEBHOOK_KEY, Installation, embedded, extras, settle, shared
from engine.clock import HostClock
from engine.schema import events, sends, touches
from engine.simulate.shop import Shop
from engine.vocabulary import Stream
from tests.services.smtp_sink import Server, running_sink, tools

A_SECOND = 50
CLIENTS = 5  # each posts every tenth of a second
WARM_UP = 3.0
A_SETTLED_SECOND = 10_000  # rows, at least, that a database puts in their places
BESIDE = 20.0  # seconds for all that begins and ends
PATIENCE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Milliseconds from the stored order to the 250; how many nurture mails a second went out meanwhile, and how many
    milliseconds each write to the disk took.
    """

    milliseconds: Sequence[float]
    nurture: float
    disk: Sequence[float]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--touches", type=int, default=500_000)
    asked.add_argument("--seconds", type=float, default=20.0)
    asked.add_argument("--only", choices=("shared", "embedded"))
    given = asked.parse_args()
    programs = tools()
    if programs is None:
        raise SystemExit("smtp-sink comes with Postfix: apt-get install postfix")
    print(
        f"{conditions()}; {extras()}; {A_SECOND} orders a second for {given.seconds:g} s, {given.touches:,} touches", flush=True
    )
    print(f"{'milliseconds':<44}{'median':>8}{'90 %':>8}{'99 %':>8}{'most':>8}   meanwhile")
    with running_sink(programs) as server:
        if given.only != "shared":
            measure("SQLite, one process", server, given.touches, given.seconds, is_shared=False)
        if given.only != "embedded":
            measure("PostgreSQL and Redis", server, given.touches, given.seconds, is_shared=True)


def measure(title: str, server: Server, backlog: int, seconds: float, *, is_shared: bool) -> None:
    with (shared if is_shared else embedded)(server.url) as installation:
        numbers = installation.lessons.add_touches(backlog)
        until_then = timedelta(seconds=backlog / A_SETTLED_SECOND + BESIDE + WARM_UP + seconds)
        due_at = make_due(installation.database, touches, numbers, lead_time=until_then)
        settle(installation.database)
        for name in ("dispatcher", "worker", "web") if is_shared else ("up",):
            installation.start(name, name)
        shop = Shop(url=f"http://{installation.environment['HANDRAISER_WEB_LISTEN']}", key=WEBHOOK_KEY, clock=HostClock())
        orders = count(1)
        post_orders(shop, orders, WARM_UP)
        print_waits(f"{title}, alone", observed(installation, shop, orders, seconds))
        wait_for(due_at)
        print_waits(f"{title}, {backlog:,} touches due", observed(installation, shop, orders, seconds))


def wait_for(due_at: datetime) -> None:
    left = (due_at - datetime.now(UTC)).total_seconds()
    if left < 0:
        raise SystemExit(f"this machine is too slow: the touches were due {-left:.0f} s before the orders alone were measured")
    time.sleep(left)


def observed(installation: Installation, shop: Shop, orders: "count[int]", seconds: float) -> Waits:
    """Of the orders posted in so many seconds."""
    first, before, began = next(orders), nurture_sent(installation), time.monotonic()
    with watched_disk(installation.workspace) as disk:
        post_orders(shop, orders, seconds)
    nurture = (nurture_sent(installation) - before) / (time.monotonic() - began)
    return Waits(milliseconds=waits_since(installation, first, next(orders) - first - 1), nurture=nurture, disk=disk)


def post_orders(shop: Shop, orders: "count[int]", seconds: float) -> None:
    """At fixed times, whether or not the answers come as fast."""
    until = time.monotonic() + seconds

    def post(at: float) -> None:
        while at < until:
            time.sleep(max(0.0, at - time.monotonic()))
            number = next(orders)
            with suppress(OSError):  # the ledger shows what is missing
                shop.place_order(f"buyer{number}@mail.example", f"CR-{number}", datetime.now(UTC))
            at += CLIENTS / A_SECOND

    start = time.monotonic()
    clients = [threading.Thread(target=post, args=(start + number / A_SECOND,)) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()


def nurture_sent(installation: Installation) -> int:
    with installation.database.read() as tx:
        marketing = (sends.c.stream == Stream.MARKETING, sends.c.state == "accepted")
        return int(tx.run(sa.select(sa.func.count()).select_from(sends).where(*marketing)).scalar_one())


def waits_since(installation: Installation, first: int, posted: int) -> list[float]:
    """Of the last orders that were posted; one that is missing has no figure, and ends the benchmark."""
    stored_at: sa.ColumnElement[datetime] = sends.c.created_at
    if not installation.database.is_sqlite:
        stored_at = sa.func.pg_xact_commit_timestamp(sa.literal_column("events.xmin"), type_=sa.DateTime(timezone=True))
    chosen = (
        sa.select(stored_at.label("stored_at"), sends.c.ended_at)
        .join(events, events.c.id == sends.c.event_id)
        .where(sends.c.stream == Stream.TRANSACTIONAL, sends.c.state == "accepted")
        .order_by(sends.c.id.desc())
        .limit(posted)
    )
    waiting = sa.select(sa.func.count()).select_from(sends)
    waiting = waiting.where(sends.c.stream == Stream.TRANSACTIONAL, sends.c.state != "accepted")
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with installation.database.read() as tx:
            if tx.run(waiting).scalar_one() == 0:
                return [(row.ended_at - row.stored_at).total_seconds() * 1e3 for row in tx.run(chosen)]
        time.sleep(0.5)
    raise SystemExit(f"of the orders from {first} on some have no mail after {PATIENCE:g} s")


def print_waits(title: str, waits: Waits) -> None:
    print(
        f"{title:<44}{spread(waits.milliseconds)}   {waits.nurture:,.0f} nurture mails a second\n"
        f"{'  a write to the disk meanwhile':<44}{spread(waits.disk)}",
        flush=True,
    )


def spread(milliseconds: Sequence[float]) -> str:
    of_hundred = quantiles(milliseconds, n=100)
    figures = (of_hundred[49], of_hundred[89], of_hundred[98], max(milliseconds))
    return "".join(f"{each:>8.1f}" for each in figures)


if __name__ == "__main__":
    main()
