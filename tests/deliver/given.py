"""A small live workspace, a runtime over a real wire, and mails that are due: what the tests of delivery begin with."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import time, timedelta
from functools import partial
from itertools import count
from pathlib import Path

import sqlalchemy as sa

from engine.claim import Claim
from engine.compiler.plan import (
    Assignment,
    Between,
    CadencePlan,
    Caps,
    EmailStep,
    Offer,
    Policy,
    Promptness,
    Rep,
    ScoringModel,
    Timing,
    Topic,
    Window,
    hash_of,
    structure_hash_of,
    to_json,
)
from engine.compiler.sender import Sender
from engine.database import Database, Tx
from engine.deliver import send as delivering
from engine.deliver.batch import Batch, load
from engine.deliver.channel import Timeouts
from engine.deliver.kept import keep_messages
from engine.deliver.smtp import open_wire
from engine.expressions.fields import EventKind, EventSchema, Field, FieldType, LeadSchema
from engine.render.artifact import Artifact, Link, link_table_id
from engine.runtime import Runtime
from engine.schema import artifacts, cadence_versions, cadences, emails, rules, sends, touches
from engine.settings import Settings, read_settings
from engine.simulate.sink import Sink, running
from engine.spans import parse_span
from engine.vocabulary import SendState, Stream, TouchState
from tests.factories import SECRET, TOKENS, add_enrolment, add_lead, add_send, add_touch, add_worker, insert, plain_copy

USUAL_BETWEEN = Between()
NO_CAPS = Caps(per_day=None, per_week=None, per_month=None)
WORKER = "worker-1"
ALWAYS = Window(weekdays=tuple(range(7)), opens=time(0), closes=time(23, 59))
STEPS = ("lesson-1", "lesson-2", "lesson-3")
serial = count(1)


def an_artifact(**changes: object) -> Artifact:
    values: dict[str, object] = {
        "email": "lesson",
        "brand": "clearroom",
        "stream": "marketing",
        "sender": Sender(name="Dana at Clearroom", address="dana@clearroom.example"),
        "subject": "Air in your {{ lead.rooms or 2 }} rooms",
        "preheader": "",
        "html": '<p>Dear {{ lead.first_name or "reader" }},</p><a href="{{ track }}/c/{{ token }}/0">read</a>',
        "text": "Dear {{ lead.first_name or 'reader' }},\nread {{ track }}/c/{{ token }}/0\n",
        "links": (Link(name="read", target="https://clearroom.example/read"),),
    }
    return Artifact(**(values | changes))  # type: ignore[arg-type]


ORDER = an_artifact(
    email="order-confirmation",
    stream="transactional",
    subject="Your order {{ event.number }}",
    html="<p>To {{ event.ship_to }}{% if offer %}: {{ offer.title }}{% endif %}</p>",
    text="To {{ event.ship_to }}{% if offer %}: {{ offer.title }}{% endif %}\n",
    links=(),
)


def add_workspace(
    tx: Tx,
    *,
    caps: Caps = NO_CAPS,
    offers: Sequence[Offer] = (),
    window: Window = ALWAYS,
    between: Between = USUAL_BETWEEN,
    promptness: Promptness | None = None,
    **more: object,
) -> int:
    """Live rules (`more` of the policy), two artifacts and one cadence of three lessons; returns the cadence version's id."""
    for artifact in (an_artifact(), ORDER):
        keep_artifact(tx, artifact)
    tx.run(sa.insert(emails).values(name="order-confirmation", copy=to_json(plain_copy(ORDER.hash))))
    set_rules(tx, caps=caps, offers=offers, between=between, promptness=promptness, **more)
    version_id = add_cadence(tx, a_cadence(window))
    add_worker(tx, id=WORKER, lease_until=tx.now + timedelta(minutes=1))
    return version_id


def add_cadence(tx: Tx, plan: CadencePlan) -> int:
    """A cadence in force; returns its version's id."""
    version_id = add_version(tx, plan)
    tx.run(sa.insert(cadences).values(name=plan.name, version_id=version_id))
    return version_id


def add_version(tx: Tx, plan: CadencePlan) -> int:
    row = {"cadence": plan.name, "hash": hash_of(plan), "structure_hash": structure_hash_of(plan), "body": to_json(plan)}
    return insert(tx, cadence_versions, row | {"created_at": tx.now})


def keep_artifact(tx: Tx, artifact: Artifact) -> str:
    row = {"hash": artifact.hash, "link_table_id": link_table_id(artifact.hash), "email": artifact.email, "brand": artifact.brand}
    tx.run(sa.insert(artifacts).values(**row, body=artifact.to_json(), created_at=tx.now))
    return artifact.hash


def set_rules(
    tx: Tx,
    *,
    caps: Caps = NO_CAPS,
    offers: Sequence[Offer] = (),
    between: Between = USUAL_BETWEEN,
    promptness: Promptness | None = None,
    **more: object,
) -> None:
    """Make these the live rules. `promptness`: of the order's mail; `more` of the policy."""
    scoring = ScoringModel(threshold=60, respond_within=parse_span("4 hours"), points=(), profile=())
    dana = Rep(key="dana", name="Dana Whitfield", email="dana@clearroom.example", phone=None, zone=None)
    kinds = {
        "policy": to_json(a_policy(caps, between, promptness, **more)),
        "scoring": to_json(scoring),
        "assignment": to_json(Assignment(reps={"dana": dana}, rules=())),
        "offers": f"[{','.join(to_json(offer) for offer in offers)}]",
    }
    rows = [{"kind": kind, "hash": "0" * 64, "body": body, "applied_at": tx.now} for kind, body in kinds.items()]
    tx.run(sa.insert(rules), rows)


