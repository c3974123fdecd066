"""The rules of a good mail, one function each, in one table.

Before: each rule's own module. After: `engine.render.review.review` puts every email through all of them. A new rule is a
function from a `Mail` to findings and a line here; its code is declared in `engine.compiler.diagnostics`.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache

from engine.render.review import addresses, duties, legible, offer, pictures, support, words
from engine.render.review.mail import Finding, Mail

RULES: tuple[Callable[[Mail], Iterator[Finding]], ...] = (
    duties.no_way_out,
    duties.no_postal_address,
    pictures.not_there,
    addresses.to_nowhere,
    duties.cannot_be_answered,
    offer.offer_before_message,
    duties.too_large,
    duties.no_preheader,
    pictures.no_alt,
    legible.weak_contrast,
    addresses.without_encryption,
    addresses.vague_words,
    legible.hard_to_tap,
    offer.no_place_for_an_offer,
    words.cold_subject,
    words.bare_look,
    words.another_text,
    support.not_shown,
    support.too_much_style,
    support.no_ground_behind_picture,
    pictures.only_pictures,
    addresses.suspicious_addresses,
    words.spam_words,
    words.spam_phrases,
    legible.weak_contrast_in_the_dark,
    legible.lost_in_the_dark,
    duties.nobody_owns,
    duties.may_come_late,
    duties.never_improved,
)


@lru_cache(1024)
def faults_of(mail: Mail) -> tuple[Finding, ...]:
    """Everything that is wrong with one email. The same email is looked at once in a process."""
    return tuple(finding for rule in RULES for finding in rule(mail))
