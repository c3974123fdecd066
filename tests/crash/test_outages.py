"""The database, Redis or the mail server goes away, in every way that a network knows: everything resumes by itself."""

from collections.abc import Iterator
from random import Random

import pytest

from engine.deliver.places import MOST_IN_DOUBT
from tests.crash.lines import BREAKS, Lines, lines_of
from tests.crash.trial import CONNECTIONS, Trial

pytestmark = pytest.mark.parametrize("on_trial", ["postgres"], indirect=True)
ALWAYS_TRIED = ("SQL: commits cut before or after they were made",)
RECOVERY = 30  # seconds
LONG_LEASES = {"HANDRAISER_WORKER_LEASE_SECONDS": "60", "HANDRAISER_QUEUE_LEASE_SECONDS": "10"}


@pytest.fixture
def lines(on_trial: Trial) -> Iterator[Lines]:
    on_trial.nobody_looks = True
    on_trial.product.environment = {**on_trial.product.environment, **LONG_LEASES}
    with lines_of(on_trial) as lines:
        yield lines


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize("broken", list(BREAKS) if metafunc.config.getoption("--full") else ALWAYS_TRIED)


def test_after_an_outage_everything_resumes_by_itself(
    on_trial: Trial, lines: Lines, broken: str, chance: Random, is_full: bool
) -> None:
    on_trial.employ_two_workers()
    for _ in range(3 if is_full else 1):
        on_trial.add_work(lessons=20, orders=20)
        on_trial.run_until_all_work()
        started = on_trial.product.pids()
        on_trial.run_for(chance.uniform(0, 1.5))
        BREAKS[broken](lines, chance.uniform(2, 8 if is_full else 3), chance)
        on_trial.recovered_in.append(on_trial.seconds_to_go_on())
        on_trial.finish()
        assert on_trial.product.pids() == started, "nobody had to start a process again"

    verdict = on_trial.judge()
    assert on_trial.complaints() == []
    assert max(on_trial.recovered_in) <= RECOVERY
    if broken.startswith("SMTP"):
        assert verdict.unknown <= 4 * 3 * 2 * CONNECTIONS * MOST_IN_DOUBT, "as many as were on the wire"
    else:
        assert (verdict.unknown, verdict.resent, verdict.accepted) == (0, 0, verdict.sends)
