"""Posting over TLS: only to whom a certificate that we trust names."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from engine.posts.http import HttpPosts
from engine.posts.wire import Answered, PostRequest, Unreachable
from tests.posts.receiver import Receiver, receiving


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """One that names localhost, signed by itself, with its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    begins = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "both.pem"
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def encrypted(certificate: Path) -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with receiving(context) as receiver:
        yield receiver


def test_a_post_goes_to_whom_a_trusted_certificate_names(encrypted: Receiver, certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))

    outcome = HttpPosts(frozenset({"localhost"}), context=trusting).post(request(encrypted.url, host="localhost"))

    assert outcome == Answered(status=200, text="OK thank you")
    assert [body for _path, _headers, body in encrypted.got] == [b"{}"]


@pytest.mark.parametrize(("host", "is_trusted"), [("localhost", False), ("127.0.0.1", True)])
def test_a_post_does_not_go_to_anybody_else(encrypted: Receiver, certificate: Path, host: str, is_trusted: bool) -> None:
    context = ssl.create_default_context(cafile=str(certificate)) if is_trusted else None

    outcome = HttpPosts(frozenset({host}), context=context).post(request(encrypted.url, host=host))

    assert isinstance(outcome, Unreachable) and "certificate verify failed" in outcome.why
    assert encrypted.got == []


def request(url: str, *, host: str) -> PostRequest:
    url = url.replace("http://127.0.0.1", f"https://{host}")
    return PostRequest(webhook="crm", url=url, headers={}, body=b"{}")
