"""The errors a user may meet: each says what happened, with what, and what to do.

Everything raised on purpose derives from `HandraiserError`; `engine.cli` prints its text and exits, so no user mistake
ends in a traceback. Expected outcomes (a deferral, a skip) are values, not errors.
"""

import errno
from dataclasses import dataclass

SHORT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT)  # what a machine may be


class HandraiserError(Exception):
    """Root of all our errors. The message is one or more whole sentences for a person."""

    exit_status = 1


class UsageError(HandraiserError):
    """The command was called in a way that cannot work. Exit status 2."""

    exit_status = 2


class SettingsError(UsageError, ValueError):
    """A setting from the environment or `.env` is missing or unusable."""


class WorkspaceError(HandraiserError, ValueError):
    """The workspace does not compile; `diagnostics` has every reason."""

    def __init__(self, message: str, diagnostics: tuple[object, ...] = ()) -> None:
        super().__init__(message)
        self.diagnostics = diagnostics


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong in a condition."""

    column: int  # characters before it, in the condition's text
    message: str
    suggestion: str | None = None  # what was probably meant, to be written in its place

    def __str__(self) -> str:
        return self.message + (f" (did you mean `{self.suggestion}`?)" if self.suggestion else "")


class ConditionError(HandraiserError, ValueError):
    """A condition that is not in the condition language, or compares what cannot be compared; `problems` has all."""

    def __init__(self, message: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class RenderError(HandraiserError, ValueError):
    """An email that could not be rendered for one person. Never half a mail."""


class TokenError(HandraiserError, ValueError):
    """A token that we did not make, or whose key was revoked."""


class DatabaseError(HandraiserError, RuntimeError):
    """The database is missing, of another version, or belongs to another secret key."""


class ImportFileError(HandraiserError, ValueError):
    """A lead file or its map that cannot be read at all (single bad rows go to the rejects file)."""


class StaleError(HandraiserError, RuntimeError):
    """A row changed under us: somebody else holds it now. The caller drops its work."""
