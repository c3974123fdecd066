"""What can be wrong with a workspace: one row per code, and the one form in which each finding is told.

Nothing of the compiler comes before this module; every later stage adds to a `Findings`. `docs/diagnostics.md` explains
each code to the marketer, and `tests/compiler/bad/<code>` holds a workspace that shows it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from itertools import chain
from typing import NamedTuple

MOST = 100  # of one file: who has more reads the first ones anyway
FEW = 6  # names that are all told


class Place(NamedTuple):
    """Where something was written: the file relative to the workspace, line and column from 1."""

    file: str
    line: int = 1
    column: int = 1


class Row(NamedTuple):
    """One kind of finding: what is wrong, in a few words, and what to do about it."""

    title: str
    advice: str


TABLE: dict[str, Row] = {
    # the file as text
    "E001": Row("a file is missing or cannot be read", "Create the file, or check its permissions."),
    "E002": Row("a file is not text", "Save it as UTF-8 text without control characters."),
    "E003": Row("a file is too large", "Keep each file under 256 KB and 1,000 steps: split a long cadence in two."),
    "E004": Row("a file is not YAML", "Look at that place and the line above it; quote text with special signs."),
    "E005": Row("a tab", "Use spaces. Editors can turn tabs into spaces."),
    "E006": Row("an anchor, alias, tag or directive", "Write the value out; quote text beginning with & * ! %."),
    "E007": Row("a key is given twice", "Keep one of the two."),
    "E008": Row("lists and mappings nested too deep", "Nest at most 20 levels: cut the cadence in two."),
    "E009": Row("a file name that is not usable", "Use small letters, digits and hyphens, a letter first; a file ends in .yaml."),
    # the shape of what is written
    "E010": Row("an unknown key", "Correct the spelling, or remove the key."),
    "E011": Row("a key is missing", "Add the key."),
    "E012": Row("an unknown email", "Use the name of a folder in templates/emails/, or make that folder."),
    "E013": Row("a list, mapping or text where another was expected", "Write it in the shape that the message names."),
    "E014": Row("a value that is not one of the choices", "Use one of the values that the message lists."),
    "E015": Row("a time that cannot be read", "Write a span (`3 days`), a point (`day 3`) or a clock time (`14:30`)."),
    "E016": Row("a number that cannot be used", "Write digits only, within the bounds that the message names."),
    "E017": Row("a name that cannot be used", "Use a name of the letters and signs that the message lists."),
    "E018": Row("a step that does nothing, or two things", "Give each step one of the kinds that the message lists."),
    # names that refer to something
    "E019": Row("an unknown brand", "Use the name of a file in templates/brands/, or make that file."),
    "E020": Row("an unknown topic", "Use a topic of workspace.yaml, or add it there."),
    "E021": Row("an unknown rep", "Use a rep of assignment.yaml, or add them there."),
    "E022": Row("an unknown event", "Use a built-in event or one of events.yaml."),
    "E023": Row("a condition that cannot be read", "Compare fields, and join with and, or, not; see docs/cadences.md."),
    "E024": Row("a name used twice", "Give one of the two another name; ids are for ever, so change the newer one."),
    "E025": Row("two times for one step", "Keep `at:` (counted from the start) or `after:` (from the step before)."),
    "E026": Row("a wait without an end", "Add `timeout:`, so that nobody waits for ever."),
    "E027": Row("a window that never opens", "Name at least one day, and a `from` that is earlier than `to`."),
    "E028": Row("nothing to do", "Add at least one entry, or remove the key."),
    "E029": Row("an unknown time zone", "Use a name like Europe/London or America/New_York."),
    "E030": Row("an email that does not compile", "Correct the template at the place named."),
    "E031": Row("an email of the wrong stream", "Cadences send marketing emails; events, transactional ones."),
    "E032": Row("a time before that of an earlier step", "Put the steps in the order in which they happen."),
    "E033": Row("choices that do not fit the type", "Give `choices:` to a choice and `of:` to a list-of, only there."),
    "E034": Row("a sample that does not fit its data", "Give the sample the declared keys, with values of their type."),
    "E035": Row("an unknown name in a text", "Use a field of leads.yaml, or a placeholder that the message lists."),
    "E036": Row("an address that cannot be used", "Write an address like dana@example.com, or a link with https://."),
    "E037": Row("segments that need each other", "Take one of them out of the circle."),
    "E038": Row("a text whose placeholders cannot be read", "Write placeholders like `{{ lead.first_name }}`."),
    "E039": Row("an unknown cadence", "Use the name of a file in cadences/, without .yaml."),
    "E040": Row("an unknown webhook", "Use a name under `webhooks:` in workspace.yaml, or add it there."),
    "E041": Row("an unknown segment", "Use a segment of segments.yaml, or add it there."),
    "E042": Row("an unknown field", "Use a field of leads.yaml, or add it there."),
    "E043": Row("a value that does not fit its field", "Write a value of the field's type, as the message says."),
    "E044": Row("an unknown country or region", "Write an ISO 3166 code: GB, DE, GB-SCT, DE-BY."),
    "E045": Row("a split with less than two arms", "Add an arm, or write the steps without a split."),
    "E046": Row("a holdout with steps", "Remove its steps, or `holdout:`: who is held out gets none, for comparison."),
    "E047": Row("an arm without steps", "Give it steps, or say `holdout: yes`."),
    "E048": Row("cadences that enter each other for ever", "Give one a longer `reentry:`, or `no`, or take one `enter` away."),
    "E049": Row("an attachment that is not there", "Put the file into attachments/, or correct its name."),
    "E050": Row("an attachment that is too large", "Keep files under 5 MB and a mail under 10 MB; link to larger ones."),
    "E051": Row("a kind of file that cannot be attached", "Make it a PDF or a picture, or link to it."),
    "E052": Row("an event that lets in and out", "Remove it from `enter:`, or from `exits:` and `goal:`."),
    "E053": Row("`late:` without `valid_for:`", "Say with `valid_for:` what lateness the mail bears."),
    "E054": Row("a way in or an event of a test that names nothing, or two things", "Name exactly one thing."),
    "E055": Row("a condition that can never hold", "Look at what contradicts: no lead can be both."),
    "E056": Row("two emails at one instant", "Give one of them another day or another time of day."),
    "E057": Row("a cadence that enters itself", "Whoever is inside cannot come in; use `reentry:` and `enter:` above."),
    "E058": Row("a field that no step can write", "Use a field of leads.yaml; key, email and the like come with the lead."),
    "E059": Row("a date that is not in the calendar", "Write it like 2026-03-31."),
    "E060": Row("quiet hours of no length", "Give them an end that differs from their beginning."),
    "E061": Row("a region without a country", "Name the field with the country as well: `country_field:`."),
    "E062": Row("a test that expects an email of elsewhere", "Expect the emails that this cadence sends."),
    "E063": Row("a day out of order in a test", "Write events and mails in the order of their days, from the start on."),
    "E064": Row("a test that expects an end there is not", "Use an exit, the words of a `leave`, goal, end, or no."),
    "E065": Row("an unknown identity", "Use a name under `identities:` of the brand, or `rep` for the lead's rep."),
    "E066": Row("collateral that cannot be matched", "Declare `interests` as a list in leads.yaml, and write collateral.yaml."),
    "E067": Row("a colour that cannot be read", "Write it in quotes, like \"#0B6B5F\"."),
    "E068": Row("a domain that cannot be used", "Write it like gmail.com, without @ and https://."),
    "E069": Row("a warm-up that does not grow", "Let it grow by 1% or more, up to more mails than it begins with."),
    # what no inbox should get
    "E070": Row("a marketing mail that cannot be left", "Link to `{{ unsubscribe_url }}` in the layout, in words that show."),
    "E071": Row("a marketing mail without a postal address", "Print `brand.postal_address` in the layout; the law asks for it."),
    "E072": Row("a picture that is not there", "Write its https:// address, or put it into templates/images/ and write cid:."),
    "E073": Row("a link to nowhere", "Write the address of the page that the words promise."),
    "E074": Row("a mail that nobody can answer", "Write from an address that is read, and let people answer."),
    "E075": Row("an offer in the way of the message", "Put it under the message and keep it under 30 % of the mail."),
    "E076": Row("a picture that cannot be sent along", "Make it a PNG, JPEG or GIF under 256 KB, or put it on your site."),
    # languages and variants
    "E080": Row("not a language", "Write its two or three letters: en, de, fr."),
    # how mail goes out
    "E081": Row("mail that no relay takes", "Give relays.yaml a relay that takes such mail, with no `domains:`."),
    # suspicious, yet it can run
    "W001": Row("a step that nobody reaches", "Move the step before the goal, or give the goal a condition."),
    "W002": Row("an email that nothing sends", "Use it in a cadence, or remove its folder."),
    "W003": Row("two emails closer than the gap", "Put more time between them, or the second waits for the gap."),
    "W004": Row("a time outside the sending window", "Choose a time inside it, or the email waits for the next one."),
    "W005": Row("a click or opening of an email not sent by then", "Ask about an email of an earlier step."),
    "W006": Row("a file that is not read", "Correct its name; Handraiser reads only the names it knows."),
    "W007": Row("leads that no rep is given", "End the rules of assignment.yaml with one that has no `if`."),
    "W008": Row("cadences that lead into each other", "Look whether you mean it: the circle ends where re-entry says no."),
    "W009": Row("a way that a branch above has decided", "Remove the inner branch, or correct one of the two conditions."),
    "W010": Row("a condition that holds for every lead", "Correct it, or write the steps without it."),
    "W011": Row("re-entry where nobody comes in", "Add `enter:`, or remove `reentry:`; by hand it takes `enrol --again`."),
    "W012": Row("a time that has passed for some", "Choose a later time, or a shorter `timeout:` above."),
    "W013": Row("a deadline without effect", "Give emails `valid_for:`, or let `late:` be shift or skip."),
    "W014": Row("a webhook that nothing posts to", "Use it in a step, or remove it from workspace.yaml."),
    "W015": Row("a reason for a warning that is not there", "Take the code out of `considered:`."),
    "W016": Row("collateral that has expired", "Give it a later `expires:`, or remove it."),
    "W017": Row("collateral that expires under way", "Give it a later `expires:`, or plan what takes its place."),
    "W018": Row("a relay and an address that miss each other", "Set HANDRAISER_SMTP_URL_<NAME> for each relay and no other."),
    # what makes a mail weaker
    "W030": Row("a mail that Gmail cuts off", "Shorten it, or split it in two: Gmail shows 102 KB of HTML."),
    "W031": Row("an email that its sample does not fill", "Give its sample.yaml the values that it prints."),
    "W032": Row("no preheader", "Say in `preheader:` what the subject leaves open."),
    "W033": Row("a picture without words", "Say in `alt` what it shows; decoration gets an empty one."),
    "W034": Row("text that is hard to read", "Choose a darker or lighter colour; WCAG AA asks for 4.5 : 1."),
    "W035": Row("a link or picture over plain http", "Write https://."),
    "W036": Row("a link that does not say where it leads", "Let its words name what is there."),
    "W037": Row("a button that is hard to hit", "Make it 44 px high, and keep 8 px between two."),
    "W038": Row("a transactional mail without a place for an offer", "Put `{{ block(\"offer\") }}` under the message."),
    "W039": Row("an email that nobody owns", "Name a rep with `owner:` in its email.yaml."),
    "W040": Row("a purchase that nobody confirms", "Write a transactional email, and name it with `email:` in events.yaml."),
    "W041": Row("events that nobody hears of", "Write a transactional email, and name it with `email:` in events.yaml."),
    "W042": Row("a cold subject", "Say what happened, in the words you would use to a person."),
    "W043": Row("a mail that looks like nobody's", "Use the brand's colours or its logo."),
    "W044": Row("a text part that is another message", "Say the same in text.txt, with the same links, or remove it."),
    "W045": Row("something that Gmail or Outlook does not show", "Do it in the way that the message names."),
    "W046": Row("what spam filters look for", "Say it in the way that the message names."),
    "W047": Row("text that is lost in dark mode", "Give the text a background, or another colour in dark mode."),
    "W048": Row("a transactional mail that may come at any time", "Say with `valid_for:` how long it is of use."),
    "W049": Row("a transactional mail that nobody improves", "Plan `variants:`, or say in `to_try:` what to try next."),
    # what is right, yet has a price
    "W060": Row("an email that MJML reads anew for each person", "Write it as the message says; left as it is, it is only slow."),
    "W061": Row("MJML that does not look the same everywhere", "Do it in the way that the message names, or leave it so."),
    "W062": Row("a placeholder of another program", "Write `{{ lead.… }}`, `{{ event.… }}` or the words themselves."),
    "W070": Row("a version without a link that is asked for", "Give the same link the same `name=` in every language and arm."),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One finding. `suggestion` is the name that was probably meant; None: nothing is close."""

    file: str
    line: int
    column: int
    code: str
    message: str
    suggestion: str | None = None

    @property
    def is_error(self) -> bool:
        """Whether the workspace cannot be used because of it; a warning can be lived with."""
        return self.code.startswith("E")

    def __str__(self) -> str:
        hint = f' (did you mean "{self.suggestion}"?)' if self.suggestion else ""
        return f"{self.file}:{self.line}:{self.column}: {self.code} {self.message}{hint}"

    def to_plain(self) -> dict[str, str | int | None]:
        """As a mapping for JSON."""
        return asdict(self)


