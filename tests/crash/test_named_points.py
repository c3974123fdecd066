"""A process dies at each named point of its work, one after the other over the same rows, as `kill -9` or a power cut would."""

from tests.crash.points import Point, named_points
from tests.crash.trial import Trial


def points_for(trial: Trial, is_full: bool) -> list[Point]:
    """All; in the ordinary run every other one over SQLite, and those between over PostgreSQL."""
    points = named_points()
    return points if is_full else points[trial.database.is_sqlite :: 2]


def test_dying_at_each_named_point_sends_nothing_twice_and_loses_nothing(on_trial: Trial, is_full: bool) -> None:
    never_passed = []
    for passes in (1, 2, 4) if is_full else (1,):
        for point in points_for(on_trial, is_full):
            on_trial.add_work(lessons=25, orders=15, hands=4) if is_full else on_trial.add_work()
            if not on_trial.die_at(point, passes) and passes == 1:
                never_passed.append(point.name)
        on_trial.finish()

    assert on_trial.complaints() == []
    assert never_passed == [], "give the trial work that passes these points"
    assert [death for death in on_trial.deaths if not death.is_bounded] == []
    assert any(death.in_doubt for death in on_trial.deaths)
