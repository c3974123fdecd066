"""Puts the posts that webhook steps ask for into their table. From then on they go out, whatever becomes of the passage.

Before: `engine.advance` comes to such steps. After: the dispatcher claims the posts. The caller commits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.database import Tx
from engine.schema import posts
from engine.sql import insert
from engine.vocabulary import PostState


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPost:
    """The touch tells `webhook` these fields of its lead; their values are read when it goes out."""

    touch_id: int
    lead_id: int
    webhook: str
    fields: tuple[str, ...]


def write_posts(tx: Tx, asked: Sequence[NewPost]) -> None:
    """One post for each touch; a touch that has one gets no second."""
    rows = [
        {
            "touch_id": each.touch_id, "lead_id": each.lead_id, "webhook": each.webhook, "fields": list(each.fields),
            "state": PostState.READY, "due_at": tx.now, "created_at": tx.now,
        }
        for each in asked
    ]  # fmt: skip
    if rows:
        tx.run(insert(tx, posts).on_conflict_do_nothing(index_elements=["touch_id"]), rows)
