"""Bringing a lead file in: good rows become leads, bad rows go to a rejects file with their reasons. Safe to repeat.

Before: `engine.leadfile.rows`. After: `handraiser leads import` prints the outcome.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path

from sqlalchemy.exc import IntegrityError

from engine.database import Database, Tx
from engine.errors import ImportFileError
from engine.events import NewEvent, record_events
from engine.leadfile.map import LeadMap
from engine.leadfile.rows import BadRow, GoodRow, check_lines, read_rows
from engine.leads import NewLead, ids_by_key, save_leads
from engine.schedule.entries import enter_by_event, enter_by_segment
from engine.suppression import Suppression, suppress
from engine.tokens import Tokens
from engine.versions import live_rules
from engine.vocabulary import EventType, Origin, Scope

AT_ONCE = 1_000
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run such a cell


@dataclass(slots=True, kw_only=True)
class Imported:
    """What an import did. `unpacked` rows are among the good ones."""

    rows: int = 0
    added: int = 0
    known: int = 0
    unpacked: int = 0
    do_not_email: int = 0
    do_not_call: int = 0
    without_address: int = 0
    rejected: int = 0
    rejects_file: Path | None = None
    problems: Counter[str] = field(default_factory=Counter)


def import_leads(
    database: Database,
    tokens: Tokens,
    file: Path,
    lead_map: LeadMap,
    *,
    progress: Callable[[int], None],
    wanted: Callable[[NewLead], bool] = lambda _lead: True,
) -> Imported:
    """Bring in every row that is `wanted`, a thousand in a transaction; `progress` is told how many rows each had.

    Raises ImportFileError for a file that cannot be read to its end; then nobody of it is brought in.
    """
    done = Imported()
    rejects: list[BadRow] = []
    with database.read() as tx:
        schema = live_rules(tx).policy.lead_schema
    with open_lines(file) as lines:
        check_lines(lines, lead_map)
    with open_lines(file) as lines:
        rows = read_rows(lines, lead_map, schema, source=f"import {file.name}")
        while some := list(islice(rows, AT_ONCE)):
            good = [row for row in some if isinstance(row, GoodRow) and wanted(row.lead)]
            rejects += [row for row in some if isinstance(row, BadRow)]
            save_portion(database, tokens, good, file.name, done)
            done.rows += len(some)
            progress(len(some))
    note_rejects(file, rejects, done)
    return done


@contextmanager
def open_lines(file: Path) -> Iterator[Iterator[str]]:
    """A file's lines as text. Raises ImportFileError, with the file's name, when it is missing, not UTF-8 or not CSV."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            yield opened
    except ImportFileError as error:
        raise ImportFileError(f"{file}: {error}") from error
    except OSError as error:
        raise ImportFileError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ImportFileError(
            f"{file}: is not UTF-8 text (byte {error.start}). Save it from the spreadsheet as “CSV UTF-8”."
        ) from error


def save_portion(database: Database, tokens: Tokens, good: list[GoodRow], source: str, done: Imported) -> None:
    """Once more where somebody adds the same lead this very moment, by another import or a post: then it is there."""
    try:
        with database.write() as tx:
            save(tx, tokens, good, source, done)
    except IntegrityError:
        with database.write() as tx:
            save(tx, tokens, good, source, done)


def save(tx: Tx, tokens: Tokens, good: list[GoodRow], source: str, done: Imported) -> None:
    before = len(ids_by_key(tx, [row.lead.key for row in good]))
    ids = save_leads(tx, tokens, [row.lead for row in good])
    suppress(tx, list(refusals(tokens, good, source)))
    come_in(tx, {ids[row.lead.key]: row.lead for row in good}, source)
    added = len({row.lead.key for row in good}) - before
    done.added += added
    done.known += len(good) - added
    done.unpacked += sum(row.unpacked for row in good)
    done.do_not_email += sum(row.do_not_email for row in good)
    done.do_not_call += sum(row.lead.do_not_call for row in good)
    done.without_address += sum(row.lead.email is None for row in good)


def come_in(tx: Tx, people: Mapping[int, NewLead], source: str) -> None:
    """Note who came in by the file, the same row once however often it is read, and begin the cadences that let them in."""
    told = [
        NewEvent(
            source_key=f"imported:{lead_id}:{sha256(repr(lead).encode()).hexdigest()[:32]}", type=EventType.IMPORTED,
            origin=Origin.HUMAN, lead_id=lead_id, data={"file": source}, occurred_at=tx.now,
        )
        for lead_id, lead in people.items()
    ]  # fmt: skip
    fresh = record_events(tx, told)
    enter_by_event(tx, EventType.IMPORTED, [event.lead_id for event in told if event.source_key in fresh and event.lead_id])
    enter_by_segment(tx, people)


def refusals(tokens: Tokens, good: Iterable[GoodRow], source: str) -> Iterator[Suppression]:
    """A "do not email" stops all marketing to the address, whatever consent another list claims."""
    for row in good:
        if row.do_not_email and row.lead.email:
            yield Suppression(
                address_key=tokens.address_key(row.lead.email),
                scope=Scope.MARKETING,
                reason="do_not_email",
                source=f"import {source}",
            )


def note_rejects(file: Path, rejects: list[BadRow], done: Imported) -> None:
    """Write FILE.rejects.csv beside the file, when there are any."""
    target = file.with_name(file.stem + ".rejects.csv")
    done.rejected = len(rejects)
    done.problems = Counter(problem for row in rejects for problem in row.problems)
    if not rejects:
        return
    with target.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["line", "what is wrong", "the row as it came"])
        for row in rejects:
            writer.writerow([row.line, "; ".join(row.problems), *map(harmless, row.cells)])
    done.rejects_file = target


def harmless(cell: str) -> str:
    """The cell so that no spreadsheet takes it for a formula."""
    return "'" + cell if cell.startswith(FORMULA_STARTS) else cell
