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
ICON = "icon-align icon-width icon-height icon-wrapped-url icon-wrapped-alt icon-unwrapped-url icon-unwrapped-alt icon-position"
HAMBURGER = "align open close color font-size font-family text-transform text-decoration line-height"
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
        "mj-font": "name href",
        "mj-section": f"{BACKGROUND} {BORDER} {PADDING} direction full-width text-align text-padding",
        "mj-wrapper": f"{BACKGROUND} {BORDER} {PADDING} direction full-width text-align text-padding gap",
        "mj-column": f"{BORDER} {INNER} {PADDING} background-color direction vertical-align width",
        "mj-group": "background-color direction vertical-align width",
        "mj-text": f"{FONT} {PADDING} {BEHIND} align background-color height vertical-align",
        "mj-button": f"{FONT} {BORDER} {PADDING} {BEHIND} {LINK} align background-color height inner-padding text-align"
        " vertical-align width",
        "mj-image": f"{BORDER} {PADDING} {BEHIND} {LINK} align alt fluid-on-mobile font-size height max-height sizes src srcset"
        " usemap width",
        "mj-table": f"{FONT} {PADDING} {BEHIND} align border cellpadding cellspacing role table-layout vertical-align width",
        "mj-divider": f"{PADDING} {BEHIND} align border-color border-style border-width width",
        "mj-spacer": f"{PADDING} {BORDER} {BEHIND} height",
        "mj-social": f"{FONT} {PADDING} {BEHIND} align border-radius icon-height icon-padding icon-size inner-padding mode"
        " table-layout text-padding vertical-align",
        "mj-social-element": f"{FONT} {PADDING} {LINK} align alt background-color border-radius icon-height icon-padding"
        " icon-position icon-size sizes src srcset text-padding vertical-align",
        "mj-hero": f"{BACKGROUND} {PADDING} {BEHIND} background-height background-width border-radius height"
        " inner-background-color inner-padding inner-padding-top inner-padding-right inner-padding-bottom inner-padding-left mode"
        " vertical-align width",
        "mj-navbar": " ".join(f"ico-{name}" for name in f"{HAMBURGER} {PADDING}".split())
        + f" {PADDING} align base-url hamburger",
        "mj-navbar-link": f"{FONT} {PADDING} {LINK}",
        "mj-accordion": f"{PADDING} {BEHIND} {ICON} border font-family",
        "mj-accordion-element": f"{ICON} background-color border font-family",
        "mj-accordion-title": f"{FONT} {PADDING} background-color",
        "mj-accordion-text": f"{FONT} {PADDING} background-color",
        "mj-carousel": f"{PADDING} {BEHIND} align border-radius icon-width left-icon right-icon thumbnails tb-border"
        " tb-border-radius tb-hover-border-color tb-selected-border-color tb-width",
        "mj-carousel-image": f"{LINK} alt border-radius src tb-border tb-border-radius thumbnails-src",
        "mj-raw": "",
    }.items()
}
IN_COLUMN = frozenset(
    {
        "mj-text",
        "mj-button",
        "mj-image",
        "mj-table",
        "mj-divider",
        "mj-spacer",
        "mj-social",
        "mj-raw",
        "mj-navbar",
        "mj-accordion",
        "mj-carousel",
    }
)
CHILDREN: Mapping[str, frozenset[str]] = {
    "": frozenset({"mjml"}),
    "mjml": frozenset({"mj-head", "mj-body"}),
    "mj-head": frozenset({"mj-title", "mj-preview", "mj-breakpoint", "mj-style", "mj-attributes", "mj-font", "mj-raw"}),
    "mj-body": frozenset({"mj-section", "mj-wrapper", "mj-hero", "mj-raw"}),
    "mj-wrapper": frozenset({"mj-section", "mj-hero", "mj-raw"}),
    "mj-section": frozenset({"mj-column", "mj-group", "mj-raw"}),
    "mj-group": frozenset({"mj-column", "mj-raw"}),
    "mj-column": IN_COLUMN,
    "mj-hero": IN_COLUMN,
    "mj-social": frozenset({"mj-social-element", "mj-raw"}),
    "mj-navbar": frozenset({"mj-navbar-link", "mj-raw"}),
    "mj-accordion": frozenset({"mj-accordion-element", "mj-raw"}),
    "mj-accordion-element": frozenset({"mj-accordion-title", "mj-accordion-text", "mj-raw"}),
    "mj-carousel": frozenset({"mj-carousel-image"}),
}
MEASURED = frozenset({"width", "height", "font-size"})
# What holds HTML and no more MJML. The rest of the tags above hold nothing but other tags.
HOLDS_HTML = frozenset(
    {
        "mj-text",
        "mj-button",
        "mj-table",
        "mj-social-element",
        "mj-raw",
        "mj-navbar-link",
        "mj-accordion-title",
        "mj-accordion-text",
    }
)
# Between what is in these, a statement stays where it is; other tags of MJML share out widths, or would drop it.
KEEPS_STATEMENTS = frozenset({"mj-body", "mj-wrapper", "mj-column", "mj-hero"})
HOLDS_TEXT = frozenset({"mj-title", "mj-preview", "mj-style"})
REFUSED: Mapping[str, str] = {
    "mj-html-attributes": "it is not read here; write the attribute where it belongs",
    "mj-container": "it is of MJML 3; put what is in it directly into <mj-body>",
    "mj-list": "it is of MJML 3; write <ul> and <li> in <mj-text>",
    "mj-html": "it is of MJML 3; write <mj-raw>",
    "mj-inline-links": "it is of MJML 3; write <mj-navbar> with <mj-navbar-link>",
    "mj-link": "it is of MJML 3; write <mj-navbar-link>",
}
# What is compiled, but looks another way in many mail programs.
NOT_EVERYWHERE: Mapping[str, str] = {
    "mj-font": "Apple Mail and a few others load a font; the rest show the next of font-family, so name one there",
    "mj-carousel": "Outlook and Gmail's apps show its pictures one under another, or only the first; use <mj-image>",
    "mj-accordion": "Outlook and Gmail show all of it, open; use <mj-text>",
    "mj-navbar": "only Apple Mail folds it into a menu; the rest show a row of words, as do links in <mj-text>",
}
REFUSED_HTML = frozenset(
    {"script", "iframe", "object", "embed", "form", "input", "button", "select", "textarea", "base", "link", "meta"}
)
# But for a <meta> of these names, by which a mail says that it has dark styles.
SCHEME_METAS = frozenset({"color-scheme", "supported-color-schemes"})
# Where a value of the recipient's may stand inside a tag, whatever it is; elsewhere it lays the mail out.
LIVE_ATTRIBUTES = frozenset({"href", "src", "alt", "title", "background-url", "aria-label"})
