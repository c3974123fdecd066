"""What a DKIM signature costs a mail: RSA, Ed25519, both, and dkimpy's in the same run.

Run: `python -m benchmarks.dkim`.

A marketing mail of some 14 KB is signed again and again; each figure is the median of several rounds on one core. RSA lets go
of the interpreter's lock while it computes, so several threads sign side by side.
"""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks.conditions import conditions
from benchmarks.render import MAILS, ROUNDS, SENT_AT, SLOW_MAILS, headers, timed
from engine.deliver.mime import write_message
from engine.dkim.key import DkimKey
from engine.dkim.sign import SIGNED, Signer
from engine.render.quoted import quote_piece
from engine.render.wire import WireParts

DOMAIN = "clearroom.example"
LINE = '  <td style="padding: 8px 24px; font-family: Verdana">The air in a room of 40 m² is used up in 2 hours.</td>\r\n'


def main() -> None:
    """Measure each way and print the table."""
    rsa = DkimKey(domain=DOMAIN, selector="a", private=generate_private_key(65537, 2048), file=Path())
    ed25519 = DkimKey(domain=DOMAIN, selector="b", private=Ed25519PrivateKey.generate(), file=Path())
    html = LINE * 105
    parts = WireParts(subject="Air", text_qp=b"The air.\r\n", html_qp=quote_piece(html).encode("ascii"))
    messages = [write_message(replace(headers(number), sender_address=f"hello@{DOMAIN}"), parts) for number in range(MAILS)]
    print(f"{conditions()}; a mail of {len(messages[0]) / 1024:.1f} KB, microseconds of processor time a mail,")
    print(f"median of {ROUNDS} rounds of {MAILS} mails (dkimpy: {SLOW_MAILS})\n")
    print(f"{'':18}{'Handraiser':>12}{'dkimpy':>10}{'times':>8}")
    print(row("no key", messages, (), None))
    print(row("RSA, 2048 bits", messages, (rsa,), by_dkimpy(rsa)))
    print(row("Ed25519", messages, (ed25519,), by_dkimpy(ed25519)))
    print(row("both", messages, (rsa, ed25519), lambda message: (by_dkimpy(rsa)(message), by_dkimpy(ed25519)(message))))


def row(name: str, messages: list[bytes], keys: tuple[DkimKey, ...], peer: Callable[[bytes], object] | None) -> str:
    signer = Signer(keys)
    ours = timed(messages, lambda message: signer.signed(message, SENT_AT))
    if peer is None:
        return f"{name:18}{ours:12.1f}"
    theirs = timed(messages[:SLOW_MAILS], peer)
    return f"{name:18}{ours:12.1f}{theirs:10.0f}{theirs / ours:8.1f}"


def by_dkimpy(key: DkimKey) -> Callable[[bytes], bytes]:
    """The same signature, made by dkimpy."""
    private = (
        pem(key) if key.kind == "rsa" else b64encode(key.private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))
    )
    names = [b"from", *SIGNED]

    def sign(message: bytes) -> bytes:
        signed: bytes = dkim.sign(
            message, key.selector.encode(), DOMAIN.encode(), private, include_headers=names,
            canonicalize=(b"relaxed", b"relaxed"), signature_algorithm=f"{key.kind}-sha256".encode(),
        )  # fmt: skip
        return signed

    return sign


def pem(key: DkimKey) -> bytes:
    return key.private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


if __name__ == "__main__":
    main()
