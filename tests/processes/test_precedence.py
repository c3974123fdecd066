"""Work that can wait stands aside while somebody waits for a mail."""

import threading
from time import monotonic

from engine.precedence import LONGEST, Precedence

MUCH = 5.0


def test_nobody_stands_aside_for_nothing() -> None:
    precedence = Precedence()
    with precedence.awaited():
        pass

    began = monotonic()
    precedence.stand_aside()

    assert monotonic() - began < LONGEST / 2


def test_what_can_wait_goes_on_when_the_mail_is_gone() -> None:
    precedence, order = Precedence(), []
    stands = threading.Event()

    def wait() -> None:
        stands.set()
        precedence.stand_aside()
        order.append("nurture")

    with precedence.awaited():
        nurture = threading.Thread(target=wait)
        nurture.start()
        assert stands.wait(MUCH)
        order.append("mail")
    nurture.join(MUCH)

    assert order == ["mail", "nurture"]


def test_what_can_wait_never_stands_still() -> None:
    precedence = Precedence()

    with precedence.awaited():
        began = monotonic()
        precedence.stand_aside()

        assert LONGEST <= monotonic() - began < MUCH