class Findings:
    """The findings of one compilation, in whatever order the stages make them. Of one file, `MOST` are kept."""

    def __init__(self) -> None:
        self._found: dict[str, set[Diagnostic]] = {}
        self._files_with_errors: set[str] = set()
        self._cut_short: set[tuple[str, str]] = set()  # file and code of which no more are told

    def add(self, code: str, place: Place, message: str, suggestion: str | None = None) -> None:
        """Add one finding. The same finding twice is one. A code outside the table is a bug: KeyError."""
        assert TABLE[code]
        file, line, column = place
        if self.is_cut_short(code, file):
            return
        if self._is_full(file):
            self._cut_short.add((file, code))
            message, suggestion = "too many findings in this file to tell them all; correct these first", None
            line, column = 1, 1
        found = Diagnostic(file=file, line=line, column=column, code=code, message=message, suggestion=suggestion)
        self._found.setdefault(file, set()).add(found)
        if found.is_error:
            self._files_with_errors.add(file)

    def unknown(self, code: str, place: Place, what: str, name: str, known: Iterable[str]) -> None:
        """Add that `name` is not among the `known` ones, with the closest of those, or all where they are few."""
        names = sorted(set(known))
        meant = self.meant(place.file, name, names)
        self.add(code, place, f"unknown {what} {quote(name)}{'' if meant else all_of(names)}", meant)

    def guess(self, code: str, place: Place, message: str, name: str, known: Iterable[str]) -> None:
        """Add a finding about `name`, with the closest of the `known` ones as the suggestion."""
        self.add(code, place, message, self.meant(place.file, name, known))

    def meant(self, file: str, name: str, known: Iterable[str]) -> str | None:
        """The closest of the `known` ones; of a file that has too many findings already, nothing is worth the search."""
        return None if self._is_full(file) else closest(name, known)

    @property
    def has_errors(self) -> bool:
        return bool(self._files_with_errors)

    def has_errors_in(self, file: str) -> bool:
        return file in self._files_with_errors

    def has_errors_below(self, path: str) -> bool:
        """Whether a file has errors whose path begins so."""
        return any(file.startswith(path) for file in self._files_with_errors)

    def has_errors_but_below(self, folders: tuple[str, ...]) -> bool:
        """Whether there are errors in files that mails in all other folders depend on."""
        return any(not file.startswith(folders) for file in self._files_with_errors)

    def has_any_of(self, codes: Collection[str], file: str) -> bool:
        return any(found.code in codes for found in self._found.get(file, ()))

    def is_cut_short(self, code: str, file: str) -> bool:
        """Whether there are more findings of that code in the file than are told."""
        return (file, code) in self._cut_short

    def in_order(self) -> tuple[Diagnostic, ...]:
        """By file, then line, then column."""
        return tuple(sorted(chain.from_iterable(self._found.values()), key=reading_order))

    def _is_full(self, file: str) -> bool:
        return len(self._found.get(file, ())) >= MOST


