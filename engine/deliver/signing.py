"""Whose mail is signed: noted in the database, so that no worker sends it unsigned because its keys are not where it looks.

Before: a process that sends starts. After: it has a signer with every key, or does not start: keys that were not copied to a new
machine, or lay in a container that is gone, are told then, and not by mail among the junk.
"""

from hashlib import sha256

import sqlalchemy as sa

from engine.database import Database, Tx
from engine.dkim.folder import read_keys
from engine.dkim.sign import Signer
from engine.errors import SettingsError
from engine.installation import say
from engine.schema import installation
from engine.settings import Settings

SIGNED = "signed by DKIM: "  # and a digest of the domain, which may be longer than a name


def ready_signer(settings: Settings, database: Database) -> Signer:
    """With every key of the folder. Raises SettingsError. Where mail does not leave, nothing is noted and nothing is missed."""
    signer = Signer(read_keys(settings.dkim_folder, must_be_there=settings.is_dkim_named))
    if settings.sends_for_real:
        with database.write() as tx:
            require_all(tx, signer)
            for domain in {key.domain for key in signer.keys}:
                note_signed(tx, domain)
    return signer


def require_all(tx: Tx, signer: Signer) -> None:
    if missing := [domain for domain in signed_domains(tx) if not signer.keys_for(domain)]:
        raise SettingsError(
            f"Mail from {', '.join(missing)} was signed by DKIM until now, and no key for it is here. Copy the keys to this "
            f"machine (HANDRAISER_DKIM_FOLDER says where); or, if others sign it now: handraiser dkim stop {missing[0]}"
        )


def note_signed(tx: Tx, domain: str) -> None:
    say(tx, SIGNED + sha256(domain.encode()).hexdigest()[:32], domain)


def signed_domains(tx: Tx) -> list[str]:
    """Those that some process had a key for, in order."""
    return sorted(tx.run(sa.select(installation.c.value).where(installation.c.name.startswith(SIGNED))).scalars())


def stop_signing(tx: Tx, domain: str) -> bool:
    """From now on nobody misses a key for it. False: it was not noted."""
    noted = installation.c.name.startswith(SIGNED) & (installation.c.value == domain)
    return tx.run(sa.delete(installation).where(noted)).rowcount > 0
