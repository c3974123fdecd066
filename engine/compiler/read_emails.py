"""What every email.yaml says about the email apart from its copy: who owns it, in which brand it is, who it is from, how long
it is of use, what was considered.

Before: the folders of `templates/emails/`. After: `engine.compiler.workspace` knows which emails it wants in which brand,
`engine.compiler.check` compares them with the other files, and `engine.render.review` looks at the mails with them. What else
stands in these files is read, and its mistakes told, by the renderer.
"""

from collections.abc import Iterator
from pathlib import Path

from engine.compiler import kinds, source
from engine.compiler.considered import OF_EMAILS, read_considered
from engine.compiler.diagnostics import Findings, Place
from engine.compiler.reading import Section
from engine.compiler.source import Scalar, read_source
from engine.compiler.syntax import Email, Text, Written


def read_emails(folder: Path, findings: Findings) -> Iterator[tuple[str, Email]]:
    """Every email by its name."""
    for path in sorted((folder / "templates/emails").glob("*/email.yaml")):
        file = f"templates/emails/{path.parent.name}/email.yaml"
        node = read_source(folder, file, Findings())
        yield (
            path.parent.name,
            read_email(node if isinstance(node, source.Mapping) else source.Mapping((), Place(file)), findings),
        )


def read_email(node: source.Mapping, findings: Findings) -> Email:
    section = Section(node, "an email", [key.text for key, _ in node.entries], findings)
    return Email(
        place=Place(node.place.file),
        owner=text_of(section, "owner"),
        brand=text_of(section, "brand"),
        sender=text_of(section, "from"),
        valid_for=section.optional("valid_for", kinds.POSITIVE_SPAN),
        late=section.optional("late", kinds.LATE_ALONE),
        is_worked_on="variants" in section or section.filled_scalar("to_try") is not None,
        considered=read_considered(section, OF_EMAILS),
    )


def text_of(section: Section, key: str) -> Text | None:
    node = section.node(key)
    return Written(node.text, node.place) if isinstance(node, Scalar) and node.text else None
