"""Where the files that are not Python are: beside the package in a checkout, inside it when installed from a wheel.

Before: nothing. After: `engine.migrations` runs the migrations, `handraiser init` copies the starter workspace.
"""

from pathlib import Path

PACKAGE = Path(__file__).parent
STARTER = (
    "workspace.yaml", "leads.yaml", "events.yaml", "segments.yaml", "scoring.yaml", "assignment.yaml", "offers.yaml",
    "cadences", "templates", "schemas",
)  # fmt: skip


def migrations_folder() -> Path:
    """The folder with Alembic's env.py and versions/."""
    inside = PACKAGE / "_installed" / "alembic"
    return inside if inside.is_dir() else PACKAGE.parent / "alembic"


def starter_folder() -> Path:
    """The folder that holds the starter workspace. In a checkout it holds more: copy only what `STARTER` names."""
    inside = PACKAGE / "_installed" / "starter"
    return inside if inside.is_dir() else PACKAGE.parent
