"""MJML to HTML, once for each version of an email, or once for each person where that cannot be.

Before: `engine.render.links` has tracked the links; tokens are stand-ins. After: HTML with the same stand-ins, its inline styles
in place. Nothing is loaded from anywhere: no fonts, no includes, no style sheets.
"""

import re

import css_inline
from mjml import mjml2html

from engine.render.edits import Edit, apply_edits
from engine.render.held import HELD, Document, Held
from engine.render.problems import Problems, Unusable
from engine.render.tags import Element

INLINE_STYLE = re.compile(r"<mj-style\s[^>]*\binline\s*=\s*[\"']inline[\"'][^>]*>(.*?)</mj-style\s*>", re.DOTALL)
POSITION = re.compile(r"position (\d+):(\d+)")
BODY_END = re.compile(r"</body>", re.IGNORECASE)
PIXEL = '<img src="{}" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0;" />'
# Whether a stand-in is between tags, where a comment can stand, or inside one.
TAG_OR_HELD = re.compile(r"<[^>]*>|" + HELD.pattern)
# An author's own comments, which are not for the reader. Those that speak to Outlook stay.
NOTES = re.compile(r"<!--(?!\[if|<!\[endif|>).*?-->", re.DOTALL)
LEFT_ALONE = ' data-css-inline="ignore"'
COMMENT = re.compile(r"<!--(zqj\d+jqz)-->")


def html_of(mjml: str, held: Held) -> str:
    """The HTML, still with stand-ins and without a pixel. Raises ValueError for MJML that mrml refuses."""
    styles = "\n".join(INLINE_STYLE.findall(mjml))
    html = NOTES.sub("", run_mrml(INLINE_STYLE.sub("", mjml) if styles else mjml))
    return inline_styles(html, styles, held) if styles else html


def check_mjml(document: Document, problems: Problems) -> None:
    """Report what mrml refuses. Raises Unusable then."""
    try:
        run_mrml(document.text)
    except ValueError as error:
        message = str(error)
        found = POSITION.search(message)
        offset = len(document.text.encode()[: int(found[1])].decode(errors="ignore")) if found else 0
        problems.add(document.at(offset), f"this is not MJML: {POSITION.sub('this place', message)}")
        raise Unusable from error


def run_mrml(mjml: str) -> str:
    try:
        return mjml2html(mjml, fonts={})
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # mrml's own failure, which Rust keeps outside of Exception
            raise
        raise ValueError("it cannot be read; look for an odd character in a tag") from error


def printable_attributes(tree: Element, document: Document) -> Document:
    """Rare characters in attributes as entities: mrml would print them in Rust's escapes, and quotes with a backslash."""
    edits = [
        Edit(attribute.value_start, attribute.value_start + len(attribute.value), as_entities(attribute.value))
        for element in tree.walk()
        for attribute in element.attributes.values()
        if as_entities(attribute.value) != attribute.value
    ]
    titles = [element for element in tree.walk() if element.tag in ("mj-title", "mj-preview")]
    edits += [edit for title in titles if (edit := edit_of_title(title, document))]
    return apply_edits(document, edits)


def as_entities(text: str) -> str:
    return re.sub(r"[^ !#-\[\]-~]", lambda found: f"&#{ord(found[0])};", text)


def edit_of_title(title: Element, document: Document) -> Edit | None:
    """A title is printed as an attribute too."""
    words = "".join(child for child in title.children if isinstance(child, str))
    start = document.text.find(words, title.start)
    return Edit(start, start + len(words), as_entities(words)) if words and start >= 0 else None


def inline_styles(html: str, styles: str, held: Held) -> str:
    """The HTML with these styles on the elements they match.

    Between tags a token travels as a comment, since a table throws out text that is not in a cell. If the tokens come back in
    another order, the styles stay in a `<style>` instead: a loop must not be moved.
    """
    guarded = TAG_OR_HELD.sub(lambda found: found[0] if found[0][0] == "<" else as_comment(found[0], held), html)
    inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True, keep_style_tags=True, extra_css=styles)
    only_ours = inliner.inline(guarded.replace("<style", f"<style{LEFT_ALONE}")).replace(LEFT_ALONE, "")
    inlined = COMMENT.sub(r"\1", only_ours)
    if HELD.findall(inlined) == HELD.findall(html):
        return inlined
    return html.replace("</head>", f'<style type="text/css">{styles}</style></head>', 1)


def as_comment(stand_in: str, held: Held) -> str:
    number = HELD.fullmatch(stand_in)
    return f"<!--{stand_in}-->" if number and held.is_statement(number[1]) else stand_in


def with_pixel(html: str, address: str) -> str:
    """The HTML with the picture that tells of an opening, as the last thing in its body."""
    return BODY_END.sub(lambda end: PIXEL.format(address) + end[0], html, count=1)
