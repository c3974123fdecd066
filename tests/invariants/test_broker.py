"""Jobs carry no meaning: our brokers have nothing of Dramatiq's that would delay, repeat, keep or interrupt one."""

import pytest

from engine.processes.broker import open_broker


@pytest.mark.parametrize("url", ["memory:", "redis://127.0.0.1:6379/0"])
def test_a_broker_has_no_bookkeeping_of_its_own(url: str) -> None:
    broker = open_broker(url)

    assert broker.middleware == []
    assert broker.get_declared_delay_queues() == set()
