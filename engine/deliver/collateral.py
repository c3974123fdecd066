"""Which collateral goes with which mail, decided once, when the send is made, and written down with it.

Before: `engine.advance` has decided that these touches send. After: `engine.deliver.load` reads what was written down, at every
attempt the same. Nobody gets the same file twice: what earlier mails to the lead had is left out.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from engine.compiler.attachment import Attachment
from engine.compiler.collateral import INTERESTS, Collateral, Matching, fitting
from engine.compiler.plan import EmailStep
from engine.conditions import language_of, zone_of
from engine.database import Tx
from engine.leads import Lead
from engine.schema import sends
from engine.versions import live_rules
from engine.vocabulary import SendState

# As `sends.collateral` has it: an Attachment's fields, and `key` and `title` where it is of the library.
Kept = list[dict[str, Any]]
NOT_GONE = (SendState.CANCELLED, SendState.REFUSED)


def choose(tx: Tx, asking: Mapping[int, tuple[Lead, Matching]]) -> dict[int, Kept]:
    """What goes with the mail of each of these touches; those for whom there is nothing are left out."""
    if not asking:
        return {}
    had = had_before(tx, {lead.id for lead, _ in asking.values()})
    chosen = {touch_id: chosen_for(tx, lead, matching, had.get(lead.id, ())) for touch_id, (lead, matching) in asking.items()}
    return {touch_id: some for touch_id, some in chosen.items() if some}


def chosen_for(tx: Tx, lead: Lead, matching: Matching, had: Collection[str]) -> Kept:
    policy = live_rules(tx).policy
    found = fitting(
        policy.collateral,
        lead.fields.get(INTERESTS),
        language=language_of(lead, policy),
        usual_language=policy.language,
        on=tx.now.astimezone(zone_of(lead, policy)).date(),
        had=had,
    )
    otherwise = [asdict(matching.otherwise)] if matching.otherwise else []
    return [kept(each) for each in found[: matching.at_most]] or otherwise


def kept(each: Collateral) -> dict[str, Any]:
    return {**asdict(each.attachment), "key": each.key, "title": each.title}


def had_before(tx: Tx, lead_ids: Collection[int]) -> dict[int, set[str]]:
    """The keys of what earlier mails to these leads took along."""
    chosen = sa.select(sends.c.lead_id, sends.c.collateral).where(
        sends.c.lead_id.in_(lead_ids), sends.c.collateral.is_not(None), sends.c.state.not_in(NOT_GONE)
    )
    had: dict[int, set[str]] = {}
    for row in tx.run(chosen):
        had.setdefault(row.lead_id, set()).update(entry["key"] for entry in row.collateral if "key" in entry)
    return had


def attachments_of(step: EmailStep | None, written: Kept | None) -> tuple[Attachment, ...]:
    """The files that go with a mail: those of its step, and what was written down and is not among them."""
    fixed = step.attach if step else ()
    return (*fixed, *(each for entry in written or () if (each := attachment_of(entry)) not in fixed))


def attachment_of(entry: Mapping[str, Any]) -> Attachment:
    return Attachment(**{name: entry[name] for name in Attachment.__dataclass_fields__})


def titles_of(written: Kept | None) -> tuple[str, ...]:
    """What of it is of the library, by its title."""
    return tuple(entry["title"] for entry in written or () if "title" in entry)


def told(written: Kept | None) -> str | None:
    """In words, for a person; None: nothing goes along."""
    words = [f'"{entry["title"]}" ({entry["file"]})' if "title" in entry else str(entry["file"]) for entry in written or ()]
    return f"with {' and '.join(words)}" if words else None
