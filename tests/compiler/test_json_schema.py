"""The schemas for editors: they take every sound file, refuse misshapen ones, and are those that the starter ships."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from engine.cli.schema import schema_command, text_of
from engine.compiler.json_schema import FILES, schema_of
from engine.installed import starter_folder
from tests.compiler.workspaces import BAD, GOOD, copy_good, lay_over
from tests.golden_files import assert_golden

STARTER = starter_folder()
HEADER = "# yaml-language-server: $schema="
VALIDATORS = {name: Draft202012Validator(schema_of(name)) for name in FILES}


class CoreLoader(yaml.BaseLoader):
    """YAML 1.2 as editors read it: `no`, `12:30` and dates are texts, numbers and true and false are not."""


for tag, pattern, first in [
    ("int", r"[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"[-+]?[0-9]+\.[0-9]+$", "-+0123456789"),
    ("bool", r"(true|false|True|False)$", "tfTF"),
]:
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))
    CoreLoader.add_constructor(f"tag:yaml.org,2002:{tag}", lambda _, node: json.loads(node.value.lower().lstrip("+0") or "0"))


def kind_of(folder: Path, file: Path) -> str | None:
    """The schema of a file of the workspace."""
    inside = file.relative_to(folder)
    return next(
        (name for name, (pattern, _) in FILES.items() if inside.match(pattern) and len(inside.parts) == pattern.count("/") + 1),
        None,
    )


def files_of(folder: Path) -> list[tuple[Path, str]]:
    return [(file, kind) for file in sorted(folder.rglob("*.yaml")) if (kind := kind_of(folder, file))]


def problem(file: Path, kind: str, loader: type[Any] = CoreLoader) -> str | None:
    found = best_match(VALIDATORS[kind].iter_errors(yaml.load(file.read_text(encoding="utf-8"), loader)))
    return found and f"{file}: {found.json_path}: {found.message}"


@pytest.mark.parametrize("name", FILES)
def test_the_starter_ships_the_schema_as_it_is_written_today(name: str) -> None:
    Draft202012Validator.check_schema(schema_of(name))

    assert_golden(STARTER / "schemas" / f"{name}.json", text_of(name))


@pytest.mark.parametrize("folder", [STARTER, GOOD])
@pytest.mark.parametrize("loader", [CoreLoader, yaml.BaseLoader])
def test_sound_files_are_taken_whether_or_not_numbers_are_read_as_such(folder: Path, loader: type[Any]) -> None:
    files = files_of(folder)

    assert len(files) >= 10
    assert [told for file, kind in files if (told := problem(file, kind, loader))] == []


def test_every_file_of_the_starter_names_its_schema_and_it_is_there() -> None:
    for file, kind in files_of(STARTER):
        first = file.read_text(encoding="utf-8").splitlines()[0]

        assert first.startswith(HEADER), file
        assert (file.parent / first.removeprefix(HEADER)).resolve() == (STARTER / "schemas" / f"{kind}.json").resolve()


# What no schema can know is left to `check`: what a name refers to, what contradicts, how two steps lie in time.
OF_SHAPE = ("E010", "E011", "E013", "E014", "E015", "E016", "E017", "E018", "E026", "E059")


@pytest.mark.parametrize("code", OF_SHAPE)
def test_a_misshapen_file_is_refused_as_one_types(code: str, tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    lay_over(folder, BAD / code)
    changed = [folder / path.relative_to(BAD / code) for path in sorted((BAD / code).rglob("*.yaml"))]

    assert changed and all(problem(file, kind_of(folder, file) or "") for file in changed)


@pytest.mark.parametrize(
    "step",
    [
        "{email: welcome, at: day 4, attach: [guide.pdf], valid_for: 2 days, late: shift, shadow: yes}",
        "{wait: 2 weeks}",
        "{wait: read, for: \"clicked('a')\", timeout: 3 days, then: [{leave: bye, because: done}]}",
        "{split: s, arms: {a: {share: 1, steps: [{email: welcome}]}, none: {share: 1, holdout: yes}}}",
        "{set: s, fields: {stage: warm, size: 3, tags: [a], gone: }}",
        '{enter: other, after: "2 weeks, 10:00"}',
    ],
)
def test_each_kind_of_step_is_taken(step: str) -> None:
    cadence = yaml.load(f"title: T\nowner: d\ntopic: t\nsteps: [{step}]", CoreLoader)

    assert best_match(VALIDATORS["cadence"].iter_errors(cadence)) is None


@pytest.mark.parametrize(
    "step",
    ["{email: welcome, att: day 4}", "{email: welcome, at: 4 days}", "{task: t}", "{split: s, arms: {a: {steps: []}}}",
     "{email: welcome, late: never}", "{branch: b, if: x, then: [{emial: a}]}", "{}", "welcome"],
)  # fmt: skip
def test_a_step_of_the_wrong_shape_is_refused(step: str) -> None:
    cadence = yaml.load(f"title: T\nowner: d\ntopic: t\nsteps: [{step}]", CoreLoader)

    assert best_match(VALIDATORS["cadence"].iter_errors(cadence)) is not None


def test_every_key_is_explained_to_whoever_hovers_over_it() -> None:
    def keys(schema: Any) -> list[dict[str, Any]]:
        if isinstance(schema, list):
            return [key for each in schema for key in keys(each)]
        if not isinstance(schema, dict):
            return []
        return [*schema.get("properties", {}).values(), *(key for each in schema.values() for key in keys(each))]

    silent = [key for name in FILES for key in keys(schema_of(name)["properties"]) if "description" not in key]

    assert silent == []


def test_the_command_writes_one_schema_for_each_kind_of_file(tmp_path: Path) -> None:
    result = CliRunner().invoke(schema_command, ["--out", str(tmp_path / "schemas")])

    assert result.exit_code == 0
    assert {path.stem for path in (tmp_path / "schemas").iterdir()} == set(FILES)
    assert all(json.loads(path.read_text())["$schema"].endswith("2020-12/schema") for path in (tmp_path / "schemas").iterdir())
