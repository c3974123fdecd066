"""Who may write what, read from the source: some rows are never changed, and a row is claimed in one place only."""

import ast
from collections.abc import Iterator
from functools import cache

import pytest

from tests.source import trees

NEVER_CHANGED = ("events", "cadence_versions", "artifacts", "plans", "rules", "files")
CLAIMING = {"engine/claim.py", "engine/deliver/compose.py"}  # a touch's mail is born in the hands of its worker


@pytest.mark.parametrize("table", NEVER_CHANGED)
def test_what_was_observed_or_applied_is_never_changed(table: str) -> None:
    changing = [file for file, tree in sources().items() for verb, name in statements(tree) if verb != "insert" and name == table]

    assert changing == []


def test_rows_are_claimed_in_one_place_only() -> None:
    claiming = {file for file, tree in sources().items() if "claims" in written_columns(tree)}

    assert {file for file in claiming if sets_claimed(sources()[file])} == CLAIMING


@cache
def sources() -> dict[str, ast.Module]:
    return {path.as_posix(): tree for path, tree in trees().items()}


def statements(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(insert | update | delete, table) for each such call, however the module spells it."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for argument in node.args:
            if called in ("insert", "update", "delete") and isinstance(argument, ast.Name):
                yield called, argument.id


def written_columns(tree: ast.AST) -> set[str]:
    """Names of columns that `.values(column=…)`, a dict of values or a tuple of columns gives a value."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            found |= {key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
        if isinstance(node, ast.keyword) and node.arg:
            found.add(node.arg)
        if isinstance(node, ast.Tuple):  # columns of a prepared statement
            found |= {name.value for name in node.elts if isinstance(name, ast.Constant) and isinstance(name.value, str)}
    return found


def sets_claimed(tree: ast.AST) -> bool:
    """Whether a value of `state` is spelt claimed."""
    for node in ast.walk(tree):
        pairs = zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ()
        given = [value for key, value in pairs if isinstance(key, ast.Constant) and key.value == "state"]
        if isinstance(node, ast.keyword) and node.arg == "state":
            given.append(node.value)
        if isinstance(node, ast.Tuple):  # values of a prepared statement
            given += [value for value in node.elts if ast.unparse(value).endswith(".value")]
        if any(ast.unparse(value).removesuffix(".value").rpartition(".")[2] in ("CLAIMED", "'claimed'") for value in given):
            return True
    return False
