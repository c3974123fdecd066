"""Files that are there whole or not at all: a disk that is full leaves what was there before.

Before: a command has made a text. After: its file has it, and whoever reads it meanwhile saw the old one.
"""

import os
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """In UTF-8. Raises OSError with the file's name."""
    if not path.parent.is_dir() or path.is_dir() or not is_regular(path):
        path.write_text(text, encoding="utf-8")  # fails with its reason, or is a pipe
        return
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        new.write_text(text, encoding="utf-8")
        if path.exists():
            new.chmod(path.stat().st_mode & 0o777)
        new.replace(path)
    except OSError as error:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def is_regular(path: Path) -> bool:
    """Also where it is not there yet. What a link leads to is written in its place."""
    return not path.is_symlink() and (path.is_file() or not path.exists())
