"""Comparing the files of a workspace with one another: every name that refers to something, every condition.

Before: `engine.compiler.workspace` has read the files. After: when nothing was found, `engine.compiler.build` makes the
plan. All faults are found in one go.
"""

from collections.abc import Sequence

from engine.compiler.check_cadences import check_cadence
from engine.compiler.checks import Checks
from engine.compiler.circles import check_circles
from engine.compiler.conditions import LITERAL, check_placeholders
from engine.compiler.considered import report_needless
from engine.compiler.diagnostics import Place, quote
from engine.compiler.steps import all_steps, emails_of
from engine.compiler.syntax import Assignment, Email, EmailStep, Offer, PointRule, Scoring, WebhookStep
from engine.expressions.scope import EVENT_NAMES
from engine.vocabulary import EventType, Stream


def check_files(checks: Checks) -> None:
    """Add everything that is wrong between the files."""
    files = checks.files
    check_brand_of_workspace(checks)
    for field in files.workspace.holiday_fields:
        checks.field(field.value, field.place)
    check_scoring(files.scoring, checks)
    check_assignment(files.assignment, checks)
    for offer in files.offers:
        check_offer(offer, checks)
    for email in files.events.emails.values():
        checks.email(email, Stream.TRANSACTIONAL)
    for name, own in files.emails.items():
        check_email_file(own, checks.streams.get(name), checks)
    for cadence in files.cadences:
        check_cadence(cadence, checks)
    check_circles(checks)
    check_deadlines(checks)
    check_unused_emails(checks)
    check_links_of_versions(checks)
    check_unused_webhooks(checks)
    check_unconfirmed_events(checks)


def check_brand_of_workspace(checks: Checks) -> None:
    workspace, brands = checks.files.workspace, checks.files.brands
    checks.brand(workspace.brand)
    if workspace.brand is None and len(brands) != 1 and not checks.findings.has_errors_below("templates/brands/"):
        reason = "there are several" if brands else "there is no file in templates/brands/"
        checks.findings.add("E011", Place("workspace.yaml"), f"workspace.yaml needs `brand:`, for {reason}")


def check_scoring(scoring: Scoring, checks: Checks) -> None:
    for rule in scoring.points:
        check_point_rule(rule, checks)
    for each in scoring.profile:
        checks.conditions.check(each.condition, checks.conditions.scope.for_scoring())


def check_point_rule(rule: PointRule, checks: Checks) -> None:
    if not checks.event(rule.on) or not rule.on.value:
        return
    scope = checks.conditions.scope.for_scoring(rule.on.value)
    checks.conditions.check(rule.condition, scope)
    data = [field.name for field in scope.data_fields()]
    if "events.yaml" not in checks.files.unsure:
        check_placeholders(rule.because, [*EVENT_NAMES, *data], checks.findings)


def check_assignment(assignment: Assignment, checks: Checks) -> None:
    for rule in assignment.rules:
        checks.conditions.check(rule.condition)
        for name in rule.to:
            checks.rep(name)
    if assignment.reps and not any(rule.condition is None for rule in assignment.rules):
        checks.findings.add("W007", assignment.place, "every rule has an `if`, so some leads may get no rep")


def check_offer(offer: Offer, checks: Checks) -> None:
    checks.conditions.check(offer.condition)
    for email in offer.emails:
        checks.email(email, Stream.TRANSACTIONAL)


def check_email_file(email: Email, stream: str | None, checks: Checks) -> None:
    """Check what an email.yaml names, and how long the mail is of use."""
    checks.brand(email.brand)
    if checks.files.assignment.reps:
        checks.rep(email.owner)
    if email.late and not email.valid_for:
        message = f"`late: {email.late.value}` says nothing without `valid_for:`, the time for which the mail is of use"
        checks.findings.add("E053", email.late.place, message)
    elif email.valid_for and stream == Stream.MARKETING:
        message = "does nothing in a marketing email: write it at the step of the cadence that sends the email"
        checks.findings.add("W013", email.valid_for.place, f"`valid_for` {message}")


