"""What a day came to, by domain, and what must hold of it.

Before: `tests.postfix.day` lived it. After: a page, and complaints where a bound does not hold.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

import sqlalchemy as sa

from benchmarks.conditions import conditions
from engine.database import Database
from engine.schema import leads, sends, suppressions
from engine.vocabulary import SendState
from tests.crash.oracle import Verdict
from tests.postfix.domains import BOUNCING, DOMAINS, GREY, NOBODY, PLAIN, REFUSING, SLOW, SLOW_BY, Asked, Domains

GREYLISTED_AT_MOST = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The mails to one domain. `waited`: minutes from the first attempt to the yes."""

    domain: str
    mails: int
    people: int
    states: Mapping[str, int]
    rcpts: int
    waited: Sequence[float]
    begun: Sequence[float]  # real seconds from when it was due to its RCPT
    suppressed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All lines, the oracle's verdict on what did not bounce, and what is wrong."""

    lines: Sequence[Line]
    verdict: Verdict
    bounced: int
    complaints: Sequence[str]
    where: str

    @classmethod
    def of(cls, database: Database, domains: Domains, verdict: Verdict, *, bounced: int) -> "Figures":
        lines = [line_of(database, domain, domains) for domain in DOMAINS]
        complaints = [*verdict.complaints, *complaints_about({line.domain: line for line in lines})]
        where = "SQLite, one process" if database.is_sqlite else "PostgreSQL and Redis"
        return cls(lines=lines, verdict=verdict, bounced=bounced, complaints=complaints, where=where)

    def page(self, *, people: int, seconds: float, version: str) -> str:
        return "\n".join(
            [
                "# A day through Postfix",
                "",
                f"{self.where}; Postfix {version}; {people} people; {seconds:.0f} s ({conditions()}).",
                "",
                "| domain | people | mails | outcomes | RCPTs | minutes to the yes | begun after | suppressed |",
                "| --- | --- | --- | --- | --- | --- | --- | --- |",
                *map(row_of, self.lines),
                "",
                "Minutes to the yes, of the day's own time: median and longest. Begun after: real seconds from when a mail was",
                f"due to its RCPT, median and longest; {SLOW} takes {SLOW_BY:g} s for every answer. Suppressed: addresses.",
                "",
                f"Ledger and mailboxes: {self.verdict.sends} sends, {self.verdict.accepted} accepted, {self.verdict.unknown} "
                f"unknown, {self.verdict.duplicates} twice, {self.verdict.lost} lost; {self.bounced} more came back as bounces.",
                "",
                *(self.complaints or ["Nothing to complain of."]),
                "",
            ]
        )


def row_of(line: Line) -> str:
    outcomes = ", ".join(f"{count} {state}" for state, count in sorted(line.states.items()))
    waited = f"{median(line.waited):.0f}, {max(line.waited):.0f}" if line.waited else "-"
    begun = f"{median(line.begun):.2f}, {max(line.begun):.2f}"
    return (
        f"| {line.domain} | {line.people} | {line.mails} | {outcomes} | {line.rcpts} | {waited} | {begun} | {line.suppressed} |"
    )


def line_of(database: Database, domain: str, domains: Domains) -> Line:
    asked = [one for one in domains.asked if one.recipient.endswith(f"@{domain}")]
    first = first_asked(asked)
    theirs = leads.c.email.like(f"%@{domain}")
    with database.read() as tx:
        chosen = sa.select(sends.c.state, sends.c.reason, sends.c.id, sends.c.ended_at, leads.c.email).join(leads).where(theirs)
        rows = tx.run(chosen.order_by(sends.c.id)).all()
        suppressed = sa.select(sa.func.count(sa.distinct(suppressions.c.address_key))).join(
            leads, leads.c.address_key == suppressions.c.address_key
        )
        return Line(
            domain=domain,
            mails=len(rows),
            people=len({row.email for row in rows}),
            states=Counter(f"{row.state} ({row.reason})" if row.reason else row.state for row in rows),
            rcpts=len(asked),
            waited=[minutes(row, first) for row in rows if row.state == SendState.ACCEPTED],
            begun=[one.after for one in asked],
            suppressed=tx.run(suppressed.where(theirs)).scalar_one(),
        )


def first_asked(asked: Sequence[Asked]) -> dict[str, list[datetime]]:
    """When each recipient was named, in order."""
    times: dict[str, list[datetime]] = {}
    for one in asked:
        times.setdefault(one.recipient, []).append(one.at)
    return times


def minutes(row: sa.Row[tuple[object, ...]], first: Mapping[str, Sequence[datetime]]) -> float:
    """From the first RCPT of this mail to its yes: the earliest within two hours before it, since lessons lie further apart."""
    near = [at for at in first[row.email] if row.ended_at - timedelta(minutes=110) < at <= row.ended_at]
    return (row.ended_at - min(near)).total_seconds() / 60 if near else 0.0


def complaints_about(lines: Mapping[str, Line]) -> Iterator[str]:
    grey, slow, refusing, bouncing, plain = (lines[name] for name in (GREY, SLOW, REFUSING, BOUNCING, PLAIN))
    if set(grey.states) != {"accepted"} or max(grey.waited) * 60 > GREYLISTED_AT_MOST.total_seconds():
        yield f"greylisted mail should all be accepted within {GREYLISTED_AT_MOST}: {grey}"
    if set(slow.states) != {"accepted"}:
        yield f"mail to a slow domain should all be accepted: {slow.states}"
    if refusing.suppressed:
        yield f"a refusal by policy is about us and must suppress nobody: {refusing.suppressed} were"
    if bouncing.suppressed != bouncing.people:
        yield f"every bounce should have suppressed its address: {bouncing.suppressed} of {bouncing.people}"
    dead = plain.states.get("refused (permanent)", 0)
    if plain.suppressed == 0 or dead < plain.suppressed:
        yield f"unknown users ({NOBODY}…) should be refused once and then suppressed: {plain.states}, {plain.suppressed}"
