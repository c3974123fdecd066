"""Who fetched a pixel or followed a link: a person, a machine, or one cannot tell.

Before: the receiver noted the request, and the drainer waited long enough to see its neighbours. After: the event carries the
label for ever; a machine's event is kept and nothing follows from it. A pure function of the request and of the other requests
for the same send.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from engine.vocabulary import Origin

TOO_FAST = timedelta(seconds=5)  # after the mail server took the mail: nobody reads as fast
AT_ONCE = timedelta(seconds=2)
MANY_LINKS = 3  # different links of one mail, followed at once
# Scanners, link previews and programs, as they name themselves. Others call themselves a browser: speed finds those.
SCANNER = re.compile(
    r"barracuda|proofpoint|urldefense|mimecast|trend ?micro|tmes|cisco|ironport|messagelabs|symantec|broadcom|fireeye|trellix|"
    r"forcepoint|sophos|safelinks|fortinet|fortimail|hornetsecurity|vade|cloudmark|zscaler|checkpoint|paloalto|mailguard|spamtitan|"
    r"(?<!cu)bot\b|crawler|spider|slurp|preview|prefetch|scanner|ms-?office|microsoft office|microsoft outlook|"
    r"curl/|wget/|python|go-http-client|\bjava/|okhttp|libwww|axios|node-fetch|headless|phantomjs|facebookexternalhit|whatsapp|"
    r"yahoomailproxy|yahoocachesystem",
    re.IGNORECASE,
)
# Mail Privacy Protection loads every picture of every mail and says no more than the first; Gmail's preloading says the second.
# Gmail's other proxy (GoogleImageProxy) loads a picture when a person opens the mail.
APPLE_PRELOAD = "Mozilla/5.0"
GMAIL_PRELOAD = "Edge/12.246"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is known of one fetch. `link` is its number in the link table, None for the pixel."""

    at: datetime
    method: str
    agent: str
    link: int | None
    prefetch: bool = False  # the browser said that nobody has asked for this yet


def label(request: Request, others: Collection[Request], accepted_at: datetime | None) -> Origin:
    """Who made this request. `others`: what else was fetched of the same send, in any order; those far off in time do not count.

    `accepted_at` is when the mail server took the mail, None when that is not known.
    """
    if says_machine(request) or is_too_fast(request, accepted_at):
        return Origin.MACHINE
    near = [other for other in others if abs(other.at - request.at) <= AT_ONCE]
    links = {other.link for other in (request, *near) if other.link is not None}
    if request.link is not None and len(links) >= MANY_LINKS:
        return Origin.MACHINE
    if request.link is not None and len(links) > 1:
        return Origin.UNSURE
    if not request.agent or any(follows_probe(request, other) for other in near):
        return Origin.UNSURE
    return Origin.HUMAN


def says_machine(request: Request) -> bool:
    """By its own words."""
    if request.method != "GET" or request.prefetch or is_scanner(request.agent):
        return True
    return request.link is None and (request.agent.strip() == APPLE_PRELOAD or GMAIL_PRELOAD in request.agent)


@lru_cache(maxsize=4_096)
def is_scanner(agent: str) -> bool:
    """The pattern is long and the agents are few."""
    return SCANNER.search(agent) is not None


def is_too_fast(request: Request, accepted_at: datetime | None) -> bool:
    return accepted_at is not None and request.at - accepted_at <= TOO_FAST


def follows_probe(request: Request, other: Request) -> bool:
    """A scanner that asked for the same thing with HEAD a moment ago may now come as a browser."""
    return other.link == request.link and says_machine(other)
