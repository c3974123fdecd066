"""The secret key: whether it is there, long, random, and nobody else's to read."""

import zlib
from collections import Counter
from collections.abc import Iterator
from math import log2
from pathlib import Path

from engine.doctor.finding import Finding, Subject, ok, problem, warning
from engine.settings import SHORTEST_SECRET, Settings

FEWEST_BITS = 100  # of randomness
FRAME = 8  # bytes that zlib puts around anything
MAKE = "Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
OTHERS = 0o077


def look_at_secrets(settings: Settings) -> Iterator[Finding]:
    if not settings.secret_keys:
        yield problem(Subject.SECRET, "HANDRAISER_SECRET_KEY is not set: links in mail cannot be signed", f"{MAKE}, and set it")
    weak = [key for key in settings.secret_keys if len(key) < SHORTEST_SECRET or bits_of(key) < FEWEST_BITS]
    if weak:
        found = (
            f"HANDRAISER_SECRET_KEY could be guessed: {len(weak[0])} characters, with {bits_of(weak[0]):.0f} bits of chance or so"
        )
        yield problem(Subject.SECRET, found, f"{MAKE}, and put it before the old one: new,old")
    elif settings.secret_keys:
        yield ok(Subject.SECRET, f"the key has {len(settings.secret_keys[0])} characters that look random")
    yield from look_at_rights(settings.workspace / ".env")


def look_at_rights(file: Path) -> Iterator[Finding]:
    if file.is_file() and (mode := file.stat().st_mode) & OTHERS:
        found = f"{file} holds the secret key, and others on this machine may read it (mode {mode & 0o777:o})"
        yield warning(Subject.SECRET, found, f"chmod 600 {file}")


def bits_of(text: str) -> float:
    """An estimate of the chance in it: its letters' own, over no more of them than are left when what repeats is taken out."""
    counts = Counter(text)
    a_letter = sum(count / len(text) * log2(len(text) / count) for count in counts.values())
    return a_letter * min(len(text), max(0, len(zlib.compress(text.encode(), 9)) - FRAME))
