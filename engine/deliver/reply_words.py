"""The words by which replies without a telling code are known: patterns, by what they speak of. Pure.

Before: servers have said these things for forty years, each in its own words. After: `engine.deliver.replies` names them in its
table. A pattern is added here, and an example of it to `tests/deliver/replies/`.
"""

import re
from enum import StrEnum
from functools import cache, lru_cache

from engine.log import ADDRESS


class Words(StrEnum):
    """What a reply speaks of."""

    NO_RELAYING = "of a relay that does not pass our mail on"
    QUOTA = "of a relay with a quota"
    SIZE = "of size"
    GREY = "of greylisting"
    RATE = "of rates"
    BLOCKED = "of block lists, spam and signatures"
    THEIR_RULE = "of a rule of the recipient"
    FULL = "of a full mailbox"
    OFF = "of a mailbox that is switched off"
    NOBODY = "of an unknown mailbox"
    SENDER = "of our sender's address or our machine"


def speaks(words: Words, reply: str) -> bool:
    return pattern(words).search(without_addresses(reply)) is not None


@lru_cache(maxsize=64)  # each reply is asked for many words in a row
def without_addresses(reply: str) -> str:
    """With an @ for each: what somebody calls a mailbox, moderator@ or spam@, says nothing of why it is refused."""
    return ADDRESS.sub("@", reply)


@cache
def pattern(words: Words) -> re.Pattern[str]:
    return re.compile("|".join(PATTERNS[words]), re.IGNORECASE)


# A reply that merely mentions the sender ("please ask the sender") may be about the recipient. It is about us where the sender,
# or what else is ours, is itself what is not there or not wanted.
SENDER = r"(?<!to )(?<!to the )\bsender"
THEIR_OWN = r"e-?mail|mail|envelope|user|account|mailbox|domain|host|server|address|name"
IS = r"(is |was |has been |does |did |could |can )?(an? )?"
NOT = r"(not|(do|does|is|was|could|ca)n'?t|cannot) (be |a |an )?"
THERE = r"(exist|found|known|valid|verif|resol|rout|list|regist|deliver)"
IS_NOT = rf"{IS}({NOT}{THERE}|un(known|verif|resol|rout)|invalid|non-?exist)"
IS_TURNED_AWAY = rf"{IS}({NOT}(accept|allow|authori|permit)|reject|refus|denied|disabled|inactive|suspended|locked|blocked)"
IS_BAD = rf"({IS_NOT}|{IS_TURNED_AWAY})"

