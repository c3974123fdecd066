"""The wire: what carries finished messages to a mail server, and what it may answer.

Before: `engine.deliver.send` marks sends as attempting and hands their messages over. After: it records the outcomes. Outcomes
are returned, never raised. `engine.deliver.smtp` is the real wire; the simulator's recipients are the other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.log import ADDRESS
from engine.said import on_one_line
from engine.settings import MAIN
from engine.vocabulary import SmtpPhase

LONGEST_REPLY = 500
# There was no connection to the relay.
UNREACHED = frozenset((SmtpPhase.CONNECT, SmtpPhase.GREETING, SmtpPhase.EHLO, SmtpPhase.TLS, SmtpPhase.AUTH))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """One message to one recipient, ready to go: `message` is complete, CRLF line ends, not dot-stuffed.

    `relay`: through which it goes. `domain`: the recipient's, and to how many connections at once to it we keep; None: any.
    `is_awaited`: by somebody, so that it goes before what is not.
    """

    send_id: int
    envelope_from: str
    recipient: str
    message: bytes
    relay: str = MAIN
    domain: str = ""
    connections: int | None = None
    is_awaited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A 2xx after the final dot."""

    code: int
    reply: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """A temporary refusal, or no connection: certainly not delivered, try later. `phase`: None where no server was asked.
    `is_ours`: it was this machine that could not, and no server is to be left alone for it. `words`: where there was no
    connection, what is wrong and what to do, for an operator; the ledger keeps the `reply`.
    """

    code: int | None
    reply: str
    phase: SmtpPhase | None = None
    is_ours: bool = False
    words: str = ""

    @property
    def is_unreached(self) -> bool:
        """There was no connection to the relay, so nothing was said of the message, and another may be tried at once."""
        return self.phase in UNREACHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A permanent refusal of this message or recipient. `phase`: None where no server was asked."""

    code: int
    reply: str
    phase: SmtpPhase | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """The final dot was perhaps written and no reply was read: nobody can know (RFC 1047). `is_ours`: it was we who broke off."""

    reply: str
    is_ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NotBegun:
    """Nothing was said to the server about this one: the mark may be taken back."""

    reply: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OurFault:
    """A fault of ours, which it may well meet again: nothing of this one can have arrived, and it is tried again later."""

    reply: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The second look before the wire found a suppression that came after the mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerhapsSent:
    """Nothing was said now; what ran before the database was restored perhaps sent it (`engine.processes.live_again`)."""


def as_kept(reply: str) -> str:
    """A reply for the ledger and the breakers: short, and without the addresses that servers like to repeat."""
    return on_one_line(ADDRESS.sub("<address>", reply), LONGEST_REPLY)


Outcome = Accepted | Deferred | Refused | NoAnswer | NotBegun | OurFault | Stopped | PerhapsSent
Recheck = Callable[[Sequence[int]], Mapping[int, Stopped | NotBegun]]


class Wire(Protocol):
    """Carries messages to a mail server."""

    def fly(self, flights: Sequence[Flight], recheck: Recheck) -> list[Outcome]:
        """One outcome for each flight, in order. Called from worker threads; blocks until all outcomes are known.

        A connection carries a few of them in a row; more go side by side.

        `recheck(send_ids)` returns what becomes of those that must stop now; the wire asks when its mark is older than a second.
        """
        ...

    def close(self) -> None:
        """Break off what is under way, whose outcomes say what is known of it, and begin nothing more. Safe to repeat."""
        ...
