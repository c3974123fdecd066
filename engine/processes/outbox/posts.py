"""Posts kept on this machine: where they go while nothing may leave, as mails go to the outbox.

Before: `engine.posts.send`. After: a person reads the files. Hosts that the operator names in HANDRAISER_WEBHOOK_ALLOW get their
posts all the same: naming them is saying so.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from engine.posts.http import HttpPosts, is_named
from engine.posts.wire import Answered, PostOutcome, PostRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPosts:
    """A wire that writes each post into `folder`, one file for each id, but for those to allowed hosts."""

    folder: Path
    allow: frozenset[str]
    outward: HttpPosts

    def post(self, request: PostRequest) -> PostOutcome:
        if is_named(request.url, self.allow):
            return self.outward.post(request)
        kept = {"url": request.url, "body": json.loads(request.body)}
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{request.headers['webhook-id']}.json"
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            json.dump(kept, opened, indent=2, ensure_ascii=False)
        return Answered(
            status=202, text=f"kept in {self.folder.name}/{file.name}: nothing leaves while HANDRAISER_SMTP_URL is not set"
        )
