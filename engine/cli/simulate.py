"""`handraiser simulate`: the workspace as it is written, run through months of virtual time; or the people who are inside now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from engine.cli.opening import open_workspace
from engine.cli.options import counted, json_option, print_json, workspace_option
from engine.cli.simulated import as_plain, in_order, plain_timeline, totals_in_words
from engine.compiler.diagnostics import instead
from engine.compiler.workspace import Compiled, compile_workspace
from engine.errors import UsageError, WorkspaceError
from engine.leads import find_lead
from engine.render import library
from engine.simulate.cast import one_person
from engine.simulate.livecopy import copied_world, leave_only
from engine.simulate.odds import read_odds
from engine.simulate.parts import Part, Run, cores, days_passed, simulate, tally_of
from engine.simulate.recipients import Recipients
from engine.simulate.script import OnlyTheScript, play
from engine.simulate.tally import in_words, tally
from engine.simulate.timeline import Timeline, timelines_of

SOME = ""  # `--timeline` without a lead
A_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
A_DAY = click.DateTime(["%Y-%m-%d"])
FIRST_YEAR, LAST_YEAR = 1970, 2200


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for on the command line."""

    cadence: str | None
    file: Path | None
    map_file: Path | None
    lead: str | None
    fields: tuple[str, ...]
    start: datetime
    until: datetime | None
    months: int
    seed: int
    odds: Path | None
    timelines: tuple[str, ...] | None

    def ends(self, start: datetime) -> datetime:
        return self.until.replace(tzinfo=UTC) if self.until else start + timedelta(days=30.44 * self.months)


@click.command("simulate")
@click.argument("cadence", required=False)
@click.option("--leads", "file", type=A_FILE, help="A CSV of people.")
@click.option("--map", "map_file", type=A_FILE, help="Which column of the CSV is what.")
@click.option("--lead", metavar="KEY|FILE", help="One lead: of the database, by key or email, or a YAML file of its fields.")
@click.option("--field", "fields", multiple=True, metavar="NAME=VALUE", help="One lead with this field; as often as needed.")
@click.option("--script", type=A_FILE, help="A YAML file of events that happen to each lead.")
@click.option("--odds", type=A_FILE, help="A YAML file of how likely people open, click, reply, leave, bounce and buy.")
@click.option("--start", type=A_DAY, default="2026-01-05", show_default=True, help="Not with --live, which begins now.")
@click.option("--until", type=A_DAY, help="The last day. Default: after --months.")
@click.option("--months", type=click.IntRange(1, 60), default=24, show_default=True)
@click.option(
    "--timeline", is_flag=False, flag_value=SOME, default=None, metavar="[KEY]", help="All that happens to a lead, in order."
)
@click.option("--live", is_flag=True, help="Run on from now with the people inside, in a copy of your database.")
@click.option("--edited", is_flag=True, help="With --live: as if the workspace as it is written had been applied.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, other acts.")
@workspace_option
@json_option
def simulate_command(
    cadence: str | None, file: Path | None, map_file: Path | None, lead: str | None, fields: tuple[str, ...],
    script: Path | None, odds: Path | None, start: datetime, until: datetime | None, months: int, timeline: str | None,
    live: bool, edited: bool, seed: int, workspace: Path, as_json: bool,
) -> None:  # fmt: skip
    """Run CADENCE in virtual time, over the people of a list or one lead, who behave by a script or by odds.

    Nothing is sent and your database is not touched: it all happens in a temporary one. Without --script and --odds, people of
    all kinds read, click, answer and leave as made-up people do.

    \b
    Examples:
      handraiser simulate new-enquiry --leads people.csv --map people.map.yaml --months 24
      handraiser simulate new-enquiry --field employees=80 --script reads.yaml --timeline
      handraiser simulate --live --until 2027-03-31
    """
    if not FIRST_YEAR <= start.year <= LAST_YEAR or (until and until.year > LAST_YEAR):
        raise UsageError(f"a simulation lies in the years {FIRST_YEAR} to {LAST_YEAR}")
    timelines = None if timeline is None else (timeline,) if timeline else ()
    asked = Asked(
        cadence=cadence, file=file, map_file=map_file, lead=lead, fields=fields, start=start.replace(hour=8, tzinfo=UTC),
        until=until, months=months, seed=seed, odds=odds, timelines=timelines,
    )  # fmt: skip
    compiled = compile_workspace(workspace, render=library, script=script)
    if compiled.plan is None:
        raise WorkspaceError("\n".join(map(str, compiled.diagnostics)), compiled.diagnostics)
    run = run_live if live else run_new
    show(run(asked, compiled, workspace, edited=edited, show=not as_json), as_json=as_json)


