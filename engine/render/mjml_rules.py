"""What MJML knows: its tags, what may stand in each, and the attributes each takes.

Written from the MJML 4 reference, for the tags that our layouts and blocks can hold. `engine.render.lint` checks documents by it,
because mrml passes unknown tags on as HTML and drops unknown attributes, both in silence.
"""

from collections.abc import Mapping

PADDING = "padding padding-top padding-right padding-bottom padding-left"
BORDER = "border border-top border-right border-bottom border-left border-radius"
INNER = " ".join(f"inner-{name}" for name in f"background-color {BORDER}".split())
FONT = "color font-family font-size font-style font-weight letter-spacing line-height text-decoration text-transform"
IMAGE = "background-url background-repeat background-size background-position background-position-x background-position-y"
BACKGROUND = f"background-color {IMAGE}"
BEHIND = "container-background-color"
LINK = "href name rel target title"
EVERYWHERE = frozenset({"css-class", "mj-class"})

ATTRIBUTES: Mapping[str, frozenset[str]] = {
    tag: frozenset(words.split()) | EVERYWHERE
    for tag, words in {
        "mjml": "lang dir owa",
        "mj-head": "",
        "mj-body": "background-color width lang dir id",
        "mj-title": "",
        "mj-preview": "",
        "mj-breakpoint": "width",
        "mj-style": "inline",
        "mj-attributes": "",
        "mj-section": f"{BACKGROUND} {BORDER} {PADDING} direction full-width text-align",
        "mj-wrapper": f"{BACKGROUND} {BORDER} {PADDING} direction full-width text-align gap",
        "mj-column": f"{BORDER} {INNER} {PADDING} background-color direction vertical-align width",
        "mj-group": "background-color direction vertical-align width",
        "mj-text": f"{FONT} {PADDING} {BEHIND} align height vertical-align",
        "mj-button": f"{FONT} {BORDER} {PADDING} {BEHIND} {LINK} align background-color height inner-padding text-align"
        " vertical-align width",
        "mj-image": f"{BORDER} {PADDING} {BEHIND} {LINK} align alt fluid-on-mobile font-size height max-height sizes src srcset"
        " usemap width",
        "mj-table": f"{FONT} {PADDING} {BEHIND} align border cellpadding cellspacing role table-layout width",
        "mj-divider": f"{PADDING} {BEHIND} align border-color border-style border-width width",
        "mj-spacer": f"{PADDING} {BEHIND} height",
        "mj-social": f"{FONT} {PADDING} {BEHIND} align border-radius icon-height icon-padding icon-size inner-padding mode"
        " table-layout text-padding",
        "mj-social-element": f"{FONT} {PADDING} {LINK} align alt background-color border-radius icon-height icon-padding"
        " icon-position icon-size sizes src srcset text-padding vertical-align",
        "mj-hero": f"{BACKGROUND} {PADDING} {BEHIND} background-height background-width border-radius height"
        " inner-background-color inner-padding mode vertical-align width",
        "mj-raw": "position",
    }.items()
}
IN_COLUMN = frozenset({"mj-text", "mj-button", "mj-image", "mj-table", "mj-divider", "mj-spacer", "mj-social", "mj-raw"})
CHILDREN: Mapping[str, frozenset[str]] = {
    "": frozenset({"mjml"}),
    "mjml": frozenset({"mj-head", "mj-body"}),
    "mj-head": frozenset({"mj-title", "mj-preview", "mj-breakpoint", "mj-style", "mj-attributes", "mj-raw"}),
    "mj-body": frozenset({"mj-section", "mj-wrapper", "mj-hero", "mj-raw"}),
    "mj-wrapper": frozenset({"mj-section", "mj-hero", "mj-raw"}),
    "mj-section": frozenset({"mj-column", "mj-group", "mj-raw"}),
    "mj-group": frozenset({"mj-column", "mj-raw"}),
    "mj-column": IN_COLUMN,
    "mj-hero": IN_COLUMN,
    "mj-social": frozenset({"mj-social-element", "mj-raw"}),
}
MEASURED = frozenset({"width", "height", "font-size"})
# What holds HTML and no more MJML. The rest of the tags above hold nothing but other tags.
HOLDS_HTML = frozenset({"mj-text", "mj-button", "mj-table", "mj-social-element", "mj-raw"})
# Between what is in these, a statement stays where it is; other tags of MJML share out widths, or would drop it.
KEEPS_STATEMENTS = frozenset({"mj-body", "mj-wrapper", "mj-column", "mj-hero"})
HOLDS_TEXT = frozenset({"mj-title", "mj-preview", "mj-style"})
REFUSED: Mapping[str, str] = {
    "mj-include": 'use {{ block("…") }} instead, which knows its arguments',
    "mj-font": "fonts are not loaded from other servers; name the ones that mail programs have",
    "mj-html-attributes": "it is not read here; write the attribute where it belongs",
    "mj-carousel": "most mail programs show only its first picture; use mj-image",
    "mj-accordion": "few mail programs can open it; use mj-text",
    "mj-navbar": "most mail programs show it as a row of words; use links in mj-text",
}
REFUSED_HTML = frozenset(
    {"script", "iframe", "object", "embed", "form", "input", "button", "select", "textarea", "base", "link", "meta"}
)
# But for a <meta> of these names, by which a mail says that it has dark styles.
SCHEME_METAS = frozenset({"color-scheme", "supported-color-schemes"})
# Where a value of the recipient's may stand inside a tag, whatever it is; elsewhere it lays the mail out.
LIVE_ATTRIBUTES = frozenset({"href", "src", "alt", "title", "background-url", "aria-label"})
