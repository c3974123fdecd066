"""Jobs are wake-ups: losing all of them, or getting each three times, from one dispatcher or five, changes nothing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest

from engine.claim import Claim
from engine.database import Database
from engine.processes.broker import open_broker, publisher
from engine.processes.dispatcher import run_dispatcher
from engine.processes.lanes import Lane
from engine.settings import read_settings
from tests.crash.trial import Trial

pytestmark = pytest.mark.parametrize("on_trial", ["postgres"], indirect=True)


def test_emptying_redis_in_mid_run_loses_nothing(on_trial: Trial, chance: Random, is_full: bool) -> None:
    for _ in range(25 if is_full else 2):
        on_trial.add_work(lessons=30)
        on_trial.run_for(chance.uniform(0.1, 1.0))
        on_trial.empty_queues()

    on_trial.finish()

    assert_all_went_well(on_trial)


def test_every_job_delivered_three_times_changes_nothing(on_trial: Trial, is_full: bool) -> None:
    on_trial.product.roles = ("worker", "worker-2")
    on_trial.add_work(lessons=400 if is_full else 25, orders=10)

    with dispatching_three_times(on_trial):
        on_trial.finish()

    assert_all_went_well(on_trial)


def test_five_dispatchers_at_once_double_nothing(on_trial: Trial, is_full: bool) -> None:
    on_trial.product.roles = ("worker", *(f"dispatcher-{number}" for number in range(5)))
    on_trial.add_work(lessons=400 if is_full else 25, orders=10)

    on_trial.finish()

    assert_all_went_well(on_trial)


def assert_all_went_well(trial: Trial) -> None:
    """Nobody died, so nothing is unknown and nothing was sent again."""
    verdict = trial.judge()
    assert trial.complaints() == []
    assert (verdict.unknown, verdict.resent, verdict.accepted) == (0, 0, verdict.sends)


@contextmanager
def dispatching_three_times(trial: Trial) -> Iterator[None]:
    """A dispatcher of our own whose every job arrives three times."""
    settings = read_settings(trial.product.folder, trial.product.environment)
    publish, stop = publisher(open_broker(settings.broker_url)), threading.Event()

    def publish_three_times(lane: Lane, claims: list[Claim]) -> None:
        for _ in range(3):
            publish(lane, claims)

    database = Database.open(settings.database_url)
    todo = {"lease": settings.queue_lease, "stop": stop}
    thread = threading.Thread(target=run_dispatcher, args=(database, publish_three_times), kwargs=todo)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        database.close()
