"""`handraiser calendar`: the mails to be expected on each day of the coming months, and what stands in their way."""

import sys
from dataclasses import dataclass
from pathlib import Path

import click

from engine.calendar.expected import Forecast
from engine.calendar.forecast import Asked, current_roads, forecast
from engine.calendar.odds import Odds
from engine.calendar.page import page_of
from engine.calendar.stated import newcomers, read_odds, with_words
from engine.calendar.terminal import lines_of
from engine.calendar.told import as_plain, csv_of
from engine.cli.opening import open_workspace
from engine.cli.options import json_option, print_json, workspace_option
from engine.database import Database
from engine.versions import live_rules
from engine.whole import write_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the command was called with."""

    months: int
    odds: Path | None
    say: tuple[str, ...]
    new: tuple[str, ...]


@click.command("calendar")
@click.option("--months", type=click.IntRange(1, 60), default=24, show_default=True)
@click.option("--weeks", is_flag=True, help="Bars by the week instead of by the month.")
@click.option(
    "--odds", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A file of odds, see docs/calendar.md."
)
@click.option("--say", multiple=True, metavar="ODDS", help="Odds in words: replied=1% or new-enquiry.read-the-guide=30%.")
@click.option(
    "--new", multiple=True, metavar="RATE", help="People still to come: 50/week, trial-ended=20/month, none; else as before."
)
@click.option("--csv", "csv_file", type=click.Path(path_type=Path, dir_okay=False), help="Write a line for each day and cadence.")
@click.option(
    "--html", "html_file", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with plots, for a browser."
)
@workspace_option
@json_option
def calendar_command(
    months: int,
    weeks: bool,
    odds: Path | None,
    say: tuple[str, ...],
    new: tuple[str, ...],
    csv_file: Path | None,
    html_file: Path | None,
    workspace: Path,
    as_json: bool,
) -> None:
    """Show how many mails go out on each day of the next two years, from who is inside and the cadences in force.

    Changes nothing. Where ways part, the odds are those that were seen here, unless you state others; and as many people come in
    as in the last weeks, told apart from those who are inside now.

    \b
    Example:
      handraiser calendar --html calendar.html --say replied=1% --new new-enquiry=50/week
    """
    _settings, database = open_workspace(workspace)
    found, name = look_ahead(database, Wish(months=months, odds=odds, say=say, new=new))
    if csv_file is not None:
        write(csv_file, csv_of(found))
    if html_file is not None:
        write(html_file, page_of(found, name=name))
    if as_json:
        print_json(as_plain(found))
    elif csv_file is None and html_file is None:
        click.echo("\n".join(lines_of(as_plain(found), by_week=weeks)))


def look_ahead(database: Database, wish: Wish) -> tuple[Forecast, str]:
    """The calendar, and the workspace's name."""
    with database.read() as tx:
        plans = {name: road.course.plan for name, road in current_roads(tx).items()}
        stated = read_odds(wish.odds, plans) if wish.odds else Odds()
        asked = Asked(
            months=wish.months,
            stated=with_words(stated, wish.say, plans),
            new=newcomers(wish.new, plans),
            observe_new=True,
        )
        with click.progressbar(length=100, label="Looking ahead", file=sys.stderr) as bar:
            found = forecast(tx, asked, progress=lambda done, of: bar.update(100 * done // of - bar.pos))
        return found, live_rules(tx).policy.name


def write(file: Path, text: str) -> None:
    write_whole(file, text)
    click.echo(f"{file} is written.", err=True)
