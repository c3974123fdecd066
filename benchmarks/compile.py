"""Compiling 50, 100 and 200 cadences of 30 steps each: reading, checking and planning them, from files to plan.

Timed: `compile_workspace` as `handraiser check` and `apply` call it, over a workspace whose emails come from a renderer that
already has them; what an email costs is in benchmarks.render. The first run, which fills every cache, is not counted.
Goal: 200 cadences in 2 s, and time in proportion to their number. Run: python -m benchmarks.compile
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks.conditions import conditions, peak_megabytes, spread
from engine.compiler.plan import hash_of
from engine.compiler.render_port import Known, TemplateProblem
from engine.compiler.workspace import Compiled, compile_workspace
from engine.installed import starter_folder
from engine.languages import USUAL
from engine.render import library
from engine.render.artifact import Edition

SIZES = (50, 100, 200)
RUNS = 5
HEAD = (
    "title: Cadence {n}\nowner: dana\ntopic: air-lessons\ngap: 2 days\n"
    'goal: "purchased()"\nenter: [{{segment: readers}}]\nsteps:\n'
)
TABLES = ("workspace", "leads", "events", "segments", "scoring", "assignment", "offers")


class Ready:
    """A renderer that compiles each email once and then has it."""

    def __init__(self) -> None:
        self.editions: dict[tuple[str, str], Edition] = {}

    def email_names(self, workspace: Path) -> Sequence[str]:
        return library.email_names(workspace)

    def compile_emails(
        self,
        workspace: Path,
        brands: Mapping[str, Mapping[str, object]],
        wanted: Collection[tuple[str, str]],
        known: Known | None = None,
        language: str = USUAL,
    ) -> tuple[dict[tuple[str, str], Edition], Sequence[TemplateProblem]]:
        missing = [each for each in wanted if each not in self.editions]
        made, problems = library.compile_emails(workspace, brands, missing, known, language)
        self.editions |= made
        return {each: self.editions[each] for each in wanted if each in self.editions}, problems

    review_emails = staticmethod(library.review_emails)


def write_workspace(folder: Path, count: int) -> Path:
    """The starter's tables and templates with that many cadences of thirty steps each."""
    for name in TABLES:
        (folder / f"{name}.yaml").write_text((starter_folder() / f"{name}.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    shutil.copytree(starter_folder() / "templates", folder / "templates")
    (folder / "cadences").mkdir()
    for number in range(count):
        (folder / "cadences" / f"c{number:03}.yaml").write_text(cadence(number), encoding="utf-8")
    return folder


def cadence(number: int) -> str:
    """Thirty steps: 17 emails, 4 branches with a task each, a wait with a task, a split with a task in each arm."""
    steps = [email(week) for week in range(0, 34, 2)]
    steps[4:4] = [branch(f"b{n}", f"employees >= {number % 90 + 10 * n} and rooms > {n}") for n in range(4)]
    steps[9:9] = [
        f"  - wait: w\n    for: \"clicked('guide', within='{number + 1} days')\"\n    timeout: 5 days\n    then: [{task('w')}]\n",
        f"  - split: s\n    arms:\n      a: {{share: 1, steps: [{task('a')}]}}\n      b: {{share: 1, steps: [{task('b')}]}}\n",
    ]
    return HEAD.format(n=number) + "".join(steps)


def email(week: int) -> str:
    return f"  - email: enquiry-01-welcome\n    id: e{week}\n    at: week {week + 1}\n"


def branch(name: str, condition: str) -> str:
    return f'  - branch: {name}\n    if: "{condition}"\n    then: [{task(name)}]\n'


def task(name: str) -> str:
    return f'{{task: call-{name}, title: "Call {{{{ lead.first_name }}}}"}}'


def compile_once(folder: Path, renderer: Ready) -> tuple[float, Compiled]:
    began = time.perf_counter()
    compiled = compile_workspace(folder, render=renderer)
    return time.perf_counter() - began, compiled


def main() -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.compile", description=__doc__).parse_args()
    print(f"Compile cadences of 30 steps, {RUNS} runs each, emails already compiled ({conditions()})")
    renderer, medians = Ready(), dict[int, float]()
    for count in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            write_workspace(Path(folder), count)
            compile_once(Path(folder), renderer)
            runs = [compile_once(Path(folder), renderer) for _ in range(RUNS)]
        plans = [compiled.plan for _, compiled in runs]
        assert all(plan and len({hash_of(plan) for plan in plans}) == 1 for plan in plans), runs[0][1].diagnostics[:3]
        steps = sum(len(each.steps) for each in plans[0].cadences) if plans[0] else 0
        assert steps == 30 * count
        seconds = [each for each, _ in runs]
        medians[count] = median(seconds)
        print(
            f"  {count:>4} cadences, {steps:>5,} steps   {spread(seconds)} ms   {medians[count] / count * 1e3:.2f} ms a cadence"
        )
    growth = medians[SIZES[-1]] / medians[SIZES[0]] / (SIZES[-1] / SIZES[0])
    print(f"  goal: {SIZES[-1]} in 2,000 ms; four times as many take {growth:.2f} times four times as long")
    print(f"  peak memory           {peak_megabytes():.0f} MB")


if __name__ == "__main__":
    main()
