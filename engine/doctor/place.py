"""What the doctor looks at: the settings and what follows from them, gathered once.

Before: `engine.cli.doctor` reads the settings and opens the database. After: each check takes what it needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from engine.database import Tx
from engine.deliver.mime import in_ascii
from engine.dkim.sign import Signer
from engine.doctor.names import Names
from engine.schema import artifacts
from engine.settings import Settings
from engine.versions import Live

SMTP = 25
NOBODYS = ("example", "test", "invalid", "localhost", "example.com", "example.org", "example.net")
FROM_A_REP = '%"is_rep":true%'  # in an artifact's JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`key_trouble`: why the keys cannot be used, `signer` having none then. `senders`: domains that stand in From. `declared`:
    the relays of the workspace in force; `left_alone`: those in trouble, with their words. `has_left`: a process of this database
    had the address of one. `sends_from`: addresses from which mail reaches the world, as the operator says. `mx_port`, `patience`
    (seconds): the tests' to change.
    """

    settings: Settings
    names: Names
    signer: Signer
    key_trouble: str = ""
    senders: tuple[str, ...] = ()
    declared: tuple[str, ...] = ()
    left_alone: Mapping[str, str] = field(default_factory=dict)
    has_left: bool = False
    sends_from: tuple[str, ...] = ()
    mx_port: int = SMTP
    patience: float = 5.0

    @property
    def relays(self) -> tuple[tuple[str, str], ...]:
        """(name, URL) of each; none where mail stays here."""
        return tuple(self.settings.relay_urls.items())

    @property
    def domains(self) -> tuple[str, ...]:
        """Of From, and those that have keys: whoever makes keys first wants to see whether they are published."""
        found = dict.fromkeys((*self.senders, *(key.domain for key in self.signer.keys)))
        return tuple(domain for domain in found if not is_nobodys(domain))

    @property
    def is_meant_for_the_world(self) -> bool:
        """Whether mail leaves, or is about to: keys are made for nothing else."""
        return bool(self.relays or self.signer.keys or self.key_trouble)


def is_nobodys(domain: str) -> bool:
    """A name that is kept for examples (RFC 2606), or means this machine."""
    return any(domain == name or domain.endswith(f".{name}") for name in NOBODYS)


def sender_domains(tx: Tx, live: Live) -> tuple[str, ...]:
    """Of every identity of a brand; of the reps, too, where any mail was ever from them."""
    found = [identity["address"] for brand in live.policy.brands.values() for identity in brand["identities"].values()]
    if tx.run(sa.select(artifacts.c.hash).where(artifacts.c.body.like(FROM_A_REP)).limit(1)).first():
        found += [rep.email for rep in live.assignment.reps.values()]
    return tuple(sorted({in_ascii(address.rpartition("@")[2]).lower() for address in found}))