def check_deadlines(checks: Checks) -> None:
    """Report a workspace in which deadlines decide and no mail has one, and no mistake may be the reason."""
    steps = (step for cadence in checks.files.cadences for step in all_steps(cadence.steps))
    has_any = any(isinstance(step, EmailStep) and step.valid_for for step in steps)
    if checks.has_deadlines and not has_any and not checks.findings.has_errors:
        place = checks.files.workspace.between.place
        checks.findings.add("W013", place, "`first: deadline` decides nothing while no email step has `valid_for:`")


def check_links_of_versions(checks: Checks) -> None:
    """Links that a condition or a score asks for, and that one version of an email has and another has not."""
    segments = (found[1] or found[2] for text in checks.files.segments.values() for found in LITERAL.finditer(text.text))
    asked = checks.conditions.literals | set(segments)
    for (email, _), edition in checks.emails.editions.items():
        if "W070" in checks.files.emails[email].considered:
            continue
        names = {version: {link.name for link in made.links} for version, made in edition.artifacts.items()}
        for (language, arm), own in names.items():
            for name in sorted(asked & set().union(*names.values()) - own):
                folder = f"languages/{language}/" if language != edition.language else ""
                told = f"the arm {arm} in {quote(language)} has no link {quote(name)}, which conditions or scores ask for"
                checks.findings.add("W070", Place(f"templates/emails/{email}/{folder}email.yaml"), told)


def check_unused_webhooks(checks: Checks) -> None:
    steps = (step for cadence in checks.files.cadences for step in all_steps(cadence.steps))
    used = {step.to.value for step in steps if isinstance(step, WebhookStep)}
    for name, url in checks.files.workspace.webhooks.items():
        if name not in used and not checks.findings.has_errors:
            checks.findings.add("W014", url.place, f"no step posts to {quote(name)}")


def check_unconfirmed_events(checks: Checks) -> None:
    """Events after which nobody hears anything: each purchase, and all others in one finding, for most may be meant so."""
    if checks.findings.has_errors:
        return
    events, told = checks.files.events, silent_events(checks)
    for name, considered in events.considered.items():
        report_needless(considered, [told.pop(name)] if told.get(name) in considered else (), checks.findings)
    for name in (name for name, code in told.items() if code == "W040"):
        message = f"{quote(name)} says that somebody bought, and sends no email; name one with `email:`"
        checks.findings.add("W040", events.places[name], message)
    if others := [name for name, code in told.items() if code == "W041"]:
        message = (
            f"nobody hears of {all_told(others)}: name what answers with `email:`, or say with `considered:` why nothing does"
        )
        checks.findings.add("W041", events.places[others[0]], message)


def silent_events(checks: Checks) -> dict[str, str]:
    """The workspace's own types of events that send no email, by code. Beginning a cadence answers all but purchases."""
    events = checks.files.events
    entering = {entry.event.value for cadence in checks.files.cadences for entry in cadence.entries if entry.event}
    silent = [kind for kind in events.schema.kinds if kind.name not in events.emails]
    bought = {kind.name: "W040" for kind in silent if kind.counts_as == EventType.PURCHASED}
    return bought | {kind.name: "W041" for kind in silent if kind.name not in {*bought, *entering}}


def all_told(names: Sequence[str], most: int = 5) -> str:
    """The first of them by name."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def check_unused_emails(checks: Checks) -> None:
    """Marketing emails that no cadence sends, and no mistake may be the reason. Others may be asked for from outside."""
    used = {email for cadence in checks.files.cadences for email in emails_of(cadence.steps)}
    for name, stream in checks.streams.items():
        if stream == Stream.MARKETING and name not in used and not checks.findings.has_errors:
            place = Place(f"templates/emails/{name}/email.yaml")
            checks.findings.add("W002", place, f'no cadence sends "{name}"')
