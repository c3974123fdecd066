"""The pictures that an email takes along, from the names in its templates to what a browser can show.

Before: the whole email as MJML. After: `engine.deliver.mime` puts each beside the HTML, which names it by its Content-ID.
A browser knows no Content-IDs, so pages that show a mail have its pictures inside (`with_pictures_inside`).
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from email.message import EmailMessage
from html import unescape
from pathlib import Path

from engine.compiler.attachment import Attachment
from engine.compiler.diagnostics import closest
from engine.compiler.pictures import (
    BEGINNINGS,
    FOLDER,
    LARGEST_MAIL,
    SCHEME,
    Unsendable,
    content_id,
    find_picture,
    names_in,
)
from engine.render.edits import Edit
from engine.render.held import HELD, Document
from engine.render.links import SOURCES
from engine.render.problems import Place, Problems
from engine.render.tags import Attribute, Element

SHOWN = frozenset({*BEGINNINGS.values(), "image/webp"})


class Pictures:
    """The pictures of one email, as they are met."""

    def __init__(self, workspace: Path, problems: Problems) -> None:
        self.workspace, self.problems = workspace, problems
        self._found: dict[str, Attachment] = {}

    def table(self) -> tuple[Attachment, ...]:
        return tuple(self._found[name] for name in sorted(self._found))

    def edits(self, tree: Element, document: Document) -> list[Edit]:
        """What writes their Content-IDs in the place of their names. What cannot be sent along is reported."""
        edits = []
        for element in tree.walk():
            for name in SOURCES:
                source = element.attributes.get(name)
                if source is not None and is_sent_along(source):
                    edits += self.edit(source, document.at(source.start + 1))
        return edits

    def edit(self, source: Attribute, place: Place) -> list[Edit]:
        picture = self.find(unescape(source.value).strip()[len(SCHEME) :], place)
        if picture is None:
            return []
        return [Edit(source.value_start, source.value_start + len(source.value), f"{SCHEME}{content_id(picture)}")]

    def find(self, name: str, place: Place) -> Attachment | None:
        """None: it cannot be sent along, and why is reported."""
        if name in self._found:
            return self._found[name]
        try:
            found = find_picture(self.workspace, name)
        except Unsendable as error:
            self.problems.add(place, f'the picture "{name}" {error}', code="E076")
            return None
        if found is None:
            self.problems.add(place, f'there is no picture "{name[:60]}" in {FOLDER}/{self.hint(name)}', code="E072")
            return None
        self.keep(found, place)
        return found

    def hint(self, name: str) -> str:
        meant = closest(name, names_in(self.workspace))
        return f' (did you mean "{meant}"?)' if meant else ""

    def keep(self, picture: Attachment, place: Place) -> None:
        self._found[picture.file] = picture
        size = sum(each.size for each in self._found.values())
        if size > LARGEST_MAIL:
            told = f"the pictures of this mail are {size / 1024:.0f} KB together; {LARGEST_MAIL // 1024} KB are the most"
            self.problems.add(place, told, code="E076")
        if picture.media_type == "image/webp":
            self.problems.warn(
                "W045", place, f'the picture "{picture.file}" is WebP, which Outlook does not show; save it as PNG'
            )


def is_sent_along(source: Attribute) -> bool:
    return unescape(source.value).strip().lower().startswith(SCHEME) and not HELD.search(source.value)


def with_pictures_inside(html: str, pictures: Iterable[tuple[str, str, bytes]]) -> str:
    """The HTML for a browser. `pictures`: the Content-ID, media type and bytes of each; only pictures are put in."""
    for name, media_type, data in pictures:
        if media_type in SHOWN and f"{SCHEME}{name}" in html:
            html = html.replace(f"{SCHEME}{name}", f"data:{media_type};base64,{b64encode(data).decode()}")
    return html


def kept_pictures(pictures: Iterable[Attachment], data: Mapping[str, bytes]) -> Iterable[tuple[str, str, bytes]]:
    """Of these, what `with_pictures_inside` wants; `data` is by digest."""
    return ((content_id(each), each.media_type, data[each.digest]) for each in pictures if each.digest in data)


def pictures_in(message: EmailMessage) -> Iterable[tuple[str, str, bytes]]:
    """Those of a whole message."""
    for part in message.walk():
        name = str(part.get("Content-ID", "")).strip().strip("<>")
        if name and not part.is_multipart() and isinstance(data := part.get_payload(decode=True), bytes):
            yield name, part.get_content_type(), data
