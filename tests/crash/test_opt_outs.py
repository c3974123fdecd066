"""Stop means stop: people opt out by every channel while their mails are on the way, and no mail begins a second later."""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa

from engine.database import Database
from engine.schema import sends
from engine.vocabulary import Reason, SendState
from tests.crash.opt_outs import CHANNELS, CONNECTIONS, ROUND_TRIP, Crowd, crowd_of, wait_until_over
from tests.crash.passages import complaints_about_orphans

GAP = timedelta(seconds=1)
HEARD_WITHIN = timedelta(seconds=5)


@pytest.fixture(params=["sqlite", "postgres"])
def living(request: pytest.FixtureRequest) -> Iterator[Database]:
    """By the real clock."""
    database = Database.open(request.getfixturevalue(f"{request.param}_url"))
    yield database
    database.close()


def test_no_mail_begins_a_second_after_its_recipient_opted_out(
    living: Database, tmp_path: Path, chance: Random, is_full: bool, request: pytest.FixtureRequest
) -> None:
    people, leaving = (10_000, 2_000) if is_full else (120, 28)
    with crowd_of(people, living, tmp_path, chance) as crowd:
        opt_out_meanwhile(crowd, chance, leaving, seconds=people * ROUND_TRIP / CONNECTIONS)
        wait_until_over(crowd, patience=300)

    stopped_at = crowd.stopped_at()
    began = {lead: crowd.sink.mail_at.get(send) for lead, send in crowd.due.items()}
    after = {lead: at - stopped_at[lead] for lead in crowd.asked if (at := began[lead]) is not None}
    too_late = {lead: gap for lead, gap in after.items() if gap > GAP}
    heard = sorted(at - asked for lead, (_channel, asked) in crowd.asked.items() if (at := stopped_at[lead]))
    request.node.user_properties.append(("stops", figures(crowd, after)))
    assert len(stopped_at) == leaving
    assert too_late == {}
    assert heard[-1] < HEARD_WITHIN
    assert unexplained(crowd) == []
    assert complaints_about_orphans(crowd.database) == []


def opt_out_meanwhile(crowd: Crowd, chance: Random, leaving: int, seconds: float) -> None:
    """One after the other, spread over the time that all mails take."""
    began = time.monotonic()
    channels = list(CHANNELS)
    for number, lead_id in enumerate(chance.sample(sorted(crowd.due), leaving)):
        time.sleep(max(0.0, began + number * seconds / leaving - time.monotonic()))
        crowd.opt_out(lead_id, channels[number % len(channels)])


def unexplained(crowd: Crowd) -> list[str]:
    """A mail either went, or was stopped for this reason; and who did not opt out has it."""
    with crowd.database.read() as tx:
        rows = tx.run(sa.select(sends).where(sends.c.id.in_(crowd.due.values()))).all()
    return [
        f"{row._asdict()}"
        for row in rows
        if (
            (row.state, row.reason) != (SendState.ACCEPTED, None)
            and not (row.lead_id in crowd.asked and (row.state, row.reason) == (SendState.CANCELLED, Reason.SUPPRESSED))
        )
        or (row.state == SendState.ACCEPTED) != (row.id in crowd.sink.kept_at)
    ]


def figures(crowd: Crowd, after: dict[int, timedelta]) -> dict[str, object]:
    """For the page of results. `gap`: the longest time by which a mail began after its recipient had opted out."""
    return {
        "database": "SQLite" if crowd.database.is_sqlite else "PostgreSQL",
        "mails": len(crowd.due),
        "opt_outs": len(crowd.asked),
        "began_after": sum(gap > timedelta() for gap in after.values()),
        "gap": max(after.values(), default=timedelta()).total_seconds(),
        "states": dict(Counter(crowd.states.values())),
    }
