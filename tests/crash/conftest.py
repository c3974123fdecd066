"""What every crash test is given: the two ways to run the product, and how long it may be tried.

`make crash` adds `--full`: more people, more passes, random kills; and `--page`: its figures in docs/results/crash.md.
"""

import random
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pytest

from tests.crash.report import Run
from tests.crash.trial import Trial, judged, trial

LONGEST = (
    "test_random_kills",
    "test_restarts",
    "test_frozen",
    "test_rolling",
    "test_named_points",
    "test_restored",
    "test_outages",
)
QUICKEST = "test_oracle"
run = Run()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """At full size what takes longest begins first, so that nothing is waited for in the end. A process of pytest-xdist is
    given two tests to begin with: after a long one, one of those that take no time.
    """
    if not config.getoption("--full"):
        return
    order = {name: at for at, name in enumerate(LONGEST)}
    trials = sorted(
        (item for item in items if item.path.stem != QUICKEST), key=lambda item: order.get(item.path.stem, len(order))
    )
    quick = [item for item in items if item.path.stem == QUICKEST]
    items[:] = [item for pair in zip_longest(trials, quick) for item in pair if item is not None]


@pytest.fixture(scope="session")
def is_full(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("--full"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """What a test leaves behind comes here from every process that runs tests."""
    left = dict(report.user_properties)
    if report.failed:
        run.failed.append(report.nodeid)
    if report.when == "call":
        run.took[report.nodeid] = report.duration
    if report.when == "teardown" and ("crash" in left or "stops" in left):
        named = {"trial": title_of(report.nodeid), "seed": left.get("seed", ""), "took": round(run.took[report.nodeid])}
        run.trials += [named | left["crash"]] if "crash" in left else []
        run.stops += [named | left["stops"]] if "stops" in left else []


def pytest_sessionfinish(session: pytest.Session) -> None:
    page = session.config.getoption("--page")
    if page and not hasattr(session.config, "workerinput"):
        page.write_text(run.page(at_once=getattr(session.config.option, "numprocesses", None) or 1), encoding="utf-8")


def title_of(nodeid: str) -> str:
    """A test's name as the sentence that it is, and what was broken if it says so."""
    name, _bracket, given = nodeid.rpartition("::test_")[2].partition("[")
    broken = given.rpartition("-")[0]
    return name.replace("_", " ") + (f" ({broken})" if broken else "")


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Its seed is printed, so that what it led to can be had again."""
    given = request.config.getoption("--seed")
    seed = random.randrange(10**6) if given is None else given
    print(f"--seed {seed}")
    request.node.user_properties.append(("seed", seed))
    return random.Random(seed)


@pytest.fixture(params=["sqlite", "postgres"])
def on_trial(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Trial]:
    """One process over SQLite, then a dispatcher and a worker over PostgreSQL and Redis."""
    alone = request.param == "sqlite"
    url = request.getfixturevalue("sqlite_url" if alone else "postgres_url")
    broker_url = None if alone else request.getfixturevalue("redis_url")
    with trial(tmp_path, url, broker_url) as started, judged(request, started):
        yield started
