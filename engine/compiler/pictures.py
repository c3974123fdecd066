"""Pictures that are sent along with a mail: files of `templates/images/`, named in a template as `cid:chart.png`.

Before: `engine.render.library` meets the names in a template. After: the artifact names each picture by the digest of its bytes;
whoever stores a plan stores the bytes. What kind of picture it is, its first bytes say, not its name.
"""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from engine.compiler.attachment import Attachment
from engine.compiler.attachments import is_within

FOLDER = "templates/images"
SCHEME = "cid:"
LARGEST_PICTURE = 256 * 1024
LARGEST_MAIL = 1024 * 1024  # of all pictures of one mail
BEGINNINGS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


class Unsendable(ValueError):
    """A picture that is there, and that no mail can carry; the message is a clause."""


def find_picture(workspace: Path, name: str) -> Attachment | None:
    """The picture of that name; None: there is none. Raises Unsendable."""
    path = workspace / FOLDER / name
    if not is_within(workspace / FOLDER, name):
        return None
    try:
        with path.open("rb") as opened:
            data = opened.read(LARGEST_PICTURE + 1)
    except OSError as error:
        raise Unsendable("cannot be read") from error
    if len(data) > LARGEST_PICTURE:
        raise Unsendable(f"is larger than {LARGEST_PICTURE // 1024} KB; make it smaller, or put it on your site")
    return Attachment(file=name, media_type=media_type_of(data), size=len(data), digest=sha256(data).hexdigest())


def media_type_of(data: bytes) -> str:
    """What the first bytes say. Raises Unsendable for what is no picture, or none that mail programs show."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if b"<svg" in data[:1024].lower():
        raise Unsendable("is an SVG, which neither Gmail nor Outlook shows; save it as PNG")
    found = next((media_type for beginning, media_type in BEGINNINGS.items() if data.startswith(beginning)), None)
    if found is None:
        raise Unsendable("is no picture that mail programs show; save it as PNG, JPEG or GIF")
    return found


def names_in(workspace: Path) -> list[str]:
    return sorted(path.name for path in (workspace / FOLDER).glob("*") if path.is_file())


def content_id(picture: Attachment) -> str:
    """How the HTML and the part of a picture name each other (RFC 2392), without scheme and brackets."""
    return f"{picture.digest[:32]}@picture"


def picture_bytes(workspace: Path, pictures: Iterable[Attachment]) -> dict[str, bytes]:
    """The bytes of each by its digest, as far as the files are still those that were found."""
    found = {}
    for picture in pictures:
        path = workspace / FOLDER / picture.file
        data = path.read_bytes() if path.is_file() else b""
        if sha256(data).hexdigest() == picture.digest:
            found[picture.digest] = data
    return found
