"""docs/relays.md: its examples are sound, and it explains every key and option that there is."""

import re
from pathlib import Path

import pytest

from engine.compiler.shapes import Record
from engine.compiler.shapes_of_relays import LIMIT, RELAY, RELAYS, WARM_UP
from engine.deliver.smtp import OPTIONS
from tests.compiler.workspaces import compiled, copy_good, write

TEXT = (Path(__file__).parents[2] / "docs" / "relays.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_sound(example: str, tmp_path: Path) -> None:
    write(copy_good(tmp_path), "relays.yaml", example.replace("clearroom]", "fernhill]"))

    assert compiled(tmp_path).diagnostics == ()


def test_every_key_is_explained_and_no_other() -> None:
    tables: list[Record] = [RELAYS, RELAY, WARM_UP, LIMIT]

    assert rows_under("Every key") == {key for table in tables for key in table}


def test_every_option_of_an_address_is_explained_and_no_other() -> None:
    assert rows_under("What an address may say") == set(OPTIONS)


def rows_under(heading: str) -> set[str]:
    section = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE))
