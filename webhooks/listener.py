"""A small mail server for our own addresses: answers (r+), bounces (b+) and mails that opt out (u+).

Before: the operator's MX hands mail for the reply domain to `HANDRAISER_REPLY_LISTEN`. After: the journal has each mail whole
before the 250. An address without a token of ours is 550: this relays nothing and takes nothing for strangers.
"""

import asyncio
import socket

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from engine.clock import Clock, HostClock
from engine.errors import SettingsError
from engine.inbound.addressee import Addressee, read_addressee
from engine.inbound.parts import MOST_BYTES
from engine.runtime import Runtime
from webhooks.entries import Mailed, line_of
from webhooks.journal import Journal, JournalError

MOST_RECIPIENTS = 10
SECONDS_OF_SILENCE = 60
UNKNOWN = "550 5.1.1 There is no such address here"
LATER = "451 4.3.0 This could not be kept; please try again later"


def start_listener(runtime: Runtime, journal: Journal, *, clock: Clock | None = None) -> Controller:
    """Listen in a thread of its own until `.stop()`. Raises SettingsError when the address cannot be listened on."""
    listen = runtime.settings.reply_listen
    host, _colon, port = listen.rpartition(":")
    where = (host.strip("[]"), int(port))
    try:
        require_free(where)
        controller = open_controller(Intake(runtime, journal, clock or HostClock()), where)
    except OSError as error:
        raise SettingsError(
            f"HANDRAISER_REPLY_LISTEN is {listen}, which cannot be listened on: {error.strerror}. "
            "Is another process there? Choose another port."
        ) from error
    return controller


def require_free(where: tuple[str, int]) -> None:
    """Raises OSError at once; aiosmtpd takes five seconds to see that it cannot listen."""
    family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
    socket.create_server(where, family=family).close()


def open_controller(intake: "Intake", where: tuple[str, int]) -> Controller:
    controller = Controller(
        intake,
        hostname=where[0],
        port=where[1],
        data_size_limit=MOST_BYTES,
        enable_SMTPUTF8=True,
        ident="Handraiser",
        timeout=SECONDS_OF_SILENCE,
    )
    try:
        controller.start()
    except OSError:
        controller.loop.close()  # else it complains when the process ends
        raise
    return controller


class Intake:
    """What the SMTP server asks at each command (aiosmtpd's handler)."""

    def __init__(self, runtime: Runtime, journal: Journal, clock: Clock) -> None:
        self._runtime, self._journal, self._clock = runtime, journal, clock

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]) -> str:
        addressee = self._read(address)
        if addressee is None:
            return UNKNOWN
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 Too many recipients at once"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Each recipient's copy is one line; the 250 comes when all are on the disk."""
        now = self._clock.now()
        lines = [
            line_of(
                Mailed(
                    at=now,
                    purpose=addressee.purpose,
                    recipient=address,
                    envelope_sender=envelope.mail_from,
                    raw=bytes(envelope.original_content or b""),
                )
            )
            for address in dict.fromkeys(envelope.rcpt_tos)
            if (addressee := self._read(address)) is not None
        ]
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._keep, lines)
        except JournalError:
            return LATER
        return "250 2.0.0 Kept"

    def _keep(self, lines: list[bytes]) -> None:
        for line in lines:
            self._journal.append(line, essential=True)

    def _read(self, address: str) -> Addressee | None:
        """An address of ours, of our domain."""
        addressee = read_addressee(address, self._runtime.tokens)
        if addressee is None or addressee.domain != self._runtime.settings.reply_domain.lower():
            return None
        return addressee
