"""The DNS that the doctor's tests ask."""

from collections.abc import Iterator

import pytest

from tests.doctor.dns_server import DnsServer, serving_dns
from tests.doctor.given import good_records


@pytest.fixture
def dns_server() -> Iterator[DnsServer]:
    """It knows that all is well at FIRM, until the test spoils it."""
    with serving_dns(DnsServer(good_records())) as server:
        yield server
