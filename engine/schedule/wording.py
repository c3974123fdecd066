"""Changes in words, for a person who wants to know what an edit does to the people inside. Lines fit 80 columns.

Before: `engine.schedule.changes` has added up. After: `handraiser plan` and `handraiser apply` print it.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from textwrap import wrap

from engine.schedule.changes import AlreadyIn, CadenceChange, Changes, How, KeptCopy, MailChange, StepMove

IN_WORDS: dict[How, str] = {
    "new": "new",
    "returned": "back again",
    "unchanged": "as it was",
    "copy": "other words, the same steps",
    "structure": "other steps or times",
    "removed": "no longer in the workspace: nobody new comes in",
}
LETTER: dict[str, str] = {"new": "+", "returned": "+", "unchanged": " ", "copy": "~", "structure": "~", "removed": "-",
          "changed": "~", "gone": "-"}  # fmt: skip
WIDTH = 80
MOST_NAMED = 8  # emails changed in one way; more are counted
MOST_LINES = 10  # about the steps, and about the mails, of one cadence
UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def lines(changes: Changes) -> Iterator[str]:
    """Everything that changes; what does not is counted at the end."""
    if changes.is_nothing:
        yield "Nothing changes."
        return
    still = [each for each in changes.cadences if each.is_nothing]
    for change in changes.cadences:
        if change not in still:
            yield from cadence_lines(change)
    for already in changes.already_in:
        yield from already_in_lines(already)
    for kind in changes.rules:
        yield f"~ {kind}: new rules, for everyone at once"
    for how in ("new", "changed", "gone"):
        yield from email_lines(how, [name for name, way in changes.emails if way == how])
    if still:
        yield f"  {count(len(still), 'cadence')} as before"


def already_in_lines(already: AlreadyIn) -> Iterator[str]:
    """A segment lets in who comes to match it from now on; how the others are taken in."""
    verb = "is" if already.people == 1 else "are"
    yield f"  {people(already.people)} {verb} in {already.segment} already; to let them in, too:"
    yield f"      handraiser enrol {already.cadence} --segment {already.segment}"


def cadence_lines(change: CadenceChange) -> Iterator[str]:
    yield headed(f"{LETTER[change.how]} cadence {change.cadence}: {IN_WORDS[change.how]}")
    yield from (f"    {line}" for line in people_lines(change))
    on_their_way = [each for each in change.steps if each.how != "stays"]
    standing = sum(each.people for each in change.steps if each.how == "stays")
    if standing:
        yield numbered(standing, "go on at the step where they are" if standing > 1 else "goes on at the step where they are")
    yield from shortened([numbered(each.people, kept_in_words(each)) for each in change.kept])
    yield from shortened([numbered(each.people, move_in_words(each)) for each in on_their_way])
    yield from shortened([numbered(each.people, mail_in_words(each)) for each in change.mails])


def people_lines(change: CadenceChange) -> Iterator[str]:
    if change.moves:
        yield f"{people(change.moves)} {'moves' if change.moves == 1 else 'move'} to the new version{only_words(change)}"
    if change.stays:
        yield f"{people(change.stays)} {'stays' if change.stays == 1 else 'stay'} on the version they are on"
    if change.corrected:
        yield f"{people(change.corrected)} on older versions {'gets' if change.corrected == 1 else 'get'} the corrected copy"


def only_words(change: CadenceChange) -> str:
    if not change.words or change.words == change.moves:
        return ""
    return f", for {change.words:,} of whom only words change"


def kept_in_words(kept: KeptCopy) -> str:
    why = {
        "brand": "it is not made in their version's brand any more",
        "stream": "the new one is no marketing mail",
        "link": "their version asks for a click on a link that no mail has any more",
    }
    return f"keep the old copy of {kept.email}: {why[kept.why]}"


def move_in_words(move: StepMove) -> str:
    why = {"removed": "no longer there", "had": "a mail they have had"}.get(move.how, "")
    if move.how == "renamed":
        return f"at {move.from_step}, which is called {move.to_step} now"
    if move.how == "sending":
        return f"at {move.from_step}: the mail is on its way, and is not called back"
    if move.to_step is None:
        return f"at {move.from_step} ({why}): finish, for nothing follows"
    return f"at {move.from_step} ({why}): go on to {move.to_step}"


def mail_in_words(mail: MailChange) -> str:
    match mail.how:
        case "lost" if mail.why == "removed":
            return f"will not get {mail.email}: it is gone"
        case "lost":
            return f"will not get {mail.email}: it no longer lies ahead of them"
        case "gained":
            return f"will get {mail.email}, which they would not have got"
        case "twice":
            return f"have had {mail.email}: not sent again at {mail.step}"
        case _:
            return f"get {mail.email} {mail.how} by {spread_in_words(mail)}"


def spread_in_words(mail: MailChange) -> str:
    assert mail.by is not None
    least, middle, most = (span_in_words(each) for each in mail.by)
    return middle if least == most else f"{middle} ({least} to {most})"


def span_in_words(span: timedelta) -> str:
    """In the largest unit of which there is one, rounded."""
    seconds = span.total_seconds()
    unit, size = next(((unit, size) for unit, size in UNITS if seconds >= size), UNITS[-1])
    return count(round(seconds / size), unit)


def shortened(told: Sequence[str]) -> Iterator[str]:
    yield from told[:MOST_LINES]
    if len(told) > MOST_LINES:
        yield f"           … and {len(told) - MOST_LINES} more, which --json lists"


def headed(words: str) -> str:
    return "\n".join(wrap(words, WIDTH, subsequent_indent="    ", break_on_hyphens=False))


def numbered(number: int, words: str) -> str:
    """A number and what it counts, on as many lines as it takes."""
    return "\n".join(wrap(words, WIDTH, initial_indent=f"    {number:>7,}  ", subsequent_indent=" " * 15, break_on_hyphens=False))


def email_lines(how: str, names: Sequence[str]) -> Iterator[str]:
    if len(names) > MOST_NAMED:
        yield f"{LETTER[how]} {len(names)} emails: {how}"
        return
    yield from (f"{LETTER[how]} email {name}: {how}" for name in names)


def people(number: int) -> str:
    return f"{number:,} {'person' if number == 1 else 'people'}"


def count(number: int, of: str) -> str:
    return f"{number:,} {of}{'' if number == 1 else 's'}"
