"""Checking the relays: that all mail has a way out, and that each has an address on this machine.

Before: `engine.compiler.check` has walked the cadences. After: the plan's policy holds the relays. Only who knows the settings
asks whether addresses are there.
"""

from collections.abc import Collection, Iterator

from engine.compiler.build import default_brand
from engine.compiler.checks import Checks
from engine.compiler.diagnostics import quote
from engine.settings import url_setting
from engine.vocabulary import Stream

ANY_DOMAIN = ""  # none that a relay names
UNADDRESSED = "W018"


def check_relays(checks: Checks, addressed: Collection[str]) -> None:
    """`addressed`: the relays that have an address in the settings; none: mail goes to the local outbox."""
    for brand in checks.files.relays.brands:
        checks.brand(brand)
    if not checks.findings.has_errors_in("relays.yaml"):
        check_ways_out(checks)
    if addressed and not checks.findings.has_errors:
        check_addresses(checks, addressed)


def check_ways_out(checks: Checks) -> None:
    written = checks.files.relays
    for stream, brand in sorted(set(kinds_of_mail(checks))):
        taking = [each.value for each in written.relays if each.value.takes(stream, brand, ANY_DOMAIN)]
        if not taking:
            told = f"no relay takes {stream} mail of {quote(brand)} to just any domain"
            checks.findings.add("E081", written.place, told)


def kinds_of_mail(checks: Checks) -> Iterator[tuple[Stream, str]]:
    """What mails there are, by stream and brand; notices to reps are of the workspace's brand."""
    yield Stream.TRANSACTIONAL, default_brand(checks.files)
    for (_, brand), edition in checks.emails.editions.items():
        yield Stream(edition.plain.stream), brand


def check_addresses(checks: Checks, addressed: Collection[str]) -> None:
    written = checks.files.relays
    for each in written.relays:
        if each.value.name not in addressed:
            told = f"the relay {quote(each.value.name)} has no address: set {url_setting(each.value.name)}"
            checks.findings.add(UNADDRESSED, each.place, told)
    names = {each.value.name for each in written.relays}
    for name in sorted(set(addressed) - names):
        told = f"{url_setting(name)} is set, and there is no relay {quote(name)} that would use it"
        checks.findings.add(UNADDRESSED, written.place, told)
