"""The wire for posts: what carries a JSON body to another system's address, and what it may come back with.

Before: `engine.posts.send` has written the body. After: it records the outcome. Outcomes are returned, never raised.
`engine.posts.http` is the real wire; without one nothing leaves.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

MOST_NOTED = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PostRequest:
    """One POST. `headers` beside those of HTTP itself."""

    webhook: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An HTTP answer. `text`: its beginning. `retry_after`: seconds that it asks us to wait; None: it does not say."""

    status: int
    text: str
    retry_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """No answer: no connection, no certificate, no time. Perhaps it arrived."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbidden:
    """The address is none that we may write to; nothing was said to it."""

    why: str


PostOutcome = Answered | Unreachable | Forbidden


class PostWire(Protocol):
    """Carries posts."""

    def post(self, request: PostRequest) -> PostOutcome:
        """Called from worker threads; blocks until the outcome is known, for seconds at most."""
        ...


@dataclass(frozen=True, slots=True)
class NotedPosts:
    """Notes what would go out, the last ones of it, and says that it was taken: for worlds from which nothing leaves."""

    noted: deque[PostRequest] = field(default_factory=lambda: deque(maxlen=MOST_NOTED))

    def post(self, request: PostRequest) -> PostOutcome:
        self.noted.append(request)
        return Answered(status=202, text="noted; nothing leaves from here")
