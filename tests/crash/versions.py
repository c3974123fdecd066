"""A neighbouring version of the product: a copy of its code that calls itself otherwise and fills one column otherwise.

Before: a folder. After: `tests.crash.test_rolling` runs both over the same database and the same Redis.
"""

import shutil
from pathlib import Path

from tests.services.handraiser import ROOT

PARTS = ("engine", "webhooks", "alembic", "templates", "cadences", "schemas")
CHANGES = {
    "engine/__init__.py": ('__version__ = "0.1.0"', '__version__ = "0.2.0"'),
    "engine/schema.py": (
        'Column("unknowns", Integer, nullable=False, default=0)',
        'Column("unknowns", Integer, nullable=False, server_default="0")',
    ),
}


def next_version(folder: Path) -> Path:
    """Where its code is."""
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ROOT.glob("*.yaml"):
        shutil.copy(file, folder / file.name)
    shutil.copy(ROOT / "pyproject.toml", folder / "pyproject.toml")
    for path, (old, new) in CHANGES.items():
        text = (folder / path).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{path} has changed: say here how the next version differs"
        (folder / path).write_text(text.replace(old, new), encoding="utf-8")
    return folder
