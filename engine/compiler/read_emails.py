"""What the other files must know of every email.yaml: who owns it, in which brand it is, and who it is from.

Before: the folders of `templates/emails/`. After: `engine.compiler.workspace` knows which emails it wants in which brand. All
else in these files, and what is wrong with it, is the renderer's.
"""

from collections.abc import Iterator
from pathlib import Path

from engine.compiler.diagnostics import Findings, Place
from engine.compiler.source import Mapping, Node, Scalar, read_source
from engine.compiler.syntax import Email, Text, Written


def read_emails(folder: Path) -> Iterator[tuple[str, Email]]:
    """Every email by its name."""
    for path in sorted((folder / "templates/emails").glob("*/email.yaml")):
        file = f"templates/emails/{path.parent.name}/email.yaml"
        yield path.parent.name, read_email(read_source(folder, file, Findings()), file)


def read_email(node: Node | None, file: str) -> Email:
    entries = {key.text: value for key, value in node.entries} if isinstance(node, Mapping) else {}
    return Email(
        place=Place(file),
        owner=text_of(entries.get("owner")),
        brand=text_of(entries.get("brand")),
        sender=text_of(entries.get("from")),
    )


def text_of(node: Node | None) -> Text | None:
    return Written(node.text, node.place) if isinstance(node, Scalar) and node.text else None
