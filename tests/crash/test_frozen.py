"""A worker stands still in the middle of its work, as when a laptop's lid is closed, and wakes after others have taken over."""

from random import Random

import pytest

from tests.crash.lines import lines_of
from tests.crash.points import Point, named_points
from tests.crash.trial import SHORT_LEASES, Trial

pytestmark = pytest.mark.parametrize("on_trial", ["postgres"], indirect=True)
ALWAYS_TRIED = ("before-dot",)
LEASE = float(SHORT_LEASES["WORKER_LEASE_SECONDS"])


def test_a_worker_that_wakes_after_its_lease_doubles_nothing(on_trial: Trial, is_full: bool) -> None:
    never_passed = []
    for point in tried_points(is_full):
        on_trial.product.roles = ("dispatcher",)
        on_trial.add_work()
        if not on_trial.freeze_at(point, "worker"):
            never_passed.append(point.name)
        on_trial.product.roles = ("dispatcher", "worker-2")
        on_trial.run_for(2 * LEASE)
        on_trial.product.thaw("worker")
        on_trial.finish()
        on_trial.product.end("worker", "worker-2")

    assert on_trial.complaints() == []
    assert never_passed == []


@pytest.mark.full
def test_processes_that_stand_still_at_any_moment_double_nothing(on_trial: Trial, chance: Random) -> None:
    on_trial.product.roles = ("dispatcher", "dispatcher-2", "worker", "worker-2", "worker-3")
    for freeze in range(100):
        on_trial.add_work(lessons=15, orders=5)
        on_trial.run_for(chance.uniform(0.1, 1.0))
        frozen = chance.sample(on_trial.product.roles, 2)
        for role in frozen:
            on_trial.product.freeze(role)
        on_trial.run_for(chance.uniform(1.2, 1.8) * LEASE)
        for role in frozen:
            on_trial.product.thaw(role)
        on_trial.freezes += len(frozen)
        if freeze % 20 == 19:
            on_trial.finish()

    assert on_trial.complaints() == []


@pytest.mark.full
def test_a_worker_that_alone_is_cut_off_from_the_database_doubles_nothing(on_trial: Trial, chance: Random) -> None:
    on_trial.product.roles = ("dispatcher", "worker")
    near = on_trial.product.environment
    with lines_of(on_trial) as lines:
        far = {**near, "HANDRAISER_DATABASE_URL": on_trial.product.environment["HANDRAISER_DATABASE_URL"]}
        on_trial.product.environment = far
        on_trial.product.start("worker-2")
        on_trial.product.environment = near
        for _ in range(30):
            on_trial.add_work(lessons=20, orders=10)
            on_trial.run_for(chance.uniform(0.2, 1.0))
            lines.sql.hang()
            on_trial.run_for(chance.uniform(1.2, 2.5) * LEASE)
            lines.sql.reset() if chance.random() < 0.5 else None
            lines.sql.heal()
        assert on_trial.product.is_running("worker-2")
        on_trial.finish()

    assert on_trial.complaints() == []


def test_a_worker_that_stands_still_within_a_transaction_holds_up_nobody_else(on_trial: Trial) -> None:
    on_trial.product.roles = ("dispatcher",)
    on_trial.add_work(lessons=5, orders=0, hands=0)
    on_trial.freeze_at(Point(name="touch-begun", role="worker"), "worker")
    on_trial.product.roles = ("dispatcher", "worker-2")
    on_trial.run_for(2 * LEASE)  # the dispatcher now looks for what the frozen one holds

    on_trial.add_work(lessons=0, orders=5, hands=0)
    on_trial.wait_until(lambda: on_trial.judge().accepted == 5)

    on_trial.product.thaw("worker")
    on_trial.finish()
    assert on_trial.complaints() == []


def tried_points(is_full: bool) -> list[Point]:
    return [point for point in named_points() if point.role == "worker" and (is_full or point.name in ALWAYS_TRIED)]
