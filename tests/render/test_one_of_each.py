"""A workspace in which each mail has one mistake: `check` tells each once, with its line, and all of them at once."""

from collections import Counter
from pathlib import Path

from engine.compiler.workspace import compile_workspace
from engine.render import library
from tests.golden_files import assert_golden
from tests.render.one_of_each import write_workspace


def test_each_mistake_of_a_folder_full_of_them_is_told_once(tmp_path: Path) -> None:
    codes = write_workspace(tmp_path)

    found = compile_workspace(tmp_path, render=library).diagnostics

    assert_golden(Path(__file__).with_name("one_of_each.txt"), "".join(f"{each}\n" for each in found))
    assert Counter(each.code for each in found) == Counter(codes.values())
    assert len({each.file for each in found}) == len(found), "two in one file"
