"""Opening a workspace: the settings and the database that go with it.

Before: `engine.cli.options` has read which folder is meant. After: a command calls the verbs with an open database.
"""

from pathlib import Path

from engine.database import Database
from engine.errors import UsageError
from engine.installation import installation_id, require_same_key
from engine.migrations import upgrade
from engine.settings import Settings, read_settings
from engine.tokens import Tokens


def open_workspace(workspace: Path, *, may_be_new: bool = False) -> tuple[Settings, Database]:
    """The settings of a workspace and its database, brought up to the newest schema. Raises HandraiserError."""
    settings = read_settings(workspace)
    require_workspace(workspace, settings, may_be_new=may_be_new)
    database = Database.open(settings.database_url)
    prepare_database(settings, database)
    return settings, database


def require_workspace(workspace: Path, settings: Settings, *, may_be_new: bool = True) -> None:
    """Raises UsageError where nothing of ours is and nothing is set, so that no database is left there by mistake. Nor is one
    made for a question, or for a pause: where the settings are elsewhere, so is the database that is meant.
    """
    database = workspace / "handraiser.db"
    is_local = settings.database_url == f"sqlite:///{database.absolute()}"
    if not is_local or settings.secret_keys or database.exists():
        return
    if (workspace / "workspace.yaml").exists() and not may_be_new:
        raise UsageError(
            f"{workspace.absolute()} has no handraiser.db, and neither HANDRAISER_DATABASE_URL nor HANDRAISER_SECRET_KEY is set "
            "here. If its processes have settings of their own, give this command the same ones; `handraiser apply` makes a new "
            "database"
        )
    if not (workspace / "workspace.yaml").exists():
        raise UsageError(
            f"{workspace.absolute()} is no workspace: it has no workspace.yaml. Name one with --workspace, or make one: "
            "handraiser init my-workspace"
        )


def prepare_database(settings: Settings, database: Database) -> None:
    """Bring the tables up to date and make sure that the database belongs to this secret key. Raises DatabaseError."""
    upgrade(database)
    if settings.secret_keys:
        with database.write() as tx:
            require_same_key(tx, tokens_of(settings))
            installation_id(tx)  # so that also a backup from before the first mail is known as a backup


def tokens_of(settings: Settings) -> Tokens:
    """Raises SettingsError when no secret key is set."""
    return Tokens(settings.require_secret())
