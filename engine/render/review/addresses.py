"""Links that lead where the reader wants to go, and say so.

Before: `engine.render.review.mail`. After: `engine.render.review.rules` has these in its table.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from engine.render.review.mail import TRACK, Finding, Mail
from engine.render.review.page import Anchor

# Names that RFC 2606 and RFC 6761 keep out of the world; `.example` may be used by a workspace that is itself one.
RESERVED = re.compile(r"(?:^|\.)(?:localhost|test|invalid|local|internal|example\.(?:com|net|org))$")
PLACEHOLDER = re.compile(
    r"^(?:www\.)?(?:your-?(?:site|domain|company|shop|store|link|website|url)|domain|website|xxx+)\.(?:com|net|org|tld|xxx?|de)$",
    re.IGNORECASE,
)
VAGUE = frozenset(
    {"click here", "here", "click", "this link", "this", "link", "read more", "more", "learn more", "more info", "tap here",
     "click this link", "follow this link", "hier", "hier klicken", "mehr", "ici", "cliquez ici"}
)  # fmt: skip
# Spam filters list the addresses of shorteners, whatever is behind them (SpamAssassin: __URL_SHORTENER).
SHORTENERS = frozenset(
    {"bit.ly", "tinyurl.com", "goo.gl", "t.co", "ow.ly", "is.gd", "buff.ly", "cutt.ly", "rebrand.ly", "tiny.cc"}
)
SHOWN_ADDRESS = re.compile(r"^(?:https?://)?((?:[\w-]+\.)+[a-z]{2,})(?:/\S*)?$", re.IGNORECASE)


def links_of(mail: Mail) -> Iterator[tuple[Anchor, str]]:
    """The author's own links with their targets."""
    for anchor in mail.page.anchors:
        target = mail.target_of(anchor.href)
        if not target.startswith(TRACK):
            yield anchor, target


def host_of(target: str) -> str:
    try:
        return (urlsplit(target).hostname or "").lower()
    except ValueError:
        return ""


def to_nowhere(mail: Mail) -> Iterator[Finding]:
    own = mail.artifact.sender.address.rpartition("@")[2]
    for anchor, target in links_of(mail):
        if reason := why_nowhere(target, own):
            yield Finding(
                "E073", f'"{shown(anchor)}" leads nowhere: {reason}', (target if len(target) > 1 else "", anchor.words, "href")
            )


def why_nowhere(target: str, own: str) -> str | None:
    host = host_of(target)
    if target.startswith(("mailto:", "tel:")):
        return None if len(target.partition(":")[2]) > 2 else f'"{target}" has no address'
    if not host:
        return f'"{target}" is no address' if target else "it has no address"
    if host == "localhost" or is_of_own_network(host):
        return f"{host} is the writer's own machine or network"
    if RESERVED.search(host) or PLACEHOLDER.match(host) or (host.endswith(".example") and not own.endswith(".example")):
        return f"{host} stands for an address that was never filled in"
    return None


def is_of_own_network(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return False


def without_encryption(mail: Mail) -> Iterator[Finding]:
    for _, target in links_of(mail):
        if target.lower().startswith("http://") and not why_nowhere(target, ".example"):
            yield Finding("W035", f"{target[:80]} is plain http, of which browsers warn; write https://", (target,))
    for picture in mail.page.pictures:
        if picture.src.lower().startswith("http://"):
            told = (
                f"the picture {picture.src[:80]} comes over plain http, which mail read in a browser may not show; write https://"
            )
            yield Finding("W035", told, (picture.src,))


def vague_words(mail: Mail) -> Iterator[Finding]:
    for anchor, target in links_of(mail):
        if anchor.words.strip(" .!:>»→").lower() in VAGUE:
            told = f'"{shown(anchor)}" does not say where it leads; name what is there, for those who read only the links'
            yield Finding("W036", told, (target, anchor.words))


def suspicious_addresses(mail: Mail) -> Iterator[Finding]:
    """What fraud looks like to a filter: an address hidden by a shortener, or another one than is shown."""
    for anchor, target in links_of(mail):
        host = host_of(target)
        written = SHOWN_ADDRESS.match(anchor.words)
        if host in SHORTENERS:
            yield Finding(
                "W046", f"{host} hides where a link leads, and spam filters list it; link to the page itself", (target,)
            )
        elif written and host and not same_site(written[1].lower(), host):
            told = f'the words "{anchor.words[:60]}" show another address than the link has ({host}): filters take that for fraud'
            yield Finding("W046", told, (anchor.words, target))


def same_site(one: str, other: str) -> bool:
    return one.split(".")[-2:] == other.split(".")[-2:]


def shown(anchor: Anchor) -> str:
    return anchor.words[:40] or "a picture"
