"""Mail is signed on its way out: what arrives is signed, and a second copy is the same bytes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from engine.database import Database
from engine.deliver.mime import write_message
from engine.deliver.send import deliver
from engine.dkim.key import DkimKey
from engine.dkim.sign import Signer
from engine.simulate.sink import Sink
from engine.simulate.sink_rules import Fault, Phase, Rule
from tests.deliver.given import add_internal, add_mail, add_workspace, runtime_over, send_of
from tests.deliver.test_send import an_order, claim_again
from tests.dkim.keys import an_ed25519_key, both_keys, verdicts
from tests.factories import add_lead
from tests.render.test_mime import HEADERS, PARTS


def test_a_lesson_arrives_with_both_signatures(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        send_id, _epoch = add_mail(tx, add_workspace(tx))

    [message] = delivered(database, tmp_path, [send_id])

    assert verdicts(message, *both_keys()) == [True, True]


def test_an_order_sent_once_more_has_the_signatures_it_had(database: Database, tmp_path: Path) -> None:
    first, second = sent_twice(database, tmp_path, keys=both_keys())

    assert first == second and verdicts(second, *both_keys()) == [True, True]


def test_a_key_that_came_in_between_signs_the_same_message(database: Database, tmp_path: Path) -> None:
    new = an_ed25519_key(selector="new")

    first, second = sent_twice(database, tmp_path, keys=[new])

    assert first[first.index(b"\r\nFrom: ") :] == second[second.index(b"\r\nFrom: ") :]
    assert (verdicts(first, *both_keys()), verdicts(second, new)) == ([True, True], [True])


def sent_twice(database: Database, folder: Path, *, keys: Sequence[DkimKey]) -> tuple[bytes, bytes]:
    """An order's mail whose first 250 was lost; `keys`: those of the second time."""
    lost = Sink(rules=[Rule(phase=Phase.ACCEPTED, fault=Fault.DROP, times=1)])
    with database.write() as tx:
        add_workspace(tx)
        send_id = an_order(tx)
    [first] = delivered(database, folder, [send_id], lost)
    [second] = delivered(database, folder, [send_id], keys=keys)
    return first, second


def test_a_notice_to_a_rep_is_signed_though_it_was_stored_before(database: Database, tmp_path: Path) -> None:
    with database.write() as tx:
        add_workspace(tx)
        send_id, _epoch = add_internal(tx, lead_id=add_lead(tx), content=write_message(HEADERS, PARTS))

    [message] = delivered(database, tmp_path, [send_id])

    assert verdicts(message, *both_keys()) == [True, True]
    assert message.count(b"DKIM-Signature") == 2


def test_a_mail_that_cannot_be_signed_waits_and_harms_no_other(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing was said of it: it is not in doubt, and no marketing is lost."""
    with database.write() as tx:
        version_id = add_workspace(tx)
        bad = [add_mail(tx, version_id, lead_id=add_lead(tx, email=f"bad{n}@mail.example")) for n in range(2)]
        good = add_mail(tx, version_id)

    with runtime_over(database, sink := Sink(), tmp_path) as runtime:
        deliver(replace(runtime, signer=Faulty()), [claim_again(database, send_id) for send_id, _epoch in (*bad, good)])

    rows = [send_of(database, send_id) for send_id, _epoch in (*bad, good)]
    assert [(row.state, row.reason, row.attempts) for row in rows] == [("ready", "temporary", 1)] * 2 + [("accepted", None, 1)]
    assert rows[0].due_at - rows[2].ended_at > timedelta(minutes=3) and "signed" in rows[0].smtp_reply
    assert sink.kept == 1
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "mails could not be signed by DKIM, and none goes out unsigned; they wait and are tried again"
    ]


class Faulty(Signer):
    """Has a fault that some mails meet."""

    def signed(self, message: bytes, at: datetime) -> bytes:
        if b"bad" in message.partition(b"\r\n\r\n")[0]:
            raise ValueError("bad")
        return message


def delivered(
    database: Database, folder: Path, send_ids: Sequence[int], sink: Sink | None = None, keys: Sequence[DkimKey] = ()
) -> list[bytes]:
    """What arrived."""
    kept: list[bytes] = []
    sink = sink or Sink()
    sink.on_message = lambda _sender, _to, message: kept.append(message)
    with runtime_over(database, sink, folder) as runtime:
        signing = replace(runtime, signer=Signer(keys or both_keys()))
        deliver(signing, [claim_again(database, send_id) for send_id in send_ids])
    return kept
