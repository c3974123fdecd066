"""From a webhook step to the other system and back: once, or with the same id again, and with the answer kept."""

import hmac
import json
import os
import signal
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine import crash
from engine.advance import advance
from engine.claim import POST, TOUCH, sweep, take_due
from engine.clock import VirtualClock
from engine.compiler.plan import Webhook
from engine.database import Database, Tx
from engine.posts.http import HttpPosts
from engine.posts.send import post_claimed
from engine.posts.wire import Answered, Forbidden, NotedPosts, PostOutcome, PostRequest, Unreachable
from engine.processes.outbox.posts import KeptPosts
from engine.runtime import Runtime
from engine.schedule.enrol import enrol_leads
from engine.schedule.leave import leave
from engine.schema import enrolments, leads, posts, touches, workers
from tests.factories import TOKENS, add_lead
from tests.posts.receiver import Receiver, receiving
from tests.schedule.plans import apply, at, cadence, chain, email, webhook
from tests.test_advance import Accepting, at_work, runtime, states

both = pytest.mark.both_databases
LEASE = timedelta(seconds=30)
CRM = "https://crm.example/hook"


@both
def test_a_step_asks_for_a_post_and_does_not_wait_for_it(database: Database, tmp_path: Path):
    with database.write() as tx:
        enrolled(tx, *chain(webhook("tell-crm", "first_name"), email("next", at("7 days"))))

        advance(tx, at_work(tx), take_due(tx, TOUCH, limit=50, lease=LEASE))

        assert states(tx) == [("tell-crm", "done", None), ("next", "waiting", None)]
        post = tx.run(sa.select(posts)).one()
        assert (post.webhook, post.fields, post.state, post.due_at) == ("crm", ["first_name"], "ready", tx.now)


@both
def test_a_post_says_who_and_where_as_things_are_when_it_goes_out(database: Database, tmp_path: Path):
    wire = asked(database, "first_name", "employees", "former", first_name="Ada", employees=2)
    with database.write() as tx:
        tx.run(sa.update(leads).values(fields={"first_name": "Zoë", "former": "secret"}))

    go(database, wire, tmp_path)

    (request,) = wire.noted
    assert (request.url, json.loads(request.body)) == (
        CRM,
        {
            "type": "cadence.step",
            "timestamp": "2026-01-05T09:00:00.000Z",
            "data": {
                "cadence": "new-enquiry",
                "step": "tell-crm",
                "lead": {
                    "key": "ada@example.com", "email": "ada@example.com",
                    "fields": {"first_name": "Zoë", "employees": None, "former": None},
                },
            },
        },
    )  # fmt: skip
    assert found(database).state == "done"


def test_a_receiver_can_check_the_signature_with_the_secret_it_was_given(database: Database, tmp_path: Path):
    wire = asked(database)

    go(database, wire, tmp_path)

    (request,) = wire.noted
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    (secret,) = TOKENS.webhook_secrets("crm")
    expected = b64encode(hmac.digest(secret, signed, sha256)).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"


@both
def test_a_post_that_may_heal_goes_out_later_with_the_same_id(database: Database, tmp_path: Path, clock: VirtualClock):
    wire = Saying(asked(database), Answered(status=503, text="Down for a moment"), Answered(status=200, text="OK"))

    go(database, wire, tmp_path)

    assert facts(database) == ("ready", "temporary", 1, 503, "Down for a moment")
    go(database, wire, tmp_path)
    assert len(wire.requests) == 1, "not before its time"

    clock.move_to(clock.now() + timedelta(seconds=10))
    go(database, wire, tmp_path)

    assert facts(database) == ("done", None, 2, 200, "OK")
    assert len({request.headers["webhook-id"] for request in wire.requests}) == 1
    assert len({request.headers["webhook-timestamp"] for request in wire.requests}) == 2


@both
@pytest.mark.parametrize(
    ("outcome", "kept"),
    [
        (Answered(status=422, text="No such pipeline"), ("failed", "rejected", 1, 422, "No such pipeline")),
        (Forbidden(why="crm.example is inside"), ("failed", "forbidden", 1, None, "crm.example is inside")),
        (Unreachable(why="not reached: refused"), ("ready", "temporary", 1, None, "not reached: refused")),
    ],
)  # fmt: skip
def test_the_answer_is_kept(database: Database, tmp_path: Path, outcome: PostOutcome, kept: tuple[object, ...]):
    go(database, Saying(asked(database), outcome), tmp_path)

    assert facts(database) == kept


def test_what_an_answer_repeats_of_the_lead_is_not_kept(database: Database, tmp_path: Path):
    wire = Saying(asked(database, "first_name", first_name="Quillfeather"),
                  Answered(status=400, text="no ada@example.com,\x00 no Quillfeather\r\n here" + "x" * 900))  # fmt: skip

    go(database, wire, tmp_path)

    answer = found(database).answer
    assert answer.startswith("no …, no … here") and len(answer) == 500


@both
def test_a_post_that_was_decided_goes_out_although_the_passage_is_left(database: Database, tmp_path: Path):
    wire = asked(database)
    with database.write() as tx:
        leave(tx, list(tx.run(sa.select(enrolments.c.id)).scalars()), reason="replied")

    go(database, wire, tmp_path)

    assert len(wire.noted) == 1 and found(database).state == "done"


