"""Compiling 25, 50 and 100 emails: from MJML, Jinja and a brand to artifacts, and looking each over as a reader gets it.

Timed: `compile_workspace` as `handraiser check` and `apply` call it, over copies of the starter's emails that differ in a word
each, in a process that has compiled none before; and, apart from that, the compiling alone, without the looking over.
Goal: 100 emails in 5 s, and time in proportion to their number. Run: python -m benchmarks.emails
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks.compile import TABLES
from benchmarks.conditions import conditions, spread
from engine.compiler.render_port import Known, TemplateProblem
from engine.compiler.workspace import compile_workspace
from engine.installed import starter_folder
from engine.languages import USUAL
from engine.render import library
from engine.render.artifact import Edition

SIZES = (25, 50, 100)
RUNS = 3


def write_workspace(folder: Path, count: int) -> Path:
    """The starter without cadences, with that many emails."""
    for name in TABLES:
        shutil.copy(starter_folder() / f"{name}.yaml", folder)
    (folder / "cadences").mkdir()
    shutil.copytree(starter_folder() / "templates", folder / "templates")
    emails, asked_for = folder / library.EMAILS, emails_in_tables(folder)
    own = [name for name in library.email_names(folder) if name not in asked_for]
    for name in own[max(count - len(asked_for), 0) :]:
        shutil.rmtree(emails / name)
    for number in range(count - len(asked_for) - len(own)):
        body = shutil.copytree(emails / own[number % len(own)], emails / f"another-{number}") / "body.mjml"
        body.write_text(body.read_text(encoding="utf-8").replace("</mj-text>", f" ({number})</mj-text>", 1), encoding="utf-8")
    return folder


def emails_in_tables(folder: Path) -> set[str]:
    """Those that an event or an offer asks for, which have to be there."""
    words = {word for name in TABLES for word in re.findall(r"[\w-]+", (folder / f"{name}.yaml").read_text(encoding="utf-8"))}
    return words & set(library.email_names(folder))


class Timed:
    """The renderer, and how long it took to compile."""

    email_names = staticmethod(library.email_names)
    review_emails = staticmethod(library.review_emails)
    seconds = 0.0

    def compile_emails(
        self,
        workspace: Path,
        brands: Mapping[str, Mapping[str, object]],
        wanted: Collection[tuple[str, str]],
        known: Known | None = None,
        language: str = USUAL,
    ) -> tuple[dict[tuple[str, str], Edition], Sequence[TemplateProblem]]:
        began = time.perf_counter()
        made = library.compile_emails(workspace, brands, wanted, known, language)
        self.seconds += time.perf_counter() - began
        return made


def measure(count: int) -> None:
    """Print the seconds of the compiling, and those of all that `check` does."""
    with tempfile.TemporaryDirectory() as folder:
        write_workspace(Path(folder), count)
        renderer, began = Timed(), time.perf_counter()
        compiled = compile_workspace(Path(folder), render=renderer)
        print(renderer.seconds, time.perf_counter() - began)
    assert compiled.plan and len(compiled.plan.emails) == count, compiled.diagnostics[:3]


def in_a_new_process(count: int) -> tuple[float, float]:
    """Since what was compiled once is kept."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.emails", "--one", str(count)], check=True, capture_output=True, text=True
    )
    compiling, checking = map(float, done.stdout.split())
    return compiling, checking


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.emails", description=__doc__)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    if count := parser.parse_args().one:
        measure(count)
        return
    print(f"Compile emails, {RUNS} runs each, each in a new process ({conditions()})")
    medians: dict[int, float] = {}
    for count in SIZES:
        runs = [in_a_new_process(count) for _ in range(RUNS)]
        compiling, checking = ([run[which] for run in runs] for which in (0, 1))
        medians[count] = median(compiling)
        print(f"  {count:>4} emails   compiled {spread(compiling)} ms   with all that check looks at {spread(checking)} ms")
    growth = medians[SIZES[-1]] / medians[SIZES[0]] / (SIZES[-1] / SIZES[0])
    print(f"  goal: {SIZES[-1]} in 5,000 ms; four times as many take {growth:.2f} times four times as long")


if __name__ == "__main__":
    main()
