"""From an artifact and one person's values to a mail's subject and bodies.

Before: `engine.render.context` builds the values. After: `engine.deliver.mime` puts headers around the parts. There are two
forms of the same: `render` gives text, for previews and pages; `render_wire` gives quoted-printable, of which all that is
fixed was encoded when the artifact was first met. Decoded, they are equal, and a test holds them to it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError, UndefinedError, nodes
from markupsafe import Markup, escape

from engine.errors import RenderError
from engine.render.afresh import compile_afresh, html_afresh
from engine.render.form import Form
from engine.render.manner import in_manner
from engine.render.quoted import quote_piece
from engine.render.sandbox import LaidOut, Sandbox, Tool, checked_url, laid_out, make_sandbox, measure, pixels, printed, spoken

LARGEST_OUTPUT = 512 * 1024
LONGEST_SUBJECT = 300
COMPILED = 512  # artifacts held ready
# What begins every tracked address is the same all through a mail: one value, encoded once for the mail.
STEMS = ("click", "personal", "open")
AS_THEY_ARE = (Markup, LaidOut)
TOOLS = {"checked_url": Tool(checked_url), "laid_out": Tool(laid_out), "measure": Tool(measure), "pixels": Tool(pixels)}
QUOTED = re.compile(r"'([^']*)'")
BARE = re.compile(r"[ !#-%(-;=?-~]*")  # printable ASCII without HTML's own characters


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
    """An artifact's three templates, compiled, and those of `STEMS` that they print."""

    subject: Template
    html: Template
    text: Template
    stems: tuple[str, ...] = ()


def render(artifact: Form, values: Mapping[str, Any]) -> Rendered:
    """The mail for one person. Raises RenderError, and then there is no part of it.

    `values` is what `engine.render.context.values_for` builds; its `seal` makes a personal link's address unreadable.
    """
    subject, html, text = fill(compiled(plain_templates, artifact), with_checks(values), artifact)
    return Rendered(subject=one_line(subject), html=html, text=text)


def render_wire(artifact: Form, values: Mapping[str, Any]) -> WireParts:
    """The same as `render` in the form in which it is sent: what is fixed is not encoded again. Raises RenderError."""
    templates = compiled(wire_templates, artifact)
    subject, html, text = fill(templates, with_checks(values) | stems_of(values, templates.stems), artifact)
    html_qp = quote_piece(html) if artifact.is_mjml else html
    return WireParts(subject=one_line(subject), text_qp=text.encode("ascii"), html_qp=html_qp.encode("ascii"))


def compiled(how: Callable[[Form], Templates], artifact: Form) -> Templates:
    """Raises RenderError for an artifact of which no template can be made: one that our compiler did not make."""
    try:
        return how(artifact)
    except (TemplateError, SyntaxError, RecursionError, MemoryError) as error:
        raise RenderError(f'the email "{artifact.email}" cannot be written: {error}') from error


def with_checks(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with a `seal` that seals nothing but web addresses, and what else a template may call."""
    seal: Callable[[str], str] = values["seal"]

    def seal_checked(address: object) -> str:
        return seal(checked_url(address))

    return {**values, "seal": Tool(seal_checked), **TOOLS}


class Ready(str):
    """Text that is quoted-printable already."""


def stems_of(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    track, token = values["track"], values["token"]
    return {f"{name}_stem": Ready(quote_piece(f"{track}/{name[0]}/{token}")) for name in names}


def fill(templates: Templates, values: dict[str, Any], artifact: Form) -> list[str]:
    """Subject, HTML and text with the values in them. Raises RenderError naming the email."""
    context = templates.html.new_context(values, shared=True)
    try:
        with in_manner(artifact.manner):
            filled = ["".join(template.root_render_func(context)) for template in (templates.subject, templates.text)]
            if artifact.is_mjml:
                filled.insert(1, html_afresh(templates.html, values, escaped))
            else:
                filled.insert(1, "".join(templates.html.root_render_func(context)))
    except Exception as error:  # a filter may raise anything over a value that it was not made for
        raise RenderError(
            f'the email "{artifact.email}" cannot be written for this person: {in_words(error, artifact)}'
        ) from error
    if max(map(len, filled)) > LARGEST_OUTPUT:
        raise RenderError(f'the email "{artifact.email}" is larger than {LARGEST_OUTPUT // 1024} KB for this person')
    return filled


def in_words(error: Exception, artifact: Form) -> str:
    """Python's own messages may hold a person's data, ours and Jinja's do not, unless a value names what is not there."""
    match error:
        case UndefinedError() if not is_written_in(artifact, str(error)):
            return "a value names something that is not there"
        case RenderError() | TemplateError():
            return str(error)
        case MemoryError():
            return "it takes more memory than a mail may"
    return f"a value does not fit ({type(error).__name__})"


def is_written_in(artifact: Form, said: str) -> bool:
    """Whether the name that Jinja quotes last stands in a template."""
    written = artifact.subject + artifact.html + artifact.text
    return all(name in written for name in QUOTED.findall(said)[-1:])


def one_line(subject: str) -> str:
    """A value's line end must not begin a header."""
    return " ".join(subject.split())[:LONGEST_SUBJECT].rstrip()


@lru_cache(COMPILED)
def plain_templates(artifact: Form) -> Templates:
    return Templates(
        subject=PLAIN_TEXT.from_string(artifact.subject),
        html=compile_afresh(artifact.html) if artifact.is_mjml else PLAIN_HTML.from_string(artifact.html),
        text=PLAIN_TEXT.from_string(artifact.text),
    )


@lru_cache(COMPILED)
def wire_templates(artifact: Form) -> Templates:
    return Templates(
        subject=PLAIN_TEXT.from_string(artifact.subject),
        html=compile_afresh(artifact.html) if artifact.is_mjml else quoted_template(WIRE_HTML, artifact.html),
        text=quoted_template(WIRE_TEXT, artifact.text),
        stems=tuple(name for name in STEMS if spelt_stem(name) in artifact.html + artifact.text),
    )


def quoted_template(sandbox: Sandbox, source: str) -> Template:
    """A template whose fixed text is already quoted-printable, and whose `finalize` makes the values so."""
    for name in STEMS:
        source = source.replace(spelt_stem(name), f"{{{{ {name}_stem }}}}")
    tree = sandbox.parse(source)
    for data in tree.find_all(nodes.TemplateData):
        data.data = quote_piece(data.data)
    return sandbox.from_string(tree)


def spelt_stem(name: str) -> str:
    """How an artifact spells it."""
    return f"{{{{ track }}}}/{name[0]}/{{{{ token }}}}"


def escaped(value: Any) -> str:
    return value if type(value) in AS_THEY_ARE else escape(spoken(value))


def quoted_html(value: Any) -> str:
    if type(value) is Ready:
        return value
    return quote_piece(value if type(value) is str and BARE.fullmatch(value) else str(escaped(value)))


def quoted_text(value: Any) -> str:
    return value if type(value) is Ready else quote_piece(printed(value))


# Escaping is `finalize`'s work in all four, so that an expression means the same in each, and a value is looked at once.
PLAIN_HTML = make_sandbox(autoescape=False, finalize=escaped)
PLAIN_TEXT = make_sandbox(autoescape=False, finalize=printed)
WIRE_HTML = make_sandbox(autoescape=False, finalize=quoted_html)
WIRE_TEXT = make_sandbox(autoescape=False, finalize=quoted_text)
