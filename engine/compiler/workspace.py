"""Compiling a whole workspace: the one door to this package.

Before: a folder of the marketer's files. After: `handraiser check` prints the diagnostics, `engine.schedule.apply` stores
the plan and its artifacts. Reads files only: no database, no clock, no environment.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path, PurePosixPath

from engine.compiler.attachments import Attachables, read_attachments
from engine.compiler.build import brand_of, build_plan, build_tables, default_brand
from engine.compiler.cadence_tests import CadenceTest, Happening
from engine.compiler.check import check_files
from engine.compiler.check_collateral import check_collateral
from engine.compiler.check_relays import check_relays
from engine.compiler.checks import Checks, Emails
from engine.compiler.diagnostics import Diagnostic, Findings, Place, printable
from engine.compiler.files import is_usable, read_files
from engine.compiler.pictures import picture_bytes
from engine.compiler.plan import WorkspacePlan
from engine.compiler.read_tests import read_script, read_tests
from engine.compiler.render_port import Known, Renderer
from engine.compiler.steps import emails_of
from engine.compiler.syntax import Files
from engine.render.artifact import Artifact, Edition

TOLD_BY_THEMSELVES = ("templates/emails/", "templates/layouts/", "templates/blocks/", "cadences/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A compiled workspace. `plan` None: there are errors.

    `artifacts`: what the plan's hashes name. `attachments`: digest → the bytes of each file and picture that goes with a mail.
    `tests`: what stands under `tests:` in the cadences. `script`: what a file beside the workspace says will happen.
    `files`: everything as written, errors or not; None: a file that the others refer to is unreadable.
    """

    plan: WorkspacePlan | None
    artifacts: dict[str, Artifact]
    diagnostics: tuple[Diagnostic, ...]
    attachments: dict[str, bytes] = field(default_factory=dict)
    tests: tuple[CadenceTest, ...] = ()
    script: tuple[Happening, ...] = ()
    files: Files | None = None


def compile_workspace(
    folder: Path,
    *,
    render: Renderer,
    script: Path | None = None,
    today: date | None = None,
    addressed: Collection[str] = (),
) -> Compiled:
    """The workspace in a folder, with everything that is wrong with it at once. Raises nothing for a user's mistake.

    `script`: a file of events that are to be read by the same rules. `today`: for what expires; None: nothing does.
    `addressed`: the relays that have an address on this machine; none: that is not looked at.
    """
    findings = Findings()
    files = read_files(folder, findings)
    if files is None:
        return Compiled(plan=None, artifacts={}, diagnostics=findings.in_order())
    emails = compile_emails(folder, files, render, findings)
    attachables = read_attachments(folder, files, findings)
    checks = Checks(files, emails, findings)
    check_files(checks)
    check_collateral(checks, today)
    check_relays(checks, addressed)
    tests, events = read_tests(checks), read_script(script, checks) if script else ()
    plan = sound_plan(files, emails, attachables, findings)
    if not findings.has_errors_but_below(TOLD_BY_THEMSELVES):
        render.review_emails(folder, plan or build_tables(files), emails.editions, findings)
    return replace(finish(folder, plan, emails, attachables, tests, findings), script=events, files=files)


def compile_emails(folder: Path, files: Files, render: Renderer, findings: Findings) -> Emails:
    """Every email in each brand that it is sent in. Problems are reported."""
    names = [name for name in render.email_names(folder) if is_usable(name, email_file(name), findings)]
    brands = {name: each.values for name, each in files.brands.items() if not findings.has_errors_in(each.place.file)}
    wanted = {(email, brand) for email, brand in wanted_emails(files, names) if brand in brands and email in names}
    editions: dict[tuple[str, str], Edition] = {}
    for known, group in by_known_names(files, wanted):
        compiled, problems = render.compile_emails(folder, brands, group, known, files.workspace.language)
        editions |= compiled
        for problem in problems:
            if problem.code in considered_at(problem.file, files):
                continue
            findings.add(problem.code, Place(problem.file, problem.line, problem.column), problem.message)
    return Emails(names=names, editions=editions, are_complete=wanted == editions.keys() and bool(brands))


def considered_at(file: str, files: Files) -> Collection[str]:
    """The codes of warnings that the author of the email to which the file belongs lets stand."""
    inside = PurePosixPath(file).parts
    own = files.emails.get(inside[2]) if file.startswith("templates/emails/") and len(inside) > 2 else None
    return own.considered if own else ()


def email_file(name: str) -> str:
    return f"templates/emails/{printable(name)}/email.yaml"


def by_known_names(files: Files, wanted: Iterable[tuple[str, str]]) -> Iterator[tuple[Known, set[tuple[str, str]]]]:
    """The wanted emails, grouped by what their templates may name: an event's email knows the event's data.

    What is not all known, because its table has a mistake, may be anything.
    """
    lead_fields = None if "leads.yaml" in files.unsure else tuple(field.name for field in files.leads.all_fields)
    data = {} if "events.yaml" in files.unsure else data_by_email(files)
    groups: dict[frozenset[str] | None, set[tuple[str, str]]] = {}
    for email, brand in wanted:
        groups.setdefault(data.get(email), set()).add((email, brand))
    for names, group in groups.items():
        yield {"lead": lead_fields, "event": names}, group


def data_by_email(files: Files) -> dict[str, frozenset[str]]:
    """The data that an email may name: what each event that sends it has."""
    data: dict[str, frozenset[str]] = {}
    for kind in files.events.schema.kinds:
        if email := files.events.emails.get(kind.name):
            names = frozenset(field.name for field in kind.data)
            data[email.value] = data.get(email.value, names) & names
    return data


def wanted_emails(files: Files, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    brand = default_brand(files)
    yield from ((name, brand_of(name, brand, files)) for name in names)
    for cadence in files.cadences:
        own_brand = cadence.brand.value if cadence.brand else brand
        yield from ((email, brand_of(email, own_brand, files)) for email in emails_of(cadence.steps))


def sound_plan(files: Files, emails: Emails, attachables: Attachables, findings: Findings) -> WorkspacePlan | None:
    """None: there are errors."""
    if findings.has_errors:
        return None
    return build_plan(files, emails.editions, attachables)


def finish(
    folder: Path,
    plan: WorkspacePlan | None,
    emails: Emails,
    attachables: Attachables,
    tests: tuple[CadenceTest, ...],
    findings: Findings,
) -> Compiled:
    """The plan with what it names; without them where the files, or the emails as a reader sees them, have errors."""
    if plan is None or findings.has_errors:
        return Compiled(plan=None, artifacts={}, diagnostics=findings.in_order())
    return Compiled(
        plan=plan,
        artifacts={artifact.hash: artifact for artifact in emails.artifacts()},
        diagnostics=findings.in_order(),
        attachments={each.attachment.digest: each.data for each in attachables.values()} | pictures_of(folder, emails),
        tests=tests,
    )


def pictures_of(folder: Path, emails: Emails) -> dict[str, bytes]:
    return picture_bytes(folder, {picture for artifact in emails.artifacts() for picture in artifact.pictures})
