"""What a person wrote in a reply, without what they quoted below or above it.

Used by `replies`. Cuts at the line with which mail programs begin a quotation, drops `>` lines and the signature. When everything
would go, everything stays: a person who writes between the lines must be heard. Every pattern here is bounded, so that a hostile
text costs no more than a long one.
"""

import re
from html import unescape

LONGEST_KEPT = 20_000
INDENT = r"^[>*_ \t]{0,20}"
QUOTED_HEADER = re.compile(
    INDENT + r"(?:from|von|de|van|da|från|fra|lähettäjä|od|от|发件人|差出人)[*_ ]{0,4}:[^\n]{0,300}\n(?:[^\n]{0,300}\n){0,2}?"
    r"[>*_ \t]{0,20}(?:sent|date|gesendet|datum|envoyé|fecha|enviado|verzonden|inviato|data|skickat|sendt|wysłano|to|an|à|para)"
    r"[*_ ]{0,4}:",
    re.IGNORECASE | re.MULTILINE,
)
WROTE = re.compile(
    INDENT + r"(?:on|am|le|el|il|op|den|em|w dniu|dne|пн|вт|ср|чт|пт|сб|вс)\b[^\n]{0,300}(?:\n[^\n]{1,200})?"
    r"(?:wrote|schrieb|écrit|escribió|scritto|schreef|skrev|escreveu|napisał|napsal|пишет|написал)[^\n]{0,80}:[ \t]{0,9}$",
    re.IGNORECASE | re.MULTILINE,
)
SEPARATOR = re.compile(
    INDENT + r"-{2,40} {0,4}(?:original message|forwarded message|ursprüngliche nachricht|message d'origine|mensaje original|"
    r"messaggio originale|oorspronkelijk bericht|ursprungligt meddelande|mensagem original)|^_{20,200}[ \t]{0,9}$",
    re.IGNORECASE | re.MULTILINE,
)
SIGNATURE = re.compile(r"^-- ?$", re.MULTILINE)
TAG = re.compile(r"(<[^<>]*>)")
TAG_NAME = re.compile(r"</?([a-z][a-z0-9:]*)", re.IGNORECASE)
QUOTING = re.compile(
    r"gmail_quote|gmail_attr|moz-cite-prefix|yahoo_quoted|protonmail_quote|divrplyfwdmsg|appendonsend|mailquote", re.IGNORECASE
)
BLOCKS = {"p", "div", "br", "li", "tr", "h1", "h2", "h3", "table", "ul", "ol"}
HIDDEN = {"script", "style", "head", "title", "blockquote"}
NEVER_CLOSED = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}


def without_quotes(text: str) -> str:
    """The new words of a reply, at most LONGEST_KEPT characters; all of it when there seem to be none."""
    plain = text[: 4 * LONGEST_KEPT].replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").strip()
    cuts = [found.start() for pattern in (QUOTED_HEADER, WROTE, SEPARATOR, SIGNATURE) if (found := pattern.search(plain))]
    own = plain[: min(cuts, default=len(plain))]
    kept = "\n".join(line.rstrip() for line in own.split("\n") if not line.lstrip().startswith(">")).strip()
    return (kept or plain)[:LONGEST_KEPT]


def text_of_html(html: str) -> str:
    """The words of an HTML part, without its quoted blocks, comments, links and pictures."""
    words: list[str] = []
    hidden: list[str] = []  # the elements that are open since the outermost one that is not shown
    for piece in TAG.split(without_comments(html)):
        found = TAG_NAME.match(piece)
        if found is None:
            words.append("" if hidden or piece.startswith("<") else piece)
        elif piece.startswith("</"):
            close(hidden, found[1].lower())
        else:
            words.append(begin(hidden, found[1].lower(), piece))
    lines = (" ".join(line.split()) for line in unescaped("".join(words)).split("\n"))
    return "\n".join(line for line in lines if line)


def unescaped(text: str) -> str:
    try:
        return unescape(text)
    except ValueError:  # a letter by a number of thousands of digits
        return text


def begin(hidden: list[str], name: str, tag: str) -> str:
    """Note an opening tag; returns the line end that it stands for, if any."""
    if name not in NEVER_CLOSED and not tag.endswith("/>") and (hidden or name in HIDDEN or QUOTING.search(tag)):
        hidden.append(name)
    return "\n" if name in BLOCKS else ""


def close(hidden: list[str], name: str) -> None:
    """Note a closing tag. One that fits none of the innermost elements is a slip of whoever wrote it."""
    if name in hidden[-20:]:
        while hidden.pop() != name:
            pass


def without_comments(html: str) -> str:
    first, *commented = html.split("<!--")
    return first + "".join(piece.partition("-->")[2] for piece in commented)
