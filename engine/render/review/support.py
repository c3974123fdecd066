"""What Gmail or Outlook for Windows do not show, with where that is known from.

Before: `engine.render.review.mail`. After: `engine.render.review.rules` has it in its table. The facts are of the tests that
https://www.caniemail.com publishes, a page each: `<site>/features/<source>/`.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from engine.render.review.mail import Finding, Home, Mail

MOST_STYLE = 16 * 1024
GMAIL, OUTLOOK, BOTH = "Gmail", "Outlook for Windows", "Gmail and Outlook for Windows"


class Gap(NamedTuple):
    """Something that is not shown: where it is in a mail's CSS, how it is called, who lacks it, and what to do."""

    css: re.Pattern[str]
    what: str
    who: str
    instead: str
    source: str


def css(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


STYLES = (
    Gap(
        css(r"(?<![\w-])position\s*:\s*(?:absolute|fixed|sticky|relative)"),
        "position",
        BOTH,
        "use columns and padding",
        "css-position",
    ),
    Gap(css(r"display\s*:\s*(?:inline-)?flex"), "display: flex", OUTLOOK, "use <mj-column>", "css-display-flex"),
    Gap(css(r"display\s*:\s*(?:inline-)?grid"), "display: grid", BOTH, "use <mj-column>", "css-display-grid"),
    Gap(css(r"@font-face"), "@font-face", BOTH, "name a font that computers have", "css-at-font-face"),
    Gap(css(r"\bvar\(\s*--"), "var(--…)", BOTH, "write the value itself", "css-variables"),
    Gap(css(r"@import"), "@import", BOTH, "write the styles into the layout", "css-at-import"),
)
TAGS = {
    "video": Gap(css(""), "<video>", BOTH, "use a picture that links to it", "html-video"),
    "audio": Gap(css(""), "<audio>", BOTH, "use a picture that links to it", "html-audio"),
    "svg": Gap(css(""), "<svg>", BOTH, "use a PNG", "html-svg"),
    "form": Gap(css(""), "<form>", BOTH, "link to a page that has the form", "html-form"),
}
PICTURES = (
    Gap(
        css(r"^data:"),
        "a picture inside its address (data:)",
        f"{GMAIL} on iPhones, and {OUTLOOK}",
        "put it on your site",
        "image-base64",
    ),
    Gap(css(r"\.svg(?:[?#]|$)"), "an SVG picture", BOTH, "use a PNG", "image-svg"),
    Gap(css(r"\.webp(?:[?#]|$)"), "a WebP picture", OUTLOOK, "use a JPEG or PNG", "image-webp"),
)


def not_shown(mail: Mail) -> Iterator[Finding]:
    page = mail.page
    for gap in STYLES:
        if found := gap.css.search(page.css):
            yield finding(gap, found[0])
    for tag in sorted(TAGS.keys() & page.tags):
        yield finding(TAGS[tag], f"<{tag}")
    for picture in page.pictures:
        for gap in PICTURES:
            if gap.css.search(picture.src):
                yield finding(gap, picture.src[:80])


def too_much_style(mail: Mail) -> Iterator[Finding]:
    """Gmail throws all style sheets away from a certain size on (html-style)."""
    if (size := len(mail.page.sheets.encode())) > MOST_STYLE:
        told = (
            f"the style sheets come to {size // 1024} KB; {GMAIL} ignores them from 16 KB on; put styles on the tags themselves"
        )
        yield Finding("W045", told, ("<mj-style",), Home.LAYOUT)


def no_ground_behind_picture(mail: Mail) -> Iterator[Finding]:
    """Outlook shows no background picture, so text on one needs a colour behind it as well (css-background-image)."""
    for run in mail.page.runs:
        if run.look.paper is None:
            told = (
                f'"{run.text[:40]}" stands on a picture alone, which {OUTLOOK} does not show; give it a background-color as well'
            )
            yield Finding("W045", told, (run.text, "background-url"))
            return


def finding(gap: Gap, near: str) -> Finding:
    return Finding("W045", f"{gap.what} is not shown by {gap.who}; {gap.instead}", (near,))
