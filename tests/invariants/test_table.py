"""The page about what always holds names tests that are there, and leaves no promise without one."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "invariants.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[^:`]+)::(test_\w+)`")


def test_every_test_that_the_page_names_is_there() -> None:
    missing = [f"{file}::{name}" for file, name in NAMED.findall(PAGE) if name not in names_in(ROOT / file)]

    assert missing == []


def test_each_of_the_twelve_has_its_tests() -> None:
    rows = re.findall(r"^\| (\d+) \|(.*)$", PAGE, re.MULTILINE)

    assert [int(number) for number, _rest in rows] == list(range(1, 13))
    assert all(NAMED.search(rest) for _number, rest in rows)


def names_in(path: Path) -> set[str]:
    if not path.is_file():
        return set()
    return {node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)}
