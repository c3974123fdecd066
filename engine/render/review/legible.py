"""Text that can be read and buttons that can be hit: by weak eyes, by thumbs, and in the dark.

Before: `engine.render.review.mail`. After: `engine.render.review.rules` has these in its table. The measures are those of
WCAG 2.2 (1.4.3 contrast), and for what is tapped the 44 pixels of its criterion 2.5.5 and of Apple's guidelines.
"""

from collections.abc import Iterator
from itertools import pairwise

from engine.render.review.colours import Colour, contrast, luminance, spelt
from engine.render.review.mail import Finding, Home, Mail
from engine.render.review.page import Anchor, Page, Run, read_page

LEAST_CONTRAST, LEAST_CONTRAST_LARGE = 4.5, 3.0
LEAST_HEIGHT = 44.0
HAIR = 1.0  # nobody feels it, and line heights of 120 % come to 43.6
LEAST_SPACE = 8.0
DARK = 0.18  # luminance below which text disappears on a dark ground
SHOWN = 40  # characters of a text that a finding quotes


def weak_contrast(mail: Mail) -> Iterator[Finding]:
    for colour, paper, run in weak_runs(mail.page):
        yield Finding("W034", told_of(run, colour, paper), beginnings(run))


def weak_contrast_in_the_dark(mail: Mail) -> Iterator[Finding]:
    """By the mail's own styles for dark mode, where it has some that can be read."""
    if "prefers-color-scheme" not in mail.page.css or not (dark := read_page(mail.rendered.html, is_dark=True)).is_read:
        return
    fine_by_day = {run.text for run in mail.page.runs} - {run.text for _, _, run in weak_runs(mail.page)}
    for colour, paper, run in weak_runs(dark):
        if run.text in fine_by_day:
            yield Finding("W047", f"in dark mode, {told_of(run, colour, paper)}", beginnings(run))


def lost_in_the_dark(mail: Mail) -> Iterator[Finding]:
    """Dark text on a ground that the mail leaves to the mail program, which makes it dark in dark mode."""
    for run in mail.page.runs:
        if run.look.is_coloured and run.look.is_sure and not run.look.is_papered and luminance(run.look.colour) < DARK:
            colour = spelt(run.look.colour)
            told = f'"{run.text[:SHOWN]}" has a colour ({colour}) and nothing behind it: in dark mode it is dark on dark'
            yield Finding("W047", f"{told}; give <mj-body> a background-color", ("<mj-body",), Home.LAYOUT)
            return


def weak_runs(page: Page) -> Iterator[tuple[Colour, Colour, Run]]:
    """The first text of each pair of colours that is hard to read."""
    seen: set[tuple[Colour, Colour, bool]] = set()
    for run in page.runs:
        colour, paper = run.look.colour, run.look.paper
        if (
            not run.look.is_sure
            or paper is None
            or (colour, paper, run.look.is_large) in seen
            or not any(map(str.isalnum, run.text))
        ):
            continue
        seen.add((colour, paper, run.look.is_large))
        if contrast(colour, paper) < (LEAST_CONTRAST_LARGE if run.look.is_large else LEAST_CONTRAST):
            yield colour, paper, run


def told_of(run: Run, colour: Colour, paper: Colour) -> str:
    least = LEAST_CONTRAST_LARGE if run.look.is_large else LEAST_CONTRAST
    ratio = int(contrast(colour, paper) * 10) / 10
    return (
        f'"{run.text[:SHOWN]}" is hard to read: {spelt(colour)} on {spelt(paper)} is {ratio} : 1, and {least:g} : 1 is the least'
    )


def beginnings(run: Run) -> tuple[str, ...]:
    """By which it is found where it was written: all of it, what is before the first value, or its colour."""
    return run.text, " ".join(run.words[:3]), spelt(run.look.colour), spelt(run.look.colour).lower()


def hard_to_tap(mail: Mail) -> Iterator[Finding]:
    for anchor in mail.page.anchors:
        if anchor.height is not None and anchor.height < LEAST_HEIGHT - HAIR:
            told = f'"{anchor.words[:SHOWN]}" is {anchor.height:g} px high; a thumb needs {LEAST_HEIGHT:g}: more inner-padding'
            yield Finding("W037", told, (anchor.words,))
    buttons = [anchor for anchor in mail.page.anchors if anchor.is_button]
    for first, second in pairwise(buttons):
        if first.texts_until == second.texts_before and (space := space_between(first, second)) < LEAST_SPACE:
            both = f'"{first.words[:SHOWN]}" and "{second.words[:SHOWN]}"'
            told = f"{both} are {space:g} px apart; keep {LEAST_SPACE:g} between buttons"
            yield Finding("W037", told, (second.words,))


def space_between(first: Anchor, second: Anchor) -> float:
    """What is below the one and above the other, of the tags that they are not in together. On a phone columns are stacked."""
    shared = {number for number, _, _ in first.space} & {number for number, _, _ in second.space}
    below = sum(below for number, _, below in first.space if number not in shared)
    return below + sum(above for number, above, _ in second.space if number not in shared)
