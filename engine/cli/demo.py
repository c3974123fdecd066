"""`handraiser demo`: two years of nurturing 300 made-up leads, in less than a minute, on this machine alone."""

import shutil
import time
from datetime import datetime
from pathlib import Path

import click

from engine.cli.init import copy_starter
from engine.cli.options import counted, json_option, print_json
from engine.cli.simulated import as_plain
from engine.errors import UsageError
from engine.settings import write_env_file
from engine.simulate.demo import START, Shown, run_demo
from engine.simulate.tally import in_words

DAYS = 731
MADE_HERE = ".made-by-the-demo"


@click.command("demo")
@click.option("--leads", "count", type=click.IntRange(1, 5_000), default=300, show_default=True)
@click.option("--days", type=click.IntRange(90, 1_500), default=DAYS, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, other people.")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path("handraiser-demo"), show_default=True, help="Where it is kept."
)
@json_option
def demo_command(count: int, days: int, seed: int, folder: Path, as_json: bool) -> None:
    """Show what Handraiser does: two years pass in less than a minute, and you read what came of it.

    Mail goes over real SMTP to a server on this machine that delivers to nobody. FOLDER keeps the workspace and its database.

    \b
    Example:
      handraiser demo
    """
    prepare(folder)
    began = time.monotonic()
    click.echo(
        f"{counted(count, 'lead')}, {days // 30} months, starting on {START:%d %B %Y}. Mail stays on this machine.", err=as_json
    )
    with click.progressbar(length=days, label="Time passes", hidden=as_json) as bar:
        shown = run_demo(folder, count=count, days=days, seed=seed, progress=lambda now: move(bar, now))
        bar.update(days - bar.pos)
    if as_json:
        print_json({**as_plain(shown.tally), "workspace": str(folder), "taken_by_the_mail_server": shown.taken})
        return
    click.echo("\n" + in_words(shown.tally))
    click.echo("\n" + where_next(shown, time.monotonic() - began))


def prepare(folder: Path) -> None:
    """A fresh workspace in `folder`. Raises UsageError when something is there that no demo made."""
    if (folder / MADE_HERE).is_file():
        shutil.rmtree(folder)
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} holds something else; name another folder with --folder")
    copy_starter(folder)
    write_env_file(folder / ".env")
    (folder / MADE_HERE).touch()


def move(bar: "click._termui_impl.ProgressBar[int]", now: datetime) -> None:
    bar.update(max(0, (now - START).days - bar.pos))


def where_next(shown: Shown, seconds: float) -> str:
    sent = sum(shown.tally.mails.values())
    here = shown.folder
    return (
        f"All of this took {seconds:.0f} seconds. The ledger says that {sent:,} mails went out, to leads and to reps; the mail "
        f"server says that it took {shown.taken:,}.\n\n"
        "Where to look next\n"
        f"  handraiser up --workspace {here}         then read the demo's newest mails in your browser\n"
        f"  handraiser handoffs --workspace {here}   the hands that wait for an answer\n"
        f"  handraiser tasks --workspace {here}      what the cadences ask of reps\n"
        f"  handraiser status --workspace {here}     how it stands\n"
        f"  {here}/cadences/new-enquiry.yaml         what the marketer wrote"
    )