def a_policy(
    caps: Caps = NO_CAPS, between: Between = USUAL_BETWEEN, promptness: Promptness | None = None, **more: object
) -> Policy:
    data = (Field(name="number"), Field(name="ship_to", personal=True))
    return Policy(
        name="Clearroom",
        zone="Europe/London",
        brand="clearroom",
        topics={"air-lessons": Topic(title="Lessons")},
        unknown_consent="nurture",
        caps=caps,
        lead_schema=LeadSchema((Field(name="first_name"), Field(name="rooms", type=FieldType.NUMBER))),
        event_schema=EventSchema((EventKind(name="order_placed", data=data, counts_as="purchased"),)),
        segments={},
        brands={
            "clearroom": {
                "name": "Clearroom",
                "from": "dana",
                "identities": {"dana": {"name": "Dana", "address": "dana@clearroom.example"}},
            }
        },
        event_emails={"order_placed": "order-confirmation"},
        between=between,
        promptness={"order-confirmation": promptness} if promptness else {},
        **more,  # type: ignore[arg-type]
    )


def a_cadence(window: Window) -> CadencePlan:
    lesson = an_artifact().hash
    steps = [
        EmailStep(
            id=step,
            timing=Timing(base="at", span=parse_span(f"{at * 7} days")),
            email="lesson",
            copy=plain_copy(lesson),
            next=STEPS[at + 1] if at + 1 < len(STEPS) else None,
        )
        for at, step in enumerate(STEPS)
    ]
    return CadencePlan(
        name="lessons", title="Lessons", owner="dana", topic="air-lessons", brand="clearroom", on_change="pin", repeat=False,
        window=window, gap=parse_span("1 day"), goal=None, exits=(), steps=tuple(steps),
    )  # fmt: skip


def add_mail(
    tx: Tx, version_id: int, *, lead_id: int | None = None, worker: str | None = WORKER, cadence: str = "", **values: object
) -> Claim:
    """A lesson that a touch asked for, held by the worker under epoch 1."""
    lead_id = add_lead(tx, fields={"first_name": "Ada", "rooms": 3}) if lead_id is None else lead_id
    cadence = cadence or f"lessons-{next(serial)}"  # so that a lead may be in several
    enrolment_id = add_enrolment(tx, lead_id=lead_id, version_id=version_id, cadence=cadence)
    touch_id = add_touch(tx, enrolment_id=enrolment_id, step_id=STEPS[0], state=TouchState.SENDING)
    return add_claimed(tx, lead_id=lead_id, worker=worker, touch_id=touch_id, source=f"touch:{touch_id}", **values)


def add_claimed(tx: Tx, *, lead_id: int, worker: str | None = WORKER, **values: object) -> Claim:
    defaults: dict[str, object] = {
        "lead_id": lead_id,
        "email": "lesson",
        "artifact_hash": an_artifact().hash,
        "state": SendState.CLAIMED,
        "worker_id": worker,
        "lease_until": None if worker else tx.now + timedelta(minutes=1),
        "epoch": 1,
    }
    return add_send(tx, **(defaults | values)), 1  # type: ignore[arg-type]


def add_internal(tx: Tx, *, lead_id: int, content: bytes) -> Claim:
    claim = add_claimed(tx, lead_id=lead_id, stream=Stream.INTERNAL, rep="dana", artifact_hash=None)
    insert_body(tx, claim[0], content)
    return claim


def insert_body(tx: Tx, send_id: int, content: bytes) -> None:
    keep_messages(tx, [(send_id, content)])


def settings_for(folder: Path) -> Settings:
    environ = {
        "HANDRAISER_SECRET_KEY": SECRET,
        "HANDRAISER_PUBLIC_URL": "https://mail.clearroom.example",
        "HANDRAISER_REPLY_DOMAIN": "reply.clearroom.example",
    }
    return read_settings(folder, environ)


@contextmanager
def runtime_over(
    database: Database,
    sink: Sink,
    folder: Path,
    *,
    has_lease: Callable[[], bool] = lambda: True,
    worker: str = WORKER,
    patience: float = 2,
) -> Iterator[Runtime]:
    """A worker's runtime whose wire leads to this sink and waits so many seconds for each answer."""
    with running(sink):
        patient = Timeouts(connect=2, command=patience, data=patience, block=patience, dot=patience)
        wire = open_wire(sink.url, timeouts=patient)
        try:
            yield Runtime(
                settings=settings_for(folder), database=database, tokens=TOKENS, wire=wire, worker_id=worker,
                has_lease=has_lease, publish=lambda _noun, _claims: None,
            )  # fmt: skip
        finally:
            wire.close()


def send_of(database: Database, send_id: int) -> sa.Row[tuple[object, ...]]:
    with database.read() as tx:
        return tx.run(sa.select(sends).where(sends.c.id == send_id)).one()


def touch_of(database: Database, send_id: int) -> sa.Row[tuple[object, ...]]:
    with database.read() as tx:
        return tx.run(sa.select(touches).join(sends, sends.c.touch_id == touches.c.id).where(sends.c.id == send_id)).one()


def deliver_begun(runtime: Runtime, held: Sequence[Claim]) -> None:
    """As `engine.advance` does with sends that it has made for this worker."""
    delivering.deliver_begun(runtime, [load_held(runtime, held)])


def load_held(runtime: Runtime, held: Sequence[Claim]) -> Batch:
    with runtime.database.read() as tx:
        return load(tx, runtime.places, held)


def at_once(runtime: Runtime, shares: Sequence[Sequence[Claim]]) -> None:
    """Deliver each share in a thread of its own. Raises what one of them raised."""
    with ThreadPoolExecutor(len(shares)) as threads:
        list(threads.map(partial(deliver_begun, runtime), shares))
