"""What every crash test is given: the two ways to run the product, and how long it may be tried.

`make crash` adds `--full`: more people, more passes, random kills, and its figures in docs/results/crash.md.
"""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.trial import Trial, trial


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="the long crash tests, and their figures in docs/results")


@pytest.fixture(scope="session")
def is_full(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("--full", default=False))


@pytest.fixture
def chance() -> random.Random:
    """Printed, so that what it led to can be had again: HANDRAISER_TEST_SEED=…"""
    seed = int(os.environ.get("HANDRAISER_TEST_SEED") or random.SystemRandom().randrange(10**9))
    print(f"HANDRAISER_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(params=["sqlite", "postgres"])
def on_trial(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Trial]:
    """One process over SQLite, then a dispatcher and a worker over PostgreSQL and Redis."""
    alone = request.param == "sqlite"
    url = request.getfixturevalue("sqlite_url" if alone else "postgres_url")
    broker_url = None if alone else request.getfixturevalue("redis_url")
    with trial(tmp_path, url, broker_url) as started:
        yield started
