"""The examples in docs/cadences.md, and the first one of the README, are cadences that work in the starter workspace."""

import re
from pathlib import Path
from textwrap import indent

from engine.compiler.shapes_of_cadences import CADENCE, STEP
from engine.compiler.workspace import compile_workspace
from engine.render import library
from tests.compiler.workspaces import write

DOCS = Path(__file__).parents[2] / "docs" / "cadences.md"
README = Path(__file__).parents[2] / "README.md"
YAML = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
EXAMPLES = YAML.findall(DOCS.read_text(encoding="utf-8"))
HEAD = "title: An example\nowner: dana\ntopic: air-lessons\nsteps:\n"


def test_the_first_cadence_is_about_ten_lines_long() -> None:
    assert len(EXAMPLES[0].splitlines()) <= 11


def test_every_example_and_every_row_of_its_tables_is_understood(workspace: Path) -> None:
    for name in ("guide", "school-air", "overview"):
        write(workspace, f"attachments/{name}.pdf", "%PDF-1.7\n")
    write(workspace, "collateral.yaml", next(text for text in EXAMPLES if text.startswith("# collateral.yaml\n")))
    shown = "".join(text for text in EXAMPLES if is_of_workspace(text))
    write(workspace, "workspace.yaml", without(top_keys(shown), (workspace / "workspace.yaml").read_text()) + shown)
    for number, text in enumerate([*examples(), cadence_of_conditions(), *cadences_of_times()]):
        write(workspace, f"cadences/example-{number}.yaml", text)

    result = compile_workspace(workspace, render=library)

    assert [str(found) for found in result.diagnostics] == []
    assert result.plan and len(result.plan.cadences) >= 30


def top_keys(text: str) -> list[str]:
    return re.findall(r"^(\w+):", text, re.MULTILINE)


def without(keys: list[str], text: str) -> str:
    """The file without these keys and what is under them."""
    return re.sub(rf"^(?:{'|'.join(keys)}):.*\n(?:[ -].*\n)*", "", text, flags=re.MULTILINE)


def is_of_workspace(text: str) -> bool:
    return text.startswith("# workspace.yaml\n")


def is_of_cadences(text: str) -> bool:
    return not text.startswith(("# workspace.yaml\n", "# collateral.yaml\n"))


def test_every_kind_of_step_and_every_key_of_a_cadence_has_an_example() -> None:
    shown = "".join(EXAMPLES)

    missing = [key for shape in (CADENCE, *STEP.values()) for key in shape if not re.search(rf"\b{key}:", shown)]
    assert missing == []


def examples() -> list[str]:
    """Whole cadences as they are, steps under a heading."""
    shown = [*filter(is_of_cadences, EXAMPLES), YAML.findall(README.read_text(encoding="utf-8"))[0]]
    return [text if text.startswith("title:") else HEAD + indent(text, "  ") for text in shown]


def cadence_of_conditions() -> str:
    cells = [row.split("|")[1] for row in section("Conditions").splitlines() if row.startswith("| `")]
    conditions = [condition for cell in cells for condition in re.findall(r"`([^`]+)`", cell)]
    assert len(conditions) >= 13
    return HEAD + "".join(f'  - {{goal: g{n}, if: "{condition}"}}\n' for n, condition in enumerate(conditions))


def cadences_of_times() -> list[str]:
    times = re.findall(r"`((?:at|after): [^`]+)`", section("Time"))
    assert len(times) >= 8
    return [HEAD + f"  - email: enquiry-01-welcome\n    {written}\n" for written in times]


def section(title: str) -> str:
    return DOCS.read_text(encoding="utf-8").split(f"## {title}\n")[1].split("\n## ")[0]
