"""`handraiser doctor`: what keeps mail from arriving, and what to do about it. Sends nothing and changes nothing.

Before: the settings are read, and the database is opened where there is one. After: each check of `engine.doctor` is a line.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import click
import sqlalchemy as sa

from engine.cli.opening import require_workspace
from engine.cli.options import counted, json_option, print_json, workspace_option
from engine.database import Database
from engine.dkim.folder import read_keys
from engine.dkim.sign import Signer
from engine.doctor.examine import examine
from engine.doctor.finding import Finding, Level, Subject
from engine.doctor.names import Names, is_address
from engine.doctor.place import Place, sender_domains
from engine.doctor.receivers import Held, held
from engine.errors import HandraiserError, SettingsError, UsageError
from engine.installation import LEAVES, said
from engine.schema import relay_states
from engine.settings import Settings, read_settings
from engine.versions import declared_relays, live_rules


@click.command("doctor")
@click.option("--sends-from", multiple=True, help="An address from which mail reaches the world. May be given again.")
@click.option("--dns", multiple=True, help="A DNS server to ask in the place of this machine's own. May be given again.")
@workspace_option
@json_option
def doctor_command(sends_from: tuple[str, ...], dns: tuple[str, ...], workspace: Path, as_json: bool) -> None:
    """Look at all that must be right for mail to arrive: DNS, mail server, certificates, database, clock, disk, secrets.

    Nothing is sent or changed. Exit status 1 when there is a problem; docs/deliverability.md tells how to mend each.

    \b
    Example:
      handraiser doctor
      handraiser doctor --sends-from 203.0.113.7 --dns 1.1.1.1
    """
    if wrong := [address for address in sends_from if not is_address(address)]:
        raise UsageError(f"--sends-from {wrong[0]}: this is no IP address")
    settings = read_settings(workspace)
    require_workspace(workspace, settings)
    database = Database.open(settings.database_url)
    findings = list(examine(place_of(settings, database, sends_from, Names(dns)), database))
    required = list(held(findings)) if any(finding.subject is Subject.SENDER for finding in findings) else []
    print_json(as_plain(findings, required)) if as_json else click.echo("\n".join(lines_of(findings, required)))
    sys.exit(1 if has_problem(findings) else 0)


def place_of(settings: Settings, database: Database, sends_from: tuple[str, ...], names: Names) -> Place:
    signer, trouble = Signer(), ""
    try:
        signer = Signer(read_keys(settings.dkim_folder, must_be_there=settings.is_dkim_named))
    except SettingsError as error:
        trouble = str(error)
    known = known_of(database)
    return Place(
        settings=settings,
        names=names,
        signer=signer,
        key_trouble=trouble,
        senders=known.senders,
        declared=known.declared,
        left_alone=known.left_alone,
        has_left=known.has_left,
        sends_from=sends_from,
    )


class Known(NamedTuple):
    """The domains that stand in From, the relays, the words of those in trouble, and whether mail ever left through one."""

    senders: tuple[str, ...] = ()
    declared: tuple[str, ...] = ()
    left_alone: Mapping[str, str] = MappingProxyType({})
    has_left: bool = False


def known_of(database: Database) -> Known:
    """Nothing where no workspace is in force, or the database cannot be read, which its own check tells."""
    if database.is_sqlite and not Path(database.engine.url.database or "").exists():
        return Known()
    try:
        with database.read() as tx:
            left_alone = sa.select(relay_states.c.relay, relay_states.c.why).where(relay_states.c.open_until.is_not(None))
            return Known(
                sender_domains(tx, live_rules(tx)),
                tuple(declared_relays(tx)),
                {row.relay: row.why for row in tx.run(left_alone)},
                said(tx, LEAVES) is not None,
            )
    except (sa.exc.SQLAlchemyError, HandraiserError):
        return Known()


def has_problem(findings: Sequence[Finding]) -> bool:
    return any(finding.level is Level.PROBLEM for finding in findings)


def as_plain(findings: Sequence[Finding], required: Sequence[Held]) -> dict[str, object]:
    return {"ok": not has_problem(findings), "findings": list(map(asdict, findings)), "required": list(map(asdict, required))}


def lines_of(findings: Sequence[Finding], required: Sequence[Held]) -> Iterator[str]:
    for finding in findings:
        yield f"{finding.level:8} {finding.subject:9} {finding.said}"
        if finding.advice:
            yield f"{'':8} {'':9} → {finding.advice}"
    if required:
        yield "\nWhat Gmail, Yahoo and Microsoft require of those who send 5,000 mails a day, and of others soon after:"
    for each in required:
        because = f": {each.because}" if each.because else ""
        yield f"{SPOKEN[each.level]:8} {each.what} ({', '.join(each.by)}){because}"
    yield f"\n{summary(findings)}"


SPOKEN = {Level.OK: "holds", Level.UNKNOWN: "look", Level.PROBLEM: "missing"}


def summary(findings: Sequence[Finding]) -> str:
    counts = {level: sum(finding.level is level for finding in findings) for level in Level}
    return f"{counted(counts[Level.PROBLEM], 'problem')}, {counted(counts[Level.WARNING], 'warning')}, " + (
        f"{counted(counts[Level.UNKNOWN], 'thing')} that cannot be known from here, {counts[Level.OK]:,} fine."
    )
