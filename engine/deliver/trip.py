"""Messages on their way over one connection: what is known of each, and what a loss would mean.

Before: `engine.deliver.transaction` has a channel. After: one outcome a flight. How the text is spoken is said by those that
derive from it: `engine.deliver.by_data`, `engine.deliver.by_chunks`.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from time import monotonic

from engine.deliver.channel import CLOSING, OUT_OF_STEP, Channel, LostError, Reply, Timeouts
from engine.deliver.envelope import Opening, opening
from engine.deliver.loads import Load
from engine.deliver.watch import CannotLookError, Watch
from engine.deliver.wire import Accepted, Deferred, Flight, NoAnswer, NotBegun, OurFault, Outcome, Refused, Stopped
from engine.vocabulary import SmtpPhase

WHOLE = 65_536  # the server must have taken a longer body before its last bytes are written
TOO_BIG = ("5.3.4", "5.2.3")
ENDED = "the connection ended before this one"
NOT_BEGUN = NotBegun(reply=ENDED)

More = Callable[[], Load | None]


class ClosingError(LostError):
    """A 421: answers come in order, so that nothing said after what it answers was done."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


class Trip(ABC):
    """Flights begin in order and end in order. At the end of a load it goes on with the next, if `more` gives one, so that what
    leads to its first message leaves together with the end of the last.
    """

    def __init__(self, channel: Channel, load: Load, more: More, timeouts: Timeouts) -> None:
        self.channel = channel
        self.timeouts = timeouts
        self.flights: dict[int, Flight] = {}  # by number; those that landed are forgotten
        self.outcomes: dict[int, Outcome] = {}
        self.openings: dict[int, Opening] = {}
        self.under_way: deque[int] = deque()  # begun and without their last answer
        self.in_doubt: set[int] = set()  # of these, those whose last byte could have left
        self.phase = SmtpPhase.MAIL
        self.found_dead = False  # at the first word after a rest: nothing counts as said
        self._more = more
        self._loads: deque[tuple[range, Load]] = deque()
        self._watches: dict[int, Watch] = {}  # by number, as the flights
        self._last = -1
        self._is_rested = channel.flown > 0
        self._heard = False
        self._take(load)

    @abstractmethod
    async def run(self) -> None:
        """Raises LostError."""

    def _take(self, load: Load) -> None:
        load.began_at = monotonic()
        first = self._last + 1
        for flight in load.flights:
            self._last += 1
            self.flights[self._last] = flight
            self._watches[self._last] = load.watch
        self._loads.append((range(first, self._last + 1), load))

    async def next_after(self, at: int) -> int | None:
        """The next flight that may begin. Those that may not get their outcome here. Raises CannotLookError."""
        while self._goes_on_after(at):
            at += 1
            if (stopped := await self.stopped(at)) is not None:
                self.outcomes[at] = stopped
                continue
            spoken = opening(self.flights[at], self.channel.extensions)
            if isinstance(spoken, Refused):
                self.outcomes[at] = spoken
                continue
            self.openings[at] = spoken
            return at
        return None

    def _goes_on_after(self, at: int) -> bool:
        if at == self._last and self._heard and (load := self._more()) is not None:
            self._take(load)
        return at < self._last

    async def stopped(self, at: int) -> Stopped | NotBegun | None:
        """The second look; None: it may fly. Raises CannotLookError."""
        return await self._watches[at].stopped(self.flights[at].send_id)

    def begin(self, at: int) -> None:
        self.under_way.append(at)
        self.channel.flown += 1

    def end(self, at: int, outcome: Outcome) -> None:
        self.under_way.remove(at)
        self.in_doubt.discard(at)
        self.outcomes[at] = outcome
        self.channel.refused += not isinstance(outcome, Accepted)
        while self._loads and all(number in self.outcomes for number in self._loads[0][0]):
            self._land_first()

    async def reply(self, phase: SmtpPhase, patience: float) -> Reply:
        """The next answer, which is to `phase`. Raises ClosingError, LostError."""
        self.phase = phase
        reply = await self.channel.reply(patience)
        if reply.code == CLOSING:
            raise ClosingError(reply)
        self._heard = True
        return reply

    def note_loss(self, lost: LostError) -> None:
        """What a lost connection means for the messages that were under way. Those that were not get no outcome here."""
        if self._is_rested and not self._heard and not isinstance(lost, CannotLookError):
            self.found_dead = True
        elif isinstance(lost, ClosingError):
            for at in list(self.under_way)[:1]:
                self.outcomes.setdefault(at, deferred(lost.reply, self.phase))
        else:
            for at in self.under_way:
                self.outcomes.setdefault(at, self._when_lost(at, lost))

    def _when_lost(self, at: int, lost: LostError) -> Outcome:
        if at in self.in_doubt:
            return NoAnswer(reply=str(lost), is_ours=lost.is_ours)
        return Deferred(code=None, reply=str(lost), phase=self.phase, is_ours=lost.is_ours)

    def _land_first(self) -> None:
        """Those that have no outcome were not begun: no text of theirs left, or none that the server could have taken."""
        numbers, load = self._loads.popleft()
        load.landed.set_result([self.outcomes.pop(number, NOT_BEGUN) for number in numbers])
        for number in numbers:
            del self.flights[number], self._watches[number]
            self.openings.pop(number, None)

    def land_all(self) -> None:
        """It is over."""
        while self._loads:
            self._land_first()

    def fail(self, why: str) -> None:
        """By a fault of ours: of those whose last byte could have left nobody knows."""
        for at in self.flights:
            self.outcomes.setdefault(at, NoAnswer(reply=why, is_ours=True) if at in self.in_doubt else OurFault(reply=why))
        self.land_all()


def refusal(reply: Reply, phase: SmtpPhase) -> Deferred | Refused | None:
    """What a reply forbids; None: it says yes. Raises LostError for one that is neither yes nor no."""
    if 400 <= reply.code < 500:
        return deferred(reply, phase)
    if 500 <= reply.code < 600:
        return Refused(code=reply.code, reply=reply.text, phase=phase)
    if not is_yes(reply):
        raise LostError(f"{OUT_OF_STEP}: {reply.code} {reply.text}")
    return None


def deferred(reply: Reply, phase: SmtpPhase) -> Deferred:
    return Deferred(code=reply.code, reply=reply.text, phase=phase)


def mail_refusal(reply: Reply) -> Deferred | Refused | None:
    """A refused MAIL is about us, not about the recipient: it waits for us to be mended. Unless the message is too big."""
    said = refusal(reply, SmtpPhase.MAIL)
    if isinstance(said, Refused) and said.code != 552 and not said.reply.startswith(TOO_BIG):
        return deferred(reply, SmtpPhase.MAIL)
    return said


def is_yes(reply: Reply) -> bool:
    return 200 <= reply.code < 300
