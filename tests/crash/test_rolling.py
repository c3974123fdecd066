"""A new version is rolled out: processes of two versions work side by side over the same rows while each is replaced in turn."""

import time
from collections import Counter
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from random import Random

import pytest
from dramatiq.message import Message

from engine.claim import TOUCH, take_due
from engine.processes.broker import ACTOR, open_broker
from engine.processes.lanes import TOUCHES
from tests.crash.test_lost_jobs import assert_all_went_well
from tests.crash.trial import Trial
from tests.crash.versions import next_version

pytestmark = [pytest.mark.full, pytest.mark.parametrize("on_trial", ["postgres"], indirect=True)]
RESTARTS = 40
STOPS_WITHIN = 25  # seconds


def test_processes_of_two_versions_replace_each_other_and_nothing_is_in_doubt(
    on_trial: Trial, chance: Random, tmp_path: Path
) -> None:
    on_trial.product.roles = ("dispatcher", "worker", "worker-2", "worker-3")
    versions = cycle([next_version(tmp_path / "next"), None])
    statuses, stops = Counter[int | None](), []
    for role, _ in zip(cycle(on_trial.product.roles), range(RESTARTS), strict=False):
        on_trial.add_work(lessons=15, orders=15)
        on_trial.run_until_present(role)
        on_trial.run_for(chance.uniform(0, 1.5))
        began = time.monotonic()
        statuses[on_trial.product.drain(role)] += 1
        stops.append(time.monotonic() - began)
        on_trial.product.start(role, code=next(versions))
    on_trial.finish()

    assert_all_went_well(on_trial)
    assert statuses == {0: RESTARTS}
    assert max(stops) <= STOPS_WITHIN
    print(f"stopped within {max(stops):.1f} s, in the middle {sorted(stops)[len(stops) // 2]:.1f} s")


@pytest.mark.parametrize(
    ("queue", "name"), [(TOUCHES.queue, "of_tomorrow"), ("of_tomorrow", "of_tomorrow")], ids=["in our queue", "in its own"]
)
def test_a_job_whose_name_is_not_known_yet_keeps_its_rows_from_nobody(on_trial: Trial, queue: str, name: str) -> None:
    on_trial.nobody_looks = True
    on_trial.add_work(lessons=20, orders=10)
    with on_trial.database.write() as tx:
        claims = take_due(tx, TOUCH, limit=20, lease=timedelta(seconds=3))
    broker = open_broker(on_trial.product.environment["HANDRAISER_BROKER_URL"])
    broker.declare_queue(queue)
    broker.enqueue(Message(queue_name=queue, actor_name=ACTOR + name, args=(claims,), kwargs={}, options={}))

    on_trial.run_until_all_work()
    started = on_trial.product.pids()
    on_trial.finish()

    assert len(claims) == 20
    assert on_trial.product.pids() == started
    assert_all_went_well(on_trial)
