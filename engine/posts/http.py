"""The real wire for posts: HTTP over sockets that are opened only to addresses looked at before. The one module that does.

Before: `engine.posts.send` has a signed request. After: it records what is returned here. Redirects are not followed, answers are
read no further than needed, and after ten seconds it is over, however slowly the other side speaks.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

import idna

from engine import __version__
from engine.posts.addresses import is_outside
from engine.posts.wire import Answered, Forbidden, PostOutcome, PostRequest, Unreachable

SECONDS = 10.0  # for everything but asking for the name, for which the system has limits of its own
MOST_ADDRESSES = 4  # of a name, that are tried
MOST_READ = 64 * 1024  # bytes of an answer, its head included
MOST_KEPT = 2_048  # of them, that are shown to anybody
PORTS = {"http": 80, "https": 443}
KEPT_AS_IT_IS = "%/:;=?@!$&'()*+,~[]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a URL leads. `is_allowed`: the operator has said that this host may be one of ours."""

    host: str  # in ASCII, as it is asked for and as its certificate must say
    port: int
    is_encrypted: bool
    path: str
    is_allowed: bool

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS["https" if self.is_encrypted else "http"] else f"{host}:{self.port}"


class ForbiddenTarget(ValueError):
    """An address that must not be written to; the message says why."""


class HttpPosts:
    """Posts over HTTP. `allow`: hosts (`name` or `name:port`) that may lie inside and need no encryption."""

    def __init__(self, allow: frozenset[str] = frozenset(), *, context: ssl.SSLContext | None = None) -> None:
        self._allow = allow
        self._context = context or ssl.create_default_context()

    def post(self, request: PostRequest) -> PostOutcome:
        deadline = time.monotonic() + SECONDS
        try:
            target = target_of(request.url, self._allow)
            with self.connected(target, deadline) as connection:
                connection.settimeout(left(deadline))
                connection.sendall(spelt(request, target))
                return answer(connection, deadline)
        except ForbiddenTarget as error:
            return Forbidden(why=str(error))
        except TimeoutError:
            return Unreachable(why=f"no answer within {SECONDS:g} seconds")
        except http.client.HTTPException as error:
            return Unreachable(why=f"what came back is no HTTP ({type(error).__name__})")
        except (OSError, UnicodeError) as error:
            return Unreachable(why=f"not reached: {error}")

    def look(self, target: Target, seconds: float) -> tuple[Answered, str]:
        """What a GET is answered with, and the certificate's notAfter. Raises OSError, ForbiddenTarget."""
        deadline = time.monotonic() + seconds
        with self.connected(target, deadline) as connection:
            connection.sendall(f"GET {target.path} HTTP/1.1\r\nhost: {target.authority}\r\nconnection: close\r\n\r\n".encode())
            certificate = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
            try:
                return answer(connection, deadline), str((certificate or {}).get("notAfter", ""))
            except http.client.HTTPException as error:
                raise OSError(f"what came back is no HTTP ({type(error).__name__})") from error

    def connected(self, target: Target, deadline: float) -> socket.socket:
        plain = connect(target, deadline)
        if not target.is_encrypted:
            return plain
        try:
            plain.settimeout(left(deadline))
            return self._context.wrap_socket(plain, server_hostname=target.host)
        except BaseException:
            plain.close()
            raise


def target_of(url: str, allow: frozenset[str] = frozenset()) -> Target:
    """Raises ForbiddenTarget for a URL that is none of the web, or would carry a person's data unencrypted."""
    try:
        if not url.isprintable() or " " in url or "\\" in url:  # urlsplit takes line ends out without a word
            raise ValueError
        parts = urlsplit(url)
        host, port = in_ascii(parts.hostname or ""), PORTS[parts.scheme] if parts.port is None else parts.port
        if not host or not port or parts.username is not None or parts.password is not None:
            raise ValueError
    except (ValueError, KeyError) as error:
        raise ForbiddenTarget("its url in workspace.yaml is no plain web address") from error
    is_allowed = bool(allow & {host, f"{host}:{port}"})
    if parts.scheme != "https" and not is_allowed:
        raise ForbiddenTarget("its url must begin with https://, for people's data go there")
    return Target(host=host, port=port, is_encrypted=parts.scheme == "https", path=path_of(parts), is_allowed=is_allowed)


