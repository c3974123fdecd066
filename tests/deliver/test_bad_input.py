"""Addresses that a mail server must never see, and domains that take no mail: through the ledger to the wire."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.database import Database
from engine.schema import suppressions
from engine.simulate.sink import EXTENSIONS, Sink
from engine.simulate.sink_rules import Fault, Phase, Rule
from tests.deliver.given import add_mail, add_workspace, deliver_begun, runtime_over, send_of
from tests.factories import add_lead

NO_ADDRESSES = [
    "ada@mail.example\r\nRCPT TO:<victim@evil.example>",
    "ada@mail.example>\nDATA",
    "ada@mail.example\r",
    "ada@mail.example> SIZE=1",
    "ada@mail\0.example",
    "ada\u2028@mail.example",
    "ada @mail.example",
    "jürgen@mail.example",
    "ada@bü cher.example",
    "ada@-.example..",
    "ada@mail.example,victim@evil.example",
    f"{'a' * 65}@mail.example",
    f"ada@{'x' * 250}.example",
    f"{'a' * 100_000}@mail.example",
    "@mail.example",
    "ada",
]


@pytest.mark.parametrize("extensions", [EXTENSIONS, (*EXTENSIONS, "CHUNKING", "SMTPUTF8")], ids=["usual", "all offered"])
def test_what_is_no_address_ends_with_its_reason_before_the_wire(
    extensions: tuple[str, ...], sqlite_database: Database, tmp_path: Path
) -> None:
    sink = Sink(heard=[], extensions=extensions)
    with sqlite_database.write() as tx:
        version_id = add_workspace(tx)
        bad = [add_mail(tx, version_id, lead_id=add_lead(tx, email=email)) for email in NO_ADDRESSES]
        good = add_mail(tx, version_id, lead_id=add_lead(tx, email="good@mail.example"))

    with runtime_over(sqlite_database, sink, tmp_path) as runtime:
        deliver_begun(runtime, [*bad[:8], good, *bad[8:]])

    assert {(row.state, row.reason) for row in (send_of(sqlite_database, claim[0]) for claim in bad)} == {
        ("cancelled", "no_address")
    }
    assert send_of(sqlite_database, good[0]).state == "accepted"
    assert [line for line in sink.heard or [] if line[:4] == b"RCPT"] == [b"RCPT TO:<good@mail.example>"]


@pytest.mark.parametrize(
    ("email", "path"),
    [
        ("ada@Bücher.example", b"<ada@xn--bcher-kva.example>"),
        ("ada@faß.example", b"<ada@xn--fa-hia.example>"),
        ("o'brien+lists@mail.example", b"<o'brien+lists@mail.example>"),
        ("ada..b.@carrier.example", b'<"ada..b."@carrier.example>'),
    ],
)
def test_an_unusual_address_is_spelt_as_servers_want_it(
    email: str, path: bytes, sqlite_database: Database, tmp_path: Path
) -> None:
    sink = Sink(heard=[])
    with sqlite_database.write() as tx:
        claim = add_mail(tx, add_workspace(tx), lead_id=add_lead(tx, email=email))

    with runtime_over(sqlite_database, sink, tmp_path) as runtime:
        deliver_begun(runtime, [claim])

    assert send_of(sqlite_database, claim[0]).state == "accepted"
    assert b"RCPT TO:" + path in (sink.heard or [])


@pytest.mark.parametrize(
    ("code", "text", "is_dead"),
    [
        (556, "5.1.10 Recipient address has null MX", True),
        (550, "5.1.10 Recipient address has null MX", True),
        (556, "this domain takes no mail", True),
        (521, "5.3.2 this host takes no mail", False),
        (550, "5.7.27 Sender address has null MX", False),
    ],
)
def test_a_domain_that_takes_no_mail_is_not_written_to_again(
    code: int, text: str, is_dead: bool, sqlite_database: Database, tmp_path: Path
) -> None:
    """RFC 7505 (null MX) and RFC 7504. What they say of our own address or of the relay is not held against the reader."""
    sink = Sink(rules=[Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=code, text=text)])
    with sqlite_database.write() as tx:
        claim = add_mail(tx, add_workspace(tx))

    with runtime_over(sqlite_database, sink, tmp_path) as runtime:
        deliver_begun(runtime, [claim])

    send = send_of(sqlite_database, claim[0])
    assert (send.state, send.reason, send.smtp_phase) == ("refused", "permanent", "rcpt")
    with sqlite_database.read() as tx:
        assert len(tx.run(sa.select(suppressions.c.address_key)).all()) == is_dead
