"""The folder of DKIM keys: a folder for each domain, in it a file SELECTOR.pem for each key.

Before: `engine.settings` says where it is. After: `engine.dkim.sign` signs with all of them. Whatever is wrong there keeps a
process from starting, for mail that goes out unsigned lands among the junk without anybody being told.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from engine.deliver.mime import in_ascii
from engine.dkim.key import DkimKey, PrivateKey
from engine.errors import SettingsError, UsageError

NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
LONGEST_LABEL = 63
USUAL_BITS, FEWEST_BITS = 2048, 1024  # RFC 8301 section 3.2; receivers pass over shorter ones
TOO_OPEN = 0o027  # our group may read; nobody else may anything
SUFFIX = ".pem"


def read_keys(folder: Path, *, must_be_there: bool = False) -> tuple[DkimKey, ...]:
    """Every key, by domain, RSA first, for some receivers look at the topmost signature alone. Raises SettingsError with all that
    is wrong in the folder.

    `must_be_there`: the operator has named the folder, so that one without keys is a mistake. Names that begin with a dot are
    passed over.
    """
    keys, faults = [], []
    for place in files_in(folder):
        try:
            keys.append(read_key(place))
        except (ValueError, OSError) as error:
            faults.append(f"{place}: {getattr(error, 'strerror', None) or error}")
    if must_be_there and not keys and not faults:
        faults.append(f"{folder}: no key is there, and HANDRAISER_DKIM_FOLDER names it: files are DOMAIN/SELECTOR.pem")
    if faults:
        raise SettingsError("The DKIM keys cannot be used, and mail is not sent without them:\n  " + "\n  ".join(faults))
    return tuple(sorted(keys, key=lambda key: (key.domain, key.kind != "rsa", key.selector)))


def files_in(folder: Path) -> Iterator[Path]:
    """What should be keys; a folder without any stands for itself, so that it is told."""
    if not folder.exists():
        return
    for entry in visible(folder):
        inside = visible(entry) if entry.is_dir() and os.access(entry, os.R_OK | os.X_OK) else []
        yield from inside or [entry]


def visible(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def read_key(file: Path) -> DkimKey:
    """Raises ValueError or OSError with what is wrong and what to do."""
    if file.is_dir():
        raise ValueError("this folder holds no key that can be read. A key is a file DOMAIN/SELECTOR.pem")
    domain, selector = domain_named(file.parent.name), selector_named(file.stem)
    if file.suffix != SUFFIX:
        raise ValueError("this is not a key by its name. A key is a file DOMAIN/SELECTOR.pem; move anything else elsewhere")
    if (mode := file.stat().st_mode) & TOO_OPEN:
        raise ValueError(f"others may use this key (its mode is {mode & 0o777:o}). Run: chmod 600 {file}")
    return DkimKey(domain=domain, selector=selector, private=parsed(file.read_bytes()), file=file)


def parsed(pem: bytes) -> PrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise ValueError("this key wants a passphrase. Store it without: openssl pkey -in OLD -out NEW") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("this is no private key in PEM form (it begins with -----BEGIN PRIVATE KEY-----)") from error
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError("DKIM knows RSA and Ed25519 keys, and this is another. `handraiser dkim make` makes both")
    if isinstance(key, RSAPrivateKey) and key.key_size < FEWEST_BITS:
        raise ValueError(
            f"this RSA key has {key.key_size} bits, and receivers want {USUAL_BITS}. `handraiser dkim make` makes one"
        )
    return key


def domain_named(name: str) -> str:
    """A domain as DKIM writes it. Raises ValueError."""
    try:
        domain = in_ascii(name.strip().rstrip(".")).lower()
    except ValueError:
        domain = ""
    if "." not in domain or not is_name(domain) or domain.rpartition(".")[2].isdigit():  # an IP address
        raise ValueError(f"{name!r} is no domain; it should look like example.com")
    return domain


def selector_named(name: str) -> str:
    """Raises ValueError."""
    if not is_name(name):
        raise ValueError(f"{name!r} cannot be a selector: small letters, digits, and hyphens between them")
    return name


def is_name(text: str) -> bool:
    return bool(NAME.fullmatch(text)) and all(len(label) <= LONGEST_LABEL for label in text.split("."))


def make_keys(folder: Path, domain: str, selector: str) -> tuple[DkimKey, ...]:
    """A new RSA and a new Ed25519 key for this domain, in files of their owner's own. Overwrites nothing. Raises UsageError."""
    try:
        place, name = folder / domain_named(domain), selector_named(selector)
    except ValueError as error:
        raise UsageError(str(error)) from error
    made: dict[Path, PrivateKey] = {
        place / f"{name}-rsa{SUFFIX}": generate_private_key(65537, USUAL_BITS),
        place / f"{name}-ed25519{SUFFIX}": Ed25519PrivateKey.generate(),
    }
    if taken := [str(file) for file in made if file.exists()]:
        raise UsageError(f"there is {' and '.join(taken)} already; keys are never overwritten. Choose another --selector")
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        for file, key in made.items():
            write_key(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    except OSError as error:
        for file in made:
            file.unlink(missing_ok=True)  # half a key would keep every process from starting
        raise OSError(error.errno, error.strerror, str(place)) from error
    return tuple(map(read_key, made))


def write_key(file: Path, pem: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(pem)
