"""Whatever is changed in a file of a workspace: a clear finding, at once and in little memory, or a plan that the change means.

`pytest tests/compiler/test_changed_files.py --full -s` changes a hundred thousand files; without `--full` a few hundred.
"""

import json
import random
import re
import resource
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from engine.compiler.plan import hash_of
from engine.compiler.workspace import Compiled
from tests.compiler.workspaces import compiled, copy_good, write

WORKSPACE = """
quiet: [{from: "20:00", to: "08:00"}]
holidays: {usual: GB-ENG, also: ["2026-12-24"]}
between_cadences: {first: deadline, loser: drop}
webhooks: {crm: {url: "https://crm.example/hook"}}
"""
EVERY_KEY = """
title: Every key there is
owner: dana
topic: lessons
brand: fernhill
window: {days: [tue, wed, thu], from: "09:00", to: "16:00", quiet: [{from: "12:00", to: "13:00"}], holidays: ignore}
gap: 1 day
on_change: migrate
repeat: no
priority: 5
shadow: no
enter:
  - {segment: big}
  - {event: form_submitted, if: "employees >= 50"}
reentry: 6 months
goal: "purchased()"
exits: [replied, {if: "employees == 0", because: "has closed down"}]
steps:
  - email: welcome
    at: day 0
    valid_for: 2 days
    late: skip
  - split: which
    arms:
      first: {share: 45, steps: [{email: guide, attach: [guide.pdf], after: 1 week}]}
      none: {share: 10, holdout: yes}
  - wait: 2 weeks
  - wait: read-it
    for: "clicked('welcome')"
    timeout: 10 days
    then:
      - task: call
        title: "Call {{ lead.first_name or lead.email }}"
        note: Ask which room
        due: 3 business days
        action: call
  - branch: teacher
    if: "role == 'teacher'"
    then: [{set: reader, fields: {first_name: "", employees: 3}}]
    else:
      - {webhook: tell, to: crm, fields: [first_name]}
      - raise: asked
        because: "{{ lead.first_name }} asked"
  - enter: trial
    after: 2 weeks, 10:00
  - branch: small
    if: "employees < 2"
    then: [{leave: one, because: has one room}]
  - email: welcome
    id: again
    at: month 3, 14:30
  - goal: became-customer
tests:
  - lead: {employees: 80, zone: Europe/Berlin}
    starts: 2026-01-05
    events:
      - {on: day 4, clicked: welcome, link: guide}
      - {on: "2026-02-10", replied: welcome}
    expect: {sends: [{welcome: day 0}], handoff: no, ends: replied}
"""
FILES = ("workspace.yaml", "leads.yaml", "events.yaml", "segments.yaml", "scoring.yaml", "assignment.yaml", "offers.yaml",
         "cadences/trial.yaml", "cadences/every-key.yaml", "templates/brands/fernhill.yaml")  # fmt: skip
PIECES = (
    "no", "yes", "12:30", "1.10", "day 3", "3 days", "month 3, 14:30", "[]", "{}", "[a, b]", "{a: b}", "&a", "*a", "!!x", "'",
    '"', ":", ": ", "- ", "? ", "|", ">-", "<<: ", "#", " #", "\t", "\n", "\r", "\n  ", "---\n", "...\n", "%YAML 1.1\n", "{{",
    "}}", "{{ lead.", "99999999999", "-1", "1e9", "é", "\ufeff", "\x85", "\u2028", "\ud800", "\0", "on", "steps:", "then:",
    "email: x", 'if: "employees >"', "split: s", "arms:", "holdout: yes", "tests:", "enter:", "expect:", "attach: [x]",
    "reentry: yes", "(",
)  # fmt: skip
WORDS = sorted(set(re.findall(r"[\w-]+", EVERY_KEY + WORKSPACE)))


