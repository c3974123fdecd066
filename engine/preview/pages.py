"""The pages of the preview: one list, and one page for each mail. They need no server, and no script to be read.

Before: `engine.preview.mails` wrote the mails. After: `engine.preview.app` serves the pages, `engine.preview.folder` writes them
as files. A mail's HTML stands in frames that run no script, whose links lead nowhere, and which load pictures and fonts only.
"""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from engine.compiler.diagnostics import TABLE
from engine.preview.mails import HEAD, Mail, Written
from engine.preview.watch import Shown

PARTS = Path(__file__).parent / "parts"
BESIDE = ("preview.css", "preview.js")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src http: https: data:; font-src http: https:; "
    "connect-src 'self'; frame-src 'none'; base-uri 'none'; form-action 'none'"
)
CLIPPED_FROM = 102 * 1024  # bytes of HTML, from which Gmail shows the beginning only
INERT = '<base target="_blank">'  # a frame that may not open windows does not follow these links


def index_page(shown: Shown, *, live: bool = False) -> str:
    """`live`: served by us, and to be kept as the files are."""
    return page("index.html", shown, live=live, mail=None)


def mail_page(mail: Mail, shown: Shown, *, live: bool = False) -> str:
    return page("mail.html", shown, live=live, mail=mail)


def page(template: str, shown: Shown, *, live: bool, mail: Mail | None) -> str:
    return PAGES.get_template(template).render(
        shown=shown,
        mails=list(shown.mails.values()),
        mail=mail,
        live=live,
        policy=POLICY,
        advice=TABLE,
        clipped_from=CLIPPED_FROM,
        frame=in_a_frame,
    )


def in_a_frame(written: Written) -> str:
    """The mail's HTML with links that lead nowhere."""
    head = HEAD.search(written.html)
    return written.html[: head.end()] + INERT + written.html[head.end() :] if head else INERT + written.html


def kilobytes(size: int) -> str:
    return f"{size / 1024:.1f} KB"


PAGES = Environment(
    loader=FileSystemLoader(PARTS), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
PAGES.filters["kilobytes"] = kilobytes
