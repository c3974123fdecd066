"""collateral.yaml as written: the library of files that go to those who care for them.

Before: `engine.compiler.reading` over the file. After: `engine.compiler.attachments` finds the files themselves,
`engine.compiler.check_collateral` looks whether anybody can get them.
"""

from engine.compiler import kinds
from engine.compiler.diagnostics import Findings
from engine.compiler.reading import Section
from engine.compiler.shapes_of_tables import COLLATERAL, LIBRARY
from engine.compiler.source import Node
from engine.compiler.syntax import Collateral


def read_collateral(node: Node, findings: Findings) -> tuple[Collateral, ...]:
    section = Section(node, "collateral.yaml", LIBRARY, findings)
    return tuple(read_entry(own, key, findings) for key, own in section.named_entries("collateral"))


def read_entry(node: Node, key: str, findings: Findings) -> Collateral:
    section = Section(node, "collateral", COLLATERAL, findings)
    section.require("interests")
    interests = section.texts("interests")
    return Collateral(
        key=key,
        file=section.reference("file"),
        title=section.text("title"),
        interests=tuple(interest.value for interest in interests),
        language=section.optional("language", kinds.LANGUAGE_CODE),
        expires=section.optional("expires", kinds.DATE),
    )
