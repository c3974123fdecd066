"""What Postfix itself wrote down of a day: which recipients it turned away, which mails it took, and what became of those.

Pure. Before: its log as text. After: `tests.postfix.figures` holds it against the ledger.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

REJECTED = re.compile(r"postfix/smtpd\[\d+\]: NOQUEUE: reject: RCPT from \S+ (\d{3}) .* to=<[^>]*@([^>]+)>")
NAMED = re.compile(r"postfix/cleanup\[\d+\]: (\w+): message-id=<([^>]*)>")
ENDED = re.compile(r"postfix/\w+\[\d+\]: (\w+): to=<[^>]*@([^>]+)>, .*status=(sent|bounced)")


@dataclass(slots=True, kw_only=True)
class MailLog:
    """By recipient domain. `turned_away`: {domain: {code: how often}}; `took`: {domain: {Message-ID: how often}}."""

    turned_away: dict[str, Counter[str]] = field(default_factory=dict)
    took: dict[str, Counter[str]] = field(default_factory=dict)
    became: dict[str, Counter[str]] = field(default_factory=dict)  # {domain: {sent | bounced: how many mails}}

    @classmethod
    def read(cls, text: str) -> "MailLog":
        told, names = cls(), {}
        for line in text.splitlines():
            if rejected := REJECTED.search(line):
                told.turned_away.setdefault(rejected[2], Counter())[rejected[1]] += 1
            elif named := NAMED.search(line):
                names[named[1]] = named[2]
            elif ended := ENDED.search(line):
                told.took.setdefault(ended[2], Counter())[names.get(ended[1], ended[1])] += 1
                told.became.setdefault(ended[2], Counter())[ended[3]] += 1
        return told

    def taken(self, domain: str) -> int:
        return sum(self.took.get(domain, Counter()).values())

    def twice(self, domain: str) -> int:
        return sum(times - 1 for times in self.took.get(domain, Counter()).values())
