"""The text of mails by BDAT (RFC 3030): whole transactions leave in one write, several of them before the first is answered.

Before: `engine.deliver.transaction` has a channel whose server pipelines and takes chunks. After: outcomes. In doubt is a message
whose last byte could have left.

The first message of a trip goes by halves: its first line is a chunk of its own, and the rest waits for the answers. So a
connection that died while it rested, and a server that offers CHUNKING and does not understand it, are found out before
there is a text that could be delivered twice or taken for commands. A long text goes so as well.
"""

import logging
from time import monotonic

from engine import crash
from engine.deliver.channel import OUT_OF_STEP, Channel, LostError, Reply, Timeouts
from engine.deliver.envelope import mended
from engine.deliver.loads import Load
from engine.deliver.trip import WHOLE, ClosingError, More, Trip, is_yes, mail_refusal, refusal
from engine.deliver.watch import CannotLookError
from engine.deliver.wire import Accepted, NotBegun, Outcome
from engine.vocabulary import SmtpPhase

AHEAD = 4  # messages without an answer; so many a broken connection leaves in doubt at most
AN_HOUR, A_DAY = 3_600.0, 86_400.0
NOT_UNDERSTOOD = frozenset((500, 501, 502, 503, 504))
NEVER_HEARD_OF = frozenset((500, 502))  # and not that the command came out of turn
RSET = b"RSET\r\n"

log = logging.getLogger(__name__)


class Chunking:
    """Whether the mails to a relay go by BDAT. When that went wrong they go by DATA for an hour, the next time for two, …: a
    server that closes connections without a word leaves more in doubt the more is said ahead.
    """

    def __init__(self) -> None:
        self._rest = AN_HOUR
        self._rests_until = 0.0

    def fits(self, extensions: frozenset[str]) -> bool:
        return {"pipelining", "chunking"} <= extensions and monotonic() >= self._rests_until

    def went_wrong(self, why: str) -> None:
        now = monotonic()
        if now >= self._rests_until:
            self._rests_until = now + self._rest
            self._rest = min(self._rest * 2, A_DAY)
            log.warning("a relay that offers CHUNKING gets mails by DATA for a while", extra={"facts": {"why": why}})


