"""One clock: live processes on PostgreSQL ask the database what time it is, so that hosts whose clocks differ agree."""

from datetime import UTC, datetime

import pytest

from engine import clock
from engine.database import Database


class WrongClock(datetime):
    """The clock of a host that is years behind."""

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return datetime(2001, 1, 1, tzinfo=UTC)


def test_a_host_with_a_wrong_clock_goes_by_the_databases(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "datetime", WrongClock)
    database = Database.open(postgres_url)

    with database.write() as tx:
        now = tx.now

    database.close()
    assert clock.HostClock().now().year == 2001
    assert now.year > 2001
