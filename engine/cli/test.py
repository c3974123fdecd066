"""`handraiser test`: runs the tests beside the cadences, in the real engine under virtual time."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

import click

from engine.cli.options import counted, json_option, print_json, workspace_option
from engine.compiler.cadence_tests import CadenceTest
from engine.compiler.diagnostics import Place, instead
from engine.compiler.plan import WorkspacePlan
from engine.compiler.workspace import Compiled, compile_workspace
from engine.errors import UsageError, WorkspaceError
from engine.render import library
from engine.simulate.propose import propose
from engine.simulate.trial import open_ground, run_test
from engine.simulate.verdict import Fault, Line, faults_of
from engine.simulate.written import has_tests, with_tests
from engine.whole import write_whole

WIDTH = 80
LONGEST_NAME = 34


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A test and everything that came out otherwise than it says."""

    test: CadenceTest
    faults: tuple[Fault, ...]


@click.command("test")
@click.argument("cadences", nargs=-1)
@click.option("--write", is_flag=True, help="Write first tests into the file of each CADENCE, from what it does today.")
@click.option("--force", is_flag=True, help="With --write: also where there are tests already, in place of those.")
@workspace_option
@json_option
def test_command(cadences: tuple[str, ...], write: bool, force: bool, workspace: Path, as_json: bool) -> None:
    """Run the `tests:` beside the cadences: of all of them, or of those named.

    Each test is a lead and what happens to it; the engine runs as it would live, in a database of its own, and sends nothing.
    Ends with 0 where every test passes, with 1 where one does not.

    \b
    Examples:
      handraiser test
      handraiser test new-enquiry
      handraiser test --write new-enquiry
    """
    compiled = compile_workspace(workspace, render=library)
    if write or force:
        write_tests(compiled, cadences, workspace, force=force, as_json=as_json)
        return
    tests = chosen(compiled, cadences)
    tested = run_all(compiled, tests, show=not as_json)
    if as_json:
        print_json(as_plain(tested))
    else:
        click.echo("\n".join(lines(tested)))
    sys.exit(1 if any(each.faults for each in tested) else 0)


def write_tests(compiled: Compiled, cadences: Sequence[str], workspace: Path, *, force: bool, as_json: bool) -> None:
    """Raises UsageError where no cadence is named, or one has tests and they are not to be replaced."""
    plan = plan_of(compiled, cadences)
    files = {name: workspace / "cadences" / f"{name}.yaml" for name in cadences}
    if not files:
        raise UsageError("name the cadences that tests are to be written for: handraiser test --write new-enquiry")
    for name, file in files.items():
        if has_tests(file.read_text(encoding="utf-8")) and not force:
            raise UsageError(f"{name} has tests already; --force writes new ones in their place")
    written = {}
    with open_ground(compiled) as ground:
        for each in plan.cadences:
            if each.name in files:
                written[each.name] = propose(ground, each, compiled.artifacts)
    for name, proposed in written.items():
        write_whole(files[name], with_tests(files[name].read_text(encoding="utf-8"), proposed.tests))
        if not as_json:
            click.echo(f"{files[name]}: {counted(len(proposed.tests), 'test')} written; read them before you trust them")
            for missed in proposed.missed:
                click.echo(f"  no lead was found for: {missed}")
    if as_json:
        print_json({name: {"tests": len(each.tests), "missed": list(each.missed)} for name, each in written.items()})


def chosen(compiled: Compiled, cadences: Sequence[str]) -> list[CadenceTest]:
    """The tests of these cadences."""
    known = [one.name for one in plan_of(compiled, cadences).cadences]
    tests = [test for test in compiled.tests if not cadences or test.cadence in cadences]
    if not tests:
        which = f"`handraiser test --write {cadences[0] if cadences else known[0]}`" if known else "docs/trying-it-out.md"
        raise UsageError(f"there is no test to run; {which} writes the first ones")
    return tests


def plan_of(compiled: Compiled, cadences: Sequence[str]) -> WorkspacePlan:
    """Raises WorkspaceError where the workspace has mistakes, UsageError for the name of a cadence that it has not."""
    if compiled.plan is None:
        raise WorkspaceError("\n".join(map(str, compiled.diagnostics)), compiled.diagnostics)
    known = [one.name for one in compiled.plan.cadences]
    for name in cadences:
        if name not in known:
            raise UsageError(f"there is no cadence {name!r}{instead(name, known)}")
    return compiled.plan


def run_all(compiled: Compiled, tests: Sequence[CadenceTest], *, show: bool) -> list[Tested]:
    tested = []
    bar = click.progressbar(tests, label="Testing", hidden=not show or not sys.stderr.isatty(), file=sys.stderr)
    with open_ground(compiled) as ground, bar:
        for test in bar:
            tested.append(Tested(test=test, faults=faults_of(test, run_test(ground, test))))
    return tested


def lines(tested: Sequence[Tested]) -> Iterator[str]:
    """Every test on a line, those that fail with what came out instead, and the sum at the end."""
    for each in tested:
        yield f"{'FAIL' if each.faults else 'ok  '}  {where(each.test.place)}  {each.test.title or each.test.cadence}"
        for fault in each.faults:
            yield from lines_of_fault(fault)
    failed = sum(bool(each.faults) for each in tested)
    yield f"{counted(len(tested), 'test')}: " + (f"{failed} failed" if failed else "all passed")


def lines_of_fault(fault: Fault) -> Iterator[str]:
    if fault.lines:
        yield f"      {where(fault.place)}: - was expected, + was sent"
        for line in fault.lines:
            yield from lines_of_mail(line)
        return
    yield f"      {where(fault.place)}: {fault.what}: expected {fault.expected}, but {SAID[fault.what]}{fault.actual}"
    yield from told(fault.because, indent=10)


SAID = {"score": "it is ", "handoff": "it is ", "ends": "it is ", "event": "", "lead": ""}


def lines_of_mail(line: Line) -> Iterator[str]:
    beside = f"  line {line.place.line}" if line.place else ""
    yield f"      {line.mark} {line.name:<{LONGEST_NAME}}  {line.on}{beside}"
    yield from told(line.because, indent=10)


def told(words: str, *, indent: int) -> list[str]:
    return wrap(words, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * indent, break_on_hyphens=False)


def where(place: Place) -> str:
    return f"{place.file}:{place.line}"


def as_plain(tested: Sequence[Tested]) -> dict[str, object]:
    return {
        "passed": sum(not each.faults for each in tested),
        "failed": sum(bool(each.faults) for each in tested),
        "tests": [
            {
                "cadence": each.test.cadence,
                "title": each.test.title,
                "file": each.test.place.file,
                "line": each.test.place.line,
                "passed": not each.faults,
                "faults": [plain_fault(fault) for fault in each.faults],
            }
            for each in tested
        ],
    }


def plain_fault(fault: Fault) -> dict[str, object]:
    mails = [
        {"mark": line.mark.strip() or "=", "email": line.name, "on": line.on, "because": line.because,
         "line": line.place.line if line.place else None}
        for line in fault.lines
    ]  # fmt: skip
    said = {"what": fault.what, "file": fault.place.file, "line": fault.place.line, "expected": fault.expected}
    return {**said, "actual": fault.actual, "because": fault.because, "mails": mails}
