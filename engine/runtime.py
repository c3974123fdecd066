"""What a verb needs beside its transaction: the workplace of one process, put together once at its start.

Before: settings, database, wire. After: every verb that renders, sends or signs takes it as its first argument.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from engine.claim import Claim
from engine.database import Database
from engine.deliver.places import MOST_CONNECTIONS, Places
from engine.deliver.wire import Wire
from engine.dkim.sign import Signer
from engine.posts.wire import NotedPosts, PostWire
from engine.precedence import Precedence
from engine.settings import Settings
from engine.tokens import Tokens

Marked = Callable[[int, datetime], None]  # (send id, when)
Publish = Callable[[str, list[Claim]], None]  # (noun, claims) → a Dramatiq job, or at once in the simulator


def unnoted(_send_id: int, _at: datetime) -> None:
    """Nobody keeps what was marked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """One process's workplace. `worker_id` is its row in `workers`; `has_lease()` says whether a new flight may start;
    `places` are the connections that its wire may use. `posts` is the wire to other systems; without one nothing leaves.
    `note_marked` is told of one mail of every mark that was committed. `signer` has the DKIM keys; without any, mail goes out
    as it is. By `precedence` a nurture stands aside for mail that somebody waits for.
    """

    settings: Settings
    database: Database
    tokens: Tokens
    wire: Wire
    worker_id: str
    has_lease: Callable[[], bool]
    publish: Publish
    places: Places = field(default_factory=partial(Places, MOST_CONNECTIONS))
    posts: PostWire = field(default_factory=NotedPosts)
    note_marked: Marked = unnoted
    signer: Signer = field(default_factory=Signer)
    precedence: Precedence = field(default_factory=Precedence)
