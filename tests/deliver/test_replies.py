"""The policy for every answer of a mail server."""

from datetime import UTC, datetime, timedelta

import pytest

from engine.deliver.fates import Attempted, fate_of, policy_for
from engine.deliver.replies import enhanced_code
from engine.deliver.wire import Deferred, NoAnswer, NotBegun, Refused, Stopped
from engine.vocabulary import Reason, SendState, Stream

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
NOMINAL = [5, 7, 15, 30, 60, 120, 240, 240, 240]  # minutes


def attempted(**changes: object) -> Attempted:
    values: dict[str, object] = {"send_id": 1, "stream": Stream.MARKETING, "attempts": 0, "unknowns": 0, "created_at": NOW}
    return Attempted(**(values | changes))  # type: ignore[arg-type]


def test_the_wait_after_a_temporary_refusal_grows_and_spreads_by_a_fifth_at_most() -> None:
    greylisted = Deferred(code=451, reply="4.7.1 later")

    for attempts, nominal in enumerate(NOMINAL):
        waits = [fate_of(greylisted, attempted(send_id=n, attempts=attempts), NOW).wait for n in range(200)]
        minutes = [wait / timedelta(minutes=1) for wait in waits if wait is not None]
        assert 0.8 * nominal <= min(minutes) < nominal < max(minutes) <= 1.2 * nominal


def test_the_wait_is_the_same_whoever_works_it_out() -> None:
    send, deferral = attempted(send_id=77, attempts=3), Deferred(code=450, reply="busy")

    assert fate_of(deferral, send, NOW) == fate_of(deferral, send, NOW)


def test_a_relay_that_is_away_is_asked_again_soon() -> None:
    wait = fate_of(Deferred(code=None, reply="no route"), attempted(), NOW).wait

    assert wait is not None and wait <= timedelta(seconds=36)


@pytest.mark.parametrize(("code", "is_relay"), [(None, True), (421, True), (535, True), (450, False), (452, False)])
def test_some_deferrals_are_about_the_relay(code: int | None, is_relay: bool) -> None:
    assert (policy_for(Deferred(code=code, reply="")).relay is not None) is is_relay


def test_three_days_of_refusals_are_enough_but_a_late_start_still_gets_its_attempts() -> None:
    deferral, begun = Deferred(code=451, reply=""), NOW - timedelta(hours=72)

    tried_often = fate_of(deferral, attempted(attempts=11, created_at=begun), NOW)
    tried_once = fate_of(deferral, attempted(attempts=0, created_at=begun), NOW)

    assert (tried_often.state, tried_often.reason) == (SendState.REFUSED, Reason.TOO_OLD)
    assert tried_once.state == SendState.READY


@pytest.mark.parametrize(
    ("stream", "unknowns", "state", "reason"),
    [
        (Stream.MARKETING, 0, SendState.UNKNOWN, Reason.NO_ANSWER),
        (Stream.TRANSACTIONAL, 0, SendState.READY, Reason.UNKNOWN_ONCE),
        (Stream.INTERNAL, 0, SendState.READY, Reason.UNKNOWN_ONCE),
        (Stream.TRANSACTIONAL, 1, SendState.UNKNOWN, Reason.NO_ANSWER),
    ],
)
def test_what_follows_no_answer_depends_on_who_waits_for_the_mail(
    stream: Stream, unknowns: int, state: SendState, reason: Reason
) -> None:
    fate = fate_of(NoAnswer(reply=""), attempted(stream=stream, unknowns=unknowns), NOW)

    assert (fate.state, fate.reason) == (state, reason)


def test_what_did_not_begin_counts_as_no_attempt() -> None:
    not_begun, stopped = fate_of(NotBegun(reply=""), attempted(), NOW), fate_of(Stopped(), attempted(), NOW)

    assert (not_begun.state, not_begun.wait, not_begun.counts) == (SendState.READY, timedelta(0), False)
    assert (stopped.state, stopped.reason, stopped.counts) == (SendState.CANCELLED, Reason.SUPPRESSED, False)


@pytest.mark.parametrize(
    ("reply", "is_dead"),
    [
        ("5.1.1 no such user", True),
        ("5.1.2 no such host", True),
        ("5.1.3 bad syntax", True),
        ("5.1.10 null MX", True),
        ("5.1.8 your domain does not exist", False),
        ("5.2.1 disabled", False),
        ("5.2.2 full", False),
        ("5.7.1 blocked, see https://x.example/5.1.1", False),
        ("5.7.515 not authenticated", False),
        ("5.6.7 no SMTPUTF8", False),
        ("User unknown", False),
    ],
)
def test_only_codes_that_say_the_address_is_bad_condemn_it(reply: str, is_dead: bool) -> None:
    assert (policy_for(Refused(code=550, reply=reply)).suppress_after == 1) is is_dead


def test_an_enhanced_code_stands_at_the_beginning_or_not_at_all() -> None:
    assert enhanced_code("5.1.10 no") == "5.1.10"
    assert enhanced_code("see rfc 5.1.1") is None
