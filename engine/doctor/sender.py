"""The domains that stand in From: whether they are the sender's own to prove.

Before: `engine.doctor.place` has read them from the rules in force. After: SPF, DKIM and DMARC are looked at for each.
"""

from collections.abc import Iterator

from engine.doctor.finding import Finding, Subject, ok, problem, unknown
from engine.doctor.place import Place, is_nobodys

FREE_MAIL = {
    "gmail.com", "googlemail.com", "yahoo.com", "ymail.com", "aol.com", "outlook.com", "hotmail.com", "live.com", "msn.com",
    "icloud.com", "me.com", "gmx.com", "gmx.de", "gmx.net", "web.de", "proton.me", "protonmail.com", "mail.ru", "t-online.de",
}  # fmt: skip


def look_at_senders(place: Place) -> Iterator[Finding]:
    if not place.senders:
        yield unknown(Subject.SENDER, "no workspace is in force, so whom mail is from is not known", "handraiser apply")
    for domain in place.senders:
        if domain in FREE_MAIL:
            said = f"mail is from {domain}, which others' servers may not send for: it lands among the junk"
            yield problem(Subject.SENDER, said, "give the brand or the rep an address in a domain of your own")
        elif is_nobodys(domain):
            said = f"mail is from {domain}, which is nobody's: a name for examples"
            yield problem(Subject.SENDER, said, "give the brand an address in a domain of your own (docs/brands.md)")
        else:
            yield ok(Subject.SENDER, f"mail is from {domain}")
    if is_nobodys(place.settings.reply_domain):
        said = f"bounces and answers are addressed to {place.settings.reply_domain}, where no mail arrives"
        yield problem(Subject.SENDER, said, "set HANDRAISER_REPLY_DOMAIN, for example to replies.your-domain.com")
