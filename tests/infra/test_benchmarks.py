"""The benchmarks that fill tables by themselves know the columns that there are."""

from benchmarks import calendar, tick
from engine.clock import VirtualClock
from engine.database import Database


def test_the_tick_benchmark_fills_the_tables_and_looks(database: Database, clock: VirtualClock) -> None:
    clock.move_to(tick.NOW)
    tick.fill(database, 1_100)

    assert tick.look(database) > 0


def test_the_calendar_benchmark_fills_its_tables(capsys, monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["calendar", "--people", "50"])

    calendar.main()

    assert "         50" in capsys.readouterr().out
