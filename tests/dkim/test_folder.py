"""Keys on disk: what is made, what is read, and what keeps a process from starting."""

import os
import stat
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateNumbers,
    RSAPublicNumbers,
    rsa_recover_private_exponent,
)
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from engine.dkim.folder import make_keys, read_keys, write_key
from engine.dkim.key import in_zone_file
from engine.errors import SettingsError, UsageError
from tests.dkim.keys import an_ed25519_key, an_rsa_key


def pem_of(key: object, password: bytes | None = None) -> bytes:
    way = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, way)  # type: ignore[attr-defined,no-any-return]


SMALL_PRIME = 0xF583DFC78FE0B30FAD3B05F7988833216AFEC1A6B9F410854F801EBBEC4FE650F091A0523F529C7C3F440C694A18C3F7
SMALL_PRIME_TOO = 0xD6A108B7D0F1142961BA516F97B23FAB6F86BBF81AB65B4D24D30DB2BE1FF2BB9044257CF3277155627CCAF55D645239
GOOD = pem_of(an_ed25519_key().private)


def test_made_keys_are_read_again_and_belong_to_their_owner_alone(tmp_path: Path):
    made = make_keys(tmp_path / "dkim", "Clearroom.Example", "nov")

    assert [(key.domain, key.selector, key.kind) for key in made] == [
        ("clearroom.example", "nov-rsa", "rsa"), ("clearroom.example", "nov-ed25519", "ed25519"),
    ]  # fmt: skip
    assert {stat.S_IMODE(os.stat(key.file).st_mode) for key in made} == {0o600}
    assert {key.record for key in read_keys(tmp_path / "dkim")} == {key.record for key in made}


def test_a_key_is_never_overwritten(tmp_path: Path):
    make_keys(tmp_path, "clearroom.example", "nov")

    with pytest.raises(UsageError, match="never overwritten"):
        make_keys(tmp_path, "clearroom.example", "nov")


@pytest.mark.parametrize("domain", ["", "localhost", "a..b", "../up.example", "a b.example", "a_b.example", "-a.example"])
def test_keys_are_made_for_domains_only(tmp_path: Path, domain: str):
    with pytest.raises(UsageError, match="no domain"):
        make_keys(tmp_path / "dkim", domain, "nov")

    assert not (tmp_path / "dkim").exists()


def test_a_domain_of_other_letters_is_written_as_the_dns_writes_it(tmp_path: Path):
    assert make_keys(tmp_path, "bücher.example", "nov")[0].record_name == "nov-rsa._domainkey.xn--bcher-kva.example"


def test_no_folder_is_no_keys_unless_the_operator_named_one(tmp_path: Path):
    assert read_keys(tmp_path / "dkim") == ()
    with pytest.raises(SettingsError, match="HANDRAISER_DKIM_FOLDER names it"):
        read_keys(tmp_path / "dkim", must_be_there=True)


@pytest.mark.parametrize(
    ("name", "content", "mode", "told"),
    [
        ("clearroom.example/a.pem", GOOD, 0o644, "others may use this key (its mode is 644). Run: chmod 600"),
        ("clearroom.example/a.pem", b"", 0o600, "no private key in PEM form"),
        ("clearroom.example/a.pem", GOOD[:60], 0o600, "no private key in PEM form"),
        ("clearroom.example/a.pem", pem_of(an_rsa_key().private, b"secret"), 0o600, "wants a passphrase"),
        ("clearroom.example/a.pem", pem_of(generate_ec_key(SECP256R1())), 0o600, "RSA and Ed25519"),
        ("clearroom.example/a.pem", b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", 0o600, "no private key"),
        ("clearroom.example/A_b.pem", GOOD, 0o600, "cannot be a selector"),
        ("clearroom.example/a.private", GOOD, 0o600, "not a key by its name"),
        ("clearroom/a.pem", GOOD, 0o600, "is no domain"),
        ("a.pem", GOOD, 0o600, "is no domain"),
    ],
    ids=map(str, count()),  # keys are drawn, and a test's name must not be
)
def test_what_is_wrong_is_said_with_its_file(tmp_path: Path, name: str, content: bytes, mode: int, told: str):
    file = tmp_path / "dkim" / name
    file.parent.mkdir(parents=True)
    write_key(file, content)
    file.chmod(mode)

    with pytest.raises(SettingsError) as caught:
        read_keys(tmp_path / "dkim")

    assert str(file) in str(caught.value) and told in str(caught.value)


def test_an_empty_folder_of_a_domain_is_told(tmp_path: Path):
    (tmp_path / "clearroom.example").mkdir()

    with pytest.raises(SettingsError, match="holds no key"):
        read_keys(tmp_path)


def test_everything_that_is_wrong_is_told_at_once_and_names_with_a_dot_are_passed_over(tmp_path: Path):
    make_keys(tmp_path, "clearroom.example", "nov")
    (tmp_path / ".data").mkdir()
    write_key(tmp_path / "clearroom.example" / "one.txt", GOOD)
    write_key(tmp_path / "clearroom.example" / "two.pem", b"nothing")

    with pytest.raises(SettingsError) as caught:
        read_keys(tmp_path)

    assert "one.txt" in str(caught.value) and "two.pem" in str(caught.value) and ".data" not in str(caught.value)


def test_a_short_rsa_key_is_refused(tmp_path: Path):
    (tmp_path / "clearroom.example").mkdir()
    write_key(tmp_path / "clearroom.example" / "old.pem", a_key_of(SMALL_PRIME, SMALL_PRIME_TOO))

    with pytest.raises(SettingsError, match="has 768 bits"):
        read_keys(tmp_path)


def test_a_key_that_cannot_be_opened_is_told(tmp_path: Path):
    (tmp_path / "clearroom.example").mkdir()
    (tmp_path / "clearroom.example" / "gone.pem").symlink_to(tmp_path / "nowhere")

    with pytest.raises(SettingsError, match=r"gone\.pem: No such file"):
        read_keys(tmp_path)


def test_a_record_comes_in_strings_that_the_dns_can_hold():
    record = in_zone_file(an_rsa_key())
    strings = record.split('"')[1::2]

    assert len(strings) == 2 and all(len(string) <= 255 for string in strings)
    assert "".join(strings) == an_rsa_key().record
    assert record.startswith("one-rsa._domainkey.clearroom.example. IN TXT ( ")


def a_key_of(p: int, q: int) -> bytes:
    """The RSA key of these primes, however short: `cryptography` draws none below 1024 bits."""
    d = rsa_recover_private_exponent(65537, p, q)
    halves = {"dmp1": d % (p - 1), "dmq1": d % (q - 1), "iqmp": pow(q, -1, p)}
    return pem_of(RSAPrivateNumbers(p, q, d, **halves, public_numbers=RSAPublicNumbers(65537, p * q)).private_key())
