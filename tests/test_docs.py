"""What the documents show can be typed as it stands."""

import ast
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
import yaml

from engine.cli.main import COMMANDS, handraiser
from engine.compiler.workspace import Compiled
from engine.leadfile.map import read_map
from webhooks.posted import PostedEvent, read_event

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(doc.read_text(encoding="utf-8") for doc in DOCS)


def blocks(doc: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / doc).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_every_command_is_in_the_documents_and_every_one_there_exists() -> None:
    told = set(re.findall(r"(?:^|[`/ ])handraiser ([a-z]+(?:-[a-z]+)*)\b", "\n".join(code_of(TEXT)), re.MULTILINE))

    assert told == set(COMMANDS)


def test_every_metric_is_explained_and_alerts_ask_for_none_that_is_not_there() -> None:
    there = metrics_in("engine/metrics.py", "engine/processes/gauges.py")
    rules = yaml.safe_load((ROOT / "docs/metrics/alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]

    assert metrics_in("docs/metrics.md") == there
    assert metrics_in("docs/metrics/alerts.yml") <= there
    assert all({"alert", "expr", "annotations"} <= {*rule} for rule in rules)


def metrics_in(*files: str) -> set[str]:
    text = "\n".join((ROOT / file).read_text(encoding="utf-8") for file in files)
    return {name.removesuffix("_total") for name in re.findall(r"\bhandraiser_[a-z_]+", text)}


def code_of(text: str) -> list[str]:
    """What stands in code: fenced, indented or between backticks."""
    fenced = re.findall(r"^```.*?^```", text, re.DOTALL | re.MULTILINE)
    return [*fenced, *re.findall(r"^ {4}.*$", text, re.MULTILINE), *re.findall(r"`[^`\n]+`", text)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example(name: str) -> None:
    command = handraiser.get_command(click.Context(handraiser), name)
    assert command is not None
    for each in command.commands.values() if isinstance(command, click.Group) else [command]:
        assert f"handraiser {name}" in (each.help or "")


@pytest.mark.parametrize("doc", ["README.md", "docs/leads.md"])
def test_the_map_that_is_shown_can_be_read(doc: str, compiled_starter: Compiled, tmp_path: Path) -> None:
    assert compiled_starter.plan is not None
    policy = compiled_starter.plan.policy
    [text] = [text for text in blocks(doc, "yaml") if "consent:" in text]
    (tmp_path / "map.yaml").write_text(text, encoding="utf-8")

    assert read_map(tmp_path / "map.yaml", policy.lead_schema, tuple(policy.topics)).consent


def test_the_events_that_are_shown_say_all_that_their_mail_prints(compiled_starter: Compiled) -> None:
    assert compiled_starter.plan is not None
    policy = compiled_starter.plan.policy
    [by_hand] = [text for text in blocks("docs/receiver.md", "python") if "body = " in text]
    dumped = next(node for node in ast.walk(ast.parse(by_hand)) if isinstance(node, ast.Dict) and "lead" in ast.unparse(node))
    kind = policy.event_schema.kind("order_placed")
    assert kind is not None

    for facts in (ast.literal_eval(dumped), *map(json.loads, blocks("docs/receiver.md", "json"))):
        posted = read_event(facts, policy, now=datetime(2026, 4, 1, tzinfo=UTC), post_id="")
        assert isinstance(posted, PostedEvent), posted
        assert {*posted.public, *posted.personal} == {field.name for field in kind.data}
