"""Structured logs, one JSON object a line, without addresses, names or anything else of a person: ids say who.

Every process calls `start_logging` once; modules use `logging.getLogger(__name__)` and pass facts as `extra={"facts": {...}}`.
Python's own words, a database's and a library's may repeat the value that was at fault, so of an error that is not ours its type
and where it happened are told; at DEBUG, too.
"""

import json
import logging
import re
import sqlite3
import sys
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

from engine.errors import SHORT_OF, HandraiserError

# A local part begins where a word does and is gone through once: strangers write long words.
LOCAL = r"""(?<![^\s<>"'=,;:@])(?=[^\s<>"'=,;:@])[^\s<>"'=,;:@%]*(?:%(?!40)[^\s<>"'=,;:@%]*)*"""
ADDRESS = re.compile(rf"""(?:\\?"[^"@]*\\?"|{LOCAL})(?:@|%40)[\w.-]+""", re.IGNORECASE)
QUIETER = {
    "dramatiq": logging.ERROR,  # warns of two groups of threads, which we mean
    "mail.log": logging.ERROR,  # aiosmtpd tells each connection, and what strangers say in it
    "sqlalchemy": logging.WARNING,  # tells each row at DEBUG
}
# Of dramatiq, five times every three seconds while Redis is away; `engine.processes.spare` says so once.
TOLD_BY_US = "Consumer encountered a connection error"
OURS = ("engine", "webhooks")
ABOUT_A_SERVER = ("OperationalError", "InterfaceError")  # of every database driver: no value of a row is in their words
ABOUT_A_BROKER = ("ConnectionError", "TimeoutError", "ConnectionClosed", "OutOfMemoryError", "ReadOnlyError", "BusyLoadingError")
log = logging.getLogger(__name__)


class JsonLines(logging.Formatter):
    """A record as one line of JSON; whatever looks like an address is replaced, exceptions included."""

    def format(self, record: logging.LogRecord) -> str:
        said = record.getMessage()
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "from": record.name,
            "said": said if record.name.startswith(OURS) else said.partition("\n")[0],  # asyncio adds what its objects hold
        }
        line.update(getattr(record, "facts", {}))
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = "".join(told(record.exc_info[1]))
        return ADDRESS.sub("<address>", json.dumps(line, default=str, ensure_ascii=False))


def told(error: BaseException) -> Iterator[str]:
    """Where it happened and of which type it is, and the same of what led to it; in its own words if they can be trusted."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from told(before)
        yield "\nwhich led to\n\n"
    yield from traceback.format_tb(error.__traceback__)
    words = own_words(error)
    yield f"{type(error).__module__}.{type(error).__qualname__}{f': {words}' if words else ''}\n"


def own_words(error: BaseException) -> str:
    """What it says, where that cannot be a value."""
    if isinstance(error, HandraiserError):
        return str(error)
    if isinstance(error, OSError):
        return error.strerror or ""
    if type(error).__name__ in ABOUT_A_SERVER or is_of_a_broker(error):
        return str(getattr(error, "orig", None) or error).partition("\n")[0]
    return ""


def is_of_a_broker(error: BaseException) -> bool:
    """That it is away, or takes nothing for now: no row is in its words."""
    return type(error).__module__.partition(".")[0] in ("redis", "dramatiq") and type(error).__name__ in ABOUT_A_BROKER


def says_all(error: BaseException) -> bool:
    """Whether its words are enough: it is of ours, or a database or the machine cannot for now. SQLite calls a table that is
    missing the same, which is a mistake of ours.
    """
    if isinstance(error, OSError) and not isinstance(error, HandraiserError):
        return error.errno in SHORT_OF
    is_missing = getattr(getattr(error, "orig", None), "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    is_of_a_database = type(error).__name__ in ABOUT_A_SERVER and not is_missing
    return isinstance(error, HandraiserError) or is_of_a_database or is_of_a_broker(error)


def lines_to(stream: TextIO) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    handler.addFilter(lambda record: not str(record.msg).startswith(TOLD_BY_US))
    return handler


def start_logging(*, level: str = "INFO") -> None:
    """Send the logs of this process to standard error, and what ends a thread or the process as well. Safe to repeat."""
    logging.basicConfig(level=level, handlers=[lines_to(sys.stderr)], force=True)
    for name, least in QUIETER.items():
        logging.getLogger(name).setLevel(least)
    sys.excepthook = tell_of_the_end
    threading.excepthook = tell_of_a_thread


def tell_of_the_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("the process ends by an error", exc_info=(kind, error, trace))


def tell_of_a_thread(ended: threading.ExceptHookArgs) -> None:
    name = ended.thread.name if ended.thread else "?"
    if ended.exc_value is not None:
        log.error("a thread ended by an error", exc_info=ended.exc_value, extra={"facts": {"thread": name}})


class Trouble:
    """Something that fails again and again while it lasts, at every row or every second: told as it begins, when it turns into
    one that was not told yet, and when it is over.

    Which one it is, is the error's type or its `kind`. Where the error's words say all they are told, else where it happened.
    """

    def __init__(self, log: logging.Logger, words: str) -> None:
        self._log, self._words = log, words
        self._told: set[object] = set()

    def tell(self, error: Exception) -> None:
        kind = getattr(error, "kind", type(error))
        if kind in self._told:
            return
        self._told.add(kind)
        if says_all(error):
            self._log.error("%s: %s", self._words, own_words(error))
        else:
            self._log.error(self._words, exc_info=error)

    def over(self) -> None:
        if self._told:
            self._told.clear()
            self._log.info("no longer so: %s", self._words)
