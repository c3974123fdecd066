"""The outbox on disk: mail that was captured instead of sent, one .eml file each in the workspace.

Before: the local mail server hands over what it took. After: `app` shows it in a browser, and any mail program opens the files.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from itertools import count
from pathlib import Path

from engine.clock import Clock, HostClock
from engine.render.pictures import pictures_in, with_pictures_inside

NAME = re.compile(r"\d{8}T\d{6}\.\d{6}-\d{4,}")  # when it came, and a number for mails of one instant
MOST_MAILS = 5_000
PRUNE_EVERY = 100
HEADER_BYTES = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A mail in the list."""

    name: str
    came_at: datetime
    sender: str
    recipient: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail, taken apart. `html` and `text` are None where it has no such part."""

    listed: Listed
    headers: tuple[tuple[str, str], ...]
    html: str | None
    text: str | None
    source: bytes


class Mailbox:
    """A folder of captured mail; the oldest go when there are more than `MOST_MAILS`."""

    def __init__(self, folder: Path, *, clock: Clock | None = None) -> None:
        self.folder = folder
        self._clock = clock or HostClock()
        self._numbers = count(1)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # its links opt people out and answer hand-offs

    def keep(self, envelope_from: str, recipient: str, message: bytes) -> None:
        """Write one mail, whole or not at all. The envelope goes on top, as a mail server's last hop writes it."""
        number = next(self._numbers)
        name = f"{self._clock.now():%Y%m%dT%H%M%S.%f}-{number:04}"
        envelope = f"Return-Path: <{envelope_from}>\r\nDelivered-To: {recipient}\r\n".encode()
        unfinished = self.folder / f"{name}.part"
        unfinished.write_bytes(envelope + message)
        unfinished.rename(self.folder / f"{name}.eml")
        if number % PRUNE_EVERY == 0:
            self._prune()

    def names(self) -> list[str]:
        """Newest first."""
        found = (Path(entry.name) for entry in os.scandir(self.folder))
        return sorted((path.stem for path in found if path.suffix == ".eml" and NAME.fullmatch(path.stem)), reverse=True)

    def newest(self, *, skip: int, limit: int) -> Iterator[Listed]:
        """Mails of the list, newest first; one that was deleted meanwhile is left out."""
        for name in self.names()[skip : skip + limit]:
            top = self._read(name, HEADER_BYTES)
            if top is not None:
                yield listed(name, top)

    def open(self, name: str) -> Mail | None:
        """None when there is no mail of this name."""
        source = self._read(name) if NAME.fullmatch(name) else None
        if source is None:
            return None
        message = message_from_bytes(source, policy=policy.default)
        html = part(message, "html")
        return Mail(
            listed=listed(name, source),
            headers=tuple((key, str(value)) for key, value in message.items()),
            html=None if html is None else with_pictures_inside(html, pictures_in(message)),
            text=part(message, "plain"),
            source=source,
        )

    def _read(self, name: str, most: int = -1) -> bytes | None:
        try:
            with (self.folder / f"{name}.eml").open("rb") as file:
                return file.read(most)
        except FileNotFoundError:
            return None

    def _prune(self) -> None:
        for name in self.names()[MOST_MAILS:]:
            (self.folder / f"{name}.eml").unlink(missing_ok=True)


def listed(name: str, source: bytes) -> Listed:
    headers = BytesHeaderParser(policy=policy.default).parsebytes(source)
    return Listed(
        name=name,
        came_at=datetime.strptime(name.partition("-")[0] + "+0000", "%Y%m%dT%H%M%S.%f%z"),
        sender=str(headers.get("From", "")),
        recipient=str(headers.get("Delivered-To", "")),
        subject=str(headers.get("Subject", "")) or "(no subject)",
    )


def part(message: EmailMessage, kind: str) -> str | None:
    body = message.get_body((kind,))
    return None if body is None else str(body.get_content())
