"""Structured logs, one JSON object a line, without addresses: ids say who.

Every process calls `start_logging` once; modules use `logging.getLogger(__name__)` and pass facts as `extra={"facts": {...}}`.
"""

import json
import logging
import re
import sys
from datetime import UTC, datetime

from engine.errors import HandraiserError

ADDRESS = re.compile(r"[^\s<>\"'=,;:]+@[\w.-]+")
QUIETER = {
    "dramatiq": logging.ERROR,  # warns of two groups of threads, which we mean
    "mail.log": logging.WARNING,  # aiosmtpd tells each connection
}


class JsonLines(logging.Formatter):
    """A record as one line of JSON; whatever looks like an address is replaced, exceptions included."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "from": record.name,
            "said": record.getMessage(),
        }
        line.update(getattr(record, "facts", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return ADDRESS.sub("<address>", json.dumps(line, default=str, ensure_ascii=False))


def start_logging(*, level: str = "INFO") -> None:
    """Send the logs of this process to standard error. Safe to repeat."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name, least in QUIETER.items():
        logging.getLogger(name).setLevel(least)


class Trouble:
    """Something that fails again and again while it lasts, at every row or every second: told as it begins, when it turns into
    another one, and when it is over.

    Which one it is, is the error's type or its `kind`. An error of ours is told by its own words, another with its traceback.
    """

    def __init__(self, log: logging.Logger, words: str) -> None:
        self._log, self._words = log, words
        self._kind: object = None

    def tell(self, error: Exception) -> None:
        kind = getattr(error, "kind", type(error))
        if kind == self._kind:
            return
        self._kind = kind
        if isinstance(error, HandraiserError):
            self._log.error("%s: %s", self._words, error)
        else:
            self._log.error(self._words, exc_info=error)

    def over(self) -> None:
        if self._kind is not None:
            self._kind = None
            self._log.info("no longer so: %s", self._words)
