"""The values an email is rendered with: plain data, made of what the caller read from the database.

Before: `engine.deliver` has the lead, the rep, the event and the links. After: `engine.render.wire` renders with them. Nothing
but mappings, lists, texts, numbers and dates goes in, so that a template can reach nothing else.
"""

from collections.abc import Callable, Mapping
from typing import Any


def values_for(
    *,
    lead: Mapping[str, Any],
    brand: Mapping[str, Any],
    track: str,
    token: str,
    seal: Callable[[str], str],
    rep: Mapping[str, Any] | None = None,
    event: Mapping[str, Any] | None = None,
    offer: Mapping[str, Any] | None = None,
    collateral: Mapping[str, Any] | None = None,
    unsubscribe_url: str | None = None,
    web_url: str | None = None,
) -> dict[str, Any]:
    """The values for one mail to one person.

    `lead`: every declared field and the built-in ones, None where missing. `brand`: what templates/brands/<name>.yaml says.
    `rep`: name, email, phone. `event`: its data. `offer`: title, text, link, button; None: no offer fits.
    `collateral`: title, titles; None: none goes along. `track`: the public address of the receiver, without a slash at its end.
    `token`: the send's token, spelt for a URL. `seal`: turns a personal address into what may stand in a URL
    (`Tokens.seal_target`).
    """
    return {
        "lead": lead,
        "brand": brand,
        "rep": rep or {},
        "event": event or {},
        "offer": offer,
        "collateral": collateral,
        "unsubscribe_url": unsubscribe_url,
        "web_url": web_url,
        "track": track.rstrip("/"),
        "token": token,
        "seal": seal,
    }
