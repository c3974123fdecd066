"""Compiles an email only when something changed that it is made of. Stands for `engine.render.library` towards the compiler.

Before: `engine.compiler.workspace` asks for every email. After: it gets them, most of them as they were, and
`engine.preview.watch` hears of each as soon as it is compiled.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.compiler.diagnostics import Findings
from engine.compiler.plan import WorkspacePlan
from engine.languages import USUAL
from engine.render import library
from engine.render.artifact import Edition
from engine.render.problems import Problem

Email = tuple[str, str]  # its name, and the brand
Stamps = Mapping[str, tuple[int, int]]  # file → when it was changed, and its size
SHARED = ("templates/layouts/", "templates/blocks/", "templates/images/", "templates/phrases.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What came of one email, and of what."""

    made_of: object
    known: library.Known | None
    edition: Edition | None
    problems: tuple[Problem, ...]


@dataclass(slots=True, kw_only=True)
class Remembered:
    """A renderer with a memory. `first`: the email that somebody looks at."""

    stamps: Stamps = field(default_factory=dict)
    first: str = ""
    kept: dict[Email, Kept] = field(default_factory=dict)
    versions: dict[Email, tuple[tuple[str, str], ...]] = field(default_factory=dict)  # as they were when it last compiled
    compiled: int = 0  # how many, all in all
    on_compiled: Callable[[Email, Kept, Kept | None], None] = lambda email, kept, before: None

    def email_names(self, workspace: Path) -> list[str]:
        return library.email_names(workspace)

    def compile_emails(
        self,
        workspace: Path,
        brands: Mapping[str, Mapping[str, object]],
        wanted: Collection[Email],
        known: library.Known | None = None,
        language: str = USUAL,
    ) -> tuple[dict[Email, Edition], list[Problem]]:
        """As `library.compile_emails`; before all others the one that is looked at, although it may not be asked for yet."""
        for email in [email for email in self.kept if email[0] == self.first]:
            self.compile(workspace, brands, email, known if email in wanted else self.kept[email].known, language)
        for email in sorted(wanted):
            self.compile(workspace, brands, email, known, language)
        found = {email: self.kept[email] for email in wanted}
        problems = {problem for kept in found.values() for problem in kept.problems}
        return {email: kept.edition for email, kept in found.items() if kept.edition}, sorted(problems)

    def review_emails(self, workspace: Path, plan: WorkspacePlan, editions: Mapping[Email, Edition], findings: Findings) -> None:
        library.review_emails(workspace, plan, editions, findings)

    def compile(
        self,
        workspace: Path,
        brands: Mapping[str, Mapping[str, object]],
        email: Email,
        known: library.Known | None,
        language: str,
    ) -> None:
        """Unless it is made of what it was made of before."""
        stamps = self.stamps_below(f"{library.EMAILS}/{email[0]}/", *SHARED)
        made_of = (stamps, repr(brands.get(email[1])), repr(known), language)
        if email in self.kept and self.kept[email].made_of == made_of:
            return
        editions, problems = library.compile_emails(workspace, brands, [email], known, language)
        kept = Kept(made_of=made_of, known=known, edition=editions.get(email), problems=tuple(problems))
        before, self.kept[email] = self.kept.get(email), kept
        if kept.edition is not None:
            self.versions[email] = tuple(kept.edition.artifacts)
        self.compiled += 1
        self.on_compiled(email, kept, before)

    def stamps_below(self, *folders: str) -> tuple[object, ...]:
        return tuple(stamp for stamp in self.stamps.items() if stamp[0].startswith(folders))
