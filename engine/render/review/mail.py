"""What the rules look at, one email rendered with its sample, and what they say.

Before: `engine.render.review.review` has rendered it. After: each rule takes a `Mail` and yields what it finds; where that was
written is looked for afterwards, by the words that the rule points at.
"""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from engine.render.artifact import Artifact
from engine.render.review.page import Page, read_page
from engine.render.sample import NOWHERE
from engine.render.wire import Rendered

TRACK, TOKEN = NOWHERE.track, NOWHERE.token
UNSUBSCRIBE = f"{TRACK}/u/{TOKEN}"
CLICK, SEALED = f"{TRACK}/c/{TOKEN}/", f"{TRACK}/p/{TOKEN}/"


class Home(StrEnum):
    """The file to name when the words that a rule points at stand nowhere."""

    BODY = "body"
    EMAIL = "email"
    LAYOUT = "layout"
    BRAND = "brand"
    SAMPLE = "sample"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `near`: words of which the first that is found in the author's files tells the place."""

    code: str
    message: str
    near: tuple[str, ...] = ()
    home: Home = Home.BODY


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One email as a sample gets it. `without_offer`: the same where no offer fits; None: it has no place for one.

    `is_nobodys`: there are reps, and none owns it; `has_end`: it is said how long it is of use; `is_worked_on`: it has variants
    or a word on what to try.
    """

    artifact: Artifact
    is_nobodys: bool
    has_end: bool
    is_worked_on: bool
    rendered: Rendered
    without_offer: Rendered | None = None
    postal_address: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()  # the addresses of all identities of the brand

    @property
    def page(self) -> Page:
        return read_page(self.rendered.html)

    @property
    def is_marketing(self) -> bool:
        return self.artifact.stream == "marketing"

    def target_of(self, href: str) -> str:
        """Where a link leads in the end: what stands behind our own address."""
        if href.startswith(CLICK):
            index = href.removeprefix(CLICK)
            links = self.artifact.links
            return (links[int(index)].target or "") if index.isdigit() and int(index) < len(links) else href
        if href.startswith(SEALED):
            return unquote(href.removeprefix(SEALED).partition("/")[2])
        return href
