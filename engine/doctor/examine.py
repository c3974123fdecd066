"""Everything that the doctor looks at, in the order in which it is told.

Before: `engine.cli.doctor` made the place. After: it prints what was found. No check keeps another from being made.
"""

from collections.abc import Callable, Iterable, Iterator

from engine.database import Database
from engine.doctor.address import look_at_address
from engine.doctor.dkim import look_at_dkim
from engine.doctor.dmarc import look_at_dmarc
from engine.doctor.finding import Finding, Subject, ok, problem, warning
from engine.doctor.names import NoDnsError
from engine.doctor.place import Place
from engine.doctor.relay import look_at_relays
from engine.doctor.replies import look_at_exchanges, look_at_listener
from engine.doctor.secret import look_at_secrets
from engine.doctor.sender import look_at_senders
from engine.doctor.sending import look_at_pointers
from engine.doctor.spf import look_at_spf
from engine.doctor.store import look_at_broker, look_at_database, look_at_disk
from engine.settings import MAIN, OUTBOX, url_setting

ASKS_THE_DNS: dict[Subject, Callable[[Place], Iterable[Finding]]] = {
    Subject.SPF: look_at_spf,
    Subject.DKIM: look_at_dkim,
    Subject.DMARC: look_at_dmarc,
    Subject.PTR: look_at_pointers,
    Subject.MX: look_at_exchanges,
}
AT_HOME = (
    "HANDRAISER_SMTP_URL is not set and there are no DKIM keys: mail is captured in the local outbox and nothing is sent to "
    "anyone, so the DNS is not looked at"
)


def examine(place: Place, database: Database) -> Iterator[Finding]:
    yield from look_at_secrets(place.settings)
    yield from look_at_database(place.settings, database)
    yield look_at_broker(place.settings)
    yield from look_at_disk(place.settings, database)
    yield look_at_listener(place)
    yield from look_at_address(place)
    if not place.relays:
        yield without_relay(place)
    if not place.is_meant_for_the_world:
        return
    yield from look_at_relays(place)
    yield from look_at_senders(place)
    yield from look_at_the_dns(place)


def without_relay(place: Place) -> Finding:
    if place.settings.is_outbox_meant:
        return ok(Subject.RELAY, f"{url_setting(MAIN)} is {OUTBOX} so mail stays in the local outbox and nobody is sent any")
    if place.has_left:
        said = f"{url_setting(MAIN)} is not set here, and processes of this database had a mail server's address before"
        return warning(Subject.RELAY, said, "set it where `up` or a worker is to run: none starts here without")
    if place.is_meant_for_the_world:
        return warning(Subject.RELAY, f"no mail leaves yet: {url_setting(MAIN)} is not set", "set it when what follows is well")
    return ok(Subject.RELAY, AT_HOME)


def look_at_the_dns(place: Place) -> Iterator[Finding]:
    if not place.names.answer():
        said = "no DNS server answers from here, so SPF, DKIM, DMARC, PTR and MX could not be looked at"
        yield problem(
            Subject.DNS, said, "look at /etc/resolv.conf and the network, or name a server: `handraiser doctor --dns 1.1.1.1`"
        )
        return
    for subject, look in ASKS_THE_DNS.items():
        try:
            yield from look(place)
        except NoDnsError as error:
            yield warning(subject, str(error), "try again; if it stays so, ask whoever runs the DNS of that domain")
