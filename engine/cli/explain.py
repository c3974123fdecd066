"""`handraiser explain LEAD`: why the next mail is when it is, and why a past one was or was not sent."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from textwrap import wrap

import click

from engine.cli.lead_story import Story, story_of
from engine.cli.opening import open_workspace
from engine.cli.options import json_option, print_json, workspace_option
from engine.errors import UsageError
from engine.leads import find_lead
from engine.story.steps import ToldPassage, ToldStep

NO_DATE = "no date"
WIDTH = 80
BESIDE = 12  # the column of the reasons


@click.command("explain")
@click.argument("lead")
@workspace_option
@json_option
def explain_command(lead: str, workspace: Path, as_json: bool) -> None:
    """Tell all about one LEAD (its key or email): cadences, each step and its reason, score, consent, what stops mail.

    \b
    Example:
      handraiser explain rosa.khan@weber.example
    """
    _settings, database = open_workspace(workspace)
    with database.read() as tx:
        found = find_lead(tx, lead)
        if found is None:
            raise UsageError(f"no lead has the key or the email {lead!r}; look at the spelling, or import it first")
        story = story_of(tx, found)
    print_json(asdict(story)) if as_json else click.echo("\n".join(lines_of(story)))


def lines_of(story: Story) -> Iterator[str]:
    yield f"{story.lead}{', ' + story.about if story.about else ''}"
    yield f"Times are in {story.zone}."
    yield ""
    yield from wrapped(f"{story.points:g} points: {'; '.join(story.reasons) or 'nothing yet'}", 0)
    if story.segments:
        yield from wrapped(f"in the segments {', '.join(story.segments)}", 0)
    if story.points_change:
        yield f"  they may change by themselves on {story.points_change}"
    for topic, said in story.consent.items():
        yield from wrapped(f"consent to {topic}: {said}", 0)
    for stop in story.stops:
        yield from wrapped(f"NO MAIL: {stop}", 0)
    for held in story.held_back:
        yield from wrapped(f"HELD BACK: {held}", 0)
    if story.with_sales:
        yield from wrapped(f"WITH SALES: {story.with_sales}", 0)
    for passage in story.passages:
        yield from lines_of_passage(passage)
    if story.stayed_out:
        yield from ("", "Stayed out", *(part for line in story.stayed_out for part in wrapped(line, 2)))
    if story.mail:
        yield from ("", "Mail of its own", *(line for mail in story.mail for line in lines_of_step(mail)))
    yield from ("", "History, newest first", *(part for line in story.history for part in wrapped(line, 2)))


def lines_of_passage(passage: ToldPassage) -> Iterator[str]:
    again = f", time {passage.number}" if passage.number > 1 else ""
    because = f": {passage.because}" if passage.because else ""
    yield from ("", f"{passage.cadence}{again}, begun {passage.began}, {passage.state}{because}")
    yield f"  came in {passage.came_in}"
    for step in passage.steps:
        yield from lines_of_step(step)
    if passage.ahead:
        yield "  then, if nothing happens"
        yield from (f"  {mail.on:<21}  expected   {mail.step}" for mail in passage.ahead)


def lines_of_step(step: ToldStep) -> Iterator[str]:
    yield f"  {step.when or NO_DATE:<21}  {step.state:<9}  {step.step}"
    said = [*step.because, *([f"the mail server said: {step.server}"] if step.server else [])]
    for words in said:
        yield from wrapped(words, BESIDE)


def wrapped(words: str, indent: int) -> list[str]:
    margin = " " * indent
    return wrap(words, WIDTH, initial_indent=margin, subsequent_indent=margin + "  ", break_on_hyphens=False)
