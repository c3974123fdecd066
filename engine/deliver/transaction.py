"""The mail transaction: a micro-batch of messages over one connection, knowing at every moment what a loss would mean.

Before: `engine.deliver.pool` has a channel. After: one outcome a flight. Until the first byte after a body's end could have
left, a lost message is certainly not delivered; from then on until an answer nobody can know (RFC 1047).

Where the server pipelines (RFC 2920), the end of one body and the next MAIL, RCPT and DATA leave in one flight, so that a
message costs one round trip.
"""

import asyncio
import logging
from collections.abc import Sequence
from time import monotonic

from engine import crash
from engine.deliver.channel import CLOSING, Channel, LostError, Reply, Timeouts
from engine.deliver.envelope import opening, stuffed
from engine.deliver.wire import Accepted, Deferred, Flight, NoAnswer, NotBegun, Outcome, Recheck, Refused, Stopped
from engine.vocabulary import SmtpPhase

MARK_HOLDS = 1.0  # seconds after which a mark is looked at again before anything more is said
WHOLE = 65_536  # a longer body waits for the server to take it before its final dot is written
DOT = b".\r\n"
TOO_BIG = ("5.3.4", "5.2.3")

log = logging.getLogger(__name__)


class Watch:
    """Whether marked sends may still fly. Asks again when the last look is older than `MARK_HOLDS`."""

    def __init__(self, flights: Sequence[Flight], recheck: Recheck) -> None:
        self._send_ids = [flight.send_id for flight in flights]
        self._recheck = recheck
        self._looked_at = monotonic()
        self._stopped: set[int] = set()
        self._looking = asyncio.Lock()

    async def stops(self, send_id: int) -> bool:
        """Raises LostError when the question cannot be answered: then nothing more may be sent."""
        if monotonic() - self._looked_at > MARK_HOLDS:
            async with self._looking:
                await self._look()
        return send_id in self._stopped

    async def _look(self) -> None:
        looked_at = monotonic()
        if looked_at - self._looked_at <= MARK_HOLDS:
            return  # another connection of the same flight asked meanwhile
        try:
            loop = asyncio.get_running_loop()
            self._stopped |= await loop.run_in_executor(None, self._recheck, self._send_ids)
        except Exception as error:
            log.warning("could not look again for suppressions", exc_info=True)
            raise LostError("could not look again for suppressions") from error
        self._looked_at = looked_at


async def carry(channel: Channel, flights: Sequence[Flight], watch: Watch, timeouts: Timeouts) -> list[Outcome] | None:
    """Carry flights over an open channel; one outcome each, in order. None: the connection was found dead at its first use
    after a rest, and nothing counts as said.
    """
    trip = Trip(channel, flights, watch, timeouts)
    try:
        await trip.run()
    except LostError as lost:
        channel.lose(str(lost))
        trip.note_loss(str(lost))
    return None if trip.found_dead else trip.result()


