"""Work that can wait stands aside while somebody waits for a mail."""

import sys
import threading
from time import monotonic, sleep

import pytest

from engine.precedence import A_BIT, LONGEST, PROMPT, USUAL, Precedence

MUCH = 5.0


def test_nobody_stands_aside_for_nothing() -> None:
    precedence = Precedence()

    began = monotonic()
    with precedence.turn():
        assert monotonic() - began < LONGEST / 2


def test_what_can_wait_goes_on_when_the_mail_is_gone() -> None:
    precedence, order = Precedence(), []
    stands = threading.Event()

    def wait() -> None:
        stands.set()
        with precedence.turn():
            order.append("nurture")

    with precedence.awaited():
        nurture = threading.Thread(target=wait)
        nurture.start()
        assert stands.wait(MUCH)
        sleep(0.05)
        order.append("mail")
    nurture.join(MUCH)

    assert order == ["mail", "nurture"]


def test_what_can_wait_never_stands_still() -> None:
    precedence = Precedence()

    with precedence.awaited():
        began = monotonic()
        with precedence.turn():
            assert LONGEST <= monotonic() - began < MUCH


def test_beside_awaited_mail_it_goes_bit_by_bit() -> None:
    precedence = Precedence()
    items = list(range(20))

    assert list(precedence.bits(items)) == [items]
    with precedence.awaited():
        bits = list(precedence.bits(items))

    assert [item for bit in bits for item in bit] == items
    assert max(map(len, bits)) == A_BIT


def test_threads_take_turns_sooner_while_somebody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.precedence.LATELY", 0.0)
    precedence, before = Precedence(), sys.getswitchinterval()
    try:
        with precedence.awaited():
            beside = sys.getswitchinterval()
        with precedence.turn():
            after = sys.getswitchinterval()
    finally:
        sys.setswitchinterval(before)

    assert (beside, after) == (pytest.approx(PROMPT), pytest.approx(USUAL))
