"""Changes to a document, found one by one and made at once.

Before: `engine.render.links`, `guard`, `pictures` and `markup` find what is to be written otherwise. After: the document goes on.
"""

from dataclasses import dataclass

from engine.render.held import Document


@dataclass(frozen=True, slots=True)
class Edit:
    """A stretch of the document to be replaced."""

    start: int
    end: int
    text: str


def apply_edits(document: Document, edits: list[Edit]) -> Document:
    """The document with the edits made; places stay exact to the tag before the first edit of a line."""
    parts: list[str] = []
    position = 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        parts += document.text[position : edit.start], edit.text
        position = edit.end
    return Document("".join(parts) + document.text[position:], document.offsets, document.places)
