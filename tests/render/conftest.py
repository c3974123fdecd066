"""A small workspace of templates, of which each test replaces what it is about, and the values to render with."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.render.artifact import Artifact
from engine.render.context import values_for
from engine.render.library import compile_emails
from engine.render.problems import Problem

BRAND: dict[str, Any] = {
    "name": "Fern & Moss",
    "from": "team",
    "identities": {
        "team": {"name": "Fern", "address": "hello@fern.example"},
        "ada": {"name": "Ada at Fern", "address": "ada@fern.example"},
    },
    "postal_address": ["1 Lane", "Bristol"],
    "site": "https://fern.example",
    "colours": {"primary": "#0B6B5F"},
}
LAYOUT = """<mjml>
  <mj-head><mj-title>{{ brand.name }}</mj-title><mj-preview>{{ preheader }}</mj-preview></mj-head>
  <mj-body>
    <!-- body -->
    <mj-section><mj-column>
      <mj-text><a href="{{ unsubscribe_url }}">Unsubscribe</a> {{ brand.postal_address | join(", ") }}</mj-text>
    </mj-column></mj-section>
  </mj-body>
</mjml>
"""
EMAIL = 'subject: "Hello"\npreheader: "Inside: one idea."\nstream: marketing\n'

Compile = Callable[..., tuple[Artifact | None, list[str]]]


def text_body(words: str) -> str:
    """A body that is one paragraph of text."""
    return f"<mj-section><mj-column><mj-text>{words}</mj-text></mj-column></mj-section>"


def told(problem: Problem) -> str:
    return f"{problem.file}:{problem.line}:{problem.column}: {problem.message}"


@pytest.fixture
def compile_email(tmp_path: Path) -> Compile:
    """Compiles one email, `welcome`, from a body and whatever other files the test gives by their path below templates/."""

    def compile_one(body: str, files: Mapping[str, str] | None = None, **options: Any) -> tuple[Artifact | None, list[str]]:
        written = {"emails/welcome/email.yaml": EMAIL, "emails/welcome/body.mjml": body, "layouts/default.mjml": LAYOUT}
        for name, text in {**written, **(files or {})}.items():
            path = tmp_path / "templates" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        editions, problems = compile_emails(tmp_path, {"fern": BRAND}, [("welcome", "fern")], **options)
        edition = editions.get(("welcome", "fern"))
        return edition.plain if edition else None, [told(problem) for problem in problems]

    return compile_one


def make_values(**values: Any) -> dict[str, Any]:
    """Values for one person; override what the test is about."""
    usual: dict[str, Any] = {
        "lead": {"key": "k", "email": "ada@example.com", "first_name": "Ada", "company": None},
        "brand": BRAND,
        "track": "https://t.example",
        "token": "TOKEN",
        "seal": lambda url: "SEALED",
        "unsubscribe_url": "https://t.example/u/TOKEN",
        "web_url": "https://t.example/w/TOKEN",
        "rep": {"name": "Dana", "email": "dana@fern.example", "phone": "1"},
    }
    return values_for(**{**usual, **values})


@pytest.fixture
def values() -> Callable[..., dict[str, Any]]:
    return make_values
