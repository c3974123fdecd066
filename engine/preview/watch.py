"""Keeps what is shown as the files are: looks at them ten times a second, and compiles what changed.

Before: `handraiser preview` names the workspace. After: `engine.preview.app` shows `Watch.shown`, which is replaced as a whole,
so that nobody sees half of a change.
"""

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from engine.beside import beside
from engine.clock import HostClock
from engine.compiler.diagnostics import Diagnostic
from engine.compiler.workspace import Compiled, compile_workspace
from engine.preview.mails import Mail, Name, Workspace, make_mail, names_of, stamp_of, workspace_of
from engine.preview.remember import Email, Kept, Remembered
from engine.render import library
from engine.render.problems import Problem
from engine.render.sample import sample_file
from engine.settings import Settings

LOOKS_EVERY = 0.1  # seconds
FOLDERS = ("templates", "cadences", "attachments")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """All there is to see at one moment. `diagnostics`: of the whole workspace. `stamp` changes with any of it."""

    mails: Mapping[Name, Mail] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()
    stamp: str = ""


class Watch:
    """One workspace under watch."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self.settings = folder, settings
        self.shown = Shown()
        self.remembered = Remembered(on_compiled=self.show_early)
        self._workspace: Workspace | None = None
        self._made: dict[Name, tuple[object, Mail]] = {}
        self._stamps: dict[str, tuple[int, int]] | None = None

    def look_at(self, email: str) -> None:
        """Compile this one first, when much is to be compiled."""
        self.remembered.first = email

    def look(self) -> bool:
        """Whether something changed; then everything is shown anew."""
        stamps = stamps_of(self.folder)
        if stamps == self._stamps:
            return False
        self._stamps = self.remembered.stamps = stamps
        compiled = compile_workspace(self.folder, render=self.remembered, today=HostClock().now().date())
        if compiled.files is not None and (now := workspace_of(self.folder, self.settings, compiled.files)) != self._workspace:
            self._workspace = now
        self.shown = shown_of(self.all_mails(compiled), compiled.diagnostics)
        return True

    def all_mails(self, compiled: Compiled) -> dict[Name, Mail]:
        names = names_of(self.folder, compiled.files, self.remembered.versions) if compiled.files else list(self.shown.mails)
        return {name: mail for name in names if (mail := self.mail(name, compiled.diagnostics)) is not None}

    def mail(self, name: Name, diagnostics: Iterable[Diagnostic]) -> Mail | None:
        """As it was, when it is made of the same. None: nothing is known of the workspace yet."""
        kept = self.remembered.kept.get((name.email, name.brand))
        if self._workspace is None:
            return None
        edition = kept.edition if kept and name.brand in self._workspace.tables.policy.brands else None
        artifact = name.artifact_in(edition) if edition else None
        told = tuple(those_of(name, kept, diagnostics))
        sample = self.remembered.stamps.get(sample_file(self.folder, name.email, name.language, name.sample))
        made_of = (artifact, sample, self._workspace, told)
        if name not in self._made or self._made[name][0] != made_of:
            self._made[name] = (made_of, make_mail(name, artifact, told, self._workspace))
        return self._made[name][1]

    def show_early(self, email: Email, kept: Kept, before: Kept | None) -> None:
        """The mails of one email, while the others are still being compiled; what else is said of them comes later."""
        names = [name for name in self.shown.mails if (name.email, name.brand) == email]
        if self._workspace is None or not names:
            return
        mended = set(map(as_diagnostic, before.problems if before else ())) - set(map(as_diagnostic, kept.problems))
        told = [found for name in names for found in self.shown.mails[name].diagnostics if found not in mended]
        told += [found for found in map(as_diagnostic, kept.problems) if found.is_error]
        early = {name: mail for name in names if (mail := self.mail(name, dict.fromkeys(told))) is not None}
        self.shown = shown_of({**self.shown.mails, **early}, self.shown.diagnostics)


def shown_of(mails: Mapping[Name, Mail], diagnostics: tuple[Diagnostic, ...]) -> Shown:
    return Shown(mails=mails, diagnostics=diagnostics, stamp=stamp_of(*(mail.stamp for mail in mails.values()), *diagnostics))


def those_of(name: Name, kept: Kept | None, diagnostics: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """What concerns this mail: its own files, its brand, and what its compilation found in layouts and blocks."""
    own = (f"{library.EMAILS}/{name.email}/", f"templates/brands/{name.brand}.yaml")
    found_in_others = {as_diagnostic(problem) for problem in kept.problems} if kept else frozenset()
    return (found for found in diagnostics if found.file.startswith(own) or found in found_in_others)


def as_diagnostic(problem: Problem) -> Diagnostic:
    return Diagnostic(file=problem.file, line=problem.line, column=problem.column, code=problem.code, message=problem.message)


def stamps_of(folder: Path) -> dict[str, tuple[int, int]]:
    """When each file of the workspace was last changed, and its size. A file that goes meanwhile is not there."""
    found = {}
    for path in (*folder.glob("*.yaml"), *(path for each in FOLDERS for path in files_below(folder / each))):
        try:
            state = path.stat()
        except OSError:
            continue
        found[path.relative_to(folder).as_posix()] = (state.st_mtime_ns, state.st_size)
    return dict(sorted(found.items()))


def files_below(folder: Path) -> Iterator[Path]:
    for above, folders, files in os.walk(folder):
        folders.sort()
        yield from (Path(above, file) for file in files)


def watching(watch: Watch) -> AbstractContextManager[None]:
    """Keep looking on a thread of its own, while the block lasts."""
    return beside(partial(keep_looking, watch), name="preview")


def keep_looking(watch: Watch, stop: threading.Event) -> None:
    while not stop.wait(LOOKS_EVERY):
        try:
            watch.look()
        except Exception:
            log.exception("the workspace could not be looked at; trying again at its next change")