def reading_order(found: Diagnostic) -> tuple[str, int, int, str, str]:
    return found.file, found.line, found.column, found.code, found.message


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant; None: no one is close."""
    if len(name) > 80:
        return None
    by_folded = {each.casefold(): each for each in known}
    close = get_close_matches(name.casefold(), by_folded, n=1)
    return by_folded[close[0]] if close else None


def instead(name: str, known: Sequence[str]) -> str:
    """The end of a sentence about a name that nothing has: what was probably meant, else what there is."""
    close = closest(name, known)
    return f"; did you mean {close!r}?" if close else f"; there are: {', '.join(known)}" if known else ""


def all_of(names: Sequence[str], most: int = FEW) -> str:
    """What there is instead; of many, nothing."""
    match len(names):
        case 0:
            return "; there is none"
        case 1:
            return f"; there is only {names[0]}"
        case few if few <= most:
            return f"; there are {', '.join(names)}"
    return ""


def printable(name: str) -> str:
    """A file's name as it can be shown: bytes that are not text, and line ends, become question marks."""
    return "".join(sign if sign.isprintable() else "?" for sign in name)


def quote(text: str, longest: int = 60) -> str:
    """What a user wrote, on one line and not endless, in double quotes."""
    flat = " ".join(text.split())
    return f'"{flat if len(flat) <= longest else flat[: longest - 1] + "…"}"'
