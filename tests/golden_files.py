"""Golden files: what a test produced last time it was looked at, kept beside the tests and reviewed as a diff.

`UPDATE_GOLDEN=1 make test` writes them anew; without it a difference fails the test.
"""

import os
from pathlib import Path


def assert_golden(file: Path, text: str) -> None:
    """`text` is what `file` holds; with UPDATE_GOLDEN set, it becomes so."""
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.is_file(), f"{file} is missing; write it with UPDATE_GOLDEN=1"
    assert text == file.read_text(encoding="utf-8")
