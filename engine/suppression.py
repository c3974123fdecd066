"""Suppression: addresses that must not be written to, and how much of our mail that stops.

Written by events (`engine.events`), refusals (`engine.leads`), imports and erasure; read in the very statement that begins a
flight (`engine.deliver.gate`). Addresses stand here as keys only (`Tokens.address_key`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from engine.database import Tx
from engine.schema import consents, leads, suppressions
from engine.sql import insert, rows_at_once
from engine.vocabulary import Consent, Scope, Stream, topic_scope


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


def stop_refused(tx: Tx, lead_ids: Collection[int]) -> None:
    """Never write again, on the topics that these leads have refused, to the addresses that they have now. Safe to repeat.

    By address, since another lead may have the same one and be known to have agreed.
    """
    for some in rows_at_once(lead_ids):
        refused = (
            sa.select(
                leads.c.address_key, sa.literal(topic_scope("")) + consents.c.topic, sa.literal("refused"), consents.c.source,
                sa.literal(tx.now, suppressions.c.created_at.type),
            )
            .join_from(consents, leads, leads.c.id == consents.c.lead_id)
            .where(consents.c.lead_id.in_(some), consents.c.state == Consent.REFUSED, leads.c.address_key.is_not(None))
            .order_by(leads.c.address_key, consents.c.topic)  # two who write the same at once wait and do not lock each other up
        )  # fmt: skip
        new = insert(tx, suppressions).from_select(["address_key", "scope", "reason", "source", "created_at"], refused)
        tx.run(new.on_conflict_do_nothing(index_elements=["address_key", "scope"]))


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
