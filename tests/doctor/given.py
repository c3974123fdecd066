"""A firm whose DNS is as it should be, for tests that then spoil one thing."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from engine.dkim.sign import Signer
from engine.doctor.finding import Finding, Level
from engine.doctor.names import Names
from engine.doctor.place import Place
from engine.settings import read_settings
from tests.dkim.keys import both_keys
from tests.doctor.dns_server import DnsServer, quoted
from tests.factories import SECRET

FIRM = "clearroom.air"
BOUNCES = "mail.clearroom.air"
RELAY, RELAYS_ADDRESS = "smtp.relay.air", "45.33.32.156"
Records = dict[str, dict[str, Sequence[str]]]


def good_records() -> Records:
    """SPF, DKIM, DMARC, MX and names both ways for FIRM, which sends through RELAY."""
    rsa, ed25519 = both_keys(FIRM)
    return {
        BOUNCES: {
            "TXT": [quoted(f"v=spf1 include:_spf.relay.air a:{BOUNCES} ~all")],
            "MX": ["10 localhost."],
            "A": ["127.0.0.1"],
        },
        "localhost": {"A": ["127.0.0.1"]},
        "_spf.relay.air": {"TXT": [quoted("v=spf1 ip4:45.33.32.0/24 -all")]},
        rsa.record_name: {"TXT": [quoted(rsa.record)]},
        ed25519.record_name: {"TXT": [quoted(ed25519.record)]},
        f"_dmarc.{FIRM}": {"TXT": [quoted(f"v=DMARC1; p=none; rua=mailto:dmarc@{FIRM}")]},
        RELAY: {"A": [RELAYS_ADDRESS]},
        "156.32.33.45.in-addr.arpa": {"PTR": [f"{RELAY}."]},
    }


def place_at(server: DnsServer, folder: Path, **changes: object) -> Place:
    """FIRM, with both keys, sending through RELAY. Words in capitals are settings, others are the Place's."""
    environ = {"SECRET_KEY": SECRET, "REPLY_DOMAIN": BOUNCES, "SMTP_URL": f"smtp://user:secret@{RELAY}:587"}
    environ |= {name: str(value) for name, value in changes.items() if name.isupper()}
    values: dict[str, object] = {
        "settings": read_settings(folder, {f"HANDRAISER_{name}": value for name, value in environ.items()}),
        "names": Names([server.address], seconds=20.0),
        "signer": Signer(both_keys(FIRM)),
        "senders": (FIRM,),
        "patience": 2.0,
    }
    return Place(**(values | {name: value for name, value in changes.items() if not name.isupper()}))  # type: ignore[arg-type]


def levels(findings: Iterable[Finding]) -> list[Level]:
    return [finding.level for finding in findings]


def told(findings: Iterable[Finding]) -> str:
    return "\n".join(f"{finding.level} {finding.said} → {finding.advice}" for finding in findings)
