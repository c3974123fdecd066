"""Tells an operator that rows were set aside: tried three times, they came to no end, and nobody tries them again by himself.

Before: a worker died or failed over them. After: a person looks (`handraiser status`).
"""

import logging

import sqlalchemy as sa

from engine.claim import NOUNS, Noun, is_set_aside
from engine.database import Tx

log = logging.getLogger(__name__)
MOST_TOLD = 10


class AsideWatch:
    """What one dispatcher has told already."""

    def __init__(self) -> None:
        self._told: dict[str, set[int]] = {}

    def look(self, tx: Tx) -> None:
        """Cheap: an index holds nothing but these rows."""
        for name, noun in NOUNS.items():
            found = ids_aside(tx, noun)
            if new := sorted(found - self._told.get(name, set())):
                facts = {"noun": name, "ids": new[:MOST_TOLD], "in_all": len(found)}
                log.error("rows were tried three times, came to no end, and wait for a person", extra={"facts": facts})
            self._told[name] = found


def ids_aside(tx: Tx, noun: Noun) -> set[int]:
    return {row.id for row in tx.run(sa.select(noun.table.c.id).where(is_set_aside(noun)))}