class Trip:
    """One micro-batch on its way."""

    def __init__(self, channel: Channel, flights: Sequence[Flight], watch: Watch, timeouts: Timeouts) -> None:
        self._channel = channel
        self._flights = flights
        self._watch = watch
        self._timeouts = timeouts
        self._outcomes: dict[int, Outcome] = {}
        self._pipelines = "pipelining" in channel.extensions
        self._current: int | None = None
        self._phase = SmtpPhase.MAIL
        self._is_rested = channel.flown > 0
        self._heard = False
        self.found_dead = False
        self._openings: dict[int, tuple[bytes, bytes, bytes]] = {}

    async def run(self) -> None:
        self._current = await self._next_after(-1)
        self._announce(self._current)
        while (at := self._current) is not None:
            refusal = await self._invitation(at)
            if self.found_dead:
                return
            if refusal is not None:
                self._outcomes[at] = refusal
                following = None if self._channel.is_lost else await self._next_after(at)
                self._announce(following)
            elif await self._watch.stops(self._flights[at].send_id):
                self._outcomes[at] = Stopped()
                self._channel.lose("a message was stopped after DATA")  # the only way back that delivers nothing
                return
            else:
                following = await self._next_after(at)
                await self._send_body(at, following)
                self._outcomes[at] = await self._verdict()
                if self._channel.is_lost:
                    return
            self._current = following

    async def _next_after(self, at: int) -> int | None:
        """The next flight that may begin. Those that may not get their outcome here."""
        for index in range(at + 1, len(self._flights)):
            flight = self._flights[index]
            if await self._watch.stops(flight.send_id):
                self._outcomes[index] = Stopped()
                continue
            spoken = opening(flight, self._channel.extensions)
            if isinstance(spoken, Refused):
                self._outcomes[index] = spoken
                continue
            self._openings[index] = spoken
            return index
        return None

    def _announce(self, at: int | None) -> None:
        """Where the server pipelines, write all that leads to a body at once."""
        if at is not None and self._pipelines:
            self._channel.write(self._reset() + b"".join(self._openings[at]))

    def _reset(self) -> bytes:
        return b"RSET\r\n" if self._channel.needs_reset else b""

    async def _invitation(self, at: int) -> Outcome | None:
        """The answer to MAIL, RCPT and DATA; None: the server waits for the body."""
        self._phase = SmtpPhase.MAIL
        if self._channel.needs_reset:
            if not self._pipelines:
                self._channel.write(self._reset())
            await self._reply(SmtpPhase.MAIL, self._timeouts.command)
        self._channel.flown += 1
        self._channel.needs_reset = True
        mail, rcpt, data = self._openings[at]
        said_mail = await self._ask(SmtpPhase.MAIL, mail, self._timeouts.command)
        if self.found_dead:
            return None
        refused_mail = mail_refusal(said_mail)
        if said_mail.code == CLOSING or (refused_mail and not self._pipelines):
            return refused_mail
        said_rcpt = await self._ask(SmtpPhase.RCPT, rcpt, self._timeouts.command)
        refused_rcpt = refused_mail or refusal(said_rcpt, SmtpPhase.RCPT)
        if said_rcpt.code == CLOSING or (refused_rcpt and not self._pipelines):
            return refused_rcpt
        said_data = await self._ask(SmtpPhase.DATA, data, self._timeouts.data)
        if said_data.code != 354:
            return refused_rcpt or refusal(said_data, SmtpPhase.DATA) or deferred(said_data, SmtpPhase.DATA)
        if refused_rcpt is not None:
            await self._take_back(recipient_stands=200 <= said_rcpt.code < 300)
        return refused_rcpt

    async def _take_back(self, *, recipient_stands: bool) -> None:
        """The server wants a body though it refused: a lone dot ends that (RFC 2920 section 3.1), which to a recipient that
        stands would be an empty mail.
        """
        if recipient_stands:
            self._channel.lose("the server asked for a body after refusing its sender")
            return
        self._channel.write(DOT)
        await self._reply(SmtpPhase.DATA, self._timeouts.dot)

    async def _ask(self, phase: SmtpPhase, command: bytes, patience: float) -> Reply:
        self._phase = phase
        if not self._pipelines:
            self._channel.write(command)
        return await self._reply(phase, patience)

    async def _reply(self, phase: SmtpPhase, patience: float) -> Reply:
        self._phase = phase
        reply = await self._channel.reply(patience)
        if self._is_rested and not self._heard and reply.code == CLOSING:
            self.found_dead = True
        self._heard = True
        return reply

    async def _send_body(self, at: int, following: int | None) -> None:
        """The body, its final dot and the next opening in one write; a long body first without its dot."""
        body = stuffed(self._flights[at].message)
        crash.point("before-dot")
        self._phase = SmtpPhase.BODY
        if len(body) > WHOLE:
            self._channel.write(body)
            await self._channel.flushed(self._timeouts.block)
            body = b""
        self._phase = SmtpPhase.DOT
        self._channel.needs_reset = False
        ahead = b"".join(self._openings[following]) if following is not None and self._pipelines else b""
        self._channel.write(body + DOT + ahead)
        if crash.is_armed():
            await self._channel.flushed(self._timeouts.block)
            crash.point("after-dot")

    async def _verdict(self) -> Outcome:
        reply = await self._reply(SmtpPhase.DOT, self._timeouts.dot)
        crash.point("after-250")
        if 200 <= reply.code < 300:
            return Accepted(code=reply.code, reply=reply.text)
        outcome = refusal(reply, SmtpPhase.DOT)
        if outcome is None:
            self._channel.lose("the server answered the final dot with neither yes nor no")
            return NoAnswer(reply=f"{reply.code} {reply.text}")
        return outcome

    def note_loss(self, why: str) -> None:
        """What a lost connection means for the message that was under way."""
        if self._is_rested and not self._heard:
            self.found_dead = True
        elif self._current is not None and self._current not in self._outcomes:
            is_in_doubt = self._phase == SmtpPhase.DOT
            lost = NoAnswer(reply=why) if is_in_doubt else Deferred(code=None, reply=why, phase=self._phase)
            self._outcomes[self._current] = lost

    def result(self) -> list[Outcome]:
        """Those that have no outcome had at most their envelope announced: no body left, so they were not begun."""
        not_begun = NotBegun(reply="the connection ended before this one")
        return [self._outcomes.get(index, not_begun) for index in range(len(self._flights))]


def refusal(reply: Reply, phase: SmtpPhase) -> Deferred | Refused | None:
    """What a reply forbids; None: nothing."""
    if 400 <= reply.code < 500:
        return deferred(reply, phase)
    if 500 <= reply.code < 600:
        return Refused(code=reply.code, reply=reply.text, phase=phase)
    return None


def deferred(reply: Reply, phase: SmtpPhase) -> Deferred:
    return Deferred(code=reply.code, reply=reply.text, phase=phase)


def mail_refusal(reply: Reply) -> Deferred | Refused | None:
    """A refused MAIL is about us, not about the recipient: it waits for us to be mended. Unless the message is too big."""
    said = refusal(reply, SmtpPhase.MAIL)
    if isinstance(said, Refused) and said.code != 552 and not said.reply.startswith(TOO_BIG):
        return deferred(reply, SmtpPhase.MAIL)
    return said
