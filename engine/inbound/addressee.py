"""Whom a mail to us is for: the token in the address it went to, or in the Message-ID it answers.

The listener asks before it takes a mail; `replies` and `bounces` ask again when they read it. A token that we did not make is no
token: everything that follows from a mail is limited to the send that its token names.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from engine.errors import TokenError
from engine.tokens import SendToken, Tokens, from_address

ADDRESS = re.compile(r"([rbu])\+([a-z2-7]{61})@([^@\s<>]+)", re.IGNORECASE | re.ASCII)
SPELT_TOKEN = re.compile(r"(?<![a-z2-7])[a-z2-7]{61}(?![a-z2-7])", re.IGNORECASE | re.ASCII)
MOST_TRIED = 30


class Purpose(StrEnum):
    """The letter before the + of an address of ours."""

    REPLY = "r"  # where a mail asks to be answered
    BOUNCE = "b"  # the envelope sender of a mail
    UNSUBSCRIBE = "u"  # the mailto: of List-Unsubscribe


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """An address of ours: what it is for, and the send that it names."""

    purpose: Purpose
    domain: str
    token: SendToken


def read_addressee(address: str, tokens: Tokens) -> Addressee | None:
    """What an address of ours says; None for every other address and for a token that we did not make."""
    found = ADDRESS.fullmatch(address.strip().strip("<>"))
    token = open_spelt(found[2], tokens) if found else None
    if found is None or token is None:
        return None
    return Addressee(purpose=Purpose(found[1].lower()), domain=found[3].lower(), token=token)


def token_in(text: str, tokens: Tokens) -> SendToken | None:
    """The first token of ours in a text, such as the headers In-Reply-To and References. Reads at most MOST_TRIED candidates."""
    for tried, found in enumerate(SPELT_TOKEN.finditer(text)):
        if tried == MOST_TRIED:
            return None
        if token := open_spelt(found[0], tokens):
            return token
    return None


def open_spelt(text: str, tokens: Tokens) -> SendToken | None:
    try:
        return tokens.open(from_address(text))
    except TokenError:
        return None