def run_new(asked: Asked, compiled: Compiled, workspace: Path, *, edited: bool, show: bool) -> list[Part]:
    """Everybody begins at the start, in as many processes as pay."""
    if edited:
        raise UsageError("--edited belongs to --live; without it the workspace is taken as it is written anyway")
    run = as_run(asked, compiled, workspace)
    if run.span <= timedelta(0):
        raise UsageError("the last day must be after the first")
    parts = 1 if run.people else cores()
    with click.progressbar(length=run.span.days * parts, label="Time passes", hidden=not show) as bar:
        done = simulate(run, parts=parts, progress=bar.update)
        bar.update(max(0, run.span.days * parts - bar.pos))
    return done


def as_run(asked: Asked, compiled: Compiled, workspace: Path) -> Run:
    """Raises UsageError where it is not clear who goes through what."""
    assert compiled.plan is not None
    one = asked.lead is not None or bool(asked.fields)
    if one == (asked.file is not None) or (asked.file is None) != (asked.map_file is None):
        raise UsageError("say who: --leads FILE with --map FILE, or one lead with --lead or --field (or --live)")
    known = [each.name for each in compiled.plan.cadences]
    if asked.cadence not in known:
        wrong = f"there is no cadence {asked.cadence!r}" if asked.cadence else "name the cadence"
        raise UsageError(wrong + instead(asked.cadence or "", known))
    return Run(
        compiled=compiled,
        cadence=asked.cadence,
        leads_file=asked.file,
        map_file=asked.map_file,
        people=(one_person(compiled.plan.policy, asked.lead, asked.fields, lambda: open_workspace(workspace)[1]),) if one else (),
        start=asked.start,
        span=asked.ends(asked.start) - asked.start,
        seed=asked.seed,
        recipients=who_acts(asked, compiled),
        timelines=asked.timelines,
    )


def who_acts(asked: Asked, compiled: Compiled) -> Recipients | None:
    """By odds where they are stated; with a script alone, nobody does anything else."""
    if asked.odds is not None:
        return read_odds(asked.odds, seed=asked.seed)
    return OnlyTheScript(seed=asked.seed) if compiled.script else None


def run_live(asked: Asked, compiled: Compiled, workspace: Path, *, edited: bool, show: bool) -> list[Part]:
    """Everybody who is inside goes on from where they stand."""
    if asked.cadence or asked.file or asked.fields:
        raise UsageError("--live runs on with everybody who is inside; it takes --lead KEY, and no cadence, --leads or --field")
    settings, database = open_workspace(workspace)
    recipients = who_acts(asked, compiled) or Recipients(seed=asked.seed)
    with copied_world(database, settings, recipients, compiled if edited else None) as world:
        if asked.lead is not None:
            with world.runtime.database.read() as tx:
                found = find_lead(tx, asked.lead)
            if found is None:
                raise UsageError(f"no lead has the key or the email {asked.lead!r}")
            leave_only(world, found)
        start = world.clock.now()
        until = asked.ends(start)
        if until <= start:
            raise UsageError("the last day must be after today")
        with click.progressbar(length=(until - start).days, label="Time passes", hidden=not show) as bar:
            told = days_passed(start, bar.update)
            trouble = play(world, compiled.script, start, until, told) if compiled.script else []
            world.run(until, told)
        keys = (asked.lead,) if asked.lead and asked.timelines == () else asked.timelines
        with world.runtime.database.read() as tx:
            lines = timelines_of(tx, keys)
            return [Part(imported=None, tally=tally(tx), timelines=lines, trouble=tuple(trouble))]


def show(done: Sequence[Part], *, as_json: bool) -> None:
    told, timelines = tally_of(list(done)), in_order_of_parts(done)
    rejected = done[0].imported.rejected if done[0].imported else 0
    trouble = [line for part in done for line in part.trouble]
    unused = f"; {counted(rejected, 'row')} could not be used" if rejected else ""
    click.echo(counted(told.leads, "lead") + unused, err=as_json)
    if as_json:
        print_json({**as_plain(told), "timelines": [plain_timeline(each) for each in timelines], "could_not_happen": trouble})
        return
    parts = ["\n".join(in_order(each)) for each in timelines]
    parts += ["\n".join(["What the script says and could not happen", *(f"  {line}" for line in trouble)])] if trouble else []
    click.echo("\n\n".join([*parts, in_words(told), totals_in_words(told.totals)]))


def in_order_of_parts(done: Sequence[Part]) -> list[Timeline]:
    return [timeline for part in done for timeline in part.timelines]
