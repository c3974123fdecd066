"""An operator stops and starts processes in mid-run: what was begun is finished first, so nothing is in doubt."""

from random import Random

import pytest

from tests.crash.points import named_points
from tests.crash.trial import Trial


def test_stopping_in_mid_run_leaves_nothing_in_doubt(on_trial: Trial, chance: Random, is_full: bool) -> None:
    statuses = []
    for _ in range(10 if is_full else 1):
        role = chance.choice(on_trial.product.roles)
        on_trial.add_work(lessons=30)
        on_trial.run_until_present(role)
        on_trial.run_for(chance.uniform(0, 1))
        statuses.append(on_trial.product.drain(role))

    on_trial.finish()

    verdict = on_trial.judge()
    assert on_trial.complaints() == []
    assert set(statuses) == {0}
    assert (verdict.unknown, verdict.resent) == (0, 0)


@pytest.mark.full
def test_being_asked_to_stop_at_each_named_point_leaves_nothing_in_doubt(on_trial: Trial) -> None:
    statuses = {}
    for point in named_points():
        on_trial.add_work(lessons=15, orders=8)
        statuses[point.name] = on_trial.stop_at(point)
    on_trial.finish()

    verdict = on_trial.judge()
    assert on_trial.complaints() == []
    assert {name: status for name, status in statuses.items() if status != 0} == {}
    assert (verdict.unknown, verdict.resent) == (0, 0)
