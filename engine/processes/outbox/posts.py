"""Posts kept on this machine: where they go while nothing may leave, as mails go to the outbox.

Before: `engine.posts.send`. After: `app` shows them in a browser. Hosts that the operator names in HANDRAISER_WEBHOOK_ALLOW get
their posts all the same: naming them is saying so.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.posts.http import HttpPosts, is_named
from engine.posts.wire import Answered, PostOutcome, PostRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPost:
    """A post as it would have gone. `body`: its JSON, spread out to be read."""

    kept_at: datetime
    url: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPosts:
    """A wire that writes each post into `folder`, one file for each id, but for those to allowed hosts."""

    folder: Path
    allow: frozenset[str]
    outward: HttpPosts

    def post(self, request: PostRequest) -> PostOutcome:
        if is_named(request.url, self.allow):
            return self.outward.post(request)
        file = self.folder / f"{request.headers['webhook-id']}.json"
        write_whole(file, {"url": request.url, "body": json.loads(request.body)})
        return Answered(
            status=202, text=f"kept in {self.folder.name}/{file.name}: nothing leaves while HANDRAISER_SMTP_URL is not set"
        )


def write_whole(file: Path, kept: object) -> None:
    """Or not at all: somebody may be looking."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        json.dump(kept, opened, indent=2, ensure_ascii=False)
    unfinished.rename(file)


def kept_files(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted(folder.glob("post_*.json"), key=lambda file: (file.stat().st_mtime_ns, file.name), reverse=True)


def read_posts(files: list[Path]) -> Iterator[KeptPost]:
    for file in files:
        kept = json.loads(file.read_text(encoding="utf-8"))
        body = json.dumps(kept["body"], indent=2, ensure_ascii=False)
        kept_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        yield KeptPost(kept_at=kept_at, url=kept["url"], body=body)
