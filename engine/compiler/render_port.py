"""What the compiler asks of the render side: the names of the emails, their artifacts, and what a reader would find wrong.

Before: `engine.compiler.workspace` knows which emails it wants in which brand. After: `engine.render.library` answers,
and the plan holds the hashes of what it made.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from engine.compiler.diagnostics import Findings
from engine.compiler.plan import WorkspacePlan
from engine.languages import USUAL
from engine.render.artifact import Edition

# What templates may name: root → the names below it, None for any.
Known: TypeAlias = Mapping[str, Collection[str] | None]


class TemplateProblem(Protocol):
    """Why an email does not compile, or what to know of one that does, and where; line and column from 1."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...
    @property
    def message(self) -> str: ...
    @property
    def code(self) -> str: ...


class Renderer(Protocol):
    """`engine.render.library`, or whatever stands for it."""

    def email_names(self, workspace: Path) -> Sequence[str]:
        """The emails of the workspace's templates."""

    def compile_emails(
        self,
        workspace: Path,
        brands: Mapping[str, Mapping[str, object]],
        wanted: Collection[tuple[str, str]],
        known: Known | None = None,
        language: str = USUAL,
    ) -> tuple[dict[tuple[str, str], Edition], Sequence[TemplateProblem]]:
        """The edition of each wanted (email, brand) that compiles, and every problem of those that do not."""

    def review_emails(
        self, workspace: Path, plan: WorkspacePlan, editions: Mapping[tuple[str, str], Edition], findings: Findings
    ) -> None:
        """Add what is wrong with the emails as they will look in an inbox."""
