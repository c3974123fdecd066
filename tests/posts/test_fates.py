"""The table of what follows from an answer, and the signatures."""

from base64 import b64decode
from datetime import UTC, datetime, timedelta

import pytest

from engine.posts.fates import TRIED_FOR, WAITS, fate_of
from engine.posts.sign import signed_headers, spelt_secret
from engine.posts.wire import Answered, Forbidden, PostOutcome, Unreachable
from engine.tokens import Tokens

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("outcome", "state", "reason"),
    [
        (Answered(status=200, text=""), "done", None),
        (Answered(status=202, text=""), "done", None),
        (Answered(status=299, text=""), "done", None),
        (Answered(status=301, text=""), "failed", "rejected"),
        (Answered(status=400, text=""), "failed", "rejected"),
        (Answered(status=404, text=""), "failed", "rejected"),
        (Answered(status=410, text=""), "failed", "rejected"),
        (Answered(status=408, text=""), "ready", "temporary"),
        (Answered(status=425, text=""), "ready", "temporary"),
        (Answered(status=429, text=""), "ready", "temporary"),
        (Answered(status=500, text=""), "ready", "temporary"),
        (Answered(status=503, text=""), "ready", "temporary"),
        (Unreachable(why=""), "ready", "temporary"),
        (Forbidden(why=""), "failed", "forbidden"),
    ],
)
def test_what_follows_from_an_outcome(outcome: PostOutcome, state: str, reason: str | None) -> None:
    found = fate_of(outcome, attempts=1, created_at=NOW, now=NOW)

    assert (found.state, found.reason, found.wait is None) == (state, reason, state != "ready")


def test_tries_lie_ever_farther_apart_and_end_after_three_days() -> None:
    now, waits = NOW, []
    while (found := fate_of(Unreachable(why=""), attempts=len(waits) + 1, created_at=NOW, now=now)).wait is not None:
        waits.append(found.wait)
        now += found.wait

    assert (found.state, found.reason) == ("failed", "too_old")
    assert waits[: len(WAITS)] == list(WAITS) == sorted(WAITS)
    assert timedelta(days=2, hours=12) < now - NOW <= TRIED_FOR


@pytest.mark.parametrize(("asked", "wait"), [(5, WAITS[0]), (600, timedelta(minutes=10)), (10**7, timedelta(days=1))])
def test_a_receiver_may_ask_for_a_longer_wait_within_reason(asked: int, wait: timedelta) -> None:
    found = fate_of(Answered(status=429, text="", retry_after=asked), attempts=1, created_at=NOW, now=NOW)

    assert found.wait == wait


def test_the_signature_is_the_one_of_the_specification() -> None:
    """The example of the Standard Webhooks specification."""
    secret = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'

    headers = signed_headers([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), body)

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert spelt_secret(secret) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_each_webhook_has_a_secret_of_its_own_and_keeps_it_while_the_key_changes() -> None:
    old, new = "the old secret key of an installation", "the new secret key of an installation"

    before, during = Tokens((old,)), Tokens((new, old))

    assert before.webhook_secrets("crm") != before.webhook_secrets("erp")
    assert before.webhook_secrets("crm")[0] in during.webhook_secrets("crm")
    assert len(during.webhook_secrets("crm")) == 2