def changed(text: str, chance: random.Random) -> str:
    """The text with one to three changes: a piece out, in or twice, a word or a line in another's place, another indent."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        text = chance.choice((without, with_piece, twice, with_word, with_line, indented))(text, chance)
    return text


def without(text: str, chance: random.Random) -> str:
    at = chance.randint(0, len(text))
    return text[:at] + text[at + chance.randint(1, 40) :]


def with_piece(text: str, chance: random.Random) -> str:
    at = chance.randint(0, len(text))
    return text[:at] + chance.choice(PIECES) + text[at + chance.randint(0, 10) :]


def twice(text: str, chance: random.Random) -> str:
    at = chance.randint(0, len(text))
    return text[: at + chance.randint(1, 200)] + text[at:]


def with_word(text: str, chance: random.Random) -> str:
    words = list(re.finditer(r"[\w-]+", text)) or [re.match("", text)]
    start, end = chance.choice(words).span()
    return text[:start] + chance.choice((*PIECES, *WORDS)) + text[end:]


def with_line(text: str, chance: random.Random) -> str:
    lines = text.split("\n")
    lines[chance.randrange(len(lines))] = chance.choice(lines)
    return "\n".join(lines)


def indented(text: str, chance: random.Random) -> str:
    lines = text.split("\n")
    at = chance.randrange(len(lines))
    lines[at] = " " * chance.randint(0, 8) + lines[at].lstrip()
    return "\n".join(lines)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_good(tmp_path_factory.mktemp("changed"))
    write(folder, "workspace.yaml", (folder / "workspace.yaml").read_text() + WORKSPACE)
    write(folder, "cadences/every-key.yaml", EVERY_KEY)
    write(folder, "attachments/guide.pdf", "%PDF-1.4")
    return folder


def test_no_change_of_a_file_gets_past_the_compiler(folder: Path, request: pytest.FixtureRequest) -> None:
    """Each file has a seed of its own: `--seed` with that of a failure has it again, as the first."""
    first = request.config.getoption("--seed")
    first = random.randrange(10**6) if first is None else first
    count = 100_000 if request.config.getoption("--full") else 200
    own_plan, memory, told, slowest = compiled(folder).plan, most_memory(), Counter[str](), 0.0
    assert own_plan

    for number in range(first, first + count):
        chance = random.Random(number)
        file = chance.choice(FILES)
        own = (folder / file).read_text(encoding="utf-8")
        text = changed(own, chance)
        with holding(folder / file, text):
            result, seconds = timed(folder)
            told.update({found.code for found in result.diagnostics} or {"none"})
            slowest = max(slowest, seconds)
            seeded = f"--seed {number}, {file}"

            assert seconds < 0.5, seeded
            assert (result.plan is None) == any(found.is_error for found in result.diagnostics), seeded
            assert all(WELL_TOLD.fullmatch(str(found)) for found in result.diagnostics), seeded
            json.dumps([found.to_plain() for found in result.diagnostics])
            if result.plan is not None:
                assert hash_of(compiled(folder).plan) == hash_of(result.plan), seeded
                assert result.plan == own_plan or meaning(text) != meaning(own), seeded

    print(f"\n--seed {first}: {count:,} files, the slowest {slowest:.2f} s, {(most_memory() - memory) / 1e6:.0f} MB more")
    print(f"files that were told of each code: {dict(sorted(told.items()))}")
    assert most_memory() - memory < 50_000_000


WELL_TOLD = re.compile(r"[^\n]+:[1-9]\d*:[1-9]\d*: [EW]\d{3} [^\n]+")


def timed(folder: Path) -> tuple[Compiled, float]:
    before = time.thread_time()
    result = compiled(folder)
    return result, time.thread_time() - before


@contextmanager
def holding(path: Path, text: str) -> Iterator[None]:
    """The file holds this text, and its own again afterwards."""
    own = path.read_bytes()
    try:
        path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
        yield
    finally:
        path.write_bytes(own)


def meaning(text: str) -> object:
    """What another reader of YAML sees in it."""
    return yaml.load(text, yaml.CBaseLoader)


def most_memory() -> int:
    """The most bytes that this process has ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
