"""The proxy spoils connections as it is told to, and otherwise passes on what it is given."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.services.proxy import Line, proxied

Heard = list[bytes]


@pytest.fixture
def heard() -> Heard:
    """What the server behind the line was told."""
    return []


@pytest.fixture
def line(heard: Heard) -> Iterator[Line]:
    """A line to a server that says everything back."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=echo_to_all, args=(listener, heard), daemon=True).start()
        with proxied(listener.getsockname()) as line:
            yield line


def test_what_is_said_arrives_and_is_answered(line: Line) -> None:
    assert said(line, b"hello" * 100_000) == b"hello" * 100_000


def test_a_delay_holds_for_each_direction(line: Line) -> None:
    line.slow(up=0.05, down=0.1)

    began = time.monotonic()
    assert said(line, b"hello") == b"hello"

    assert 0.15 <= time.monotonic() - began < 0.4


def test_a_rate_lets_so_many_bytes_through_in_a_second(line: Line) -> None:
    line.slow(rate=100_000)

    began = time.monotonic()
    assert said(line, b"x" * 20_000) == b"x" * 20_000

    assert 0.2 <= time.monotonic() - began < 1


def test_a_dropped_connection_ends_and_a_reset_one_breaks(line: Line) -> None:
    with opened(line) as client:
        line.drop()
        assert client.recv(1) == b""

    with opened(line) as client, pytest.raises(ConnectionResetError):
        line.reset()
        client.recv(1)


def test_a_hanging_line_says_nothing_until_it_heals(line: Line) -> None:
    line.hang()
    with opened(line) as client:
        client.sendall(b"hello")
        with pytest.raises(TimeoutError):
            client.recv(1)

        line.heal()

        assert client.recv(5) == b"hello"


def test_a_refusing_line_listens_again_at_the_same_port(line: Line) -> None:
    line.refuse()
    with pytest.raises(ConnectionRefusedError):
        opened(line)

    line.heal()

    assert said(line, b"hello") == b"hello"


def test_a_connection_is_cut_after_so_many_bytes(line: Line, heard: Heard) -> None:
    line.cut(after=3)

    with pytest.raises(ConnectionResetError):
        said(line, b"hello")

    assert said(line, b"again") == b"again"
    assert b"".join(heard) == b"helagain"


def test_a_connection_is_cut_before_the_word_arrives_or_before_it_is_answered(line: Line, heard: Heard) -> None:
    line.cut(at=b"COMMIT")
    with pytest.raises(ConnectionResetError):
        said(line, b"COMMIT one")

    line.cut(at=b"COMMIT", answer_is_lost=True)
    with pytest.raises(ConnectionResetError):
        said(line, b"COMMIT two")

    assert heard == [b"COMMIT two"]
    assert line.cut_so_far == 2


def said(line: Line, words: bytes) -> bytes:
    """What comes back."""
    with opened(line) as client:
        threading.Thread(target=client.sendall, args=(words,), daemon=True).start()
        got = b""
        while len(got) < len(words) and (more := client.recv(65_536)):
            got += more
        return got


def opened(line: Line) -> socket.socket:
    """A connection that has gone all the way."""
    client = socket.create_connection(("127.0.0.1", line.port), timeout=0.3)
    wanted = time.monotonic() + 5
    while not line.is_hanging and not any(c.server for c in line.connections) and time.monotonic() < wanted:
        time.sleep(0.005)
    client.settimeout(5 if not line.is_hanging else 0.1)
    return client


def echo_to_all(listener: socket.socket, heard: Heard) -> None:
    while True:
        try:
            client, _address = listener.accept()
        except OSError:
            return
        threading.Thread(target=echo, args=(client, heard), daemon=True).start()


def echo(client: socket.socket, heard: Heard) -> None:
    with client:
        try:
            while data := client.recv(65_536):
                heard.append(data)
                client.sendall(data)
        except OSError:
            pass
