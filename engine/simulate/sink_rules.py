"""How a sink is told to fail: one rule is one fault at one phase of a session.

Before: a test, the demo's script or the recipient's own address (`fate_of`) makes rules. After: `engine.simulate.sink_session`.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatch


class Phase(StrEnum):
    """Where a session can be made to fail."""

    CONNECT = "connect"  # instead of the greeting
    EHLO = "ehlo"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    MID_BODY = "mid-body"  # the first bytes of a body are there
    DOT = "dot"  # the whole body is there; nothing is kept
    ACCEPTED = "accepted"  # the message is kept; its 250 is not yet written
    AFTER_250 = "after-250"  # the message is kept and its 250 written


class Fault(StrEnum):
    """What goes wrong there."""

    REPLY = "reply"  # this code instead, and the session goes on
    CLOSING = "closing"  # 421, then the connection is closed
    DROP = "drop"  # the connection is closed
    RESET = "reset"  # it is torn down: what was said last may not arrive
    HANG = "hang"  # no answer, ever
    SLOW = "slow"  # the usual answer, a byte at a time; in a body: reads nothing for a while
    REPLY_THEN_DROP = "reply-then-drop"  # the usual answer, then the connection is closed


@dataclass(slots=True, kw_only=True)
class Rule:
    """One fault. `recipient`: a pattern such as `*@slow.example`; before RCPT, where no recipient is known, only `*` fits.

    `skip` passes go well first; `times`: how often it then happens (None: always). `pause`: seconds a byte, for SLOW.
    """

    phase: Phase
    fault: Fault
    code: int = 451
    text: str = "4.3.0 as the rule says"
    recipient: str = "*"
    skip: int = 0
    times: int | None = None
    pause: float = 0.02

    def strikes(self, phase: Phase, recipient: str) -> bool:
        """Whether the fault happens at this pass. Counts the pass."""
        if phase != self.phase or self.times == 0 or not fnmatch(recipient, self.recipient):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


CHOSEN = re.compile(r"\+(rcpt|data|mid-body|dot|accepted|after-250)-(\d{3}|closing|drop|reset|hang|slow)@")


def fate_of(recipient: str) -> Rule | None:
    """The fate that a recipient chose by its own address: `dana+rcpt-550@…`, `dana+dot-drop@…`."""
    chosen = CHOSEN.search(recipient)
    if chosen is None:
        return None
    phase, fault = Phase(chosen.group(1)), chosen.group(2)
    if not fault.isdigit():
        return Rule(phase=phase, fault=Fault(fault))
    return Rule(phase=phase, fault=Fault.REPLY, code=int(fault), text=f"{fault[0]}.1.1 as the address says")
