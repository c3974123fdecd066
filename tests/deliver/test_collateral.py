"""Collateral on its way: chosen when the send is made, written down, attached and named in the mail, and never sent twice."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date
from email import message_from_bytes, policy
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.cli.explain import lines_of
from engine.cli.lead_story import story_of
from engine.compiler.attachment import Attachment
from engine.compiler.collateral import Collateral, Matching
from engine.compiler.plan import to_json
from engine.database import Database, Tx
from engine.deliver.collateral import attachments_of
from engine.deliver.compose import TouchMail, send_rows_for_touches
from engine.expressions.fields import Field, FieldType, LeadSchema
from engine.files import write_files
from engine.leads import load_leads
from engine.schedule.progress import load
from engine.schema import rules, sends
from engine.simulate.sink import Sink
from engine.vocabulary import SendState, TouchState
from tests.deliver.given import (
    ALWAYS,
    NO_CAPS,
    STEPS,
    WORKER,
    a_cadence,
    a_policy,
    add_workspace,
    an_artifact,
    deliver_begun,
    keep_artifact,
    runtime_over,
    send_of,
)
from tests.factories import add_enrolment, add_lead, add_touch, plain_copy

LESSON = an_artifact(
    subject="Air",
    html="<p>{% if collateral %}With it: {{ collateral.title }}{% else %}Alone{% endif %}</p>",
    text="{% if collateral %}{{ collateral.titles | join(', ') }}{% endif %}\n",
    links=(),
)


def a_file(name: str) -> tuple[Attachment, bytes]:
    data = f"%PDF {name}".encode()
    return Attachment(file=name, media_type="application/pdf", size=len(data), digest=sha256(data).hexdigest()), data


def an_entry(key: str, language: str = "en", expires: date | None = None) -> Collateral:
    return Collateral(
        key=key, title=f"On {key}", interests=("co2",), attachment=a_file(f"{key}.pdf")[0], language=language, expires=expires
    )


LIBRARY = (an_entry("rooms"), an_entry("luft", language="de"), an_entry("old", expires=date(2020, 1, 1)), an_entry("noise"))
ELSE = a_file("overview.pdf")


def add_library(tx: Tx) -> int:
    """A live workspace with a library; returns the version that passages are on."""
    version_id = add_workspace(tx)
    fields = (Field(name="first_name"), Field(name="language"), Field(name="interests", type=FieldType.LIST))
    own = replace(a_policy(NO_CAPS), collateral=LIBRARY, lead_schema=LeadSchema(fields))
    tx.run(sa.insert(rules).values(kind="policy", hash="1" * 64, body=to_json(own), applied_at=tx.now))
    tx.seen.clear()
    keep_artifact(tx, LESSON)
    write_files(tx, dict((file.digest, data) for file, data in (*(a_file(f"{each.key}.pdf") for each in LIBRARY), ELSE)))
    return version_id


def a_mail(tx: Tx, version_id: int, lead_id: int, step: int = 0, at_most: int = 1) -> TouchMail:
    enrolment_id = add_enrolment(tx, lead_id=lead_id, version_id=version_id, cadence=f"lessons-{step}")
    touch_id = add_touch(tx, enrolment_id=enrolment_id, step_id=STEPS[step], state=TouchState.SENDING)
    return TouchMail(
        touch=load(tx, [touch_id])[0],
        lead=load_leads(tx, [lead_id])[lead_id],
        topic="air-lessons",
        email="lesson",
        version=plain_copy(LESSON.hash).versions[0],
        arm=None,
        is_shadow=False,
        matching=Matching(at_most=at_most, otherwise=ELSE[0]),
    )


def add_reader(tx: Tx, **fields: object) -> int:
    return add_lead(tx, fields={"first_name": "Ada", **fields})


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("fields", "at_most", "files"),
    [
        ({"interests": ["CO2"]}, 1, ["rooms.pdf"]),
        ({"interests": ["co2"]}, 3, ["rooms.pdf", "noise.pdf"]),
        ({"interests": ["co2"], "language": "de-AT"}, 2, ["luft.pdf", "rooms.pdf"]),
        ({"interests": ["dust"]}, 2, ["overview.pdf"]),
        ({}, 2, ["overview.pdf"]),
    ],
)
def test_a_send_writes_down_what_goes_with_it(
    database: Database, fields: Mapping[str, object], at_most: int, files: list[str]
) -> None:
    with database.write() as tx:
        version_id = add_library(tx)
        ((send_id, *_),) = send_rows_for_touches(
            tx, [a_mail(tx, version_id, add_reader(tx, **fields), at_most=at_most)], worker_id=WORKER
        )

    assert [entry["file"] for entry in send_of(database, send_id).collateral] == files  # type: ignore[attr-defined]


@pytest.mark.both_databases
def test_a_mail_that_asks_for_none_writes_nothing_down(database: Database) -> None:
    with database.write() as tx:
        mail = replace(a_mail(tx, add_library(tx), add_reader(tx, interests=["co2"])), matching=None)
        send_rows_for_touches(tx, [mail], worker_id=WORKER)

        assert tx.run(sa.select(sends.c.id).where(sends.c.collateral.is_(None))).scalars().all()


def test_nobody_gets_the_same_file_twice_unless_the_first_mail_did_not_go(sqlite_database: Database) -> None:
    with sqlite_database.write() as tx:
        version_id, lead_id = add_library(tx), add_reader(tx, interests=["co2"])
        told = []
        for step in range(3):
            send_rows_for_touches(tx, [a_mail(tx, version_id, lead_id, step)], worker_id=WORKER)
            told.append(tx.run(sa.select(sends.c.collateral).order_by(sends.c.id.desc())).scalars().first()[0]["file"])
            if step == 1:
                newest = tx.run(sa.select(sa.func.max(sends.c.id))).scalar_one()
                tx.run(sa.update(sends).where(sends.c.id == newest).values(state=SendState.REFUSED))

    assert told == ["rooms.pdf", "noise.pdf", "noise.pdf"]


def test_it_is_attached_named_in_the_mail_and_told_by_explain(database: Database, tmp_path: Path) -> None:
    arrived: list[bytes] = []
    with database.write() as tx:
        version_id, lead_id = add_library(tx), add_reader(tx, interests=["co2"])
        [begun] = send_rows_for_touches(tx, [a_mail(tx, version_id, lead_id, at_most=2)], worker_id=WORKER)

    with runtime_over(database, Sink(on_message=lambda _from, _to, message: arrived.append(message)), tmp_path) as runtime:
        deliver_begun(runtime, [begun[:2]])

    message = message_from_bytes(arrived[0], policy=policy.default)
    attached = [(part.get_filename(), part.get_content()) for part in message.iter_attachments()]  # type: ignore[attr-defined]
    assert attached == [("rooms.pdf", b"%PDF rooms.pdf"), ("noise.pdf", b"%PDF noise.pdf")]
    assert "With it: On rooms" in message.get_body(("html",)).get_content()  # type: ignore[attr-defined]
    assert "On rooms, On noise" in message.get_body(("plain",)).get_content()  # type: ignore[attr-defined]
    with database.read() as tx:
        story = " ".join(" ".join(lines_of(story_of(tx, load_leads(tx, [lead_id])[lead_id]))).split())
    assert 'with "On rooms" (rooms.pdf) and "On noise" (noise.pdf)' in story


def test_a_file_that_its_step_attaches_anyway_goes_along_once() -> None:
    written = [{**asdict(a_file(name)[0]), "key": name, "title": name} for name in ("rooms.pdf", "noise.pdf")]
    step = replace(a_cadence(ALWAYS).steps[0], attach=(a_file("noise.pdf")[0],))

    assert [each.file for each in attachments_of(step, written)] == ["noise.pdf", "rooms.pdf"]  # type: ignore[arg-type]
