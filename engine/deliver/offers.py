"""Which offer, if any, stands in a transactional mail.

Before: `engine.deliver.transactional` puts a mail into the ledger. After: its choice is recorded on the send.
"""

from engine.compiler.plan import Offer
from engine.conditions import condition, gather_facts
from engine.database import Tx
from engine.leads import Lead
from engine.versions import Live


def pick_offer(tx: Tx, live: Live, lead: Lead, email: str, language: str) -> Offer | None:
    """The offer with the highest priority that is meant for this email and fits this lead; of equals the one written first.

    `language`: that of the mail. An offer that is not written in it does not fit.
    """
    usual = live.policy.language
    meant = sorted(
        (each for each in live.offers if email in each.emails and each.words(language, usual)), key=lambda offer: -offer.priority
    )
    if not meant:
        return None
    facts = gather_facts(tx, {lead.id: lead}, live)[lead.id]
    fitting = (offer for offer in meant if offer.condition is None or condition(offer.condition, live.policy).holds(facts))
    return next(fitting, None)
