"""How our pages look: the workspace's name and its brand's colours, remembered so that a page needs no database.

Before: the rules that were applied last. After: `webhooks.app` prints every page with it.
"""

import logging
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from time import monotonic

from engine.database import Database, Tx
from engine.versions import live_rules

log = logging.getLogger(__name__)
COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\Z")
PLAIN = {"primary": "#0b5d6b", "ink": "#1c2529", "paper": "#ffffff", "muted": "#55646a", "background": "#eef2f2"}
SECONDS_KEPT = 60
STYLE = """
:root {{ color-scheme: light;
  --primary: {primary}; --ink: {ink}; --paper: {paper}; --muted: {muted}; --background: {background}; }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: {background}; color: {ink}; font: 17px/1.55 system-ui, "Segoe UI", Roboto, Arial, sans-serif; }}
main {{ max-width: 34rem; margin: 8vh auto 4rem; padding: 2rem 1.5rem; background: {paper}; border-radius: 10px; }}
.name {{ margin: 0 0 1.25rem; color: {primary}; font-weight: 700; }}
h1 {{ margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25; }}
p {{ margin: 0 0 1rem; }}
small, .small {{ color: {muted}; font-size: .9rem; }}
label {{ display: flex; gap: .75rem; align-items: center; margin: 0 0 .6rem; padding: .75rem .9rem;
  border: 1px solid {muted}; border-radius: 8px; cursor: pointer; }}
label input {{ flex: none; width: 1.2rem; height: 1.2rem; margin: 0; accent-color: {primary}; }}
button {{ width: 100%; margin: .6rem 0 1.25rem; padding: .85rem 1rem; border: 0; border-radius: 8px;
  background: {primary}; color: {paper}; font: inherit; font-weight: 600; cursor: pointer; }}
button:focus-visible, input:focus-visible {{ outline: 3px solid {ink}; outline-offset: 2px; }}
@media (max-width: 36rem) {{ main {{ margin: 0; min-height: 100vh; border-radius: 0; }} }}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What every page of ours has. `topics`: name → title."""

    name: str
    style: str
    topics: Mapping[str, str]

    @property
    def policy(self) -> str:
        """The Content-Security-Policy under which the page's own style is allowed and nothing else runs."""
        style_hash = b64encode(sha256(self.style.encode()).digest()).decode()
        return (
            f"default-src 'none'; style-src 'self' 'sha256-{style_hash}'; img-src 'self'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )


class Looks:
    """The look as it is now. While the database is away, or its rules are not to be read, the last one that was, or a plain one:
    nobody is kept from opting out by how the page looks.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._look = Look(name="", style=STYLE.format(**PLAIN), topics={})
        self._read_at = -float(SECONDS_KEPT)
        self._reading = Lock()

    def now(self) -> Look:
        if monotonic() - self._read_at >= SECONDS_KEPT and self._reading.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._reading.release()
        return self._look

    def _refresh(self) -> None:
        self._read_at = monotonic()
        try:
            with self._database.read() as tx:
                self._look = read_look(tx)
        except Exception as error:
            log.info("pages keep their look, since the rules could not be read: %s", type(error).__name__)


def read_look(tx: Tx) -> Look:
    """Raises DatabaseError when no workspace was applied yet."""
    policy = live_rules(tx).policy
    brand = policy.brands.get(policy.brand)
    colours = brand.get("colours") if isinstance(brand, Mapping) else None
    chosen = colours if isinstance(colours, Mapping) else {}
    usable = {name: value for name, value in chosen.items() if name in PLAIN and COLOUR.match(str(value))}
    return Look(
        name=policy.name,
        style=STYLE.format(**(PLAIN | usable)),
        topics={name: topic.title for name, topic in policy.topics.items()},
    )
