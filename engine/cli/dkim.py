"""`handraiser dkim`: the keys that sign our mail, and the DNS records by which receivers check it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from engine.cli.opening import open_workspace, require_workspace
from engine.cli.options import json_option, print_json, workspace_option
from engine.clock import HostClock
from engine.deliver.signing import signed_domains, stop_signing
from engine.dkim.folder import make_keys, read_keys
from engine.dkim.key import DkimKey, in_zone_file
from engine.dkim.sign import Signer
from engine.errors import UsageError
from engine.settings import Settings, read_settings

NEXT = (
    "Publish both records and wait until `handraiser doctor` finds them; then restart every `handraiser up` and `handraiser "
    "worker`: from then on they sign. Keep the files secret; workers on other machines need copies. See docs/deliverability.md."
)


@click.command("dkim")
@click.argument("verb", type=click.Choice(["list", "make", "stop"]), default="list")
@click.argument("domain", required=False)
@click.option("--selector", help="What the new keys are called. Default: hr, year and month.")
@workspace_option
@json_option
def dkim_command(verb: str, domain: str | None, selector: str | None, workspace: Path, as_json: bool) -> None:
    """List the DKIM keys with the DNS records to publish, or make two new ones (RSA and Ed25519) for a DOMAIN.

    DOMAIN is what stands behind the @ in From. Nothing is sent and nothing published by this. Once a process has signed mail of a
    domain, none starts without a key for it; after `stop` it may be without.

    \b
    Example:
      handraiser dkim
      handraiser dkim make example.com
    """
    if verb == "stop":
        click.echo(stopped(workspace, domain))
        return
    if verb == "list" and domain is not None:
        raise UsageError("the list takes no DOMAIN: it is of all")
    settings = read_settings(workspace)
    require_workspace(workspace, settings)
    keys = made(settings, domain, selector) if verb == "make" else read_keys(settings.dkim_folder)
    if as_json:
        print_json([as_plain(key) for key in keys])
        return
    click.echo("\n".join(lines_of(keys) if keys else ["No DKIM keys. `handraiser dkim make example.com` makes two."]))
    if verb == "make":
        click.echo(f"\n{NEXT}")


def stopped(workspace: Path, domain: str | None) -> str:
    settings, database = open_workspace(workspace)
    domain = (domain or "").lower()
    if keys := Signer(read_keys(settings.dkim_folder)).keys_for(domain):
        raise UsageError(f"keys for {domain} are in {keys[0].file.parent}, and what is there signs; move them away first")
    with database.write() as tx:
        if not stop_signing(tx, domain):
            signed = ", ".join(signed_domains(tx))
            raise UsageError(
                f"mail is signed for: {signed}. Say which: handraiser dkim stop …" if signed else "mail of no domain is signed"
            )
    return f"Mail from {domain} is no longer signed here, and processes start without a key for it."


def made(settings: Settings, domain: str | None, selector: str | None) -> tuple[DkimKey, ...]:
    if domain is None:
        raise UsageError("say for which domain: handraiser dkim make example.com")
    return make_keys(settings.dkim_folder, domain, selector or f"hr{HostClock().now():%Y%m}")


def lines_of(keys: Sequence[DkimKey]) -> Iterator[str]:
    """Each record twice: as a form on a web page asks for it, and as a zone file holds it."""
    for key in keys:
        yield f"{key.domain}  {key.kind}, {key.bits} bits, {key.file}"
        yield f"  name   {key.record_name}"
        yield f"  value  {key.record}"
        yield f"  zone   {in_zone_file(key)}"


def as_plain(key: DkimKey) -> dict[str, object]:
    return {
        "domain": key.domain,
        "selector": key.selector,
        "kind": key.kind,
        "bits": key.bits,
        "file": str(key.file),
        "name": key.record_name,
        "value": key.record,
        "zone": in_zone_file(key),
    }
