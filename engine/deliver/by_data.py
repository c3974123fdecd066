"""The text of mails by DATA: the end of one body and the next MAIL, RCPT and DATA leave in one flight where the server pipelines
(RFC 2920), so that a message costs one round trip.

Before: `engine.deliver.transaction` has a channel. After: outcomes. In doubt is a message whose final dot could have left.
"""

from engine import crash
from engine.deliver.channel import OUT_OF_STEP, Channel, LostError, Reply, Timeouts
from engine.deliver.envelope import stuffed
from engine.deliver.loads import Load
from engine.deliver.trip import WHOLE, More, Trip, is_yes, mail_refusal, refusal
from engine.deliver.wire import Accepted, Outcome
from engine.vocabulary import SmtpPhase

DOT = b".\r\n"
GO_ON = 354  # the answer to DATA


class DataTrip(Trip):
    """One body at a time."""

    def __init__(self, channel: Channel, load: Load, more: More, timeouts: Timeouts) -> None:
        super().__init__(channel, load, more, timeouts)
        self._pipelines = "pipelining" in channel.extensions

    async def run(self) -> None:
        at = await self.next_after(-1)
        self._announce(at)
        while at is not None:
            at = await self._carry_one(at)

    async def _carry_one(self, at: int) -> int | None:
        """Which one is announced then; None: no more."""
        self.begin(at)
        refusal = await self._invitation(at)
        if refusal is None and (stopped := await self.stopped(at)) is not None:
            self.end(at, stopped)
            self.channel.lose("a message was stopped after DATA")  # the only way back that delivers nothing
        elif refusal is None:
            following = await self.next_after(at)
            await self._send_body(at, following)
            self.end(at, await self._verdict())
            return following
        else:
            self.end(at, refusal)
        following = None if self.channel.is_lost else await self.next_after(at)
        self._announce(following)
        return following

    def _announce(self, at: int | None) -> None:
        if words := self._announcement(at):
            self.channel.write(words)

    def _announcement(self, at: int | None) -> bytes:
        """Where the server pipelines, all that leads to a body at once."""
        if at is None or not self._pipelines:
            return b""
        opening = self.openings[at]
        return self._reset() + opening.mail + opening.rcpt + b"DATA\r\n"

    def _reset(self) -> bytes:
        return b"RSET\r\n" if self.channel.needs_reset else b""

    async def _invitation(self, at: int) -> Outcome | None:
        """The answer to MAIL, RCPT and DATA; None: the server waits for the body."""
        if self.channel.needs_reset:
            refusal(await self._ask(SmtpPhase.MAIL, self._reset(), self.timeouts.command), SmtpPhase.MAIL)
        self.channel.needs_reset = True
        opening = self.openings[at]
        refused_mail = mail_refusal(await self._ask(SmtpPhase.MAIL, opening.mail, self.timeouts.command))
        if refused_mail and not self._pipelines:
            return refused_mail
        said_rcpt = await self._ask(SmtpPhase.RCPT, opening.rcpt, self.timeouts.command)
        refused = refused_mail or refusal(said_rcpt, SmtpPhase.RCPT)
        if refused is None:
            return self._uninviting(await self._ask(SmtpPhase.DATA, b"DATA\r\n", self.timeouts.data))
        if self._pipelines:
            self.outcomes[at] = refused  # whatever is said to the DATA that follows it
            await self._take_back(recipient_stands=is_yes(said_rcpt))
        return refused

    def _uninviting(self, said: Reply) -> Outcome | None:
        """What is said to DATA tells by its code whether the answers are in step: none of the others is 354. Raises LostError."""
        if said.code == GO_ON:
            self.channel.require_silence()
            return None
        if is_yes(said):
            raise LostError(f"{OUT_OF_STEP}: {said.code} {said.text}")
        return refusal(said, SmtpPhase.DATA)

    async def _take_back(self, *, recipient_stands: bool) -> None:
        """Where the server wants a body though it refused, a lone dot ends that (RFC 2920 section 3.1), which to a recipient
        that stands would be an empty mail.
        """
        said = await self.reply(SmtpPhase.DATA, self.timeouts.data)
        if said.code != GO_ON:
            return
        if recipient_stands:
            self.channel.lose("the server asked for a body after refusing its sender")
            return
        self.channel.write(DOT)
        await self.reply(SmtpPhase.DATA, self.timeouts.dot)

    async def _ask(self, phase: SmtpPhase, command: bytes, patience: float) -> Reply:
        self.phase = phase
        if not self._pipelines:
            self.channel.write(command)
        return await self.reply(phase, patience)

    async def _send_body(self, at: int, following: int | None) -> None:
        """The body, its final dot and the next opening in one write; a long body first without its dot."""
        body = stuffed(self.flights[at].message)
        crash.point("before-dot")
        self.phase = SmtpPhase.BODY
        if len(body) > WHOLE:
            self.channel.write(body)
            await self.channel.flushed(self.timeouts.block)
            body = b""
        self.channel.needs_reset = False
        self.channel.write(body + DOT + self._announcement(following))
        self.in_doubt.add(at)
        if crash.is_armed():
            await self.channel.flushed(self.timeouts.block)
            crash.point("after-dot")

    async def _verdict(self) -> Outcome:
        reply = await self.reply(SmtpPhase.DOT, self.timeouts.dot)
        crash.point("after-250")
        return refusal(reply, SmtpPhase.DOT) or Accepted(code=reply.code, reply=reply.text)
