"""Workspaces for the compiler's tests: a small sound one, one whose templates are real, and what is laid over them."""

import shutil
from datetime import date
from pathlib import Path

from engine.compiler.workspace import Compiled, compile_workspace
from engine.render import library
from engine.settings import MAIN
from tests.compiler import stub_render

HERE = Path(__file__).parent
GOOD = HERE / "good"
MAILS = HERE / "mails"
BAD = HERE / "bad"
TODAY = date(2026, 1, 5)
PADDING = "# padding\n" * 30_000


def compiled(folder: Path) -> Compiled:
    return compile_workspace(folder, render=stub_render)


def compiled_example(code: str, folder: Path) -> Compiled:
    """The example of a code in an empty folder. What is wrong with mails is shown by real ones."""
    is_of_mails = code >= {"E": "E070", "W": "W030"}[code[0]]
    shutil.copytree(MAILS if is_of_mails else GOOD, folder, dirs_exist_ok=True)
    lay_over(folder, BAD / code)
    return compile_workspace(folder, render=library if is_of_mails else stub_render, today=TODAY, addressed=[MAIN])


def copy_good(to: Path) -> Path:
    """The sound workspace, in a folder of its own."""
    shutil.copytree(GOOD, to, dirs_exist_ok=True)
    return to


def lay_over(folder: Path, overlay: Path) -> None:
    """Put an example's files over a workspace: `x.missing` takes x away, `x.padded` and `x.large` make x very long."""
    for path in (path for path in overlay.rglob("*") if path.is_file() and path.name != "expected.txt"):
        target = folder / path.relative_to(overlay)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".missing":
            target.with_suffix("").unlink()
        elif path.suffix == ".padded":
            target.with_suffix("").write_text(path.read_text() + PADDING)
        elif path.suffix == ".large":
            target.with_suffix("").write_bytes(path.read_bytes() + b" " * 5 * 1024 * 1024)
        else:
            shutil.copyfile(path, target)


def write(folder: Path, file: str, text: str) -> None:
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(text, encoding="utf-8")