@both
def test_a_webhook_that_is_no_longer_in_the_workspace_is_told_nothing(database: Database, tmp_path: Path):
    wire = asked(database)
    with database.write() as tx:
        apply(tx, cadence(webhook("tell-crm")))

    go(database, wire, tmp_path)

    assert not wire.noted and facts(database) == ("failed", "removed", 0, None, None)


@both
def test_a_stale_claim_posts_nothing_and_writes_nothing(database: Database, tmp_path: Path):
    wire = asked(database)
    with database.write() as tx:
        ((post_id, epoch),) = take_due(tx, POST, limit=4, lease=LEASE)

    post_claimed(at_post(database, wire, tmp_path), [(post_id, epoch - 1)])

    assert not wire.noted and found(database).state == "claimed"


def test_without_a_lease_nothing_is_posted_and_the_rows_are_given_back(database: Database, tmp_path: Path):
    wire = asked(database)
    with database.write() as tx:
        claims = take_due(tx, POST, limit=4, lease=LEASE)

    post_claimed(replace(at_post(database, wire, tmp_path), has_lease=lambda: False), claims)

    assert not wire.noted and found(database).state == "ready"


def test_a_process_that_dies_before_the_record_posts_again_with_the_same_id(database: Database, tmp_path: Path):
    asked(database)
    with receiving() as receiver:
        point_to(database, receiver)
        assert died_at("post-answered", database, tmp_path)
        with database.write() as tx:
            tx.run(sa.delete(workers))
            assert sweep(tx, POST) == 1

        go(database, HttpPosts(frozenset({"127.0.0.1"})), tmp_path)

    assert [headers["webhook-id"] for _path, headers, _body in receiver.got] == [f"post_{TOKENS.fingerprint[:12]}_1"] * 2
    assert found(database).state == "done"


def test_nothing_leaves_while_no_mail_does_unless_the_host_is_named(database: Database, tmp_path: Path):
    asked(database)
    with receiving() as receiver:
        point_to(database, receiver)
        for allow in (frozenset(), frozenset({"127.0.0.1"})):
            with database.write() as tx:
                tx.run(sa.update(posts).values(state="ready", due_at=tx.now))
            go(database, KeptPosts(folder=tmp_path / "posts", allow=allow, outward=HttpPosts(allow)), tmp_path)
            assert len(receiver.got) == len(allow)

    (kept,) = (tmp_path / "posts").iterdir()
    assert json.loads(kept.read_text())["body"]["data"]["step"] == "tell-crm"
    assert kept.stat().st_mode & 0o777 == 0o600


@both
def test_a_cadence_in_shadow_posts_nothing(database: Database):
    with database.write() as tx:
        enrolled(tx, webhook("tell-crm"), shadow=True)

        advance(tx, at_work(tx), take_due(tx, TOUCH, limit=50, lease=LEASE))

        assert states(tx) == [("tell-crm", "skipped", "shadow")]
        assert not tx.run(sa.select(posts)).all()


class Saying:
    """A wire that answers these in turn."""

    def __init__(self, _noting: NotedPosts, *outcomes: PostOutcome) -> None:
        self.outcomes, self.requests = list(outcomes), []

    def post(self, request: PostRequest) -> PostOutcome:
        self.requests.append(request)
        return self.outcomes.pop(0)


def enrolled(tx: Tx, *steps, fields=None, **changed) -> None:
    apply(tx, cadence(*steps, **changed), webhooks={"crm": Webhook(url=CRM)})
    enrol_leads(tx, "new-enquiry", [add_lead(tx, email="ada@example.com", fields=fields)])


def asked(database: Database, *told: str, **fields: object) -> NotedPosts:
    """One post is due; the wire notes it."""
    with database.write() as tx:
        enrolled(tx, webhook("tell-crm", *told), fields=fields)
        advance(tx, at_work(tx), take_due(tx, TOUCH, limit=50, lease=LEASE))
        assert tx.run(sa.select(touches.c.state)).scalar_one() == "done"
    return NotedPosts()


def point_to(database: Database, receiver: Receiver) -> None:
    with database.write() as tx:
        apply(tx, cadence(webhook("tell-crm")), webhooks={"crm": Webhook(url=receiver.url)})


def at_post(database: Database, wire, folder: Path) -> Runtime:
    return replace(runtime(database, Accepting(), folder), posts=wire)


def go(database: Database, wire, folder: Path) -> None:
    with database.write() as tx:
        claims = take_due(tx, POST, limit=4, lease=LEASE)
    post_claimed(at_post(database, wire, folder), claims)


def found(database: Database):
    with database.read() as tx:
        return tx.run(sa.select(posts)).one()


def facts(database: Database) -> tuple[object, ...]:
    row = found(database)
    return row.state, row.reason, row.attempts, row.status_code, row.answer


def died_at(name: str, database: Database, folder: Path) -> bool:
    child = os.fork()
    if child == 0:
        database.engine.dispose(close=False)
        crash.arm(f"{name}:1")
        go(database, HttpPosts(frozenset({"127.0.0.1"})), folder)
        os._exit(0)
    _pid, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
