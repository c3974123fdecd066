"""What was found when one thing was looked at: how it stands, in words, and what to do.

Before: the checks of this package make them. After: `engine.cli.doctor` prints them, `engine.doctor.receivers` sums them up.
"""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How it stands."""

    OK = "ok"
    UNKNOWN = "unknown"  # cannot be known from here; somebody has to say or look
    WARNING = "warning"  # works, and should be better
    PROBLEM = "problem"  # mail is lost, refused or cannot go out


class Subject(StrEnum):
    """What was looked at."""

    SECRET = "secret"
    DATABASE = "database"
    BROKER = "broker"
    CLOCK = "clock"
    DISK = "disk"
    RELAY = "relay"
    DNS = "DNS"
    SENDER = "sender"
    SPF = "SPF"
    DKIM = "DKIM"
    DMARC = "DMARC"
    PTR = "PTR"
    MX = "MX"
    REPLIES = "replies"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`advice`: what to do; nothing where all is well."""

    subject: Subject
    level: Level
    said: str
    advice: str = ""


def ok(subject: Subject, said: str) -> Finding:
    return Finding(subject=subject, level=Level.OK, said=said)


def unknown(subject: Subject, said: str, advice: str = "") -> Finding:
    return Finding(subject=subject, level=Level.UNKNOWN, said=said, advice=advice)


def warning(subject: Subject, said: str, advice: str) -> Finding:
    return Finding(subject=subject, level=Level.WARNING, said=said, advice=advice)


def problem(subject: Subject, said: str, advice: str) -> Finding:
    return Finding(subject=subject, level=Level.PROBLEM, said=said, advice=advice)
