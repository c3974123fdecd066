"""Posts kept on this machine: where they go while nothing may leave, as mails go to the outbox.

Before: `engine.posts.send`. After: `app` shows them in a browser. Hosts that the operator names in HANDRAISER_WEBHOOK_ALLOW get
their posts all the same: naming them is saying so.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.posts.http import HttpPosts, is_named
from engine.posts.wire import Answered, PostOutcome, PostRequest

MOST_POSTS = 5_000
PRUNED_AT = 5_100  # files


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPost:
    """A post as it would have gone. `body`: its JSON, spread out to be read."""

    kept_at: datetime
    url: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPosts:
    """A wire that writes each post into `folder`, one file for each id, but for those to allowed hosts. The oldest go in time."""

    folder: Path
    allow: frozenset[str]
    outward: HttpPosts

    def post(self, request: PostRequest) -> PostOutcome:
        if is_named(request.url, self.allow):
            return self.outward.post(request)
        file = self.folder / f"{request.headers['webhook-id']}.json"
        write_whole(file, {"url": request.url, "body": json.loads(request.body)})
        prune(self.folder)
        return Answered(
            status=202, text=f"kept in {self.folder.name}/{file.name}: nothing leaves while HANDRAISER_SMTP_URL is not set"
        )


def write_whole(file: Path, kept: object) -> None:
    """Or not at all: somebody may be looking."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        json.dump(kept, opened, indent=2, ensure_ascii=False)
    unfinished.rename(file)


def prune(folder: Path) -> None:
    if len(os.listdir(folder)) > PRUNED_AT:
        for file in kept_files(folder)[MOST_POSTS:]:
            file.unlink(missing_ok=True)


def kept_files(folder: Path) -> list[Path]:
    """Newest first; one that goes meanwhile is left out."""
    found = []
    for file in folder.glob("post_*.json"):
        with suppress(FileNotFoundError):
            found.append((file.stat().st_mtime_ns, file.name, file))
    return [file for _at, _name, file in sorted(found, reverse=True)]


def read_posts(files: list[Path]) -> Iterator[KeptPost]:
    """The posts of these files; one that goes meanwhile is left out."""
    for file in files:
        with suppress(FileNotFoundError):
            yield read_post(file)


def read_post(file: Path) -> KeptPost:
    kept = json.loads(file.read_text(encoding="utf-8"))
    body = json.dumps(kept["body"], indent=2, ensure_ascii=False)
    return KeptPost(kept_at=datetime.fromtimestamp(file.stat().st_mtime, UTC), url=kept["url"], body=body)