PATTERNS: dict[Words, tuple[str, ...]] = {
    Words.NO_RELAYING: (
        r"relay(ing)?( access)?( is)? (denied|prohibited|not (allowed|permitted))",
        r"to relay\b",
        r"do(es)? not relay",
        r"relaying mail",
        r"authentication (is )?required",
        r"not authenticated",
        r"authenticat\w+ (first|required)",
        r"must (first )?(issue|authenticate)",
    ),
    Words.QUOTA: (
        r"daily (user |message |sending |email )*(limit|quota|rate)",
        r"(sending|submission|message|hourly|email) (limit|quota) (has been |was |is )?(exceeded|reached)",
        r"maximum sending rate",
        r"sender thread limit",
        r"per (hour|day) (limit )?(exceeded|allowed)",
        r"too many (messages|emails) (sent )?(today|this hour)",
        r"defers and failures",
        r"max(imum)? (e-?mails|messages) per (hour|day)",
    ),
    Words.SIZE: (
        r"(message|mail|e-?mail|content)\b.{0,25}(too (big|large)|size (exceeds|limit)|exceeds.{0,25}size)",
        r"size.{0,20}exceeds",
        r"too large",
        r"maximum (allowed )?(message )?size",
    ),
    Words.GREY: (
        r"gr[ae]y.?list",
        r"try again in \d+ (second|minute)s",
        r"come back (later|in)",
    ),
    Words.RATE: (
        r"rate.?limit",
        r"\brate\b.{0,30}(exceed|limit|prevent|high)",
        r"(exceed|limit|unusual|excess|high).{0,30}\b(rate|volume|frequen)",
        r"too many (connections|messages|mails|emails|recipients|sessions|concurrent|simultaneous|requests)",
        r"too (quickly|fast|frequent|much mail)",
        r"throttl",
        r"unexpected volume",
        r"user complaints",
        r"\[?TSS?\d\d\]?",
        r"slow(ing)? down",
        r"server (is )?(too )?busy",
        r"S77[57]\d\d",
        r"RP-00[123]",
        r"concurrent",
        r"temporarily deferred due to",
        r"frequency limit",
        r"ratelimit",
        r"mail volume",
        r"deferred.{0,20}(volume|reputation)",
    ),
    Words.BLOCKED: (
        r"spamhaus",
        r"spamcop",
        r"barracuda",
        r"\bsorbs\b",
        r"block.?list",
        r"black.?list",
        r"blocklisted",
        r"\b(rbl|dnsbl|cbl|pbl|sbl|xbl)s?\b",
        r"reputation",
        r"\bblocked\b",
        r"\bbanned\b",
        r"senderscore",
        r"uceprotect",
        r"invaluement",
        r"\bspf\b",
        r"\bdkim\b",
        r"\bdmarc\b",
        r"reverse.?(dns|hostname|lookup)",
        r"\bptr\b",
        r"\bspam",
        r"\bunsolicited",
        r"unauthenticated",
        r"policy (reason|violation|restriction)",
        r"(violat|due to|by).{0,20}polic(y|ies)",
        r"poor (sender )?reputation",
        r"message content (rejected|denied)",
        r"content (rejected|denied)",
        r"virus",
        r"phish",
        r"malware",
        r"(DT|SPM|HL):",
        r"(SC|DY|OU|CO)-00\d",
        r"not accepted from",
        r"denied by polic",
        r"administrative (prohibition|reject)",
    ),
    Words.THEIR_RULE: (
        r"RESOLVER\.RST",
        r"not (authorized|allowed|permitted) to (send|email|post|mail)",
        r"(members|subscribers) only",
        r"only accepts? (mail|messages) from",
        r"has (blocked|rejected) (you|the sender|your)",
        r"recipient.{0,30}(blocked|refuses) (you|the sender|mail)",
        r"sender (is )?not (on|in) .{0,20}(list|group)",
        r"closed group",
        r"rejected by (the )?(recipient|user)",
        r"RestrictDomain",
        r"moderat",
    ),
    Words.FULL: (
        r"over ?quota",
        r"quota.{0,15}(exceeded|full|reached)",
        r"exceeded.{0,30}(storage|quota)",
        r"(mailbox|inbox|mail box).{0,30}(full|exceed)",
        r"out of (storage|disk|mailbox)",
        r"not enough (storage|space)",
        r"insufficient (disk |mailbox )?(space|storage|quota)",
        r"storage.{0,15}(full|exceeded)",
    ),
    Words.OFF: (
        r"(mailbox|account|user|recipient|address)\b.{0,60}(disabled|inactive|suspended|locked|deactivated)",
        r"(mailbox|account|user|recipient|address)\b.{0,60}(expired|not active|frozen)",
        r"(disabled|inactive|suspended|deactivated|locked|frozen) (mailbox|account|user|recipient)",
        r"not accepting (mail|messages|email)",
        r"account.{0,20}(closed|terminated)",
        r"discontinued",
    ),
    Words.SENDER: (
        rf"{SENDER}'?s?( ({THEIR_OWN}))*( <?@>?)? {IS_BAD}",
        rf"{SENDER} (verif|callout)",
        r"(invalid|bad|unknown|unverifiable|unrout\w+|non-?existent|no such|bogus) (envelope )?sender",
        r"(verif\w+|resolve|not a valid|not a known) (the |your )?(envelope )?sender",
        r"your (envelope sender|sender address)",
        r"\b(domain|host|hostname)( \S{1,255})? (of|for) (the |your )?(envelope )?sender",
        r": sender\W*$",
        r"(verification failed for|while (verifying|checking)) <?@",  # Exim: always a sender
        r"in reply to (mail from|helo|ehlo) command",  # Postfix, in a bounce
        r"after (pipelined )?mail from:",  # Exim, in a bounce
        rf"\b(return|reverse)[ -]?(path|address)( address)?( <?@>?)? {IS_BAD}",
        rf"\b(mail ?)?from:?( header| field| e-?mail)* (domain|address)( <?@>?)? {IS_BAD}",
        rf"\bmail ?from:? <?@>? {IS_NOT}",
        r"(?<![\w.])(helo|ehlo|rdns|ptr)\b(?![.=])[^,;:()=]{0,30}\b(not|no|invalid|unknown|reject|fail|record|mismatch|missing)",
        r"\b(no|invalid|missing) (helo|ehlo|rdns|ptr)\b",
        r"reverse (dns|lookup)",
        r"invalid dns mx or a\b",  # GMX, behind "mailbox unavailable": of a sender's domain
        r"\b(spf|dkim|dmarc) (record|key|policy)",
        rf"\b(your|client|connecting|sending) (ip|host ?name|host|domain|server|mail ?server)( (address|name))?( @)? {IS_BAD}",
        rf"\b(ip|ip address|host ?name) (of |for )?[\[(]?[\da-f.:]{{3,45}}[\])]? {IS_BAD}",
        rf"\byour (e-?mail |mail )?account {IS_BAD}",
        rf"\bsending account {IS_BAD}",
        r"\bsending (for|from|by) (this|your) (account|mailbox|user|domain)",
        r"(disabled|suspended|locked|blocked) (for|from) sending",
        r"account (is |has been )?(disabled|suspended|locked|blocked)[^.]{0,40}to send (e-?mails?|mail|messages)(?! to)",
        r"backscatter protection",
    ),
    Words.NOBODY: (
        r"user.{0,3}unknown",
        r"unknown (user|recipient|mailbox|address|account|local)",
        r"no such (user|mailbox|recipient|person|address|account|local)",
        r"(mailbox|recipient|address|user|account|alias)\b.{0,60}(not found|unavailable|does not exist|doesn'?t exist|no longer)",
        r"(mailbox|recipient|address|user|account|alias)\b.{0,60}(not exist|unknown|not known|invalid|not listed|not valid)",
        r"(mailbox|recipient|address|user|account|alias)\b.{0,60}could not be found",
        r"does not exist",
        r"doesn'?t (exist|have)",
        r"no longer (exists?|valid|available|employed|here|in use)",
        r"(invalid|bad|unrouteable|unroutable|nonexistent|non-existent) (recipient|mailbox|address|user|destination|e-?mail)",
        r"recipient (address )?rejected: (user|address|access denied|undeliverable)",
        r"account (has been |is )?(disabled|closed|deactivated)",
        r"host or domain name not found",
        r"address not found",
        r"no mailbox here",
        r"not a valid (mailbox|recipient|user|address)",
        r"unable to (find|verify) (the )?(recipient|user|address)",
        r"user not found",
        r"not our customer",
        r"we don'?t handle mail for",
        r"domain (name )?not found",
    ),
}
