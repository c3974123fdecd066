"""How we log in to a relay: with a password, or with a token that is fetched anew for every connection, since tokens run out.

Before: the relay's URL (`engine.deliver.smtp`). After: `engine.deliver.connect` says it to the server. Secrets are never printed.
"""

import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote

from engine.errors import HandraiserError, SettingsError

METHODS = ("plain", "login", "cram-md5", "xoauth2")
PATIENCE = 30  # seconds that a command has to print its token


class NoTokenError(HandraiserError):
    """There is no token where one should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """`method`: None takes the first that the server offers. A token comes from a file or from what a command prints."""

    user: str
    password: str = field(default="", repr=False)
    method: str | None = None
    token_file: Path | None = None
    token_command: tuple[str, ...] = ()

    @property
    def means(self) -> str:
        """What a server accepts or does not, for a person."""
        if self.token_file is not None:
            return f"the token in {self.token_file}"
        return f"the token that {self.token_command[0]} prints" if self.token_command else "the user and password"

    def token(self) -> str:
        """As it is now; may take a while. Raises NoTokenError."""
        token = (self._from_file() if self.token_file is not None else self._from_command()).strip()
        if not token or not token.isascii() or not token.isprintable():
            raise NoTokenError(f"{self.means} is {'no token' if token else 'empty'}")
        return token

    def _from_file(self) -> str:
        try:
            return (self.token_file or Path()).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise NoTokenError(f"{self.means} cannot be read: {getattr(error, 'strerror', None) or 'it is not text'}") from error

    def _from_command(self) -> str:
        try:
            done = subprocess.run(self.token_command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=True)
            return done.stdout.decode("utf-8", "replace")
        except (OSError, subprocess.SubprocessError) as error:
            raise NoTokenError(f"there is no token, since {self.token_command[0]} {how_it_ended(error)}") from error


def how_it_ended(error: OSError | subprocess.SubprocessError) -> str:
    """Without what it printed, which may be secret."""
    match error:
        case subprocess.TimeoutExpired():
            return f"printed none within {PATIENCE} s"
        case subprocess.CalledProcessError():
            return f"ended with the status {error.returncode}; run it by hand to see why"
        case OSError():
            return f"cannot be run: {error.strerror}"
        case _:
            return "failed"


def wanted_login(parts: SplitResult, setting: str) -> Login | None:
    """From `user:password@`, `?auth=xoauth2&token_file=/path` or `&token_command=/path%20--argument`; None: no log-in.

    Raises SettingsError, naming the setting.
    """
    said = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    method, user, password = said.get("auth"), unquote(parts.username or ""), unquote(parts.password or "")
    if method not in (None, *METHODS):
        raise SettingsError(f"{setting} says auth={method}; it may say auth={', auth='.join(METHODS)}, or nothing")
    sources = [name for name in ("token_file", "token_command") if said.get(name)]
    if method == "xoauth2" or sources:
        return token_login(user, password, said, sources, setting)
    if not user and not password and method is None:
        return None
    if not (user and password):
        raise SettingsError(f"{setting} must have both a user and a password (user:password@host), or neither")
    return Login(user=user, password=password, method=method)


def token_login(user: str, password: str, said: dict[str, str], sources: list[str], setting: str) -> Login:
    if said.get("auth") != "xoauth2" or len(sources) != 1 or not user or password:
        raise SettingsError(
            f"{setting} must log in with a token like this: smtp://user@host:587?auth=xoauth2&token_file=/path/of/the/token, "
            "or with token_command=/path/of/a/program that prints one; without a password"
        )
    file, command = said.get("token_file"), shlex.split(said.get("token_command", ""))
    if not Path(file or command[0]).is_absolute():
        raise SettingsError(f"{setting} says {sources[0]}={said[sources[0]]}; the path must be a whole one, from / on")
    return Login(user=user, method="xoauth2", token_file=Path(file) if file else None, token_command=tuple(command))
