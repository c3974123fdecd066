"""Logging in to a relay, and why there is no connection: said once, in words that tell what to do, and nothing is lost."""

import socket
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import sleep

import aiosmtplib
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from engine.database import Database
from engine.deliver.channel import Timeouts
from engine.deliver.pool import Reuse
from engine.deliver.smtp import open_wire, relay_of
from engine.deliver.unreached import in_plain_words
from engine.deliver.wire import Deferred, Outcome
from engine.errors import SettingsError
from engine.simulate.sink import Sink, running
from engine.story.words import server_in_words
from engine.vocabulary import SendState, SmtpPhase
from tests.deliver.certificates import certificate_for, server_tls
from tests.deliver.given import add_mail, add_workspace, deliver_begun, runtime_over, send_of
from tests.deliver.wires import SPARED, flight, kinds, nobody
from tests.services.ports import free_port

PATIENT = Timeouts(connect=5, command=5)
USER = "shop@fern.example"


class Doorkeeper:
    """A mail server's handler that knows one password and one token, which the test may change."""

    def __init__(self) -> None:
        self.password, self.token = b"right", "token-1"
        self.by: list[str] = []
        self.kept = 0

    def known(self, _server: SMTP, _session: Session, _envelope: Envelope, mechanism: str, given: LoginPassword) -> AuthResult:
        self.by.append(mechanism)
        return AuthResult(success=given.password == self.password and given.login == USER.encode(), handled=False)

    async def auth_XOAUTH2(self, server: SMTP, arguments: list[str]) -> AuthResult:
        said = b64decode(arguments[1])
        if said == f"user={USER}\x01auth=Bearer {self.token}\x01\x01".encode():
            return AuthResult(success=True)
        await server.challenge_auth('{"status":"400"}')  # the client answers with an empty line (Google's XOAUTH2 protocol)
        return AuthResult(success=False, handled=False)

    async def handle_DATA(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:
        self.kept += 1
        return "250 2.0.0 ok"


@contextmanager
def guarded(keeper: Doorkeeper, certificate: Path) -> Iterator[int]:
    """A server with STARTTLS and AUTH; its port."""
    server = Controller(
        keeper, hostname="127.0.0.1", port=(port := free_port()), tls_context=server_tls(certificate), require_starttls=True,
        authenticator=keeper.known, auth_required=True,
    )  # fmt: skip
    server.start()
    try:
        yield port
    finally:
        server.stop()


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A certificate that this machine trusts."""
    certificate = certificate_for(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return certificate


def fly(url: str, times: int = 1) -> list[Outcome]:
    wire = open_wire(url, timeouts=PATIENT, reuse=Reuse(most_messages=1))
    outcomes = [outcome for number in range(times) for outcome in wire.fly([flight(number)], nobody)]
    wire.close()
    return outcomes


def told(outcomes: Sequence[Outcome]) -> list[str]:
    """What operators read, by the breaker, of those that met no connection."""
    return [outcome.words for outcome in outcomes if isinstance(outcome, Deferred)]


@pytest.mark.parametrize(("method", "mechanism"), [("plain", "PLAIN"), ("login", "LOGIN")])
def test_the_method_that_the_url_names_is_used(method: str, mechanism: str, trusted: Path) -> None:
    keeper = Doorkeeper()

    with guarded(keeper, trusted) as port:
        outcomes = fly(f"smtp://shop%40fern.example:right@127.0.0.1:{port}?tls=starttls&auth={method}")

    assert kinds(outcomes) == ["Accepted"]
    assert keeper.by == [mechanism]


def test_a_wrong_password_is_told_and_mail_goes_when_it_is_mended(trusted: Path, caplog: pytest.LogCaptureFixture) -> None:
    keeper = Doorkeeper()
    keeper.password = b"another"

    with guarded(keeper, trusted) as port:
        wire = open_wire(f"smtp://shop%40fern.example:right@127.0.0.1:{port}?tls=starttls", timeouts=PATIENT)
        refused = [outcome for number in range(3) for outcome in wire.fly([flight(number)], nobody)]
        keeper.password = b"right"
        sleep(SPARED)
        mended = wire.fly([flight(4)], nobody)
        wire.close()

    assert {(outcome.code, outcome.phase) for outcome in refused if isinstance(outcome, Deferred)} == {(535, SmtpPhase.AUTH)}
    assert kinds(refused + mended) == ["Deferred"] * 3 + ["Accepted"]
    [wrong] = set(told(refused))
    assert f"127.0.0.1:{port} does not accept the user and password: put the right one there" in wrong
    assert "535 5.7.8" in wrong
    assert "right" not in wrong.replace("put the right one", "")
    assert not [record for record in caplog.records if record.name.startswith("engine")], "the breaker tells, once for all"


def test_a_token_is_read_anew_for_each_connection(trusted: Path, tmp_path: Path) -> None:
    keeper, file = Doorkeeper(), tmp_path / "token"

    outcomes = []
    with guarded(keeper, trusted) as port:
        wire = open_wire(
            f"smtp://shop%40fern.example@127.0.0.1:{port}?tls=starttls&auth=xoauth2&token_file={file}",
            timeouts=PATIENT, reuse=Reuse(most_messages=1),
        )  # fmt: skip
        for number, (token, expected) in enumerate([("token-1", "token-1"), ("token-1", "token-2"), ("token-2", "token-2")]):
            file.write_text(f"{token}\n")
            keeper.token = expected
            outcomes += wire.fly([flight(number)], nobody)
            sleep(SPARED if token != expected else 0)
        wire.close()

    assert kinds(outcomes) == ["Accepted", "Deferred", "Accepted"]
    assert isinstance(outcomes[1], Deferred)
    assert (outcomes[1].code, outcomes[1].phase) == (535, SmtpPhase.AUTH)


def test_a_token_may_be_what_a_command_prints(trusted: Path) -> None:
    keeper = Doorkeeper()

    with guarded(keeper, trusted) as port:
        url = f"smtp://shop%40fern.example@127.0.0.1:{port}?tls=starttls&auth=xoauth2&token_command=/bin/echo%20"
        outcomes = fly(url + "token-1") + fly(url + "token-2")

    assert kinds(outcomes) == ["Accepted", "Deferred"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("token_file=/nowhere/token", "the token in /nowhere/token cannot be read: No such file or directory"),
        ("token_file=/dev/null", "the token in /dev/null is empty"),
        ("token_command=/bin/false", "since /bin/false ended with the status 1; run it by hand to see why"),
        ("token_command=/nowhere/program", "since /nowhere/program cannot be run: No such file or directory"),
        ("token_command=/usr/bin/printf%20a%5C%5Cnb", "the token that /usr/bin/printf prints is no token"),
    ],
)
def test_a_token_that_is_not_there_is_told(source: str, words: str, trusted: Path) -> None:
    with guarded(Doorkeeper(), trusted) as port:
        outcomes = fly(f"smtp://u@127.0.0.1:{port}?tls=starttls&auth=xoauth2&{source}", times=2)

    assert all(isinstance(outcome, Deferred) and outcome.phase == SmtpPhase.AUTH for outcome in outcomes)
    assert told(outcomes) and all(words in said for said in told(outcomes))


@pytest.mark.parametrize("scheme", ["smtps", "smtp"])
@pytest.mark.parametrize(
    ("days", "address", "words"),
    [
        (-1, "127.0.0.1", "has expired: whoever runs it must renew it, and mail waits until then"),
        (1, "127.0.0.2", "is for another name: write the name that it is for"),
    ],
)
def test_a_bad_certificate_is_told(
    days: int, address: str, words: str, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    certificate = certificate_for(tmp_path, days=days, address=address)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    sink = Sink(tls=server_tls(certificate))

    if scheme == "smtps":
        with running(sink):
            outcomes = fly(sink.url, times=3)
    else:
        with guarded(Doorkeeper(), certificate) as port:
            outcomes = fly(f"smtp://127.0.0.1:{port}?tls=starttls", times=3)

    assert_told(outcomes, SmtpPhase.TLS, words)


def test_a_certificate_of_an_unknown_authority_is_told(tmp_path: Path) -> None:
    with running(Sink(tls=server_tls(certificate_for(tmp_path)))) as sink:
        outcomes = fly(sink.url, times=2)

    assert_told(outcomes, SmtpPhase.TLS, "name the file of its authority in SSL_CERT_FILE")


def assert_told(outcomes: Sequence[Outcome], phase: SmtpPhase, words: str) -> None:
    assert all(isinstance(one, Deferred) and one.phase == phase and words in one.reply for one in outcomes)
    assert told(outcomes) and all(words in said for said in told(outcomes))


@pytest.mark.parametrize(
    ("url", "phase", "words"),
    [
        ("smtp://127.0.0.1:9", SmtpPhase.CONNECT, "nobody listens at 127.0.0.1:9"),
        ("smtp://mail..example:9?tls=none", SmtpPhase.CONNECT, "the DNS knows no mail..example: see to the host"),
        ("smtps://127.0.0.1:{port}", SmtpPhase.TLS, "does not encrypt from the first byte: write smtp://"),
        ("smtp://127.0.0.1:{port}?tls=starttls", SmtpPhase.TLS, "does not offer STARTTLS: write smtps://"),
        ("smtp://u:p@127.0.0.1:{port}", SmtpPhase.AUTH, "offers no way to log in that we know"),
        ("smtp://u@127.0.0.1:{port}?auth=xoauth2&token_file=/dev/null", SmtpPhase.AUTH, "offers no way to log in that we know"),
    ],
)
def test_a_url_that_leads_nowhere_is_told(url: str, phase: SmtpPhase, words: str) -> None:
    with running(Sink()) as sink:
        outcomes = fly(url.format(port=sink.port), times=2)

    assert_told(outcomes, phase, words)
    assert sink.kept == 0


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "the DNS knows no r.example:"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "the DNS does not answer about r.example:"),
        (TimeoutError(), "r.example:587 does not answer: a firewall may be in between"),
        (OSError(24, "Too many open files"), "this machine cannot call r.example:587, Too many open files: see to its limits"),
        (OSError(113, "No route to host"), "r.example:587 cannot be reached, No route to host: see to"),
    ],
)
def test_a_network_that_fails_is_told_in_plain_words(error: OSError, words: str) -> None:
    assert words in in_plain_words(error, SmtpPhase.CONNECT, "r.example:587", None)


@pytest.mark.parametrize("error", [aiosmtplib.SMTPReadTimeoutError("Timed out"), aiosmtplib.SMTPServerDisconnected("Lost")])
def test_silence_at_the_login_is_not_called_a_wrong_setting(error: Exception) -> None:
    words = in_plain_words(error, SmtpPhase.AUTH, "r.example:587", "the user and password")

    assert words.startswith("r.example:587 breaks off or says nothing when we log in: it is tried again")


def test_who_lets_log_in_after_starttls_alone_is_told_of_that(trusted: Path) -> None:
    with guarded(Doorkeeper(), trusted) as port:
        outcomes = fly(f"smtp://shop%40fern.example:right@127.0.0.1:{port}", times=2)

    assert all(isinstance(one, Deferred) and one.phase == SmtpPhase.AUTH for one in outcomes)
    [said] = set(told(outcomes))
    assert "it offers none before STARTTLS: write tls=starttls" in said


def test_the_ledger_and_the_story_tell_why_nothing_goes_out(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certificate_for(tmp_path, days=-1)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with sqlite_database.write() as tx:
        claim = add_mail(tx, add_workspace(tx))

    with runtime_over(sqlite_database, Sink(tls=server_tls(certificate)), tmp_path) as runtime:
        deliver_begun(runtime, [claim])

    send = send_of(sqlite_database, claim[0])
    assert (send.state, send.reason, send.smtp_code, send.smtp_phase) == (SendState.READY, "relay_away", None, "tls")
    told = server_in_words(send.smtp_code, send.smtp_reply, send.smtp_phase) or ""
    assert told.startswith("nothing, when we asked it to encrypt (the certificate of 127.0.0.1:")
    assert "has expired: whoever runs it must renew it, and mail waits until then" in told


def test_user_and_password_are_unquoted_and_never_printed() -> None:
    login = relay_of("smtp://user%40x:p%2Fw@relay.example").login

    assert login is not None
    assert (login.user, login.password) == ("user@x", "p/w")
    assert "p/w" not in repr(login)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("smtp://user@r.example", "both a user and a password"),
        ("smtp://:password@r.example", "both a user and a password"),
        ("smtp://r.example?auth=plain", "both a user and a password"),
        ("smtp://u:p@r.example?auth=digest", "it may say auth=plain, auth=login, auth=cram-md5, auth=xoauth2, or nothing"),
        ("smtp://u@r.example?auth=xoauth2", "token_file=/path/of/the/token"),
        ("smtp://u:p@r.example?auth=xoauth2&token_file=/t", "without a password"),
        ("smtp://u@r.example?token_file=/t", "auth=xoauth2"),
        ("smtp://r.example?auth=xoauth2&token_file=/t", "user@host"),
        ("smtp://u@r.example?auth=xoauth2&token_file=/t&token_command=/c", "token_file=/path/of/the/token"),
        ("smtp://u@r.example?auth=xoauth2&token_file=token", "from / on"),
        ("smtp://u@r.example?auth=xoauth2&token_command=token%20-x", "from / on"),
    ],
)
def test_a_log_in_that_cannot_be_is_told_at_the_start(url: str, words: str) -> None:
    with pytest.raises(SettingsError, match="HANDRAISER_SMTP_URL") as raised:
        relay_of(url)

    assert words in str(raised.value)
