"""What a server says in letters that are none: it is written down like all else, and no mail of the batch is lost sight of."""

import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.database import Database
from engine.deliver.channel import Timeouts
from engine.deliver.smtp import open_wire
from engine.deliver.wire import Accepted, Flight, Outcome, Recheck, Refused, as_kept
from engine.schema import relay_states, route_states, sends
from engine.simulate.sink import Sink
from engine.simulate.sink_rules import Fault, Phase, Rule
from engine.vocabulary import Reason, SendState
from tests.deliver.given import add_mail, add_workspace, deliver_begun, runtime_over, send_of

pytestmark = pytest.mark.both_databases
BRIEF = Timeouts(connect=2, command=2, data=2, block=2, dot=2)


@contextmanager
def answering(*answers: bytes) -> Iterator[str]:
    """A server that says these one after the other, and nothing more."""

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for answer in answers:
                self.wfile.write(answer)
                self.rfile.readline()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield f"smtp://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            serving.join()


def mails(database: Database, number: int = 3) -> list[tuple[int, int]]:
    with database.write() as tx:
        version_id = add_workspace(tx)
        return [add_mail(tx, version_id) for _ in range(number)]


@pytest.mark.parametrize(
    "answers",
    [
        (b"554 Zugriff f\xfcr Sie verweigert\r\n",),
        (b"421 \x00 busy\r\n",),
        (b"220 ready\r\n", b"554 zur\xfcck\x00\r\n", b"554 zur\xfcck\x00\r\n"),
        (b"* OK IMAP4rev1 ready\r\n",),
        (b"SSH-2.0-OpenSSH_9.2\r\n",),
        (b"334 go on\r\n",),
    ],
    ids=["greeting in Latin-1", "greeting with a NUL", "EHLO", "IMAP", "SSH", "neither yes nor no"],
)
def test_words_before_a_mail_are_written_down_and_no_mail_is_blamed_for_them(
    database: Database, tmp_path: Path, answers: Sequence[bytes]
) -> None:
    claims = mails(database)

    with answering(*answers) as url, runtime_over(database, Sink(), tmp_path) as runtime:
        wire = open_wire(url, timeouts=BRIEF)
        deliver_begun(replace(runtime, wire=wire), claims)
        wire.close()

    rows = [send_of(database, send_id) for send_id, _epoch in claims]
    assert {(row.state, row.reason, row.attempts) for row in rows} == {(SendState.READY, Reason.RELAY_AWAY, 0)}
    with database.read() as tx:
        assert tx.run(sa.select(relay_states.c.failures)).scalars().all() == [1]
        kept = [*tx.run(sa.select(sends.c.smtp_reply)).scalars(), *tx.run(sa.select(relay_states.c.why)).scalars()]
    assert all(words.isprintable() for words in kept)


@pytest.mark.parametrize("text", ["4.7.28 too\0much mail from you", "5.7.1 \0 blocked using a list"])
def test_words_about_a_mail_are_written_down(database: Database, tmp_path: Path, text: str) -> None:
    claims = mails(database)
    rule = Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=450 if text.startswith("4") else 550, text=text, times=1)

    with runtime_over(database, Sink(rules=[rule]), tmp_path) as runtime:
        deliver_begun(runtime, claims)

    states = sorted(send_of(database, send_id).state for send_id, _epoch in claims)
    assert states == [SendState.ACCEPTED] * 2 + [SendState.READY if rule.code == 450 else SendState.REFUSED]
    with database.read() as tx:
        assert [words.isprintable() for words in tx.run(sa.select(route_states.c.why)).scalars()] == [True]


class OddWire:
    """Says of one mail what no column holds."""

    def fly(self, flights: Sequence[Flight], recheck: Recheck) -> list[Outcome]:
        yes = Accepted(code=250, reply="2.0.0 taken")
        return [Refused(code=2**70, reply="5.0.0 no") if number == 1 else yes for number, _ in enumerate(flights)]

    def close(self) -> None: ...


def test_an_outcome_that_cannot_be_written_down_takes_no_other_with_it(database: Database, tmp_path: Path) -> None:
    claims = mails(database)

    with runtime_over(database, Sink(), tmp_path) as runtime, pytest.raises((OverflowError, sa.exc.DataError)):
        deliver_begun(replace(runtime, wire=OddWire()), claims)

    states = [send_of(database, send_id).state for send_id, _epoch in claims]
    assert states == [SendState.ACCEPTED, SendState.ATTEMPTING, SendState.ACCEPTED]


def test_no_address_is_kept_however_long_the_reply() -> None:
    said = "550 " + "<maya@school.example> " * 200

    assert "maya" not in as_kept(said)
    assert as_kept("550 5.1.1 <maya@school.example>: no") == "550 5.1.1 <<address>>: no"
