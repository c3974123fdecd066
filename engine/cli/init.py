"""`handraiser init`: a workspace of one's own, copied from the starter, with its secret keys."""

import shutil
from pathlib import Path

import click

from engine.cli.options import json_option, print_json
from engine.errors import UsageError
from engine.installed import STARTER, starter_folder
from engine.settings import write_env_file

IGNORED = ".env\n.handraiser/\nhandraiser.db*\n*.rejects.csv\n"


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
def init_command(folder: Path, as_json: bool) -> None:
    """Make a workspace in FOLDER: three nurtures, seven transactional mails, and everything they need.

    \b
    Example:
      handraiser init my-workspace
    """
    copy_starter(folder)
    write_env_file(folder / ".env")
    if as_json:
        print_json({"workspace": str(folder.absolute())})
        return
    click.echo(
        f"{folder} is ready. Its .env holds new secret keys: keep them, and keep them out of version control.\n\n"
        f"  cd {folder}\n"
        "  handraiser check      find every mistake in it\n"
        "  handraiser apply      put it into force\n"
        "  handraiser up         run everything; mail stays on this machine until you set HANDRAISER_SMTP_URL"
    )


def copy_starter(folder: Path) -> None:
    """Copy the starter workspace. Raises UsageError when the folder already holds something: nothing is overwritten."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UsageError(f"{folder} is there already and not empty; name a new folder, so that nothing is overwritten")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part in STARTER:
            source = starter_folder() / part
            if source.is_dir():
                shutil.copytree(source, folder / part)
            else:
                shutil.copyfile(source, folder / part)
        (folder / ".gitignore").write_text(IGNORED, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}") from error
