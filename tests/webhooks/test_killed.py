"""A receiver that is killed in the middle of its work, while the database is locked: what it answered is kept."""

import http.client
import os
import socket
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.webhooks.place import Place

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("after", [1, 120])
def test_every_opt_out_that_was_answered_is_a_stop_after_a_kill(place: Place, sqlite_url: str, after: int):
    tokens = {place.token(send_id): send_id for send_id in (place.send() for _ in range(200))}
    server, port = started(place, sqlite_url)
    lock = sqlite3.connect(str(place.database.engine.url.database), isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")  # nothing leaves the journal
    answered: list[str] = []

    def opt_out(token: str) -> None:
        if len(answered) >= after:
            server.kill()
        elif post(port, f"/u/{token}") == 200:
            answered.append(token)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(opt_out, tokens))
    server.wait()
    lock.execute("ROLLBACK")
    place.receiver.drainer.take_over()
    stopped = {event.send_id for event in place.drain()}

    assert len(answered) >= after
    assert {tokens[token] for token in answered} <= stopped


def started(place: Place, url: str) -> tuple["subprocess.Popen[bytes]", int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "tests.webhooks.serve_for_test", str(place.workspace), url, str(port)]
    server = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)
    deadline = monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return server, port
        except OSError:
            assert monotonic() < deadline and server.poll() is None, "the receiver did not start"
            sleep(0.05)


def post(port: int, path: str) -> int | None:
    """The status; None when the server died before it answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", path, "List-Unsubscribe=One-Click", {"Content-Type": "application/x-www-form-urlencoded"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
