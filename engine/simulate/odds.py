"""Recipients who behave by odds that a person stated in a file, the same for everybody.

    opens: 45%
    clicks: 6%                  # of the mails opened: some link
    links: {pricing: 2%}        # of the mails opened: this link
    replies: 1%                 # of the mails opened
    unsubscribes: 0.3%          # of all marketing mails, as are the following
    bounces: 0.5%
    purchases: 0.2%
    emails:
      enquiry-02-co2: {opens: 60%, links: {guide: 12%}}

Before: `handraiser simulate --odds`. After: `engine.simulate.world` asks them what they do with a mail.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from random import Random

from engine.compiler.diagnostics import Findings
from engine.compiler.reading import plain
from engine.compiler.source import read_alone
from engine.errors import UsageError
from engine.simulate.recipients import Act, Intended, Persona, Received, Recipients
from engine.vocabulary import Stream

RATES = ("opens", "clicks", "replies", "unsubscribes", "bounces", "purchases")
NOBODY = Persona(name="by stated odds", share=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Odds:
    """Each from 0 to 1. `links`: by the link's name."""

    opens: float = 0.0
    clicks: float = 0.0
    replies: float = 0.0
    unsubscribes: float = 0.0
    bounces: float = 0.0
    purchases: float = 0.0
    links: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByOdds(Recipients):
    """Everybody. `emails`: where the odds differ, by the email's name."""

    odds: Odds
    emails: Mapping[str, Odds] = field(default_factory=dict)

    def persona_of(self, address: str) -> Persona:
        return NOBODY

    def intend(self, mail: Received) -> list[Intended]:
        if mail.handoff_id is not None or mail.task_id is not None:
            return self.rep_intends(mail)
        return list(acts(self.emails.get(mail.email, self.odds), mail, self.dice(mail.recipient, mail.email)))


def acts(odds: Odds, mail: Received, dice: Random) -> Iterator[Intended]:
    """What comes of one mail. Every die is thrown, whatever the others say, so that one rate changes nothing else."""
    opened_at = mail.at + timedelta(minutes=dice.lognormvariate(4.2, 1.4))
    throws = {name: dice.random() for name in (*RATES, *mail.links)}
    if throws["bounces"] < odds.bounces:
        yield Intended(at=mail.at + timedelta(minutes=3), act=Act.BOUNCE, mail=mail, by_machine=True)
        return
    if throws["opens"] < odds.opens:
        yield Intended(at=opened_at, act=Act.OPEN, mail=mail)
        yield from clicks(odds, mail, dice, throws, opened_at - mail.at)
        if throws["replies"] < odds.replies:
            yield Intended(at=opened_at + timedelta(minutes=20), act=Act.REPLY, mail=mail)
    if throws["purchases"] < odds.purchases:
        yield Intended(at=mail.at + timedelta(days=1), act=Act.ORDER, mail=mail)
    if mail.stream == Stream.MARKETING and throws["unsubscribes"] < odds.unsubscribes:
        yield Intended(at=mail.at + timedelta(hours=5), act=Act.UNSUBSCRIBE, mail=mail)


def clicks(odds: Odds, mail: Received, dice: Random, throws: Mapping[str, float], read_for: timedelta) -> Iterator[Intended]:
    at, some = mail.at + read_for + timedelta(minutes=1), dice.randrange(max(1, len(mail.links)))
    if mail.links and throws["clicks"] < odds.clicks:
        yield Intended(at=at, act=Act.CLICK, mail=mail, link=some)
    for number, name in enumerate(mail.links):
        if mail.links.index(name) == number and throws[name] < odds.links.get(name, 0.0):
            yield Intended(at=at + timedelta(minutes=1 + number), act=Act.CLICK, mail=mail, link=number)


def read_odds(file: Path, *, seed: int) -> ByOdds:
    """Raises UsageError that names what is wrong in the file."""
    findings = Findings()
    node = read_alone(file, file.name, findings)
    if node is None or findings.has_errors:
        raise UsageError("\n".join(map(str, findings.in_order())))
    facts = mapping(plain(node), file.name)
    usual = odds_of({name: value for name, value in facts.items() if name != "emails"}, Odds(), file.name)
    emails = mapping(facts.get("emails") or {}, f"{file.name}: emails")
    return ByOdds(
        seed=seed,
        odds=usual,
        emails={
            name: odds_of(mapping(own, f"{file.name}: {name}"), usual, f"{file.name}: {name}") for name, own in emails.items()
        },
    )


def odds_of(facts: Mapping[str, object], usual: Odds, where: str) -> Odds:
    """What is not said is as usual."""
    unknown = set(facts) - {*RATES, "links"}
    if unknown:
        raise UsageError(
            f"{where}: {', '.join(sorted(unknown))} is not known here; known: {', '.join((*RATES, 'links', 'emails'))}"
        )
    links = {name: rate(value, f"{where}: links") for name, value in mapping(facts.get("links") or {}, f"{where}: links").items()}
    rates = {name: rate(facts[name], f"{where}: {name}") for name in RATES if name in facts}
    return replace(usual, links={**usual.links, **links}, **rates)


def rate(value: object, where: str) -> float:
    text = str(value).strip()
    try:
        found = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise UsageError(f"{where}: {text!r} is no rate; write 12% or 0.12")
    return found


def mapping(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise UsageError(f"{where}: must be a mapping such as {{opens: 40%}}")
    return value
