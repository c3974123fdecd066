"""A template without its fixed texts, which Jinja would read, sign by sign, only to print them again.

Before: a template split into pieces. After: Jinja compiles the bones, which many emails have in common, and the texts are put
back into what it prints. The white space around a text stays, since `{%- -%}` may take it away, and so do its line ends, by
which an error tells its line.
"""

import re

from engine.render.pieces import Kind, split_template

STILL = re.compile("\x02(\\d+)\n*\x03")  # no value can print these signs


class Skeleton:
    """The fixed texts of one template, by number."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def take(self, text: str) -> str:
        """What stands in the template instead of a text."""
        words = text.strip()
        if not words:
            return text
        self.texts.append(words)
        start = text.index(words)
        lines = "\n" * words.count("\n")
        return f"{text[:start]}\x02{len(self.texts) - 1}{lines}\x03{text[start + len(words) :]}"

    def take_all(self, template: str) -> str:
        """The same for every text of a whole template, which must be sound."""
        return "".join(self.take(piece.text) if piece.kind == Kind.TEXT else piece.text for piece in split_template(template))

    def put_back(self, printed: str) -> str:
        """What was printed, with its texts."""
        return STILL.sub(lambda found: self.texts[int(found[1])], printed)