def is_named(url: str, allow: frozenset[str]) -> bool:
    """Whether the operator has named the host of this URL."""
    try:
        return target_of(url, allow).is_allowed
    except ForbiddenTarget:
        return False


def in_ascii(host: str) -> str:
    host = host.rstrip(".").lower()
    return host if host.isascii() else idna.encode(host, uts46=True).decode()


def path_of(parts: SplitResult) -> str:
    query = f"?{quote(parts.query, safe=KEPT_AS_IT_IS)}" if parts.query else ""
    return (quote(parts.path, safe=KEPT_AS_IT_IS) or "/") + query


def connect(target: Target, deadline: float) -> socket.socket:
    """A connection to one of the host's addresses, each looked at before it is tried, and once more when it is there."""
    failure: OSError = OSError("it has no address")
    for family, address in permitted(target):
        plain = socket.socket(family, socket.SOCK_STREAM)
        try:
            plain.settimeout(left(deadline))
            plain.connect(address)
            refuse_inside(plain.getpeername()[0], target)
            return plain
        except OSError as error:
            failure = error
            plain.close()
        except ForbiddenTarget:
            plain.close()
            raise
    raise failure


def permitted(target: Target) -> Iterator[tuple[socket.AddressFamily, Any]]:
    """The host's addresses that may be connected to. Raises ForbiddenTarget where there are addresses, and none of them may."""
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    outside = [each for each in found if target.is_allowed or is_outside(str(each[4][0]))]
    if not outside:
        refuse_inside(str(found[0][4][0]), target)
    for family, _kind, _protocol, _name, address in outside[:MOST_ADDRESSES]:
        yield family, address


def refuse_inside(address: str, target: Target) -> None:
    if not target.is_allowed and not is_outside(address):
        raise ForbiddenTarget(f"{target.host} is inside, and HANDRAISER_WEBHOOK_ALLOW does not name it")


def left(deadline: float) -> float:
    """Seconds until then. Raises TimeoutError when there are none."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def spelt(request: PostRequest, target: Target) -> bytes:
    """The whole request (RFC 9112)."""
    headers = {
        "host": target.authority,
        "user-agent": f"Handraiser/{__version__}",
        "content-type": "application/json",
        "content-length": str(len(request.body)),
        "connection": "close",
        **request.headers,
    }
    head = [f"POST {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*head, "", ""]).encode("ascii") + request.body


def answer(connection: socket.socket, deadline: float) -> Answered:
    """The answer's status, and its beginning as far as it comes: a body that breaks off after the status is no matter."""
    response = http.client.HTTPResponse(Spoken(connection, deadline), method="POST")  # type: ignore[arg-type]
    response.begin()
    try:
        body = response.read(MOST_KEPT)
    except (OSError, http.client.HTTPException):
        body = b""
    text = f"{response.reason} {body.decode('utf-8', 'replace')}".strip()
    return Answered(status=response.status, text=text, retry_after=seconds_of(response.getheader("retry-after")))


def seconds_of(header: str | None) -> int | None:
    """Retry-After in seconds; its other form, a date, is left aside."""
    return int(header) if header and header.isascii() and header.isdigit() and len(header) < 9 else None


class Spoken(io.RawIOBase):
    """What the other side says, until the deadline and up to `MOST_READ` bytes, in the shape that `http.client` reads from."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline, self._room = connection, deadline, MOST_READ

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._connection.settimeout(left(self._deadline))
        count = self._connection.recv_into(buffer[: self._room]) if self._room else 0
        self._room -= count
        return count
