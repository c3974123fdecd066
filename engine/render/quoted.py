"""Quoted-printable (RFC 2045 section 6.7) in pieces that can be put one after another.

Every piece begins and ends at the start of a line, so that pieces need not know of each other: where the text itself has no
line end, a soft one (`=` at the end) is written, which a reader never sees. Before: text of a template, or a value. After:
`engine.render.wire` joins the pieces.
"""

import re
from binascii import b2a_qp

LONGEST_LINE = 76  # RFC 2045 section 6.7 (5), without the CRLF
SOFT_BREAK = "=\r\n"
# What needs no encoding: printable ASCII but "=", not beginning with the dot that SMTP doubles.
PLAIN = re.compile(r"[ -\-/-<>-~][ -<>-~]{0,74}")
# The same in two lines: an address with a token in it, of which a mail has many.
LONG_WORD = re.compile(r"[!-\-/-<>-~][!-<>-~]{74}[!-\-/-<>-~][!-<>-~]{0,74}")


def quote_piece(text: str) -> str:
    """The text as whole lines of quoted-printable. Line ends in the text are hard ones, written CRLF."""
    if PLAIN.fullmatch(text):
        return text + SOFT_BREAK
    if LONG_WORD.fullmatch(text):
        return f"{text[:75]}{SOFT_BREAK}{text[75:]}{SOFT_BREAK}"
    if not text:
        return ""
    encoded = b2a_qp(text.encode("utf-8", "replace"), quotetabs=False, istext=True).decode("ascii")
    return guard_dots(end_line(encoded)).replace("\n", "\r\n")


def end_line(encoded: str) -> str:
    """With a soft line end, if the text has no hard one. A last line that is full is broken before its last character."""
    if encoded.endswith("\n"):
        return encoded
    if len(encoded) - encoded.rfind("\n") - 1 < LONGEST_LINE:
        return encoded + "=\n"
    last = 3 if encoded[-3] == "=" else 1
    return f"{encoded[:-last]}=\n{encoded[-last:]}=\n"


def guard_dots(encoded: str) -> str:
    """No line begins with a dot: nothing for SMTP to double, and nothing that could ever be taken for the end of the mail."""
    if encoded[0] != "." and "\n." not in encoded:
        return encoded
    return "\n".join(line if not line.startswith(".") else guarded(line) for line in encoded.split("\n"))


def guarded(line: str) -> str:
    """The dot as =2E; a line that gets too long by it is broken after the dot."""
    return f"=2E{line[1:]}" if len(line) + 2 <= LONGEST_LINE else f"=2E=\n{line[1:]}"
