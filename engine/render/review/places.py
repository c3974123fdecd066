"""Where in the author's files something of a rendered mail was written.

Before: a rule has said which words it means. After: the finding names file, line and column. The body is searched first, then
what other emails share: a fault of the layout is told there, once, however many emails have it.
"""

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

from engine.compiler.diagnostics import Place
from engine.render.artifact import Artifact
from engine.render.phrases import FILE as PHRASES
from engine.render.review.mail import Finding, Home
from engine.render.sample import EMAILS, sample_file

LAYOUT = re.compile(r"^layout:\s*[\"']?([\w-]+)", re.MULTILINE)


class Files:
    """The files of a workspace's templates, each read once, when it is first wanted."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.texts: dict[str, str] = {}

    def text(self, file: str) -> str:
        """Empty where there is no such file."""
        if file not in self.texts:
            try:
                self.texts[file] = (self.workspace / file).read_text(encoding="utf-8-sig")
            except (OSError, ValueError):
                self.texts[file] = ""
        return self.texts[file]

    def place(self, finding: Finding, artifact: Artifact, sample: str) -> Place:
        """The first place of what the finding points at; the top of its home where that is nowhere to be found."""
        home = self.home(finding.home, artifact, sample)
        order = [home, *(file for file in self.searched(artifact, sample) if file != home)]
        for words in finding.near:
            for file in order if words else ():
                if found := pattern_for(words).search(self.text(file)):
                    return place_at(file, self.text(file), found.start())
        return Place(home)

    def searched(self, artifact: Artifact, sample: str) -> Iterator[str]:
        folders = self.folders(artifact)
        yield from (f"{folder}/{file}" for folder in folders for file in ("body.mjml", "email.yaml"))
        yield self.layout(artifact)
        blocks = sorted((self.workspace / "templates/blocks").glob("*.mjml"))
        yield from (f"templates/blocks/{path.name}" for path in blocks)
        yield from (f"templates/brands/{artifact.brand}.yaml", "offers.yaml")
        yield from (sample_file(self.workspace, artifact.email, artifact.language, sample), "events.yaml", PHRASES)

    def home(self, home: Home, artifact: Artifact, sample: str) -> str:
        match home:
            case Home.EMAIL:
                return self.own(artifact, "email.yaml")
            case Home.LAYOUT:
                return self.layout(artifact)
            case Home.BRAND:
                return f"templates/brands/{artifact.brand}.yaml"
            case Home.SAMPLE:
                return sample_file(self.workspace, artifact.email, artifact.language, sample)
            case Home.TEXT if self.text(own := self.own(artifact, "text.txt")):
                return own
        return self.own(artifact, "body.mjml")

    def own(self, artifact: Artifact, file: str) -> str:
        """The file of that name which this version is made of; the plain one where none has it."""
        folders = self.folders(artifact)
        return next((path for folder in folders if self.text(path := f"{folder}/{file}")), f"{folders[-1]}/{file}")

    def folders(self, artifact: Artifact) -> tuple[str, ...]:
        """Where a version's files may be, the most particular first, the email's own last."""
        plain = f"{EMAILS}/{artifact.email}"
        language = f"{plain}/languages/{artifact.language}"
        arm = f"variants/{artifact.arm}"
        return (f"{language}/{arm}", language, f"{plain}/{arm}", plain)

    def layout(self, artifact: Artifact) -> str:
        named = LAYOUT.search(self.text(f"templates/emails/{artifact.email}/email.yaml"))
        usual = "default" if artifact.stream == "marketing" else "transactional"
        return f"templates/layouts/{named[1] if named else usual}.mjml"


def pattern_for(words: str) -> re.Pattern[str]:
    """The words with any white space between them, as they are or with HTML's signs escaped."""
    forms = {words, escape(words, quote=False)}
    return re.compile("|".join(r"\s+".join(map(re.escape, form.split())) for form in sorted(forms, key=len, reverse=True)))


def place_at(file: str, text: str, offset: int) -> Place:
    return Place(file, text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))
