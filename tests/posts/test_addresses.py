"""Nothing inside can be reached by a webhook's URL, however it is written."""

import socket

import pytest

from engine.posts import http as posting
from engine.posts.addresses import is_outside
from engine.posts.http import HttpPosts, target_of
from engine.posts.wire import Answered, Forbidden, PostRequest, Unreachable
from tests.posts.receiver import receiving

INSIDE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.31.255.255", "192.168.0.1", "169.254.169.254", "100.64.0.1",
    "100.100.100.200", "192.0.0.8", "192.0.0.192", "198.18.0.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "168.63.129.16", "192.88.99.1", "192.0.2.1", "203.0.113.7",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "::ffff:0:127.0.0.1", "fe80::1", "fe80::1%eth0", "fec0::1",
    "fc00::1", "fd00:ec2::254", "ff02::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::", "3fff::1",
    "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "100::1", "5f00::1", "", "localhost", "127.1",
]  # fmt: skip
OUTSIDE = ["1.1.1.1", "93.184.215.14", "172.32.0.1", "192.167.0.1", "2606:4700::1111", "2a00:1450::1", "64:ff9b::8.8.8.8"]
WRITTEN = [
    "https://localhost/", "https://LOCALHOST./", "https://127.0.0.1/", "https://127.1/", "https://2130706433/",
    "https://0x7f000001/", "https://0x7f.1/", "https://017700000001/", "https://0177.0.0.1/", "https://0/",
    "https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[0:0:0:0:0:ffff:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/", "https://[fe80::1%25lo]/", "https://169.254.169.254/latest/meta-data/", "https://2852039166/",
    "https://127.0.0.1:22/", "https://①②⑦.⓪.⓪.①/", "https://127。0。0。1/", "https://10.0.0.1/", "https://[fd00:ec2::254]/",
]  # fmt: skip
NO_ADDRESS = [
    "http://example.com/", "ftp://example.com/", "https://user@example.com/", "https://good.example@127.0.0.1/", "https:///hook",
    "https://example.com\\@127.0.0.1/", "https://example.com/\r\nX: y", "https://exa mple.com/", "file:///etc/passwd", "https://[::1",
    "https://example.com:0/", "https://example.com:99999/", "gopher://127.0.0.1:6379/_FLUSHALL", "//127.0.0.1/", "",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_an_inside_address_is_inside(address: str) -> None:
    assert not is_outside(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_outside_address_is_outside(address: str) -> None:
    assert is_outside(address)


@pytest.mark.parametrize("url", WRITTEN)
def test_a_url_that_leads_inside_is_not_connected_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", never)

    outcome = HttpPosts().post(request(url))

    assert isinstance(outcome, Forbidden | Unreachable), outcome
    if isinstance(outcome, Unreachable):  # what this machine's resolver does not take for an address leads nowhere
        assert "not reached" in outcome.why


@pytest.mark.parametrize("url", NO_ADDRESS)
def test_a_url_that_is_no_address_of_the_web_is_refused(url: str) -> None:
    assert isinstance(HttpPosts().post(request(url)), Forbidden)


def test_a_name_that_points_inside_is_refused_at_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))])

    outcome = HttpPosts().post(request("https://crm.example/hook"))

    assert outcome == Forbidden(why="crm.example is inside, and HANDRAISER_WEBHOOK_ALLOW does not name it")


def test_a_connection_that_came_out_inside_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", 443))])
    with receiving() as receiver:
        port, connect = int(receiver.url.split(":")[2].split("/")[0]), socket.socket.connect
        monkeypatch.setattr(socket.socket, "connect", lambda self, _address: connect(self, ("127.0.0.1", port)))

        outcome = HttpPosts().post(request("https://crm.example/hook"))

    assert isinstance(outcome, Forbidden) and receiver.got == []


def test_only_the_outside_addresses_of_a_name_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in ("10.0.0.1", "93.184.215.14")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)

    assert [address for _family, address in posting.permitted(target_of("https://crm.example/"))] == [("93.184.215.14", 443)]


@pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.0.1:{port}"])
def test_a_host_that_the_operator_names_may_lie_inside(allowed: str) -> None:
    with receiving() as receiver:
        port = receiver.url.split(":")[2].split("/")[0]

        outcome = HttpPosts(frozenset({allowed.format(port=port)})).post(request(receiver.url))

    assert outcome == Answered(status=200, text="OK thank you")


def test_a_redirect_to_somewhere_inside_is_not_followed() -> None:
    with receiving() as secret, receiving() as receiver:
        receiver.answers = [(307, {"location": secret.url}, b"")]

        outcome = HttpPosts(frozenset({"127.0.0.1"})).post(request(receiver.url))

    assert isinstance(outcome, Answered) and outcome.status == 307
    assert secret.got == []


def request(url: str) -> PostRequest:
    return PostRequest(webhook="crm", url=url, headers={"webhook-id": "post_1"}, body=b"{}")
