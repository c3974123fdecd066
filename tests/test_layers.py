"""What may import what: the layers of the product, lowest first, checked over the imports as written."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.source import trees

# A module belongs to the longest name here that it begins with; it may import its own layer and those above it here.
LAYERS: list[tuple[str, list[str]]] = [
    ("ground", ["engine", "engine.errors", "engine.vocabulary", "engine.clock", "engine.crash", "engine.settings",
                "engine.tokens", "engine.log", "engine.metrics", "engine.beside", "engine.installed", "engine.garbage",
                "engine.precedence", "engine.core", "engine.said", "engine.whole",
              "engine.languages",
                "engine.domains", "engine.spans"]),
    ("pure", ["engine.graph", "engine.expressions", "engine.compiler", "engine.render", "engine.inbound",
              "engine.schedule.timing",
              "engine.schedule.draw", "engine.schedule.next_step", "engine.schedule.holidays",
              "engine.schedule.late", "engine.schedule.spread",
              "engine.schedule.counterparts", "engine.schedule.forecast", "engine.schedule.fates",
              "engine.schedule.futures",
              "engine.deliver.attach", "engine.deliver.heading", "engine.deliver.mime",
              "engine.deliver.places", "engine.deliver.relays", "engine.deliver.replies", "engine.deliver.reply_words",
              "engine.deliver.wire", "engine.dkim",
              "engine.posts.addresses", "engine.posts.fates", "engine.posts.sign", "engine.posts.wire", "engine.scoring.rules"]),
    ("memory", ["engine.schema", "engine.writes", "engine.database", "engine.prepared", "engine.claim", "engine.sql",
                "engine.leads", "engine.events", "engine.suppression", "engine.versions", "engine.conditions",
                "engine.installation", "engine.files", "engine.migrations", "engine.pauses", "engine.persist",
                "engine.runtime", "engine.witness"]),
    ("schedule", ["engine.schedule", "engine.leadfile"]),
    ("deliver", ["engine.deliver", "engine.posts"]),
    ("scoring", ["engine.scoring"]),
    ("reactions", ["engine.reactions"]),
    ("advance", ["engine.take", "engine.look", "engine.advance"]),
    ("top", ["engine.processes", "engine.calendar", "engine.simulate", "engine.story", "engine.preview", "engine.doctor",
             "engine.cli", "webhooks"]),
]  # fmt: skip
RANK = {name: rank for rank, (_layer, names) in enumerate(LAYERS) for name in names}
FORBIDDEN_WORDS = {"campaign", "sequence", "drip", "contact", "prospect", "manager", "helper", "helpers", "util", "utils",
                   "common", "misc", "route", "routes", "types", "models"}  # fmt: skip


@cache
def modules() -> dict[str, ast.Module]:
    """{name of a module: its tree}."""
    return {name_of(path): tree for path, tree in trees().items()}


def name_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def test_modules_import_their_own_layer_and_lower_ones_only() -> None:
    upward = [
        f"{module} ({layer_of(module)}) imports {name} ({layer_of(name)})"
        for module, tree in modules().items()
        for name in imported(tree)
        if is_ours(name) and rank(name) > rank(module)
    ]

    assert upward == []


def test_nothing_is_imported_inside_a_function() -> None:
    inside = [
        f"{module}: {ast.unparse(statement)}"
        for module, tree in modules().items()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in ast.walk(function)
        if isinstance(statement, ast.Import | ast.ImportFrom)
    ]

    assert inside == []


def test_modules_are_called_by_names_that_they_have() -> None:
    told = {(module, name) for module, tree in modules().items() for name in NAMED.findall(ast.get_docstring(tree) or "")}

    assert [pair for pair in sorted(told) if pair[1] not in modules() and pair[1].rpartition(".")[0] not in modules()] == []


NAMED = re.compile(r"`((?:engine|webhooks)(?:\.\w+)+)`")


def test_module_names_use_the_words_of_the_product() -> None:
    assert [module for module in modules() if FORBIDDEN_WORDS & set(re.split(r"[._]", module))] == []


def test_only_settings_reads_the_environment() -> None:
    assert using("os.environ", "os.getenv", "os.environb") <= {"engine.settings"}


def test_only_the_clock_asks_the_machine_for_the_date() -> None:
    asking = using("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns")

    assert asking == {"engine.clock"}


def test_only_one_module_opens_smtp() -> None:
    openers = {module for module, tree in modules().items() if {"aiosmtplib", "smtplib"} & top_names(imported(tree))}

    # The demo's recipients write from mail programs of their own, to our listener on this machine.
    assert openers - {"engine.simulate.over_wire"} == {"engine.deliver.connect"}


def test_only_one_module_opens_connections_to_other_systems() -> None:
    openers = {
        module for module, tree in modules().items() if {"http.client", "urllib.request", "requests", "httpx"} & {*imported(tree)}
    }

    assert openers - {"engine.simulate.over_wire", "engine.simulate.shop"} == {"engine.posts.http"}


def test_pure_modules_know_no_database() -> None:
    pure = [module for module in modules() if layer_of(module) == "pure"]
    connected = [module for module in pure if {"alembic", "psycopg", "sqlite3"} & top_names(imported(modules()[module]))]

    assert pure
    assert connected == []


@pytest.mark.parametrize("command", ["check", "init", "render", "schema"])
def test_a_command_that_asks_no_database_does_not_wait_for_its_library(command: str) -> None:
    libraries = reached_from(f"engine.cli.{command}", "engine.cli.main")

    assert "click" in libraries
    assert "sqlalchemy" not in libraries


def test_the_process_that_renders_loads_little_and_nothing_that_knows_a_secret() -> None:
    libraries = reached_from("engine.render.behind")

    assert "jinja2" in libraries
    assert libraries.isdisjoint({"cryptography", "pydantic", "sqlalchemy", "yaml"})


def reached_from(*begun: str) -> set[str]:
    """The libraries that are loaded with these modules of ours."""
    reached, ahead = set[str](), list(begun)
    while ahead:
        names = {*imported(modules()[ahead.pop()])} - reached
        reached |= names
        ahead += names & modules().keys()
    return top_names(iter(reached))


def rank(module: str) -> int:
    """The layer of a module; a KeyError means that a new module has to be entered in LAYERS."""
    name = module
    while name not in RANK and "." in name:
        name = name.rpartition(".")[0]
        if name == "engine":
            raise KeyError(f"{module} has no layer in tests/test_layers.py")
    return RANK[name]


def layer_of(module: str) -> str:
    return LAYERS[rank(module)][0]


def imported(tree: ast.Module) -> Iterator[str]:
    """Full names of the modules a file imports; `from package import name` counts as the module of that name if it is one."""
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            inner = [f"{statement.module}.{alias.name}" for alias in statement.names]
            yield from (name if name in modules() else statement.module for name in inner)


def using(*dotted: str) -> set[str]:
    """The modules in whose code one of these dotted names stands, however it was imported."""
    endings = tuple(f".{name}" for name in dotted)
    return {module for module, tree in modules().items() if any(f".{name}".endswith(endings) for name in spoken(tree))}


def spoken(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def top_names(modules: Iterator[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def is_ours(module: str) -> bool:
    return module.partition(".")[0] in ("engine", "webhooks")
