"""What every crash test is given: the two ways to run the product, and how long it may be tried.

`make crash` adds `--full`: more people, more passes, random kills, and its figures in docs/results/crash.md.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.trial import Trial, trial


@pytest.fixture(scope="session")
def is_full(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("--full"))


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Its seed is printed, so that what it led to can be had again."""
    given = request.config.getoption("--seed")
    seed = random.randrange(10**6) if given is None else given
    print(f"--seed {seed}")
    return random.Random(seed)


@pytest.fixture(params=["sqlite", "postgres"])
def on_trial(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Trial]:
    """One process over SQLite, then a dispatcher and a worker over PostgreSQL and Redis."""
    alone = request.param == "sqlite"
    url = request.getfixturevalue("sqlite_url" if alone else "postgres_url")
    broker_url = None if alone else request.getfixturevalue("redis_url")
    with trial(tmp_path, url, broker_url) as started:
        yield started
