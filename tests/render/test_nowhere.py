"""Which links lead nowhere, whatever a sample says."""

import pytest

from engine.render.review.addresses import why_nowhere


@pytest.mark.parametrize("host", ["localhost:8025", "127.0.0.1", "10.0.0.7", "172.16.4.1", "192.168.1.20", "[::1]", "[fd00::1]"])
def test_a_link_into_the_writers_own_network_leads_nowhere(host: str) -> None:
    why = why_nowhere(f"http://{host}/prices", own="clearroom.example")

    assert why is not None
    assert "own machine or network" in why


@pytest.mark.parametrize("host", ["10.firm.com", "127.events", "9.9.9.9", "www.firm.com"])
def test_a_name_that_only_begins_like_an_address_leads_somewhere(host: str) -> None:
    assert why_nowhere(f"https://{host}/prices", own="clearroom.example") is None
