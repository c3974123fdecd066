"""From an artifact and one person's values to a mail's subject and bodies.

Before: `engine.render.context` builds the values. After: `engine.deliver.mime` puts headers around the parts. There are two
forms of the same: `render` gives text, for previews and pages; `render_wire` gives quoted-printable, of which all that is
fixed was encoded when the artifact was first met. Decoded, they are equal, and a test holds them to it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError, nodes
from markupsafe import Markup, escape

from engine.errors import RenderError
from engine.render.artifact import Artifact
from engine.render.quoted import quote_piece
from engine.render.sandbox import Sandbox, checked_url, make_sandbox, printed

LARGEST_OUTPUT = 512 * 1024
LONGEST_SUBJECT = 300
COMPILED = 512  # artifacts held ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A mail's subject and bodies as text. Line ends are newlines."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WireParts:
    """A mail's subject as text, and its bodies in quoted-printable with CRLF line ends, ready to stand in a message."""

    subject: str
    text_qp: bytes
    html_qp: bytes


@dataclass(frozen=True, slots=True)
class Templates:
    """An artifact's three templates, compiled."""

    subject: Template
    html: Template
    text: Template


def render(artifact: Artifact, values: Mapping[str, Any]) -> Rendered:
    """The mail for one person. Raises RenderError, and then there is no part of it.

    `values` is what `engine.render.context.values_for` builds; its `seal` makes a personal link's address unreadable.
    """
    with_seal = sealing(values)
    templates = plain_templates(artifact)
    return Rendered(
        subject=subject_of(artifact, templates, with_seal),
        html=fill(templates.html, with_seal, artifact),
        text=fill(templates.text, with_seal, artifact),
    )


def render_wire(artifact: Artifact, values: Mapping[str, Any]) -> WireParts:
    """The same as `render` in the form in which it is sent: faster, since only the values are encoded. Raises RenderError."""
    with_seal = sealing(values)
    templates = wire_templates(artifact)
    return WireParts(
        subject=subject_of(artifact, templates, with_seal),
        text_qp=fill(templates.text, with_seal, artifact).encode("ascii"),
        html_qp=fill(templates.html, with_seal, artifact).encode("ascii"),
    )


def sealing(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with a `seal` that seals nothing but web addresses, and what else a template may call."""
    seal: Callable[[str], str] = values["seal"]

    def seal_checked(address: object) -> str:
        return seal(checked_url(address))

    return {**values, "seal": seal_checked, "checked_url": checked_url}


def subject_of(artifact: Artifact, templates: Templates, values: dict[str, Any]) -> str:
    """The subject on one line: a value's line end must not begin a header."""
    return " ".join(fill(templates.subject, values, artifact).split())[:LONGEST_SUBJECT]


def fill(template: Template, values: dict[str, Any], artifact: Artifact) -> str:
    """The template with the values in it. Raises RenderError naming the email."""
    try:
        text = "".join(template.root_render_func(template.new_context(values, shared=True)))
    except (RenderError, TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise RenderError(f'the email "{artifact.email}" cannot be written for this person: {error}') from error
    if len(text) > LARGEST_OUTPUT:
        raise RenderError(f'the email "{artifact.email}" is larger than {LARGEST_OUTPUT // 1024} KB for this person')
    return text


@lru_cache(COMPILED)
def plain_templates(artifact: Artifact) -> Templates:
    return Templates(
        subject=PLAIN_TEXT.from_string(artifact.subject),
        html=PLAIN_HTML.from_string(artifact.html),
        text=PLAIN_TEXT.from_string(artifact.text),
    )


@lru_cache(COMPILED)
def wire_templates(artifact: Artifact) -> Templates:
    return Templates(
        subject=PLAIN_TEXT.from_string(artifact.subject),
        html=quoted_template(WIRE_HTML, artifact.html),
        text=quoted_template(WIRE_TEXT, artifact.text),
    )


def quoted_template(sandbox: Sandbox, source: str) -> Template:
    """A template whose fixed text is already quoted-printable, and whose `finalize` makes the values so."""
    tree = sandbox.parse(source)
    for data in tree.find_all(nodes.TemplateData):
        data.data = quote_piece(data.data)
    return sandbox.from_string(tree)


def quoted_html(value: Any) -> Markup:
    return Markup(quote_piece(value if type(value) is Markup else escape(printed(value))))


def quoted_text(value: Any) -> str:
    return quote_piece(printed(value))


PLAIN_HTML = make_sandbox(autoescape=True, finalize=printed)
PLAIN_TEXT = make_sandbox(autoescape=False, finalize=printed)
WIRE_HTML = make_sandbox(autoescape=True, finalize=quoted_html)
WIRE_TEXT = make_sandbox(autoescape=False, finalize=quoted_text)
