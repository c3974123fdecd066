"""MJML to HTML, once for each version of an email.

Before: `engine.render.links` has tracked the links; tokens are stand-ins. After: HTML with the same stand-ins, its inline styles
in place. Nothing is loaded from anywhere: no fonts, no includes, no style sheets.
"""

import re

import css_inline
from mjml import mjml2html

from engine.render.held import HELD, Document, Held
from engine.render.links import Edit, apply_edits
from engine.render.problems import Problems, Unusable
from engine.render.tags import Element

INLINE_STYLE = re.compile(r"<mj-style\s[^>]*inline=\"inline\"[^>]*>(.*?)</mj-style>", re.DOTALL)
POSITION = re.compile(r"position (\d+):(\d+)")
BODY_END = re.compile(r"</body>", re.IGNORECASE)
PIXEL = '<img src="{{ track }}/o/{{ token }}" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0;" />'
# Whether a stand-in is between tags, where a comment can stand, or inside one.
TAG_OR_HELD = re.compile(r"<[^>]*>|" + HELD.pattern)
# An author's own comments, which are not for the reader. Those that speak to Outlook stay.
NOTES = re.compile(r"<!--(?!\[if|<!\[endif|>).*?-->", re.DOTALL)
LEFT_ALONE = ' data-css-inline="ignore"'
COMMENT = re.compile(r"<!--(zqj\d+jqz)-->")


def to_html(tree: Element, document: Document, held: Held, problems: Problems) -> str:
    """The document as HTML, still with stand-ins. Raises Unusable for MJML that mrml refuses, which is then reported."""
    safe = printable_attributes(tree, document)
    styles = "\n".join(INLINE_STYLE.findall(safe.text))
    html = NOTES.sub("", convert(Document(INLINE_STYLE.sub("", safe.text), safe.offsets, safe.places), problems))
    return inline_styles(html, styles, held) if styles else html


def convert(document: Document, problems: Problems) -> str:
    try:
        return mjml2html(document.text, fonts={})
    except ValueError as error:
        message = str(error)
        found = POSITION.search(message)
        offset = len(document.text.encode()[: int(found[1])].decode(errors="ignore")) if found else 0
        problems.add(document.at(offset), f"this is not MJML: {POSITION.sub('this place', message)}")
        raise Unusable from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # mrml's own failure, which Rust keeps outside of Exception
            raise
        problems.add(document.at(0), "MJML cannot read this email; look for an odd character in a tag")
        raise Unusable from error


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
    return f"<!--{stand_in}-->" if number and held.token(number[1]).startswith("{%") else stand_in


def with_pixel(html: str) -> str:
    """The HTML with the picture that tells of an opening, as the last thing in its body."""
    return BODY_END.sub(PIXEL + "</body>", html, count=1)
