"""What operators are told of deliveries."""

from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from prometheus_client import REGISTRY

from engine.clock import VirtualClock
from engine.database import Database
from engine.schema import sends
from engine.simulate.sink import Sink
from engine.simulate.sink_rules import Fault, Phase, Rule
from tests.deliver.given import add_mail, add_workspace, deliver_begun, runtime_over
from tests.factories import add_suppression


def test_mails_are_counted_by_what_came_of_them(database: Database, clock: VirtualClock, tmp_path: Path) -> None:
    before = counted()
    with database.write() as tx:
        version = add_workspace(tx)
        claims = [add_mail(tx, version) for _ in range(3)]
        stopped_key = tx.run(sa.select(sends.c.address_key).where(sends.c.id == claims[2][0])).scalar_one()
        add_suppression(tx, address_key=stopped_key)
    clock.move_to(clock.now() + timedelta(seconds=7))
    refusing = Rule(phase=Phase.RCPT, fault=Fault.REPLY, code=550, skip=1)

    with runtime_over(database, Sink(rules=[refusing]), tmp_path) as runtime:
        deliver_begun(runtime, claims)

    assert {name: value - before[name] for name, value in counted().items()} == {
        "accepted": 1, "refused": 1, "suppressed": 1, "marked": 2, "seconds late": 7, "batches recorded": 1,
        "connections": 1, "with the relay": 2,
    }  # fmt: skip


def counted() -> dict[str, float]:
    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"handraiser_{name}", labels) or 0.0

    marketing = {"stream": "marketing"}
    return {
        "accepted": value("mails_total", relay="main", outcome="accepted", **marketing),
        "refused": value("mails_total", relay="main", outcome="refused", **marketing),
        "suppressed": value("stopped_total", reason="suppressed", **marketing),
        "marked": value("marks_total", again="no", **marketing),
        "seconds late": value("due_to_accepted_seconds_sum", **marketing),
        "connections": value("connections_total", relay="main", outcome="opened"),
        "with the relay": value("smtp_seconds_count", relay="main"),
        "batches recorded": value("phase_seconds_count", phase="record"),
    }
