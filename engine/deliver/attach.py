"""Files as parts of a message: base64 and a name in whatever spelling its characters need. Pure.

Before: a plan names the files that go with a mail. After: `engine.deliver.mime` sets the parts behind the mail's text. Each is
made once and then used for everybody (`engine.deliver.files`). Follows RFC 2045, 2183 and 2231; tested against Python's parser.
"""

import re
from base64 import encodebytes
from collections.abc import Iterator
from urllib.parse import quote

from engine.compiler.attachment import Attachment
from engine.compiler.pictures import content_id

END = "\r\n"
LONGEST_PLAIN_NAME = 60
LONGEST_PIECE = 60  # of a name in RFC 2231's spelling, on one line
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
PLAIN = re.compile(r"[ -~]*")
MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]{1,100}")
ESCAPED = re.compile(r'(["\\])')
PIECES = re.compile(rf"(?:%[0-9A-F]{{2}}|[^%]){{1,{LONGEST_PIECE // 3}}}")  # none of which ends within an encoded byte


def as_part(attachment: Attachment, data: bytes, *, is_picture: bool = False) -> bytes:
    """The part with its headers and a line end behind it. Raises ValueError for a name or type that no header can bear.

    `is_picture`: the HTML shows it, by its Content-ID.
    """
    if not MEDIA_TYPE.fullmatch(attachment.media_type):
        raise ValueError(f"this cannot be the type of a file: {attachment.media_type[:60]!r}")
    disposition = ";\r\n ".join(["inline" if is_picture else "attachment", *spelt_name(attachment.file)])
    head = (
        f"Content-Type: {attachment.media_type}\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        f"{f'Content-ID: <{content_id(attachment)}>{END}' if is_picture else ''}"
        f"Content-Disposition: {disposition}\r\n"
        "\r\n"
    )
    return head.encode("ascii") + encodebytes(data).replace(b"\n", b"\r\n")


def spelt_name(name: str) -> Iterator[str]:
    """The parameters that carry a file's name: in quotes, or encoded and in as many pieces as it takes (RFC 2231)."""
    if CONTROL.search(name):
        raise ValueError("a control character in the name of a file")
    if PLAIN.fullmatch(name) and len(name) <= LONGEST_PLAIN_NAME and "=?" not in name:  # some decode it even in quotes
        yield 'filename="' + ESCAPED.sub(r"\\\1", name) + '"'
        return
    pieces = PIECES.findall(quote(name.encode("utf-8", "replace"), safe=""))
    if len(pieces) == 1:
        yield f"filename*=utf-8''{pieces[0]}"
        return
    for number, piece in enumerate(pieces):
        charset = "" if number else "utf-8''"
        yield f"filename*{number}*={charset}{piece}"
