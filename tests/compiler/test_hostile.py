"""Whatever a file holds, compiling it ends at once, in little memory, with a coded finding, no plan and no exception."""

import gc
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.compiler.diagnostics import TABLE
from engine.compiler.plan import hash_of
from engine.installed import starter_folder
from tests.compiler.workspaces import compiled, copy_good, write

HEAD = b"title: Small\nowner: dana\ntopic: lessons\nsteps:\n  - email: welcome\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{here}: &{here} [{', '.join([f'*{before}'] * 9)}]\n" for before, here in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE: dict[str, bytes] = {
    "a bomb": BOMB.encode(),
    "an anchor": HEAD + b"gap: &day 1 day\n",
    "a merge": b"<<: {title: x}\n" + HEAD,
    "a key twice": HEAD + b"title: Again\n",
    "a tab": HEAD + b"\t- email: guide\n",
    "no as a step": HEAD + b"  - no\n",
    "no as a title": HEAD.replace(b"Small", b"[no]"),
    "a clock as a span": HEAD + b"    after: 12:30\n",
    "20,000 lists": b"steps: " + b"[" * 20_000,
    "20,000 mappings": b"{steps: " * 20_000,
    "500 steps inside each other": b"".join(b" " * n + b"- branch: b\n" + b" " * n + b"  then:\n" for n in range(500)),
    "10 MB of text": b"title: " + b"x" * 10_000_000,
    "10 MB of lines": b"a: b\n" * 2_000_000,
    "10 MB of nothing": b"\0" * 10_000_000,
    "a binary": bytes(range(256)) * 100,
    "half a sign": HEAD + b"# \xe2\x82",
    "18,000 unknown keys": b"".join(b"key%d: x\n" % n for n in range(18_000)),
    "10,000 bad steps": b"title: S\nowner: dana\ntopic: lessons\nsteps:\n" + b"  - {emial: welcome}\n" * 10_000,
    "a cadence of 10,000 unknown emails": b"title: S\nowner: dana\ntopic: lessons\nsteps:\n" + b"  - {email: welcom}\n" * 10_000,
    "a condition of brackets": HEAD + b"goal: '" + b"(" * 20_000 + b"'\n",
    "a condition without end": HEAD + b"goal: 'employees > 1" + b" and employees > 2" * 10_000 + b"'\n",
    "a number of 10,000 digits": HEAD + b"priority: " + b"9" * 10_000 + b"\n",
    "a span of 10,000 digits": HEAD + b"gap: " + b"9" * 10_000 + b" days\n",
    "an attachment outside": HEAD + b"    attach: [../../../etc/passwd]\n",
    "an attachment that is a device": HEAD + b"    attach: [/dev/zero]\n",
    "500 branches of one field": HEAD
    + b"".join(b"  - {branch: b%d, if: employees > %d, then: [{task: t%d, titel: x}]}\n" % (n, n, n) for n in range(480)),
    "800 long conditions that cannot be read": HEAD
    + b"".join(
        b'  - {goal: g%d, if: "%s or rooms > %d"}\n' % (n, b" and ".join([b"(employees > 1 or score < 5)"] * 7), n)
        for n in range(800)
    ),
    "a text for everything": b"steps",
    "a missing email": HEAD + b"  - email: nowhere\n    after: 1 week\n",
}


@pytest.fixture(autouse=True, scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is timed is a hostile file: not a process's first compilation, and not the garbage that other tests left behind."""
    compiled(copy_good(tmp_path_factory.mktemp("warm")))
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_cadence_is_refused_with_a_code_and_at_once(name: str, tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    (folder / "cadences/small.yaml").write_bytes(HOSTILE[name])
    before = time.thread_time()
    result = compiled(folder)
    seconds = time.thread_time() - before

    assert result.plan is None and not result.artifacts
    assert any(found.is_error for found in result.diagnostics) and len(result.diagnostics) <= 110
    assert {found.code for found in result.diagnostics} <= set(TABLE)
    assert seconds < 0.5


@pytest.mark.parametrize("name", ["a bomb", "10 MB of lines", "18,000 unknown keys", "a cadence of 10,000 unknown emails"])
def test_it_takes_little_memory(name: str, tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    (folder / "cadences/small.yaml").write_bytes(HOSTILE[name])

    assert peak_of(folder) < 50_000_000


def peak_of(folder: Path) -> int:
    tracemalloc.start()
    compiled(folder)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("file", ["workspace.yaml", "leads.yaml", "events.yaml", "templates/brands/fernhill.yaml"])
@pytest.mark.parametrize("name", ["a bomb", "20,000 lists", "10 MB of lines", "a binary", "18,000 unknown keys", "a tab"])
def test_so_is_a_hostile_table(file: str, name: str, tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    (folder / file).write_bytes(HOSTILE[name])
    before = time.thread_time()

    result = compiled(folder)

    assert result.plan is None and result.diagnostics
    assert time.thread_time() - before < 0.5


def test_a_hundred_megabytes_beside_a_cadence_are_not_read(tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    write(folder, "cadences/small.yaml", HEAD.decode() + "    attach: [huge.pdf]\n")
    (folder / "attachments").mkdir()
    with (folder / "attachments/huge.pdf").open("wb") as file:
        file.truncate(100_000_000)

    [found] = compiled(folder).diagnostics

    assert found.code == "E050"
    assert peak_of(folder) < 50_000_000


HASH = (
    "import sys; from pathlib import Path; from engine.compiler.plan import hash_of; "
    "from tests.compiler.workspaces import compiled; "
    "print(hash_of(compiled(Path(sys.argv[1])).plan))"
)


def test_the_hash_of_a_plan_is_the_same_in_every_process() -> None:
    command = [sys.executable, "-c", HASH, str(starter_folder())]

    def hash_under(seed: str) -> str:
        environ = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])}
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.strip()

    plan = compiled(starter_folder()).plan
    assert plan and hash_under("1") == hash_under("2") == hash_of(plan)
