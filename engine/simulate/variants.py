"""How the arms of emails compare: what the people who were sent each did with it.

Before: sends keep the arm that was drawn. After: `handraiser report` and `simulate` set the arms side by side, and say which
differences are more than chance. What machines did does not count, and each person counts once, however often an arm was sent.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from engine.compiler.copies import PLAIN
from engine.database import Tx
from engine.schema import events, sends
from engine.simulate.chance import Range, difference, likely
from engine.vocabulary import EventType, Origin, SendState

COUNTED = {EventType.OPENED: "opened", EventType.CLICKED: "clicked", EventType.REPLIED: "replied"}
WHATS = tuple(COUNTED.values())
Key = tuple[str, str]  # email, arm


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantCount:
    """One arm of one email. `mails` were accepted; everything else counts people, each once."""

    email: str
    arm: str
    mails: int
    people: int
    opened: int
    clicked: int
    replied: int

    def share(self, what: str) -> tuple[int, int]:
        """How many did it, of how many."""
        return getattr(self, what), self.people


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """An arm against the first of its email. `by`: by how much its rate of `what` is above that one's."""

    email: str
    arm: str
    first: str
    what: str
    by: Range


def variants(tx: Tx) -> list[VariantCount]:
    """Every arm in which an email went out, by email, the plain one first; in two statements."""
    happened: dict[Key, dict[str, int]] = {}
    for row in tx.run(HAPPENED):
        happened.setdefault((row.email, row.arm), {})[COUNTED[row.what]] = int(row.people)
    found = [
        VariantCount(
            email=row.email, arm=row.arm, mails=int(row.mails), people=int(row.people),
            **{what: happened.get((row.email, row.arm), {}).get(what, 0) for what in WHATS},
        )
        for row in tx.run(SENT)
    ]  # fmt: skip
    return in_order(found)


def variants_together(one: Sequence[VariantCount], other: Sequence[VariantCount]) -> list[VariantCount]:
    """The counts of different leads as one."""
    found: dict[Key, VariantCount] = {}
    for each in (*one, *other):
        key = (each.email, each.arm)
        found[key] = added(found[key], each) if key in found else each
    return in_order(found.values())


def added(one: VariantCount, other: VariantCount) -> VariantCount:
    numbers = {name: getattr(one, name) + getattr(other, name) for name in ("mails", "people", *WHATS)}
    return VariantCount(email=one.email, arm=one.arm, **numbers)


def in_order(found: Iterable[VariantCount]) -> list[VariantCount]:
    return sorted(found, key=lambda each: (each.email, each.arm != PLAIN, each.arm))


def compared(found: Sequence[VariantCount]) -> Iterator[Compared]:
    """Each arm against the first of its email, for everything that is counted."""
    for email, arms in by_email(found).items():
        for arm in arms[1:]:
            for what in WHATS:
                by = difference(arm.share(what), arms[0].share(what), looks=len(arms) - 1)
                yield Compared(email=email, arm=arm.arm, first=arms[0].arm, what=what, by=by)


def by_email(found: Sequence[VariantCount]) -> dict[str, list[VariantCount]]:
    emails: dict[str, list[VariantCount]] = {}
    for each in found:
        emails.setdefault(each.email, []).append(each)
    return emails


def variants_in_words(found: Sequence[VariantCount]) -> str:
    """A table for each email, and what its differences are worth; nothing where no email has arms."""
    told = [*compared(found)]
    return "\n\n".join(
        "\n".join([*table(email, arms), *(line(each) for each in told if each.email == email)])
        for email, arms in by_email(found).items()
    )


def table(email: str, arms: Sequence[VariantCount]) -> Iterator[str]:
    yield f"How the arms of the email {email} compare, by people; in brackets where the true rate lies (95 %)"
    yield f"  {'arm':<16} {'people':>8} {'mails':>8}" + "".join(f"{what:>27}" for what in WHATS)
    for arm in arms:
        shares = "".join(f"{rate_in_words(*arm.share(what)):>27}" for what in WHATS)
        yield f"  {arm.arm:<16} {arm.people:>8,} {arm.mails:>8,}{shares}"


def rate_in_words(number: int, of: int) -> str:
    lies = likely(number, of)
    return f"{number:,} {number / of if of else 0:.1%} ({lies.low * 100:.1f}-{lies.high * 100:.1f})"


def line(each: Compared) -> str:
    low, high = each.by.low * 100, each.by.high * 100
    if not each.by.is_more_than_chance:
        return (
            f"  {each.what}: no difference to speak of between {each.arm} and {each.first} yet; "
            f"the true one lies between {low:+.1f} and {high:+.1f} points"
        )
    better, worse = (each.arm, each.first) if low > 0 else (each.first, each.arm)
    least, most = sorted((abs(low), abs(high)))
    return f"  {each.what}: {better} does better than {worse}, by {least:.1f} to {most:.1f} points"


def variants_as_plain(found: Sequence[VariantCount]) -> dict[str, Any]:
    """For a machine."""
    return {
        "arms": [asdict(each) | {"likely": {what: asdict(likely(*each.share(what))) for what in WHATS}} for each in found],
        "compared": [asdict(each) | {"is_more_than_chance": each.by.is_more_than_chance} for each in compared(found)],
    }


PEOPLE = sa.func.count(sa.distinct(sends.c.lead_id)).label("people")
WENT_OUT = (sends.c.arm.is_not(None), sends.c.state == SendState.ACCEPTED)
SENT = (
    sa.select(sends.c.email, sends.c.arm, PEOPLE, sa.func.count().label("mails"))
    .where(*WENT_OUT)
    .group_by(sends.c.email, sends.c.arm)
)
HAPPENED = (
    sa.select(sends.c.email, sends.c.arm, events.c.type.label("what"), PEOPLE)
    .join_from(sends, events, events.c.send_id == sends.c.id)
    .where(*WENT_OUT, events.c.type.in_(tuple(COUNTED)), events.c.origin == Origin.HUMAN)
    .group_by(sends.c.email, sends.c.arm, events.c.type)
)
