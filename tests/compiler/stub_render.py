"""A stand-in for the render side: an email is its `email.yaml`, and its links are the `name="…"` and `link="…"` in its body."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from engine.compiler.copies import PLAIN
from engine.compiler.sender import Sender
from engine.languages import USUAL
from engine.render.artifact import Artifact, Edition, Link


@dataclass(frozen=True)
class Problem:
    file: str
    line: int
    column: int
    message: str
    code: str = "E030"


def email_names(workspace: Path) -> list[str]:
    return sorted(path.parent.name for path in workspace.glob("templates/emails/*/email.yaml"))


def compile_emails(
    workspace: Path,
    brands: Mapping[str, Mapping[str, object]],
    wanted: Collection[tuple[str, str]],
    known: Mapping[str, Collection[str] | None] | None = None,
    language: str = USUAL,
) -> tuple[dict[tuple[str, str], Edition], list[Problem]]:
    editions, problems = {}, []
    for email, brand in sorted(wanted):
        folder = workspace / "templates" / "emails" / email
        said = read((folder / "email.yaml").read_text())
        body = (folder / "body.mjml").read_text() if (folder / "body.mjml").exists() else said.get("body", "")
        if "<broken" in body:
            problems.append(Problem(f"templates/emails/{email}/body.mjml", 1, 2, "this does not compile"))
            continue
        made = artifact(email, brand, said, body)
        editions[email, brand] = Edition(language=language, shares={}, artifacts={(language, PLAIN): made})
    return editions, problems


@cache
def read(text: str) -> dict[str, str]:
    """Once for each text: tests compile the same emails over and over."""
    said: dict[str, str] = yaml.load(text, yaml.BaseLoader)
    return said


def review_emails(workspace: Path, plan: object, artifacts: object, findings: object) -> None:
    """Nobody reads these."""


def artifact(email: str, brand: str, said: dict[str, str], body: str) -> Artifact:
    return Artifact(
        email=email,
        brand=brand,
        stream="transactional" if said.get("stream") == "transactional" else "marketing",
        sender=Sender(name="", address=""),
        subject=said["subject"],
        preheader="",
        html=body,
        text="",
        links=tuple(Link(name=name, target="") for name in re.findall(r'(?:name|link)="([^"]+)"', body)),
    )
