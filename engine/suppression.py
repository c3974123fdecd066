"""Suppression: addresses that must not be written to, and how much of our mail that stops.

Written by events (`engine.events`), imports and erasure; read in the very statement that begins a flight
(`engine.deliver.gate`). Addresses stand here as keys only (`Tokens.address_key`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from engine.database import Tx
from engine.schema import consents, suppressions
from engine.sql import insert
from engine.vocabulary import Consent, Scope, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """`scope`: a Scope or `topic_scope(…)`. `source`: the event or file that said so."""

    address_key: str
    scope: str
    reason: str
    source: str


def suppress(tx: Tx, stops: Sequence[Suppression]) -> None:
    """Never write to these addresses again, as far as the scope goes. Safe to repeat; nothing here ever lowers one."""
    if not stops:
        return
    rows = [
        {"address_key": s.address_key, "scope": s.scope, "reason": s.reason, "source": s.source, "created_at": tx.now}
        for s in stops
    ]
    tx.run(insert(tx, suppressions).on_conflict_do_nothing(index_elements=["address_key", "scope"]), rows)


def stops(sends: sa.Table) -> sa.ColumnElement[bool]:
    """A condition over sends: a suppression forbids this one, or the lead's last word on its topic does. What stops which stream
    stands here and nowhere else.
    """
    of_marketing = sa.and_(
        sends.c.stream == Stream.MARKETING,
        sa.or_(suppressions.c.scope == Scope.MARKETING, suppressions.c.scope == "topic:" + sends.c.topic),
    )
    suppressed = sa.exists().where(
        suppressions.c.address_key == sends.c.address_key,
        sa.or_(suppressions.c.scope == Scope.EVERYTHING, of_marketing),
    )
    refused = sa.exists().where(
        consents.c.lead_id == sends.c.lead_id, consents.c.topic == sends.c.topic, consents.c.state == Consent.REFUSED
    )
    return sa.or_(suppressed, sa.and_(sends.c.stream == Stream.MARKETING, refused))


def stops_on(tx: Tx, address_key: str) -> list[tuple[str, str, str]]:
    """(scope, reason, source) of everything that stops mail to an address, for reports."""
    chosen = sa.select(suppressions.c.scope, suppressions.c.reason, suppressions.c.source).where(
        suppressions.c.address_key == address_key
    )
    return [(row.scope, row.reason, row.source) for row in tx.run(chosen)]
