"""The receiver of each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.clock import VirtualClock
from engine.database import Database
from tests.webhooks.place import Place


@pytest.fixture
def place(database: Database, clock: VirtualClock, tmp_path: Path) -> Iterator[Place]:
    found = Place(database, clock, tmp_path)
    yield found
    found.receiver.close()
