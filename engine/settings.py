"""What an operator may set: read once from the environment and the workspace's `.env`, the only reader of `os.environ`.

With nothing set, the product runs on SQLite in the workspace with an in-process broker, and mail is captured in a local
outbox: nothing is sent to anyone.
"""

import ipaddress
import os
import re
import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

from engine.errors import SettingsError

PREFIX = "HANDRAISER_"
KNOWN = (
    "DATABASE_URL", "BROKER_URL", "SMTP_URL", "PUBLIC_URL", "SECRET_KEY", "WEBHOOK_KEY", "WEBHOOK_ALLOW", "REPLY_DOMAIN",
    "REPLY_LISTEN", "WEB_LISTEN", "OUTBOX_LISTEN", "PREVIEW_LISTEN", "OPS_LISTEN", "QUEUE_LEASE_SECONDS",
    "WORKER_LEASE_SECONDS", "LOG_LEVEL", "CRASH_AT", "DKIM_FOLDER",
)  # fmt: skip
RELAY = re.compile(r"SMTP_URL(?:_([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*))?")  # of the setting with a relay's address
MAIN = "main"  # the relay of SMTP_URL
DOMAIN = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
OUTBOX = "outbox:"  # in the place of its address: mail is to stay here
SIGNS = "signs such as @ : / in the user or password are written %40 %3A %2F"
RELAY_URL = f"smtp://user:password@host:587 or smtps://host:465 (or {OUTBOX} where mail is to stay here); {SIGNS}"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LAST_PORT = 65_535
LONGEST_LEASE = timedelta(hours=1)  # one that lies further ahead was written by a clock that was wrong
SHORTEST_SECRET = 32
USUAL_OPS_LISTEN = "127.0.0.1:8029"
USUAL_LISTEN = {
    "WEB_LISTEN": "127.0.0.1:8025",
    "REPLY_LISTEN": "127.0.0.1:8026",
    "OUTBOX_LISTEN": "127.0.0.1:8027",
    "PREVIEW_LISTEN": "127.0.0.1:8028",
    "OPS_LISTEN": USUAL_OPS_LISTEN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process.

    `secret_keys` are newest first: the first signs, all verify, and the last (the oldest) makes address keys, so put a
    new key in front and never drop the last. Empty means none is set.
    """

    workspace: Path
    database_url: str
    broker_url: str
    relay_urls: Mapping[str, str]  # the mail servers that mail leaves through, by the relay's name
    is_outbox_meant: bool  # somebody said that mail is to stay here
    public_url: str
    secret_keys: tuple[str, ...]
    webhook_key: str | None
    webhook_allow: frozenset[str]  # hosts that posts may go to although they lie inside
    reply_domain: str
    reply_listen: str
    web_listen: str
    outbox_listen: str
    preview_listen: str
    ops_listen: str | None  # None: operators are not told over HTTP
    ops_may_move: bool  # nobody said where, so that another port will do
    queue_lease: timedelta
    worker_lease: timedelta
    log_level: str
    crash_at: str | None
    dkim_folder: Path
    is_dkim_named: bool  # by the operator: then keys must be there

    @property
    def sends_for_real(self) -> bool:
        """Whether mail leaves for a mail server instead of the local outbox."""
        return bool(self.relay_urls)

    def require_secret(self) -> tuple[str, ...]:
        """The secret keys. Raises SettingsError when there is none or one is too short to be a secret."""
        if not self.secret_keys:
            raise SettingsError(
                "HANDRAISER_SECRET_KEY is not set, and links in mail cannot be signed without it. "
                "`handraiser init DIR` writes one into DIR/.env; or set it to 32 random characters or more."
            )
        if any(len(key) < SHORTEST_SECRET for key in self.secret_keys):
            raise SettingsError(
                f"HANDRAISER_SECRET_KEY is shorter than {SHORTEST_SECRET} characters. "
                "Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )
        return self.secret_keys

    def require_safe_delivery(self) -> None:
        """Refuse to send for real without a key and an https public address. A relay on loopback is not for real."""
        self.require_secret()
        outside = [name for name, url in self.relay_urls.items() if not is_loopback(urlsplit(url).hostname or "")]
        if outside and urlsplit(self.public_url).scheme != "https":
            raise SettingsError(
                f"{url_setting(outside[0])} is set, so mail would go out with links to {self.public_url}, which recipients "
                "cannot reach safely. Set HANDRAISER_PUBLIC_URL to the https address of `handraiser web`."
            )


def read_settings(workspace: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings for a workspace: the environment first, then `.env` there, then the defaults.

    Raises SettingsError for an unknown HANDRAISER_ name or a value that cannot be used.
    """
    values = {**read_env_file(workspace / ".env"), **(os.environ if environ is None else environ)}
    given = {name: value for name, value in values.items() if name.startswith(PREFIX) and value != ""}
    for name in given:
        if name.removeprefix(PREFIX) not in KNOWN and not relay_named(name):
            raise SettingsError(unknown(name))

    def value(name: str, default: str) -> str:
        return given.get(PREFIX + name, default)

    public_url = value("PUBLIC_URL", "http://127.0.0.1:8025").rstrip("/")
    settings = Settings(
        workspace=workspace,
        database_url=with_driver(value("DATABASE_URL", f"sqlite:///{(workspace / 'handraiser.db').absolute()}")),
        broker_url=value("BROKER_URL", "memory:"),
        relay_urls=relay_urls_in(given),
        is_outbox_meant=given.get(url_setting(MAIN)) == OUTBOX,
        public_url=public_url,
        secret_keys=tuple(key.strip() for key in value("SECRET_KEY", "").split(",") if key.strip()),
        webhook_key=given.get(PREFIX + "WEBHOOK_KEY"),
        webhook_allow=frozenset(host.strip().lower() for host in value("WEBHOOK_ALLOW", "").split(",") if host.strip()),
        reply_domain=value("REPLY_DOMAIN", reply_domain_of(public_url)),
        reply_listen=value("REPLY_LISTEN", USUAL_LISTEN["REPLY_LISTEN"]),
        web_listen=value("WEB_LISTEN", USUAL_LISTEN["WEB_LISTEN"]),
        outbox_listen=value("OUTBOX_LISTEN", USUAL_LISTEN["OUTBOX_LISTEN"]),
        preview_listen=value("PREVIEW_LISTEN", USUAL_LISTEN["PREVIEW_LISTEN"]),
        ops_listen=None if value("OPS_LISTEN", "") == "off" else value("OPS_LISTEN", USUAL_OPS_LISTEN),
        ops_may_move=PREFIX + "OPS_LISTEN" not in given,
        queue_lease=seconds(value("QUEUE_LEASE_SECONDS", "30"), "QUEUE_LEASE_SECONDS"),
        worker_lease=seconds(value("WORKER_LEASE_SECONDS", "60"), "WORKER_LEASE_SECONDS"),
        log_level=value("LOG_LEVEL", "INFO").upper(),
        crash_at=given.get(PREFIX + "CRASH_AT"),
        dkim_folder=workspace / value("DKIM_FOLDER", ".handraiser/dkim"),
        is_dkim_named=PREFIX + "DKIM_FOLDER" in given,
    )
    check(settings)
    return settings


def check(settings: Settings) -> None:
    """Raises SettingsError for a value that no process could run with."""
    if not (settings.broker_url.startswith("memory:") or is_url(settings.broker_url, "redis", "rediss")):
        raise SettingsError(
            f"HANDRAISER_BROKER_URL must look like redis://host:6379/0, rediss://user:password@host:6379/0 or memory:; {SIGNS}"
        )
    if not is_url(settings.database_url, "sqlite", "postgresql", "postgresql+psycopg"):
        raise SettingsError(
            f"HANDRAISER_DATABASE_URL must look like postgresql://user:password@host/name or sqlite:///path; {SIGNS}"
        )
    if not is_url(settings.public_url, "http", "https") or not urlsplit(settings.public_url).hostname:
        raise SettingsError(f"HANDRAISER_PUBLIC_URL is {settings.public_url!r}; it must start with https:// (or http://)")
    for name, url in settings.relay_urls.items():
        if settings.is_outbox_meant:
            raise SettingsError(
                f"{url_setting(MAIN)} is {OUTBOX}, so mail is to stay here, and {url_setting(name)} has a mail server's address: "
                "say one or the other (in the environment, an empty value takes back what .env says)"
            )
        if not is_url(url, "smtp", "smtps"):
            raise SettingsError(f"{url_setting(name)} must look like {RELAY_URL}")
    if not DOMAIN.fullmatch(settings.reply_domain):
        raise SettingsError(f"HANDRAISER_REPLY_DOMAIN is {settings.reply_domain!r}; it must be a domain such as mail.example.com")
    if settings.log_level not in LOG_LEVELS:
        raise SettingsError(f"HANDRAISER_LOG_LEVEL is {settings.log_level!r}; it must be one of {', '.join(LOG_LEVELS)}")
    for name in ("WEB_LISTEN", "REPLY_LISTEN", "OUTBOX_LISTEN", "PREVIEW_LISTEN"):
        check_listen(name, getattr(settings, name.lower()))
    if settings.ops_listen is not None:
        check_listen("OPS_LISTEN", settings.ops_listen)
    for name, shows in (("OUTBOX_LISTEN", "the outbox shows every mail"), ("PREVIEW_LISTEN", "the preview is unguarded")):
        host = getattr(settings, name.lower()).rpartition(":")[0]
        if not is_loopback(host):
            raise SettingsError(f"HANDRAISER_{name} is {host}: {shows} and listens on loopback only")


def unknown(name: str) -> str:
    """What to say about a setting that there is none of, with the one that was perhaps meant."""
    known = [PREFIX + each for each in KNOWN if each != "CRASH_AT"]  # which is for our tests
    meant = get_close_matches(name, known, n=1)
    return f"unknown setting {name}; did you mean {meant[0]}?" if meant else f"unknown setting {name}. Known: {', '.join(known)}"


def relay_urls_in(given: Mapping[str, str]) -> dict[str, str]:
    """The relays that have an address, `main` first."""
    urls = {relay: url for name, url in given.items() if (relay := relay_named(name))}
    if urls.get(MAIN) == OUTBOX:
        del urls[MAIN]
    return dict(sorted(urls.items(), key=lambda each: (each[0] != MAIN, each[0])))


def relay_named(setting: str) -> str | None:
    """The relay whose address the setting holds: `main`, or `bulk-mail` for HANDRAISER_SMTP_URL_BULK_MAIL; None: no relay's."""
    found = RELAY.fullmatch(setting.removeprefix(PREFIX))
    if found is None or found[1] == MAIN.upper():
        return None
    return found[1].lower().replace("_", "-") if found[1] else MAIN


def url_setting(relay: str) -> str:
    """The setting that holds the address of a relay."""
    return f"{PREFIX}SMTP_URL" if relay == MAIN else f"{PREFIX}SMTP_URL_{relay.upper().replace('-', '_')}"


def is_url(text: str, *schemes: str) -> bool:
    """Whether it is a URL of one of these schemes, with a port that is one if there is any."""
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and "://" in text and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def check_listen(name: str, listen: str) -> None:
    host, _colon, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > LAST_PORT:
        raise SettingsError(f"HANDRAISER_{name} is {listen!r}; it must be host:port, for example {USUAL_LISTEN[name]}")


def read_env_file(path: Path) -> dict[str, str]:
    """NAME=value lines of a `.env` file; blank lines and lines that begin with # are left out; no file is no settings."""
    if not path.is_file():
        return {}
    values = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise SettingsError(f"{path}:{number}: expected NAME=value, and there is no =")
        values[name.strip()] = value.strip().strip("'\"")
    return values


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is not UTF-8 text (byte {error.start}); save it again as UTF-8") from error


def write_env_file(path: Path) -> None:
    """A new `.env` with random keys, readable by its owner only. Leaves a file that is there as it is."""
    if path.exists():
        return
    text = (
        "# Made by handraiser. Keep it secret and keep it safe: links in mail already sent are signed with this key.\n"
        f"{PREFIX}SECRET_KEY={secrets.token_urlsafe(48)}\n"
        "# Shops and sites sign what they post with this one.\n"
        f"{PREFIX}WEBHOOK_KEY=whsec_{b64encode(secrets.token_bytes(30)).decode()}\n"
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def with_driver(url: str) -> str:
    """PostgreSQL URLs as operators write them, with the driver that we ship named."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


def seconds(text: str, name: str) -> timedelta:
    try:
        span = timedelta(seconds=float(text))
    except (ValueError, OverflowError) as error:
        raise SettingsError(f"{PREFIX}{name} is {text!r}; it must be a number of seconds") from error
    if span <= timedelta(0):
        raise SettingsError(f"{PREFIX}{name} is {text!r}; it must be more than 0")
    if span > LONGEST_LEASE:
        raise SettingsError(f"{PREFIX}{name} is {text!r}; it must be an hour (3600) at most")
    return span


def reply_domain_of(public_url: str) -> str:
    """The host of the public address; `localhost` stands for a bare IP, which cannot follow an @ unbracketed."""
    host = urlsplit(public_url).hostname or "localhost"
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host
    return "localhost"


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
