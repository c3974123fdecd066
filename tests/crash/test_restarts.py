"""What a killed worker held goes on elsewhere when its lease has run out, also where nobody starts it again."""

import time
from collections.abc import Collection

import pytest

from tests.crash.trial import ANY_MOMENT, SHORT_LEASES, Trial

pytestmark = pytest.mark.parametrize("on_trial", ["postgres"], indirect=True)
VICTIMS = ("worker-2", "worker-3", "worker-4", "worker-5")
SURVIVORS = ("dispatcher", "worker")
USUAL_LEASE = 60.0
AFTER_LEASE = 10.0


@pytest.mark.full
def test_what_killed_workers_held_goes_on_within_their_lease_and_ten_seconds(on_trial: Trial) -> None:
    kill_and_wait(on_trial, rounds=50)

    assert max(on_trial.recovered_in) <= float(SHORT_LEASES["WORKER_LEASE_SECONDS"]) + AFTER_LEASE


@pytest.mark.full
def test_what_killed_workers_held_goes_on_within_seventy_seconds_by_the_usual_lease(on_trial: Trial) -> None:
    usual = {"HANDRAISER_WORKER_LEASE_SECONDS": str(USUAL_LEASE)}
    on_trial.product.environment = {**on_trial.product.environment, **usual}
    kill_and_wait(on_trial, rounds=3)

    assert max(on_trial.recovered_in) <= USUAL_LEASE + AFTER_LEASE


def kill_and_wait(on_trial: Trial, rounds: int) -> None:
    for _ in range(rounds):
        on_trial.product.roles = (*SURVIVORS, *VICTIMS)
        for role in on_trial.product.roles:
            on_trial.run_until_present(role)
        on_trial.add_work(lessons=40, orders=20)
        dead = kill_when_busy(on_trial)
        on_trial.recovered_in += seconds_until_free(on_trial, dead)
        on_trial.product.roles = SURVIVORS
        on_trial.finish()
    assert on_trial.complaints() == []
    assert on_trial.recovered_in, "at least one of them was busy when it died"


def kill_when_busy(on_trial: Trial) -> set[str]:
    """All of them as soon as one holds something, unless the survivors are quicker; their ids in `workers`."""
    found = {on_trial.worker_of(on_trial.product.running[role]) for role in VICTIMS}
    ids = {worker_id for worker_id in found if worker_id}
    on_trial.wait_until(lambda: bool(on_trial.rows_of(ids)) or on_trial.is_over())
    for role in VICTIMS:
        on_trial.product.kill(role)
        on_trial.note_death(on_trial.product.running[role], ANY_MOMENT)
    return ids


def seconds_until_free(on_trial: Trial, dead: Collection[str]) -> list[float]:
    """For each of the dead that held something: how long it took until somebody else could go on with all of it."""
    began, busy, taken = time.monotonic(), set(on_trial.rows_of(dead)), []

    def is_free() -> bool:
        freed = busy - set(on_trial.rows_of(busy))
        taken.extend([round(time.monotonic() - began, 1)] * len(freed))
        busy.difference_update(freed)
        return not busy

    on_trial.wait_until(is_free)
    return taken
