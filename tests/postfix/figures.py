"""What a day came to, by domain, and what must hold of it.

Before: `tests.postfix.day` lived it. After: a page, and complaints where a bound does not hold.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

import sqlalchemy as sa

from engine.database import Database
from engine.schema import leads, sends, suppressions
from engine.vocabulary import SendState
from tests.crash.opt_outs import send_of
from tests.crash.oracle import Verdict
from tests.postfix.domains import BOUNCING, DOMAINS, GREY, NOBODY, PLAIN, REFUSING, SLOW, Asked, Domains
from tests.postfix.maillog import MailLog

GREYLISTED_AT_MOST = timedelta(minutes=15)
COLUMNS = (
    "domain", "people", "mails", "accepted", "retried", "minutes until accepted", "not sent", "suppressed",
    "attempts", "Postfix took", "and delivered", "and bounced", "turned away", "twice",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The mails to one domain: as the ledger has them, then as Postfix does. `waited`: minutes from first attempt to yes."""

    domain: str
    people: int
    states: Mapping[str, int]
    retried: int
    waited: Sequence[float]
    suppressed: int
    attempts: int
    rcpts: int
    took: int
    became: Mapping[str, int]
    turned_away: Mapping[str, int]
    twice: int

    @property
    def mails(self) -> int:
        return sum(self.states.values())

    @property
    def accepted(self) -> int:
        return self.states.get(SendState.ACCEPTED, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All lines, the oracle's verdict on what did not bounce, and what is wrong."""

    lines: Sequence[Line]
    verdict: Verdict
    bounced: int
    complaints: Sequence[str]
    where: str
    seconds: float

    @classmethod
    def of(
        cls, database: Database, domains: Domains, log: MailLog, verdict: Verdict, *, bounced: int, seconds: float
    ) -> "Figures":
        lines = [line_of(database, domain, domains, log) for domain in DOMAINS]
        complaints = [*verdict.complaints, *complaints_about({line.domain: line for line in lines})]
        where = "SQLite, one process" if database.is_sqlite else "PostgreSQL and Redis"
        return cls(lines=lines, verdict=verdict, bounced=bounced, complaints=complaints, where=where, seconds=seconds)

    def section(self) -> str:
        verdict = self.verdict
        rows = "\n".join("| " + " | ".join(map(str, cells)) + " |" for cells in [COLUMNS, ["---"] * len(COLUMNS)])
        rows += "".join("\n| " + " | ".join(map(str, cells_of(line))) + " |" for line in self.lines)
        return f"""## {self.where}

{rows}

The ledger held against the mailboxes, mail by mail: {verdict.sends} sends, {verdict.accepted} accepted and there,
{verdict.unknown} unknown, {verdict.duplicates} twice, {verdict.lost} lost; {self.bounced} more were accepted and bounced later.
It took {self.seconds:.0f} s.

{chr(10).join(self.complaints) or "Nothing to complain of."}
"""


def cells_of(line: Line) -> list[object]:
    waited = f"{median(line.waited):.0f}, at most {max(line.waited):.0f}" if line.waited else "-"
    rest = ", ".join(f"{count} {state}" for state, count in sorted(line.states.items()) if state != SendState.ACCEPTED)
    away = ", ".join(f"{count} with {code}" for code, count in sorted(line.turned_away.items()))
    return [
        line.domain, line.people, line.mails, line.accepted, line.retried, waited, rest or "-", line.suppressed,
        line.attempts, line.took, line.became.get("sent", 0), line.became.get("bounced", 0), away or "-", line.twice,
    ]  # fmt: skip


def line_of(database: Database, domain: str, domains: Domains, log: MailLog) -> Line:
    first = first_asked(one for one in domains.asked if one.recipient.endswith(f"@{domain}"))
    theirs = leads.c.email.like(f"%@{domain}")
    with database.read() as tx:
        chosen = sa.select(sends.c.state, sends.c.reason, sends.c.id, sends.c.ended_at, sends.c.attempts, leads.c.email)
        rows = tx.run(chosen.join(leads, leads.c.id == sends.c.lead_id).where(theirs).order_by(sends.c.id)).all()
        suppressed = sa.select(sa.func.count(sa.distinct(suppressions.c.address_key))).join(
            leads, leads.c.address_key == suppressions.c.address_key
        )
        return Line(
            domain=domain,
            people=len({row.email for row in rows}),
            states=Counter(f"{row.state} ({row.reason})" if row.reason else row.state for row in rows),
            retried=sum(row.attempts > 1 for row in rows),
            waited=[(row.ended_at - first[row.id]).total_seconds() / 60 for row in rows if row.state == SendState.ACCEPTED],
            suppressed=tx.run(suppressed.where(theirs)).scalar_one(),
            attempts=sum(row.attempts for row in rows),
            rcpts=sum(one.recipient.endswith(f"@{domain}") for one in domains.asked),
            took=log.taken(domain),
            became=log.became.get(domain, {}),
            turned_away=log.turned_away.get(domain, {}),
            twice=log.twice(domain),
        )


def first_asked(asked: Iterator[Asked]) -> dict[int, datetime]:
    """When each mail was first tried, by the send in its return address."""
    times: dict[int, datetime] = {}
    for one in asked:
        times.setdefault(send_of(one.sender), one.at)
    return times


def complaints_about(lines: Mapping[str, Line]) -> Iterator[str]:
    grey, slow, refusing, bouncing, plain = (lines[name] for name in (GREY, SLOW, REFUSING, BOUNCING, PLAIN))
    for line in lines.values():
        yield from complaints_about_postfix(line)
    if set(grey.states) != {"accepted"} or max(grey.waited) * 60 > GREYLISTED_AT_MOST.total_seconds():
        yield f"greylisted mail should all be accepted within {GREYLISTED_AT_MOST}: {grey}"
    if grey.retried != grey.mails:
        yield f"every mail to {GREY} should have been turned away once: {grey}"
    if set(slow.states) != {"accepted"}:
        yield f"mail to a slow domain should all be accepted: {slow.states}"
    if refusing.suppressed:
        yield f"a refusal by policy is about us and must suppress nobody: {refusing.suppressed} were"
    if bouncing.suppressed != bouncing.people:
        yield f"every bounce should have suppressed its address: {bouncing.suppressed} of {bouncing.people}"
    dead = plain.states.get("refused (permanent)", 0)
    if plain.suppressed == 0 or dead < plain.suppressed:
        yield f"unknown users ({NOBODY}…) should be refused once and then suppressed: {plain.states}, {plain.suppressed}"


def complaints_about_postfix(line: Line) -> Iterator[str]:
    """Where its log tells something else than the ledger."""
    if line.twice:
        yield f"Postfix took {line.twice} mails to {line.domain} twice"
    if line.took != line.accepted:
        yield f"the ledger has {line.accepted} accepted mails to {line.domain}, Postfix took {line.took}"
    if line.attempts != line.took + sum(line.turned_away.values()):
        turned_away = dict(line.turned_away)
        yield f"the ledger has {line.attempts} attempts to {line.domain}, Postfix took {line.took} and turned away {turned_away}"
