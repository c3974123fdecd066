"""The words of a mail: a subject that belongs to what happened, a look of one's own, and one message in both parts.

Before: `engine.render.review.mail`. After: `engine.render.review.rules` has these in its table.
"""

import re
from collections.abc import Iterator

from engine.render.review.addresses import links_of
from engine.render.review.colours import colour_in
from engine.render.review.mail import Finding, Home, Mail

SUBJECT = ("subject:",)
COLD_WORDS = (
    "automatic automated system new important notification message update alert confirmation information notice info mail email"
    " account your the a an order re from us automatisch automatische neue neuer wichtige information informationen nachricht"
    " mitteilung hinweis benachrichtigung bestätigung bestellung bestellbestätigung auftragsbestätigung konto ihr ihre zu der die"
    " confirmation commande votre message de la notification pedido confirmación su tu"
)
COLD = re.compile(rf"(?:\W*\b(?:{'|'.join(COLD_WORDS.split())})\b)+\W*", re.IGNORECASE)
# SpamAssassin: FAKE_REPLY_C, PLING_QUERY, SUBJ_ALL_CAPS and the rules on money in a subject.
FAKED = re.compile(r"^\s*(?:re|fwd?|aw|wg)\s*:", re.IGNORECASE)
SHOUTED = re.compile(
    r"!!|!.*!.*!|!\s*\?|\?\s*!|[$€£]{2,}|^\W*urgent\b"
    r"|\b(?:100 ?% free|act now|risk[- ]free|free!+|no obligation|(?:you are|you['’]re|you have|you['’]ve) (?:a winner|won))\b",
    re.IGNORECASE,
)
# Of SpamAssassin's rules on phrases, those that honest mail runs into: each is worth two or three of the five points of spam.
PHRASES = re.compile(
    r"^dear (?:friend|winner)\b|\bdear (?:sirs?|madam|candidate|investor|travell?er)\b|100 ?% guaranteed|\bmoney back guarantee"
    r"|\bto be removed from.{0,20}(?:mailings|offers)|\bto be removed,? please|\bunclaimed (?:funds?|prizes?|rewards?|money)",
    re.IGNORECASE,
)
WORD = re.compile(r"[^\W\d_]{4,}")
LEAST_SHARED = 0.6  # of the HTML's words, in the text part


def cold_subject(mail: Mail) -> Iterator[Finding]:
    """Capitals only, or a transactional subject that could be any firm's about anything."""
    subject = mail.rendered.subject
    letters = [sign for sign in subject if sign.isalpha()]
    if len(subject.split()) > 1 and len(letters) > 7 and sum(map(str.isupper, letters)) > 0.8 * len(letters):
        yield Finding("W042", f'the subject "{subject}" shouts; write it as you would say it', SUBJECT, Home.EMAIL)
    elif not mail.is_marketing and COLD.fullmatch(subject):
        told = f'the subject "{subject}" could be about anything; say what happened: "Order {{{{ event.number }}}} is on its way"'
        yield Finding("W042", told, SUBJECT, Home.EMAIL)


def spam_words(mail: Mail) -> Iterator[Finding]:
    """The few habits of a subject that filters and readers know from spam."""
    subject = mail.rendered.subject
    if FAKED.match(subject):
        yield Finding(
            "W046", f'the subject "{subject}" pretends to be an answer, which filters and readers resent', SUBJECT, Home.EMAIL
        )
    elif found := SHOUTED.search(subject):
        yield Finding(
            "W046", f'"{found[0]}" in the subject is what spam says; say what is in it for the reader', SUBJECT, Home.EMAIL
        )


def spam_phrases(mail: Mail) -> Iterator[Finding]:
    for run in mail.page.runs:
        if found := PHRASES.search(run.text):
            told = f'"{found[0]}" is half of what makes spam: SpamAssassin gives it two or three points of five; say it otherwise'
            yield Finding("W046", told, (found[0],))
            return


def bare_look(mail: Mail) -> Iterator[Finding]:
    """Nothing by which the brand is known: none of its colours, no picture."""
    own = {colour for name in mail.colours if (colour := colour_in(name))} - {(255, 255, 255), (0, 0, 0)}
    if own and not mail.page.pictures and not own & colours_used(mail):
        yield Finding("W043", "nothing here looks like the brand: none of its colours, no logo or picture", home=Home.LAYOUT)


def colours_used(mail: Mail) -> set[tuple[int, int, int] | None]:
    return {colour_in(found) for found in re.findall(r"#[0-9a-fA-F]{3,6}\b|rgb\([^)]*\)", mail.rendered.html)}


def another_text(mail: Mail) -> Iterator[Finding]:
    """A text part that is not the same message: links or most of the words of the HTML are missing."""
    text = mail.rendered.text
    missing = [
        anchor.words for anchor, target in links_of(mail) if anchor.is_button and not is_in_text(mail, anchor.href, target)
    ]
    if missing:
        yield Finding("W044", f'the text part lacks the link of the button "{missing[0][:40]}"', home=Home.TEXT)
    said, wanted = set(WORD.findall(text.lower())), set(WORD.findall(mail.page.text.lower()))
    if wanted and len(wanted & said) < LEAST_SHARED * len(wanted):
        share = len(wanted & said) / len(wanted)
        told = f"the text part has {share:.0%} of the words of the mail; say the same in both, or leave text.txt out"
        yield Finding("W044", told, home=Home.TEXT)


def is_in_text(mail: Mail, href: str, target: str) -> bool:
    return href in mail.rendered.text or any(
        mail.target_of(found) == target for found in re.findall(r"https?://[^\s<>]+", mail.rendered.text)
    )
