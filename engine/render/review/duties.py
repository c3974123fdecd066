"""What every mail owes its reader: that it arrives whole and in time, can be left and answered, and says who wrote it and what it
is about; and that somebody keeps it right.

Before: `engine.render.review.mail`. After: `engine.render.review.rules` has these in its table.
"""

import re
from collections.abc import Iterator

from engine.render.review.mail import TOKEN, UNSUBSCRIBE, Finding, Home, Mail

# Gmail shows no more of a mail's HTML than this, and "[Message clipped]" in place of the rest, where the way out is.
CLIPPED_AT = 102 * 1024
REAL_TOKEN = 44  # characters of a token in a real link
NO_REPLY = re.compile(
    r"(?:no|do-?not|dont)[-_.]?reply|nicht-?antworten|keine-?antwort|ne-?pas-?repondre|no-?responder", re.IGNORECASE
)
# "Do not reply with your password" refuses no answer; "do not reply to this mail" does.
REFUSES_ANSWERS = re.compile(
    r"\b(?:please )?(?:do not|don['’]t) (?:reply|respond|answer)"
    r"(?=\s*(?:$|[.,;:!)–]|directly\b|as\b|because\b|since\b|to th(?:is|e) [\w-]+\b(?!\s+(?:with|by|if|until|before)\b)))"
    r"(?: to th(?:is|e) [\w-]+)?"
    r"|\b(?:mailbox|inbox|address) is not (?:monitored|read)\b"
    r"|\bunmonitored (?:mailbox|inbox|address)\b|\breplies (?:to this \w+ )?are not (?:read|monitored)\b"
    r"|\bantworten sie (?:bitte )?nicht\b|\bnicht auf diese [\w-]+ (?:zu )?antworten\b|\bantworten werden nicht gelesen\b"
    r"|\bne (?:pas répondre|répondez pas)\b|\bno respond(?:a|as|er|an) a este\b",
    re.IGNORECASE,
)
ENOUGH_OF_ADDRESS = 0.6  # a layout may set the lines otherwise, or leave out the country


def too_large(mail: Mail) -> Iterator[Finding]:
    """Over what Gmail shows, counted in bytes of the HTML with tokens of their real length."""
    html = mail.rendered.html
    size = len(html.encode()) + html.count(f"/{TOKEN}") * (REAL_TOKEN - len(TOKEN))
    if size > CLIPPED_AT:
        told = f"the mail's HTML is {size / 1024:.0f} KB; Gmail cuts it off at {CLIPPED_AT // 1024} KB, and the footer with it"
        yield Finding("W030", told)


def no_way_out(mail: Mail) -> Iterator[Finding]:
    """Marketing mail that cannot be left, in either form."""
    if not mail.is_marketing:
        return
    if not any(anchor.href == UNSUBSCRIBE and anchor.words for anchor in mail.page.anchors):
        yield Finding("E070", "a marketing mail needs a link to {{ unsubscribe_url }} that its reader can see", home=Home.LAYOUT)
    elif UNSUBSCRIBE not in mail.rendered.text:
        yield Finding("E070", "the text part has no {{ unsubscribe_url }}; put it at its end", home=Home.TEXT)


def no_postal_address(mail: Mail) -> Iterator[Finding]:
    if not mail.is_marketing:
        return
    for form, home in ((mail.page.text, Home.LAYOUT), (mail.rendered.text, Home.TEXT)):
        if not has_address(form, mail.postal_address):
            what = "a marketing mail" if home == Home.LAYOUT else "the text part"
            yield Finding(
                "E071", f"{what} needs the sender's postal address: {{{{ brand.postal_address | join(', ') }}}}", home=home
            )
            return


def has_address(text: str, lines: tuple[str, ...]) -> bool:
    words = {word for line in lines for word in words_of(line)}
    return bool(words) and len(words & set(words_of(text))) >= ENOUGH_OF_ADDRESS * len(words)


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def no_preheader(mail: Mail) -> Iterator[Finding]:
    """Nothing for the inbox to show after the subject but the first words of the layout."""
    preheader = mail.artifact.preheader
    if not preheader:
        yield Finding(
            "W032", "there is no preheader, so inboxes show the first words of the layout after the subject", home=Home.EMAIL
        )
    elif preheader.strip(" .!?") == mail.artifact.subject.strip(" .!?"):
        yield Finding("W032", "the preheader says the same as the subject", ("preheader:",), Home.EMAIL)


def cannot_be_answered(mail: Mail) -> Iterator[Finding]:
    for address in mail.senders:
        if NO_REPLY.search(address.partition("@")[0]):
            told = f'nobody can answer "{address}"; write from an address that somebody reads'
            yield Finding("E074", told, (address,), Home.BRAND)
    if found := REFUSES_ANSWERS.search(mail.page.text):
        yield Finding("E074", f'this tells the reader not to answer: "{found[0].strip()}"', (found[0],))


def nobody_owns(mail: Mail) -> Iterator[Finding]:
    if mail.is_nobodys:
        yield Finding("W039", "nobody owns this email; name with `owner:` who keeps it right", home=Home.EMAIL)


def may_come_late(mail: Mail) -> Iterator[Finding]:
    """A confirmation that could come after a day of outage as if nothing were."""
    if not mail.is_marketing and not mail.has_end:
        told = "after an outage of ours this would come however late; say with `valid_for: 2 hours` how long it is of use"
        yield Finding("W048", told, home=Home.EMAIL)


def never_improved(mail: Mail) -> Iterator[Finding]:
    if not mail.is_marketing and not mail.is_worked_on:
        told = "nothing is planned to make this better; write `variants:`, or say with `to_try:` what to try next"
        yield Finding("W049", told, home=Home.EMAIL)
