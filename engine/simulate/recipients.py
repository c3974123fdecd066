"""Recipients: what people, their mail scanners and our reps do with a mail, by stated odds and a seed. Pure.

Before: a mail reached its recipient. After: `engine.simulate.acts` carries out what was decided. The same seed, address and email
always give the same decision, whatever else happens in the run.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from random import Random

from engine.tokens import NOBODY


class Act(StrEnum):
    """What a recipient may do."""

    OPEN = "open"
    CLICK = "click"
    REPLY = "reply"
    AUTO_REPLY = "auto_reply"
    UNSUBSCRIBE = "unsubscribe"
    COMPLAIN = "complain"
    BOUNCE = "bounce"  # accepted first, returned later
    SOFT_BOUNCE = "soft_bounce"  # the same, and it may heal
    ACCEPT = "accept"  # a rep takes the lead
    DECLINE = "decline"  # a rep gives it back
    CLOSE = "close"  # a rep is through with it
    DO = "do"  # a rep does what a task asks for
    VISIT = "visit"  # looks at the price page of the site
    ASK = "ask"  # sends the site's form
    ORDER = "order"  # the lead buys something
    SHIPMENT = "shipment"  # and it is on its way


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A mail in somebody's mailbox. `links`: the names of its tracked links, in their order."""

    send_id: int
    recipient: str  # the address
    email: str
    stream: str
    links: tuple[str, ...]
    at: datetime
    link_table_id: int = 0
    address_key: str = NOBODY
    handoff_id: int | None = None  # of a mail to a rep
    task_id: int | None = None  # the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """Something a recipient will do. `link`: which of the mail's links; None where it is about none."""

    at: datetime
    act: Act
    mail: Received
    link: int | None = None
    by_machine: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """A kind of recipient: how likely each act is for one mail. `wears_off`: how much of the odds is left a year on."""

    name: str
    share: float  # of all leads
    opens: float = 0.0
    clicks: float = 0.0  # of the mails opened
    replies: float = 0.0  # of the mails opened
    unsubscribes: float = 0.0  # of all mails
    complains: float = 0.0
    scanned: bool = False  # a scanner fetches every link at once
    away: float = 0.0  # odds of an automatic reply
    favourite: str | None = None  # the link that such people look for first
    looks_on: float = 0.0  # odds of going on to the price page from a link
    asks: float = 0.0  # odds of sending the form there
    bounces: float = 0.0  # taken first, returned later
    refused: bool = False  # the mail server says that there is no such mailbox


PERSONAS = (
    Persona(name="silent", share=0.42),
    Persona(name="reader", share=0.29, opens=0.55, clicks=0.04, unsubscribes=0.004, away=0.02),
    Persona(name="curious", share=0.13, opens=0.75, clicks=0.22, replies=0.015, unsubscribes=0.003, away=0.02, looks_on=0.1),
    Persona(name="ready", share=0.07, opens=0.9, clicks=0.5, replies=0.06, favourite="pricing", looks_on=0.6, asks=0.3),
    Persona(name="behind a scanner", share=0.03, opens=0.3, clicks=0.03, scanned=True),
    Persona(name="leaving", share=0.03, opens=0.4, unsubscribes=0.25, complains=0.03),
    Persona(name="gone", share=0.02, refused=True),
    Persona(name="moving", share=0.01, opens=0.3, bounces=0.15),
)


REPS_TAKE = 0.65  # of the hands raised
REPS_DO = 0.8  # of the tasks
LEADS_BUY = 0.5  # of those that a rep took


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients:
    """Everybody who may get mail in a run."""

    seed: int
    personas: Sequence[Persona] = PERSONAS
    drawn: dict[str, Persona] = field(default_factory=dict, compare=False, repr=False)  # who was asked for before

    def persona_of(self, address: str) -> Persona:
        """Drawn by the address, so that it is the same in every run with this seed."""
        if address not in self.drawn:
            self.drawn[address] = self.draw_persona(address)
        return self.drawn[address]

    def draw_persona(self, address: str) -> Persona:
        drawn = self.dice("persona", address).random() * sum(persona.share for persona in self.personas)
        for persona in self.personas:
            drawn -= persona.share
            if drawn < 0:
                return persona
        return self.personas[-1]

    def intend(self, mail: Received) -> list[Intended]:
        """What the recipient of this mail is going to do, and when."""
        if mail.handoff_id is not None or mail.task_id is not None:
            return self.rep_intends(mail)
        persona, dice = self.persona_of(mail.recipient), self.dice(mail.recipient, mail.email)
        if persona.refused:
            return []
        scanned = scans(mail) if persona.scanned else []
        return scanned + reads(persona, mail, dice) + leaves(persona, mail, dice) + returns(persona, mail, dice)

    def rep_intends(self, mail: Received) -> list[Intended]:
        if mail.task_id is not None:
            return does(mail, self.dice("task", str(mail.task_id)))
        return answers(mail, self.dice("rep", str(mail.handoff_id)))

    def dice(self, *about: str) -> Random:
        return Random(int.from_bytes(sha256("\n".join((str(self.seed), *about)).encode()).digest()[:8], "big"))