class ChunkTrip(Trip):
    """Up to `AHEAD` messages at a time."""

    def __init__(self, channel: Channel, load: Load, more: More, timeouts: Timeouts, chunking: Chunking) -> None:
        super().__init__(channel, load, more, timeouts)
        self._chunking = chunking
        self._is_understood = False
        self._opened: set[int] = set()  # by halves, and the first was taken

    async def run(self) -> None:
        at = await self._begin_after(-1)
        while at is not None or self.under_way:
            if at is None or len(self.under_way) == AHEAD:
                await self._hear_of_first()
            else:
                at = await self._begin_after(at)

    async def _begin_after(self, at: int) -> int | None:
        """Begin the next one that may; None: no more. A connection that was given up is in no doubt over any."""
        following = await self._look_after(at)
        if following is None:
            return None
        if self._is_understood and len(self.flights[following].message) <= WHOLE:
            await self._send_whole(following)
            return following
        while self.under_way:
            await self._hear_of_first()
        await self._send_by_halves(following)
        return None if self.channel.is_lost else following

    async def _look_after(self, at: int) -> int | None:
        """Where the second look fails, those under way are still heard of."""
        try:
            return await self.next_after(at)
        except CannotLookError:
            if not self.under_way:
                raise
            return None

    async def _send_whole(self, at: int) -> None:
        """Everything in one write. RSET first: whatever became of the one before, this one is not mixed with it."""
        opening, text = self.openings[at], mended(self.flights[at].message)
        crash.point("before-dot")
        self.channel.write(b"".join((RSET, opening.mail, opening.rcpt, b"BDAT %d LAST\r\n" % len(text), text)))
        self.begin(at)
        await self._note_last_byte(at)

    async def _send_by_halves(self, at: int) -> None:
        opening, text = self.openings[at], mended(self.flights[at].message)
        first = text[: text.index(b"\r\n") + 2]
        reset = RSET if self.channel.needs_reset else b""
        self.begin(at)
        self.channel.needs_reset = True
        self.channel.write(b"".join((reset, opening.mail, opening.rcpt, b"BDAT %d\r\n" % len(first), first)))
        outcome = await self._answer_to_first(at, with_reset=bool(reset))
        if outcome is None:
            outcome = await self.stopped(at)
        if outcome is not None:
            self.end(at, outcome)
            return
        self._is_understood = True
        self._opened.add(at)
        await self._send_rest(at, text[len(first) :])

    async def _send_rest(self, at: int, rest: bytes) -> None:
        crash.point("before-dot")
        words = b"BDAT %d LAST\r\n%b" % (len(rest), rest)
        self.phase = SmtpPhase.BODY
        if len(words) > WHOLE:
            self.channel.write(words[:-2])
            await self.channel.flushed(self.timeouts.block)
            words = words[-2:]
        self.channel.write(words)
        await self._note_last_byte(at)

    async def _note_last_byte(self, at: int) -> None:
        self.in_doubt.add(at)
        if crash.is_armed():
            await self.channel.flushed(self.timeouts.block)
            crash.point("after-dot")

    async def _answer_to_first(self, at: int, *, with_reset: bool) -> Outcome | None:
        """None: the server has the first line and waits for the rest."""
        refused = await self._envelope(at, with_reset=with_reset)
        said = await self.reply(SmtpPhase.DATA, self.timeouts.data)
        if said.code in NEVER_HEARD_OF or (said.code in NOT_UNDERSTOOD and refused is None):
            self.channel.lose("the server does not understand BDAT")  # and takes what comes next for commands
            not_begun = self._not_understood(said)
            return refused or not_begun
        self.channel.require_silence()
        return refused or refusal(said, SmtpPhase.DATA)

    async def _envelope(self, at: int, *, with_reset: bool) -> Outcome | None:
        """What MAIL and RCPT were refused with."""
        said_reset = await self.reply(SmtpPhase.MAIL, self.timeouts.command) if with_reset else None
        refused_mail = mail_refusal(await self._answer_to_mail(at, said_reset))
        refused_rcpt = refusal(await self.reply(SmtpPhase.RCPT, self.timeouts.command), SmtpPhase.RCPT)
        if refused_rcpt is not None:
            self.outcomes[at] = refused_mail or refused_rcpt  # whatever is said of the text
        return refused_mail or refused_rcpt

    async def _answer_to_mail(self, at: int, said_reset: Reply | None) -> Reply:
        """A server that refuses even a RSET and hangs up has had enough of us; nothing that came after it was done."""
        if said_reset is None or is_yes(said_reset):
            return await self.reply(SmtpPhase.MAIL, self.timeouts.command)
        if at not in self.in_doubt:
            raise LostError(OUT_OF_STEP)
        try:
            return await self.reply(SmtpPhase.MAIL, self.timeouts.command)
        except LostError as lost:
            raise ClosingError(said_reset) if self.channel.is_hung_up else lost from lost

    async def _hear_of_first(self) -> None:
        at = self.under_way[0]
        refused = None if at in self._opened else await self._envelope(at, with_reset=True)
        said = await self.reply(SmtpPhase.DOT, self.timeouts.dot)
        crash.point("after-250")
        outcome = self.outcomes.get(at) or self._verdict(said, refused)
        self.end(at, outcome)
        self.channel.needs_reset = not isinstance(outcome, Accepted)
        if not self.under_way:
            self.channel.require_silence()

    def _verdict(self, said: Reply, refused_mail: Outcome | None) -> Outcome:
        if refused_mail is not None and not is_yes(said):
            return refused_mail
        if said.code in NOT_UNDERSTOOD:
            return self._not_understood(said)
        return refusal(said, SmtpPhase.DOT) or Accepted(code=said.code, reply=said.text)

    def _not_understood(self, said: Reply) -> NotBegun:
        """It was certainly not taken, so it may go at once, by DATA."""
        self._chunking.went_wrong(f"{said.code} {said.text}")
        return NotBegun(reply=f"the server does not take BDAT: {said.code} {said.text}")

    def note_loss(self, lost: LostError) -> None:
        super().note_loss(lost)
        if not (self.found_dead or isinstance(lost, ClosingError | CannotLookError)):
            self._chunking.went_wrong(str(lost))
