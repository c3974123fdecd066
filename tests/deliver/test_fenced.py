"""Mails that cannot be rendered, in the pipeline: one that loops goes to nobody and holds up nobody, and a machine that can
start no process for rendering sends nothing and loses nothing."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from engine.claim import SEND, Claim, take_due
from engine.database import Database
from engine.deliver import send as send_module
from engine.deliver.send import deliver
from engine.leads import load_leads
from engine.render import child as child_module
from engine.render import children
from engine.render.child import Limits
from engine.render.fence import FENCE
from engine.simulate.sink import Sink
from engine.vocabulary import SendState
from tests.deliver.given import (
    add_mail,
    add_workspace,
    an_artifact,
    deliver_begun,
    keep_artifact,
    runtime_over,
    send_of,
    touch_of,
)
from tests.factories import add_lead

ACCEPTED, STOPPED = (SendState.ACCEPTED, None), (SendState.CANCELLED, "template_error")


def test_a_template_that_loops_harms_only_its_own_mails_and_the_others_go_first(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FENCE.children, "limits", Limits(cpu_seconds=0.3))
    FENCE.children.close()
    with database.write() as tx:
        version_id = add_workspace(tx)
        looping = keep_artifact(tx, an_artifact(html=nested_loops(4)))
        readers = [add_lead(tx, fields={"first_name": name, "rooms": 3}) for name in ("x" * 2000, "y" * 2000, "Bo")]
        loops = [add_mail(tx, version_id, lead_id=reader, artifact_hash=looping) for reader in readers]
        claims = [add_mail(tx, version_id), *loops, add_mail(tx, version_id)]
    arrived: list[str] = []
    sink = Sink(on_message=lambda _sender, recipient, _content: arrived.append(recipient))

    with runtime_over(database, sink, tmp_path) as runtime:
        deliver_begun(runtime, claims)

    states = [(send_of(database, send_id).state, send_of(database, send_id).reason) for send_id, _ in claims]
    assert states == [ACCEPTED, STOPPED, STOPPED, ACCEPTED, ACCEPTED]
    assert (touch_of(database, claims[1][0]).state, touch_of(database, claims[1][0]).reason) == ("skipped", "template_error")
    assert len(arrived) == 3
    assert arrived[-1] == address_of(database, readers[2])  # after the two of the other template
    FENCE.children.close()


def address_of(database: Database, lead_id: int) -> str:
    with database.read() as tx:
        return str(load_leads(tx, [lead_id])[lead_id].email)


def nested_loops(depth: int) -> str:
    return "{% for c in lead.first_name|list %}" * depth + "{% endfor %}" * depth + "\n"


def test_where_nothing_can_be_rendered_nothing_goes_out_and_all_stays_due(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for module in (send_module, children):
        monkeypatch.setattr(module, "PAUSE", 0.05)
    with database.write() as tx:
        version_id = add_workspace(tx)
        sends = [add_mail(tx, version_id, worker=None, state=SendState.READY, lease_until=None)[0] for _ in range(2)]
    sink = Sink()
    FENCE.children.close()

    with runtime_over(database, sink, tmp_path) as runtime:
        with monkeypatch.context() as broken:
            broken.setattr(child_module, "BEGIN", "raise SystemExit(1)")
            for _ in range(4):
                deliver(runtime, due(database))
        untouched = [(send_of(database, send_id).state, send_of(database, send_id).claims) for send_id in sends]
        deliver(runtime, due(database))

    assert untouched == [(SendState.READY, 0)] * 2
    assert [record.levelno for record in caplog.records].count(logging.ERROR) == 1
    assert [send_of(database, send_id).state for send_id in sends] == [SendState.ACCEPTED] * 2
    assert sink.kept == 2


def due(database: Database) -> list[Claim]:
    with database.write() as tx:
        return take_due(tx, SEND, limit=10, lease=timedelta(seconds=30))