def scans(mail: Received) -> list[Intended]:
    """A security scanner follows every link within two seconds of the mail's arrival."""
    return [
        Intended(at=mail.at + timedelta(seconds=1, milliseconds=100 * n), act=Act.CLICK, mail=mail, link=n, by_machine=True)
        for n in range(len(mail.links))
    ]


def reads(persona: Persona, mail: Received, dice: Random) -> list[Intended]:
    """Opening, and for some of those who open, following a link or answering."""
    if dice.random() < persona.away:
        return [Intended(at=mail.at + timedelta(minutes=1), act=Act.AUTO_REPLY, mail=mail, by_machine=True)]
    if dice.random() >= persona.opens:
        return []
    opened_at = mail.at + timedelta(minutes=dice.lognormvariate(4.2, 1.4))
    intended = [Intended(at=opened_at, act=Act.OPEN, mail=mail)]
    if mail.links and dice.random() < persona.clicks:
        clicked_at = opened_at + timedelta(seconds=dice.uniform(20, 240))
        intended.append(Intended(at=clicked_at, act=Act.CLICK, mail=mail, link=choose_link(persona, mail, dice)))
        intended += looks_on(persona, mail, clicked_at, dice)
    if dice.random() < persona.replies:
        intended.append(Intended(at=opened_at + timedelta(minutes=dice.uniform(2, 90)), act=Act.REPLY, mail=mail))
    return intended


def looks_on(persona: Persona, mail: Received, clicked_at: datetime, dice: Random) -> list[Intended]:
    """What happens on the site, once somebody is there."""
    if dice.random() >= persona.looks_on:
        return []
    visited = Intended(at=clicked_at + timedelta(minutes=2), act=Act.VISIT, mail=mail)
    if dice.random() >= persona.asks:
        return [visited]
    return [visited, Intended(at=clicked_at + timedelta(minutes=9), act=Act.ASK, mail=mail)]


def choose_link(persona: Persona, mail: Received, dice: Random) -> int:
    if persona.favourite in mail.links:
        return mail.links.index(persona.favourite)
    return dice.randrange(len(mail.links))


def leaves(persona: Persona, mail: Received, dice: Random) -> list[Intended]:
    """Marketing can be left; an order's confirmation cannot."""
    if mail.stream != "marketing":
        return []
    at = mail.at + timedelta(minutes=dice.uniform(5, 600))
    if dice.random() < persona.unsubscribes:
        return [Intended(at=at, act=Act.UNSUBSCRIBE, mail=mail)]
    if dice.random() < persona.complains:
        return [Intended(at=at, act=Act.COMPLAIN, mail=mail)]
    return []


def returns(persona: Persona, mail: Received, dice: Random) -> list[Intended]:
    """A mail server that took a mail and could not deliver it after all."""
    if dice.random() >= persona.bounces:
        return []
    return [Intended(at=mail.at + timedelta(minutes=3), act=Act.BOUNCE, mail=mail, by_machine=True)]


def answers(mail: Received, dice: Random) -> list[Intended]:
    """A rep takes two hands in three, and is through with them some days later; the others go back to nurture."""
    at = mail.at + timedelta(minutes=dice.uniform(10, 200))
    if dice.random() >= REPS_TAKE:
        return [Intended(at=at, act=Act.DECLINE, mail=mail)]
    through_at = at + timedelta(days=dice.uniform(3, 25))
    taken = [Intended(at=at, act=Act.ACCEPT, mail=mail), Intended(at=through_at, act=Act.CLOSE, mail=mail)]
    if dice.random() >= LEADS_BUY:
        return taken
    ordered_at = through_at - timedelta(hours=dice.uniform(2, 20))
    shipped_at = ordered_at + timedelta(days=2)
    return [
        *taken,
        Intended(at=ordered_at, act=Act.ORDER, mail=mail),
        Intended(at=shipped_at, act=Act.SHIPMENT, mail=mail),
    ]


def does(mail: Received, dice: Random) -> list[Intended]:
    """A rep does four tasks in five, mostly the next day; of the others nothing is heard."""
    if dice.random() >= REPS_DO:
        return []
    return [Intended(at=mail.at + timedelta(hours=dice.uniform(1, 48)), act=Act.DO, mail=mail)]
