"""Posting over real sockets: what goes over the wire, and what becomes of odd answers."""

import time

import pytest

from engine.posts import http as posting
from engine.posts.http import HttpPosts, target_of
from engine.posts.wire import Answered, PostOutcome, PostRequest, Unreachable
from tests.posts.receiver import receiving, saying

NO_ANSWERS = [
    b"", b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x00" * 70_000, b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200,
]  # fmt: skip
ALLOWED = frozenset({"127.0.0.1"})


def test_a_post_arrives_whole() -> None:
    with receiving() as receiver:
        outcome = post(receiver.url + "/ä%20b?q=ü&r=1", b'{"name":"Zo\xc3\xab"}', {"webhook-id": "post_1"})

    ((path, headers, body),) = receiver.got
    assert outcome == Answered(status=200, text="OK thank you")
    assert (path, body) == ("/hook/%C3%A4%20b?q=%C3%BC&r=1", b'{"name":"Zo\xc3\xab"}')
    assert (headers["webhook-id"], headers["content-type"], headers["connection"]) == ("post_1", "application/json", "close")


def test_what_the_answer_asks_and_says_is_told() -> None:
    with receiving() as receiver:
        receiver.answers = [(503, {"retry-after": "120"}, b"come back")]

        outcome = post(receiver.url)

    assert outcome == Answered(status=503, text="Service Unavailable come back", retry_after=120)


@pytest.mark.parametrize("said", ["Wed, 21 Oct 2026 07:28:00 GMT", "-5", "soon", "9" * 40])
def test_a_strange_wish_when_to_come_again_is_left_aside(said: str) -> None:
    with receiving() as receiver:
        receiver.answers = [(503, {"retry-after": said}, b"")]

        assert post(receiver.url) == Answered(status=503, text="Service Unavailable")


@pytest.mark.parametrize("said", NO_ANSWERS)
def test_what_is_no_answer_is_tried_again(said: bytes, quick: None) -> None:
    with saying(said) as url:
        assert isinstance(post(url), Unreachable)


def test_an_answer_without_end_is_read_no_further_than_needed(quick: None) -> None:
    with saying(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 10_000_000) as url:
        outcome = post(url)

    assert isinstance(outcome, Answered) and outcome.status == 200 and len(outcome.text) <= posting.MOST_KEPT + 3


def test_who_speaks_a_byte_at_a_time_is_not_waited_for(quick: None) -> None:
    began = time.monotonic()

    with saying(*(bytes([byte]) for byte in b"HTTP/1.1 200 OK\r\nx-header: value\r\n\r\n"), pause=0.1) as url:
        outcome = post(url)

    assert outcome == Unreachable(why="no answer within 0.6 seconds")
    assert time.monotonic() - began < 3


def test_a_body_that_never_comes_does_not_undo_the_status(quick: None) -> None:
    with saying(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf") as url:
        assert post(url) == Answered(status=200, text="OK")


def test_nobody_there_is_unreachable() -> None:
    with receiving() as receiver:
        url = receiver.url

    assert isinstance(post(url), Unreachable)


def test_a_name_that_nobody_has_is_unreachable() -> None:
    assert isinstance(HttpPosts().post(request("https://nobody.invalid/", b"{}", {})), Unreachable)


def test_an_international_name_is_asked_for_in_ascii() -> None:
    target = target_of("https://bücher.example:8443/päth")

    assert (target.host, target.authority, target.path) == ("xn--bcher-kva.example", "xn--bcher-kva.example:8443", "/p%C3%A4th")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "SECONDS", 0.6)


def post(url: str, body: bytes = b"{}", headers: dict[str, str] | None = None) -> PostOutcome:
    return HttpPosts(ALLOWED).post(request(url, body, headers or {}))


def request(url: str, body: bytes, headers: dict[str, str]) -> PostRequest:
    return PostRequest(webhook="crm", url=url, headers=headers, body=body)
