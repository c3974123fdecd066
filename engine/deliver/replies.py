"""The policy for what mail servers answer: one table of replies, and one of what follows from each kind of them. Pure.

Before: the wire returned an outcome, or a bounce came back by mail (`engine.inbound.bounces`). After: `engine.deliver.fates` says
what becomes of the mail, `engine.deliver.trouble` what becomes of its relay and of the recipient's domain, `engine.bounces` what
becomes of the address. The first row that fits decides. docs/delivery.md shows both tables, and a test keeps them the same.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache

from engine.deliver.reply_words import Words, speaks
from engine.vocabulary import SmtpPhase

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ENHANCED = re.compile(r"[\s#(\[<]*([245]\.\d{1,3}\.\d{1,3})\b")


class Where(StrEnum):
    """When it was said."""

    BEFORE = "before a mail"  # up to MAIL: nothing was said of a recipient
    DURING = "during a mail"  # RCPT, DATA, the body, its end
    REPORT = "a bounce"  # by a mail that came back


class About(StrEnum):
    """What a reply is about."""

    UNREACHABLE = "unreachable"
    LOGIN = "login"
    RELAY_QUOTA = "relay_quota"
    RELAY_BUSY = "relay_busy"
    RELAY_REFUSES = "relay_refuses"
    RELAYING = "relaying"
    LOST = "lost"
    CLOSING = "closing"
    TOO_BIG = "too_big"
    SLOW_DOWN = "slow_down"
    THEIR_RULE = "their_rule"
    NOT_WELCOME = "not_welcome"
    OUR_MISTAKE = "our_mistake"
    MAILBOX_FULL = "mailbox_full"
    MAILBOX_OFF = "mailbox_off"
    NO_MAILBOX = "no_mailbox"
    PERHAPS_NONE = "perhaps_none"
    TEMPORARY = "temporary"
    UNCLEAR = "unclear"


class Mail(StrEnum):
    """What becomes of the mail."""

    AS_SAID = "as the code says"  # 4xx: tried again, longer each time, for three days; 5xx: refused
    TRIED_AGAIN = "tried again"  # a 5xx too
    WAITS = "waits, blamed for nothing"  # goes by another relay, or when this one is well


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """How long something is left alone: from the `after`th strike on `first`, then twice as long each time, up to `longest`."""

    after: int = 1
    first: timedelta
    longest: timedelta

    def wait(self, strikes: int) -> timedelta | None:
        """None: it has not failed often enough."""
        if strikes < self.after:
            return None
        doubled: int = 2 ** min(strikes - self.after, 16)
        return min(self.first * doubled, self.longest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What follows. `suppress_after`: so many mails to an address in 30 days that ended by this; 1: at once; None: never."""

    means: str
    mail: Mail = Mail.AS_SAID
    relay: Rest | None = None
    domain: Rest | None = None
    suppress_after: int | None = None
    advice: str = ""  # for the operator, who is told when there is some; {url}: the setting with the relay's address


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A kind of reply; what a row does not name fits. `codes` by their beginnings; NONE: there was no reply. `enhanced`: x is 4
    or 5, n any number; NONE: there is none, or one that says nothing.
    """

    about: About
    where: tuple[Where, ...] = ()
    codes: tuple[str, ...] = ()
    enhanced: tuple[str, ...] = ()
    words: Words | None = None


NONE = "none"
BEFORE, DURING, REPORT = Where.BEFORE, Where.DURING, Where.REPORT
LIVE = (BEFORE, DURING)
FAILING = Rest(after=3, first=timedelta(seconds=15), longest=30 * MINUTE)  # after a short outage mail goes on within 30 s
AT_ONCE = Rest(first=timedelta(seconds=30), longest=30 * MINUTE)
SAYS_NOTHING = re.compile(r"[45]\.(0|1|2|3)\.0")

ROWS: tuple[Row, ...] = (
    Row(about=About.UNREACHABLE, where=(BEFORE,), codes=(NONE,)),
    Row(about=About.LOST, where=(DURING,), codes=(NONE,)),
    Row(about=About.LOGIN, where=LIVE, codes=("530", "534", "535", "538")),
    Row(about=About.LOGIN, where=LIVE, codes=("5",), enhanced=("5.7.8", "5.7.9", "5.7.11", "5.7.14", "5.7.57")),
    Row(about=About.RELAYING, where=LIVE, codes=("5",), enhanced=(NONE, "5.7.0", "5.7.1"), words=Words.NO_RELAYING),
    Row(about=About.MAILBOX_FULL, enhanced=("x.2.2",)),
    Row(about=About.RELAY_QUOTA, where=LIVE, words=Words.QUOTA),
    Row(about=About.RELAY_QUOTA, where=LIVE, codes=("5",), enhanced=("5.4.5",)),
    Row(about=About.MAILBOX_FULL, where=(DURING, REPORT), enhanced=(NONE,), words=Words.FULL),
    Row(about=About.TOO_BIG, enhanced=("x.3.4", "5.2.3")),
    Row(about=About.TOO_BIG, codes=("552",), enhanced=(NONE,)),
    Row(about=About.TOO_BIG, codes=("5",), enhanced=(NONE,), words=Words.SIZE),
    Row(about=About.RELAY_BUSY, where=(BEFORE,), codes=("4",)),
    Row(about=About.RELAY_REFUSES, where=(BEFORE,), codes=("5",)),
    Row(about=About.TEMPORARY, where=(DURING,), codes=("4",), words=Words.GREY),
    Row(about=About.SLOW_DOWN, enhanced=("4.7.28", "4.7.500", "4.7.650", "4.7.651", "4.7.652")),
    Row(about=About.NOT_WELCOME, where=(DURING,), codes=("4",), enhanced=("4.7.23", "4.7.24", "4.7.25", "4.7.26", "4.7.27")),
    Row(about=About.NOT_WELCOME, where=(DURING,), codes=("4",), enhanced=("4.7.29", "4.7.30", "4.7.31", "4.7.32")),
    Row(about=About.SLOW_DOWN, where=(DURING, REPORT), enhanced=("x.2.1",), words=Words.RATE),
    Row(about=About.SLOW_DOWN, where=(DURING,), codes=("4",), words=Words.RATE),
    Row(about=About.NOT_WELCOME, where=(DURING,), codes=("4",), words=Words.BLOCKED),
    Row(about=About.CLOSING, where=(DURING,), codes=("421",)),
    Row(about=About.TEMPORARY, codes=("4",)),
    Row(about=About.THEIR_RULE, enhanced=("5.7.2", "5.7.12", "5.7.13", "5.7.124", "5.7.133", "5.7.134", "5.7.135", "5.7.136")),
    Row(about=About.THEIR_RULE, enhanced=(NONE, "5.7.n"), words=Words.THEIR_RULE),
    Row(about=About.NOT_WELCOME, enhanced=("5.7.n", "5.1.7", "5.1.8")),
    Row(about=About.OUR_MISTAKE, enhanced=("5.5.n", "5.6.n")),
    Row(about=About.OUR_MISTAKE, codes=("500", "501", "502", "503", "504", "555"), enhanced=(NONE,)),
    Row(about=About.NOT_WELCOME, codes=("5",), words=Words.SENDER),
    Row(about=About.NO_MAILBOX, enhanced=("5.1.1", "5.1.2", "5.1.3", "5.1.10")),
    Row(about=About.NO_MAILBOX, codes=("556",)),
    Row(about=About.NO_MAILBOX, where=(REPORT,), enhanced=("5.1.6", "5.4.4")),
    Row(about=About.PERHAPS_NONE, enhanced=("5.1.6", "5.4.4", "5.4.310")),
    Row(about=About.MAILBOX_OFF, enhanced=("5.2.1",)),
    Row(about=About.NOT_WELCOME, where=(DURING, REPORT), enhanced=(NONE, "4.7.n"), words=Words.BLOCKED),
    Row(about=About.NO_MAILBOX, where=(REPORT,), enhanced=(NONE,), words=Words.NOBODY),
    Row(about=About.MAILBOX_OFF, enhanced=(NONE,), words=Words.OFF),
    Row(about=About.PERHAPS_NONE, where=LIVE, enhanced=(NONE, "5.4.1"), words=Words.NOBODY),
    Row(about=About.UNCLEAR),
)  # fmt: skip

POLICIES: dict[About, Policy] = {
    About.UNREACHABLE: Policy(
        means="the relay cannot be reached, or was lost before a mail", mail=Mail.WAITS, relay=FAILING,
        advice="see whether the mail server runs and {url} is right; `handraiser doctor` looks",
    ),
    About.LOGIN: Policy(
        means="the relay does not know us", mail=Mail.WAITS, relay=AT_ONCE,
        advice="put the right user and password into {url}; if its words ask for STARTTLS, ?tls=starttls behind it",
    ),
    About.RELAY_QUOTA: Policy(
        means="the relay has taken as much of our mail as it will for now", mail=Mail.WAITS,
        relay=Rest(first=15 * MINUTE, longest=4 * HOUR),
        advice="ask whoever runs the relay for more, or add another to relays.yaml",
    ),
    About.RELAY_BUSY: Policy(means="the relay will not have us for now", mail=Mail.WAITS, relay=FAILING,
                             advice="if it goes on, ask whoever runs the relay"),
    About.RELAY_REFUSES: Policy(means="the relay will not have us, or not our sender's address", mail=Mail.WAITS, relay=FAILING,
                                advice="ask whoever runs the relay; its words say why"),
    About.RELAYING: Policy(means="the relay does not pass our mail on", mail=Mail.TRIED_AGAIN, relay=FAILING,
                           advice="log in by {url}, or have the relay allow this machine"),
    About.LOST: Policy(means="the connection was lost within the mail", relay=FAILING,
                       advice="if it goes on, ask whoever runs the relay"),
    About.CLOSING: Policy(means="the relay breaks off", relay=FAILING, advice="if it goes on, ask whoever runs the relay"),
    About.TOO_BIG: Policy(means="the mail is too big", advice="make its pictures and files smaller"),
    About.SLOW_DOWN: Policy(means="the provider wants fewer mails at a time", domain=Rest(first=5 * MINUTE, longest=2 * HOUR),
                            advice="set `per_hour` for the domain under `limits` in relays.yaml"),
    About.THEIR_RULE: Policy(means="the recipient takes no such mail"),
    About.NOT_WELCOME: Policy(
        means="the provider holds something against us: our name, our signatures, what we write",
        domain=Rest(first=30 * MINUTE, longest=12 * HOUR),
        advice="see its words; `handraiser doctor` looks at SPF, DKIM, DMARC and PTR, block lists are asked at their own sites",
    ),
    About.OUR_MISTAKE: Policy(means="we said something wrong, or wrote a wrong mail", advice="report it, with these words"),
    About.MAILBOX_FULL: Policy(means="the mailbox is full", suppress_after=5),
    About.MAILBOX_OFF: Policy(means="the mailbox is switched off", suppress_after=2),
    About.NO_MAILBOX: Policy(means="there is no such mailbox", suppress_after=1),
    About.PERHAPS_NONE: Policy(means="there is perhaps no such mailbox", suppress_after=2),
    About.TEMPORARY: Policy(means="not now: greylisting, or a server that is short of something"),
    About.UNCLEAR: Policy(means="it does not say why"),
}  # fmt: skip


@lru_cache(maxsize=4_096)
def about(code: int | None, reply: str, where: Where) -> About:
    """What a reply says. `code` is None where there was none; of a bounce it is not known, and its status begins the reply."""
    enhanced = enhanced_code(reply)
    return next(row.about for row in ROWS if fits(row, code, enhanced, reply, where))


def fits(row: Row, code: int | None, enhanced: str | None, reply: str, where: Where) -> bool:
    if row.where and where not in row.where:
        return False
    if row.codes and not code_of(code, enhanced, where).startswith(row.codes):
        return False
    if row.enhanced and not any(matches(pattern, enhanced) for pattern in row.enhanced):
        return False
    return row.words is None or speaks(row.words, reply)


def code_of(code: int | None, enhanced: str | None, where: Where) -> str:
    """A bounce has no code, but its status begins with the same digit."""
    if code is not None:
        return str(code)
    return (enhanced or "5")[0] if where is REPORT else NONE


def matches(pattern: str, enhanced: str | None) -> bool:
    if pattern == NONE:
        return enhanced is None or SAYS_NOTHING.fullmatch(enhanced) is not None
    return enhanced is not None and enhanced_pattern(pattern).fullmatch(enhanced) is not None


@lru_cache(maxsize=256)
def enhanced_pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace("x", "[45]").replace("n", r"\d+"))


def where_said(code: int | None, phase: SmtpPhase | None) -> Where:
    """Where no phase is known a reply was about a mail, and silence was not."""
    if phase is None:
        return DURING if code is not None else BEFORE
    return BEFORE if phase in BEFORE_A_MAIL else DURING


BEFORE_A_MAIL = frozenset((SmtpPhase.CONNECT, SmtpPhase.GREETING, SmtpPhase.EHLO, SmtpPhase.TLS, SmtpPhase.AUTH, SmtpPhase.MAIL))


def enhanced_code(reply: str) -> str | None:
    found = ENHANCED.match(reply)
    return found.group(1) if found else None
