"""What the doctor says of servers, each of which runs on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server, socket
from threading import Thread

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from engine.doctor.address import look_at_address
from engine.doctor.finding import Level
from engine.doctor.relay import look_at_relays
from engine.doctor.replies import look_at_exchanges, look_at_listener
from engine.doctor.sending import look_at_pointers
from engine.simulate.sink import Sink, running
from engine.simulate.sink_rules import Fault, Phase, Rule
from tests.doctor.certificates import a_certificate, served_with
from tests.doctor.dns_server import DnsServer
from tests.doctor.given import BOUNCES, levels, place_at, told
from tests.posts.receiver import receiving

OK, UNKNOWN, WARNING, PROBLEM = Level.OK, Level.UNKNOWN, Level.WARNING, Level.PROBLEM
HEALTH = (200, {}, b'{"status": "ok", "journal": "writes"}')


@pytest.mark.parametrize(
    ("days", "expected", "words"),
    [
        (90, [OK], "took our login; TLSv1.3, its certificate is good for 90 days"),
        (5, [OK, WARNING], "ends in 5 days"),
        (-1, [PROBLEM], "has expired → whoever runs it must renew it"),
    ],
)
def test_a_relay_is_logged_in_to_and_its_certificate_looked_at(
    dns_server: DnsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, expected: list[Level], words: str
):
    with a_relay(tmp_path, monkeypatch, days) as port:
        found = list(look_at_relays(place_at(dns_server, tmp_path, SMTP_URL=f"smtp://user:right@127.0.0.1:{port}?tls=starttls")))

    assert levels(found) == expected and words in told(found)


def test_a_wrong_password_is_told_with_the_servers_words(dns_server: DnsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with a_relay(tmp_path, monkeypatch, 90) as port:
        place = place_at(dns_server, tmp_path, SMTP_URL=f"smtp://user:wrong@127.0.0.1:{port}?tls=starttls")
        [found] = look_at_relays(place)

    assert found.level is PROBLEM and "535" in found.said and "does not accept" in found.said
    assert "wrong" not in found.said


def test_a_certificate_that_nobody_trusts_is_told(dns_server: DnsServer, tmp_path: Path):
    sink = Sink(tls=served_with(a_certificate(tmp_path, 90)))

    with running(sink):
        [found] = look_at_relays(place_at(dns_server, tmp_path, SMTP_URL=f"smtps://127.0.0.1:{sink.port}"))

    assert found.level is PROBLEM and "SSL_CERT_FILE" in found.advice


@pytest.mark.parametrize(
    ("url", "rules", "words"),
    [
        ("smtp://127.0.0.1:1", [], "nobody listens at 127.0.0.1:1"),
        ("smtp://127.0.0.1:{port}?tls=starttls", [], "does not offer STARTTLS"),
        ("smtp://127.0.0.1:{port}", [Rule(phase=Phase.CONNECT, fault=Fault.REPLY, code=554)], "554"),
        ("smtp://127.0.0.1:{port}", [Rule(phase=Phase.CONNECT, fault=Fault.HANG)], "would not have us"),
        ("smtp://u:p@127.0.0.1:{port}", [], "no way to log in that we know (it offers none) → see to ?auth="),
    ],
)
def test_a_relay_that_does_not_take_us_is_told(dns_server: DnsServer, tmp_path: Path, url: str, rules: list[Rule], words: str):
    with running(Sink(rules=rules)) as sink:
        place = place_at(dns_server, tmp_path, SMTP_URL=url.format(port=sink.port), patience=0.5)
        [found] = look_at_relays(place)

    assert found.level is PROBLEM and words in told([found])
    assert found.advice, "each problem has something to do about it"
    assert "Errno" not in found.said


def test_a_relay_whose_url_is_none_keeps_no_other_check_from_being_made(dns_server: DnsServer, tmp_path: Path):
    place = place_at(dns_server, tmp_path, SMTP_URL="smtp://mail.firm.example:587?wait=5")

    assert [finding.level for finding in look_at_relays(place)] == [PROBLEM]
    assert list(look_at_pointers(place))


def test_a_relay_that_is_declared_and_has_no_address_is_told(dns_server: DnsServer, tmp_path: Path):
    with running(Sink()) as sink:
        place = place_at(dns_server, tmp_path, SMTP_URL=sink.url, declared=("main", "bulk"), left_alone={"main": "530 no"})
        found = list(look_at_relays(place))
    at_home = list(look_at_relays(place_at(dns_server, tmp_path, SMTP_URL="", declared=("main", "bulk"))))

    assert levels(found) == [PROBLEM, OK, WARNING] and at_home == []
    assert "it is left alone, since it met our mail with: 530 no" in found[2].said
    assert "bulk: relays.yaml declares it, and HANDRAISER_SMTP_URL_BULK is not set" in found[0].said


def test_every_relay_is_looked_at_and_one_here_may_be_plain(dns_server: DnsServer, tmp_path: Path):
    with running(Sink()) as sink:
        place = place_at(dns_server, tmp_path, SMTP_URL=sink.url, SMTP_URL_BULK="smtp://127.0.0.1:1")
        found = list(look_at_relays(place))

    assert levels(found) == [OK, PROBLEM] and "bulk: nobody listens" in found[1].said
    assert sink.kept == 0


@pytest.mark.parametrize(
    ("answer", "days", "expected", "words"),
    [
        (HEALTH, 90, [OK], "is answered by our receiver; its certificate is good for 90 days"),
        (HEALTH, 3, [OK, WARNING], "ends in 3 days"),
        ((404, {}, b"nothing"), 90, [PROBLEM], "answered with 404"),
        ((200, {}, b"<html>"), 90, [PROBLEM], "not by our receiver"),
        (HEALTH, -1, [UNKNOWN], "certificate has expired"),
    ],
)
def test_the_public_address_is_asked(
    dns_server: DnsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer, days: int, expected: list[Level], words: str
):
    certificate = a_certificate(tmp_path, days)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    with receiving(served_with(certificate)) as receiver:
        receiver.answers = [answer]
        url = receiver.url.removesuffix("/hook").replace("http:", "https:")
        found = list(look_at_address(place_at(dns_server, tmp_path, PUBLIC_URL=url)))

    assert levels(found) == expected and words in told(found)


def test_an_address_that_is_not_encrypted_is_told(dns_server: DnsServer, tmp_path: Path):
    with receiving() as receiver:
        receiver.answers = [HEALTH]
        found = list(look_at_address(place_at(dns_server, tmp_path, PUBLIC_URL=receiver.url.removesuffix("/hook"))))

    assert levels(found) == [PROBLEM, OK] and "one-click" in found[0].said


@pytest.mark.parametrize(
    ("greeting", "level", "words"),
    [
        (b"220 here Handraiser\r\n", OK, "comes to our listener"),
        (b"220 mx.clearroom.air ESMTP Postfix\r\n", UNKNOWN, "another mail server (220 mx.clearroom.air ESMTP Postfix)"),
    ],
)
def test_it_is_seen_where_bounces_arrive(dns_server: DnsServer, tmp_path: Path, greeting: bytes, level: Level, words: str):
    with greeted_with(greeting) as port:
        [found] = look_at_exchanges(place_at(dns_server, tmp_path, mx_port=port))

    assert found.level is level and words in found.said


@pytest.mark.parametrize(
    ("records", "level", "words"),
    [
        ({"MX": ["0 ."]}, PROBLEM, "takes no mail"),
        ({"TXT": ['"x"']}, PROBLEM, "has no MX record"),
        ({"MX": ["10 nowhere.air."]}, PROBLEM, "has no address"),
        ({"MX": ["10 localhost."]}, WARNING, "could not be reached at port 1"),
        ({"A": ["127.0.0.1"]}, WARNING, "could not be reached at port 1"),
    ],
)
def test_bounces_that_could_not_arrive_are_told(
    dns_server: DnsServer, tmp_path: Path, records: dict[str, list[str]], level: Level, words: str
):
    dns_server.records[BOUNCES] = records

    [found] = look_at_exchanges(place_at(dns_server, tmp_path, mx_port=1))

    assert found.level is level and words in found.said


@pytest.mark.parametrize(
    ("greeting", "level"), [(b"220 here Handraiser\r\n", OK), (b"220 here Postfix\r\n", PROBLEM), (b"", PROBLEM)]
)
def test_our_own_listener_is_called(dns_server: DnsServer, tmp_path: Path, greeting: bytes, level: Level):
    with greeted_with(greeting) as port:
        found = look_at_listener(place_at(dns_server, tmp_path, REPLY_LISTEN=f"127.0.0.1:{port}"))

    assert found.level is level


def test_where_nobody_listens_it_is_a_question(dns_server: DnsServer, tmp_path: Path):
    assert look_at_listener(place_at(dns_server, tmp_path, REPLY_LISTEN="127.0.0.1:1")).level is UNKNOWN


@contextmanager
def a_relay(folder: Path, monkeypatch: pytest.MonkeyPatch, days: int) -> Iterator[int]:
    """A mail server that wants STARTTLS and the password `right`; its port."""
    certificate = a_certificate(folder, days)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    server = Controller(
        object(), hostname="127.0.0.1", port=port, tls_context=served_with(certificate), require_starttls=True,
        authenticator=lambda *asked: AuthResult(success=asked[4].password == b"right", handled=False), auth_required=True,
    )  # fmt: skip
    server.start()
    try:
        yield port
    finally:
        server.stop()


@contextmanager
def greeted_with(greeting: bytes) -> Iterator[int]:
    """A server that says this to the first who calls; its port."""
    with create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=greet, args=(listening, greeting), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def greet(listening: socket, greeting: bytes) -> None:
    with listening.accept()[0] as connection:
        connection.sendall(greeting)
