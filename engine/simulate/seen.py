"""A mail as its recipient sees it: what in it can be followed or answered, read from its bytes. Pure.

Before: the demo's mail server took it. After: `engine.simulate.over_wire` follows them.
"""

import quopri
import re
from dataclasses import dataclass, field

LINK = re.compile(rb"https?://[^\s\"'<>]+/(?P<what>[cpouh])/[\w-]+(?:/(?P<number>\d+))?[^\s\"'<>]*")
HEADER = re.compile(rb"^(?P<name>reply-to|message-id|subject):[ \t]*(?P<value>[^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", re.I | re.M)
ADDRESS = re.compile(r"[^\s<>\"]+@[^\s<>\"]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenMail:
    """What a recipient can do with a mail. `links`: by their number in the mail."""

    message_id: str
    reply_to: str | None
    envelope_from: str
    pixel: str | None = None
    unsubscribe: str | None = None
    answer: str | None = None  # of a raised hand or a task
    links: dict[int, str] = field(default_factory=dict)


def read_mail(envelope_from: str, message: bytes) -> SeenMail:
    """Read a message that we sent; what is not in it is None."""
    headers, _, _body = message.partition(b"\r\n\r\n")
    found = {m["name"].decode().lower(): m["value"].decode("ascii", "replace") for m in HEADER.finditer(headers)}
    by_kind: dict[str, str] = {}
    links: dict[int, str] = {}
    for match in LINK.finditer(quopri.decodestring(message)):
        kind, url = match["what"].decode(), match[0].decode()
        if kind in "cp" and match["number"]:
            links[int(match["number"])] = url.replace("&amp;", "&")
        else:
            by_kind[kind] = url
    answer_to = ADDRESS.search(found.get("reply-to", ""))
    return SeenMail(
        message_id=found.get("message-id", ""),
        reply_to=answer_to[0] if answer_to else None,
        envelope_from=envelope_from,
        pixel=by_kind.get("o"),
        unsubscribe=by_kind.get("u"),
        answer=by_kind.get("h"),
        links=links,
    )
