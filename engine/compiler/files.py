"""Which files a workspace has, and reading each one into what was written.

Before: a folder. After: `engine.compiler.check` compares them. A file that may be missing stands for its defaults.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from engine.compiler.diagnostics import Findings, Place, closest, printable
from engine.compiler.kinds import Unusable, parse_name
from engine.compiler.plan import Window
from engine.compiler.read_brand import read_brand
from engine.compiler.read_cadence import read_cadence
from engine.compiler.read_collateral import read_collateral
from engine.compiler.read_emails import read_emails
from engine.compiler.read_events import read_events
from engine.compiler.read_relays import read_relays
from engine.compiler.read_sales import read_assignment, read_offers, read_scoring
from engine.compiler.read_workspace import NO_WORKSPACE, read_leads, read_segments, read_workspace
from engine.compiler.source import Mapping, Node, read_source
from engine.compiler.syntax import Brand, Cadence, Files

TABLES = (
    "workspace.yaml", "leads.yaml", "events.yaml", "segments.yaml", "scoring.yaml", "assignment.yaml", "offers.yaml",
    "collateral.yaml", "relays.yaml",
)  # fmt: skip

# What makes a table lack a name that is written there, so that nothing is said of those who use it.
MISSPELT = frozenset({"E007", "E010", "E011", "E013", "E014", "E017", "E024", "E033"})


def read_files(folder: Path, findings: Findings) -> Files | None:
    """Everything written in the workspace; None: a file that the others refer to is unreadable (reported)."""
    report_misnamed(folder, findings)
    nodes = {file: read_table(folder, file, findings) for file in TABLES}
    sound = {file: node or Mapping((), Place(file)) for file, node in nodes.items()}
    workspace = read_workspace(nodes["workspace.yaml"], findings) if nodes["workspace.yaml"] else NO_WORKSPACE
    files = Files(
        workspace=workspace,
        leads=read_leads(sound["leads.yaml"], findings),
        events=read_events(sound["events.yaml"], findings),
        segments=read_segments(sound["segments.yaml"], findings),
        scoring=read_scoring(sound["scoring.yaml"], findings),
        assignment=read_assignment(sound["assignment.yaml"], findings),
        offers=read_offers(sound["offers.yaml"], findings),
        collateral=read_collateral(sound["collateral.yaml"], findings),
        relays=read_relays(sound["relays.yaml"], findings),
        brands={brand.name: brand for brand in read_brands(folder, findings)},
        emails=dict(read_emails(folder, findings)),
        cadences=tuple(read_cadences(folder, workspace.window, findings)),
        unsure=frozenset(file for file in TABLES if findings.has_any_of(MISSPELT, file)),
    )
    return files if all(nodes.values()) else None


def read_table(folder: Path, file: str, findings: Findings) -> Node | None:
    """A file at the top; a missing one is an empty mapping, but for workspace.yaml. None: unreadable (reported)."""
    if file != "workspace.yaml" and not os.path.lexists(folder / file):
        return Mapping((), Place(file))
    return read_source(folder, file, findings)


def read_brands(folder: Path, findings: Findings) -> Iterator[Brand]:
    for file, name in named_files(folder, "templates/brands", findings):
        if node := read_source(folder, file, findings):
            yield read_brand(node, name, findings)


def read_cadences(folder: Path, window: Window, findings: Findings) -> Iterator[Cadence]:
    for file, name in named_files(folder, "cadences", findings):
        if node := read_source(folder, file, findings):
            yield read_cadence(node, name, window, findings)


def named_files(folder: Path, inside: str, findings: Findings) -> Iterator[tuple[str, str]]:
    """The YAML files of a folder, whose names are names: the path in the workspace, and the name."""
    for path in sorted((folder / inside).glob("*")):
        if path.suffix not in (".yaml", ".yml") or path.name.startswith("."):
            continue
        file = f"{inside}/{printable(path.name)}"
        if path.suffix == ".yml":
            findings.add("E009", Place(file), "this file is not read, for its name ends in .yml", f"{path.stem}.yaml")
        elif is_usable(path.stem, file, findings):
            yield file, path.stem


def is_usable(name: str, file: str, findings: Findings) -> bool:
    """Whether a file may give its name to something; else it is reported."""
    try:
        return parse_name(printable(name)) == name
    except Unusable as error:
        findings.add("E009", Place(file), str(error))
        return False


def report_misnamed(folder: Path, findings: Findings) -> None:
    """Files at the top whose names are close to those that are read."""
    for path in sorted(folder.glob("*.y*ml")):
        meant = closest(path.name, TABLES)
        if path.name not in TABLES and meant and not (folder / meant).exists():
            findings.add("W006", Place(printable(path.name)), "this file is not read", meant)
