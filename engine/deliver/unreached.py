"""Why there is no connection to a relay, in words for the operator: what is wrong and what to do. Pure.

Before: `engine.deliver.connect` failed. After: `engine.deliver.pool` says it once, and the ledger has it for each mail.
"""

import socket
import ssl

from engine.errors import SHORT_OF
from engine.vocabulary import SmtpPhase

EXPIRED, NOT_YET_VALID, OTHER_HOST, OTHER_IP = 10, 9, 62, 64  # OpenSSL's X509_V_ERR_…
FOR_NOW = range(400, 500)


def in_plain_words(error: BaseException, phase: SmtpPhase, server: str, means: str | None) -> str:
    """`server`: its host and port; `means`: with what we log in. What the server replied stands beside it."""
    cause = error.__cause__ or error
    match phase:
        case SmtpPhase.CONNECT:
            return not_called(cause, server)
        case SmtpPhase.GREETING:
            return f"{server} would not have us, or is no mail server of that kind (port 465 wants smtps://)"
        case SmtpPhase.TLS:
            return not_encrypted(cause, server)
        case SmtpPhase.AUTH:
            return not_logged_in(error, server, means)
        case _:
            return f"{server} would not go on after we had told our name"


def not_called(cause: BaseException, server: str) -> str:
    host = server.rpartition(":")[0]
    match cause:
        case socket.gaierror() if cause.errno == socket.EAI_AGAIN:
            return f"the DNS does not answer about {host}: see to this machine's network and DNS"
        case socket.gaierror() | UnicodeError():
            return f"the DNS knows no {host}: see to the host in the URL"
        case ConnectionRefusedError():
            return f"nobody listens at {server}: see to the host and port in the URL, and whether the mail server runs"
        case TimeoutError():
            return f"{server} does not answer: a firewall may be in between (many networks close port 25; 587 and 465 are open)"
        case OSError() if cause.errno in SHORT_OF:
            return f"this machine cannot call {server}, {cause.strerror}: see to its limits (ulimit -n) and its memory"
        case OSError():
            return f"{server} cannot be reached, {cause.strerror or cause}: see to this machine's network"
        case _:
            return f"{server} cannot be reached, {cause}: see to this machine's network"


def not_encrypted(cause: BaseException, server: str) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return bad_certificate(cause, server)
    if isinstance(cause, ssl.SSLError) and cause.reason == "WRONG_VERSION_NUMBER":
        return f"{server} does not encrypt from the first byte: write smtp:// (STARTTLS) in the place of smtps://"
    if isinstance(cause, OSError):
        return f"the connection to {server} could not be encrypted, {cause.strerror or cause}: ask whoever runs it"
    return f"{server} does not offer STARTTLS: write smtps:// and its port for that, or tls=none where nobody can listen in"


def bad_certificate(error: ssl.SSLCertVerificationError, server: str) -> str:
    match error.verify_code:
        case code if code == EXPIRED:
            return f"the certificate of {server} has expired: whoever runs it must renew it, and mail waits until then"
        case code if code == NOT_YET_VALID:
            return f"the certificate of {server} is not valid yet: see to this machine's clock"
        case code if code in (OTHER_HOST, OTHER_IP):
            return f"the certificate of {server} is for another name: write the name that it is for"
        case _:
            return (
                f"nobody whom this machine trusts vouches for the certificate of {server} ({error.verify_message}): "
                "if it is your own, name the file of its authority in SSL_CERT_FILE"
            )


def not_logged_in(error: BaseException, server: str, means: str | None) -> str:
    code = getattr(error, "code", None)
    if isinstance(error, TimeoutError | ConnectionError):
        return f"{server} breaks off or says nothing when we log in: it is tried again, and if it goes on, ask whoever runs it"
    if code is None:
        return (
            f"{server} offers no way to log in that we know: see to ?auth= and ?tls= in the URL, or leave user and password out"
        )
    if code in FOR_NOW:
        return f"{server} cannot log us in for now: it is tried again, and if it goes on, ask whoever runs it"
    return f"{server} does not accept {means}: put the right one there; a changed URL is read when the process starts anew"
