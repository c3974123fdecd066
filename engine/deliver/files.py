"""The files that go with mails as parts of a message, made once and kept ready: everybody gets the same bytes.

Before: `engine.files` has what was applied. After: `engine.deliver.flights` sets them behind a mail's text.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence

from engine.compiler.plan import Attachment
from engine.database import Tx
from engine.deliver.attach import as_part
from engine.files import read_file

MOST_KEPT = 64 * 1024 * 1024  # bytes of parts in this process's memory


class Parts:
    """Parts of messages, the ones used last, up to so many bytes together. Equal attachments have equal bytes for ever."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._known: OrderedDict[Attachment, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, attachment: Attachment) -> bytes | None:
        with self._lock:
            if attachment in self._known:
                self._known.move_to_end(attachment)
            return self._known.get(attachment)

    def keep(self, attachment: Attachment, part: bytes) -> None:
        with self._lock:
            if attachment not in self._known:
                self._known[attachment] = part
                self._size += len(part)
            while self._size > self._most and len(self._known) > 1:
                self._size -= len(self._known.popitem(last=False)[1])


_parts = Parts(MOST_KEPT)


def parts_of(tx: Tx, attached: Sequence[Attachment]) -> tuple[bytes, ...] | None:
    """The parts of these files, in their order; None when one of them is not in the database."""
    found = [_parts.get(attachment) or read_part(tx, attachment) for attachment in attached]
    return tuple(part for part in found if part is not None) if None not in found else None


def read_part(tx: Tx, attachment: Attachment) -> bytes | None:
    data = read_file(tx, attachment.digest)
    if data is None:
        return None
    part = as_part(attachment, data)
    _parts.keep(attachment, part)
    return part
