"""The files that go with mails as parts of a message, made once and kept ready: everybody gets the same bytes.

Before: `engine.files` has what was applied. After: `engine.deliver.flights` sets them behind a mail's text.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence

from engine.compiler.attachment import Attachment
from engine.database import Tx
from engine.deliver.attach import as_part
from engine.files import read_file

MOST_KEPT = 64 * 1024 * 1024  # bytes of parts in this process's memory


class Parts:
    """Parts of messages, the ones used last, up to so many bytes together. Equal attachments have equal bytes for ever."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._known: OrderedDict[tuple[Attachment, bool], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, attachment: Attachment, *, is_picture: bool = False) -> bytes | None:
        with self._lock:
            if (attachment, is_picture) in self._known:
                self._known.move_to_end((attachment, is_picture))
            return self._known.get((attachment, is_picture))

    def keep(self, attachment: Attachment, part: bytes, *, is_picture: bool = False) -> None:
        with self._lock:
            if (attachment, is_picture) not in self._known:
                self._known[attachment, is_picture] = part
                self._size += len(part)
            while self._size > self._most and len(self._known) > 1:
                self._size -= len(self._known.popitem(last=False)[1])


_parts = Parts(MOST_KEPT)


def parts_of(tx: Tx, attached: Sequence[Attachment], *, are_pictures: bool = False) -> tuple[bytes, ...] | None:
    """The parts of these files, in their order; None when one of them is not in the database."""
    found = [_parts.get(each, is_picture=are_pictures) or read_part(tx, each, are_pictures) for each in attached]
    return tuple(part for part in found if part is not None) if None not in found else None


def read_part(tx: Tx, attachment: Attachment, is_picture: bool) -> bytes | None:
    data = read_file(tx, attachment.digest)
    if data is None:
        return None
    part = as_part(attachment, data, is_picture=is_picture)
    _parts.keep(attachment, part, is_picture=is_picture)
    return part
