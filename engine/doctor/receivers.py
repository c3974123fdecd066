"""What Gmail, Yahoo and Microsoft require of those who send much, and how much of it was found to hold here.

Before: every check has said what it found. After: `engine.cli.doctor` prints the list. As known in November 2026; their own
pages are named in docs/deliverability.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.doctor.finding import Finding, Level, Subject

GMAIL, YAHOO, MICROSOFT = "Gmail", "Yahoo", "Microsoft"
ALL = (GMAIL, YAHOO, MICROSOFT)
WORST_FIRST = (Level.PROBLEM, Level.WARNING, Level.UNKNOWN, Level.OK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """`by`: who requires it. `subjects`: what must be well for it to hold; none: only the operator can know, or, `is_built_in`,
    nobody need look. `else_said`: more of that.
    """

    what: str
    by: tuple[str, ...]
    subjects: tuple[Subject, ...] = ()
    else_said: str = ""
    is_built_in: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How a requirement stands: ok, problem, or unknown where somebody has to look."""

    what: str
    by: tuple[str, ...]
    level: Level
    because: str


REQUIREMENTS = (
    Requirement(what="SPF names the servers that send", by=ALL, subjects=(Subject.SPF,)),
    Requirement(what="each mail is signed by DKIM (RSA, 1024 bits or more)", by=ALL, subjects=(Subject.DKIM,)),
    Requirement(what="DMARC, p=none at least, and From belongs to what SPF or DKIM proves", by=ALL, subjects=(Subject.DMARC,)),
    Requirement(what="the sending address has a name that leads back to it (PTR)", by=(GMAIL, YAHOO), subjects=(Subject.PTR,)),
    Requirement(what="mail travels encrypted", by=(GMAIL,), else_said="to your relay: see above; from it on, ask its operator"),
    Requirement(what="From is a domain of your own", by=ALL, subjects=(Subject.SENDER,)),
    Requirement(
        what="one-click unsubscribing in marketing mail (RFC 8058)", by=(GMAIL, YAHOO), subjects=(Subject.ADDRESS, Subject.DKIM)
    ),
    Requirement(what="an opt-out holds within two days", by=(GMAIL, YAHOO), subjects=(Subject.ADDRESS, Subject.DATABASE)),
    Requirement(
        what="a link to unsubscribe that is easy to see", by=ALL, is_built_in=True, else_said="`check` wants it in each mail"
    ),
    Requirement(what="From and Reply-To can be answered", by=(MICROSOFT,), subjects=(Subject.MX,)),
    Requirement(what="bounced addresses get no more mail", by=(YAHOO, MICROSOFT), subjects=(Subject.MX,)),
    Requirement(
        what="headers as RFC 5322 has them, one From, a Message-ID", by=ALL, is_built_in=True, else_said="we write no others"
    ),
    Requirement(
        what="few complaints: below 0.1 %, never 0.3 % (Gmail's figures)", by=(GMAIL, YAHOO),
        else_said="look in postmaster.google.com, and register at senders.yahooinc.com and SNDS (Microsoft)",
    ),
    Requirement(
        what="only people who asked for it get marketing mail", by=ALL,
        else_said="you know where your addresses come from; `consent: {unknown: hold}` keeps doubtful ones back",
    ),
)  # fmt: skip


def held(findings: Sequence[Finding]) -> Iterator[Held]:
    for each in REQUIREMENTS:
        level, because = standing(each, findings)
        yield Held(what=each.what, by=each.by, level=level, because=because)


def standing(each: Requirement, findings: Sequence[Finding]) -> tuple[Level, str]:
    """The worst that was found decides; what was not looked at is unknown."""
    if not each.subjects:
        return (Level.OK if each.is_built_in else Level.UNKNOWN), each.else_said
    found = [finding for finding in findings if finding.subject in each.subjects]
    if {finding.subject for finding in found} != set(each.subjects):
        return Level.UNKNOWN, "not looked at, see above"
    worst = min(found, key=lambda finding: WORST_FIRST.index(finding.level))
    return (Level.OK, "") if worst.level in (Level.OK, Level.WARNING) else (worst.level, worst.said)
