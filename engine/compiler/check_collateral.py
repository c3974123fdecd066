"""Checking the library and who asks for it: that it can be matched, and that what it has does not run out on the way.

Before: `engine.compiler.check` has walked the cadences. After: the plan holds the library. Only who knows the day asks whether
something has expired.
"""

from datetime import date, timedelta

from engine.compiler.checks import Checks
from engine.compiler.collateral import INTERESTS
from engine.compiler.diagnostics import quote
from engine.compiler.steps import all_steps
from engine.compiler.syntax import Cadence, Collateral, EmailStep, Written
from engine.expressions.fields import FieldType


def check_collateral(checks: Checks, today: date | None) -> None:
    for cadence in checks.files.cadences:
        for step in asking_steps(cadence):
            check_matching(step, checks)
    if today and not checks.findings.has_errors:
        for each in checks.files.collateral:
            check_expiry(each, today, checks)


def asking_steps(cadence: Cadence) -> list[EmailStep]:
    return [step for step in all_steps(cadence.steps) if isinstance(step, EmailStep) and step.collateral]


def check_matching(step: EmailStep, checks: Checks) -> None:
    assert step.collateral
    field = checks.files.leads.field(INTERESTS)
    place = step.collateral.place
    if "leads.yaml" not in checks.files.unsure and (field is None or field.type is not FieldType.LIST):
        told = f"collateral goes by a lead's interests; declare `{INTERESTS}: {{type: list}}` in leads.yaml"
        checks.findings.add("E066", place, told)
    elif not checks.files.collateral and "collateral.yaml" not in checks.files.unsure:
        checks.findings.add("E066", place, "there is nothing in collateral.yaml that could go with this mail")


def check_expiry(each: Collateral, today: date, checks: Checks) -> None:
    """Report what nobody gets any more, and what those who begin today come too late for."""
    if each.expires is None:
        return
    if each.expires.value < today:
        checks.findings.add("W016", each.expires.place, f"{quote(each.key)} expired on {each.expires.value}, so nobody gets it")
    elif late := first_too_late(each.expires, today, checks):
        told = f"{quote(each.key)} expires on {each.expires.value}; who begins {late}"
        checks.findings.add("W017", each.expires.place, told)


def first_too_late(expires: Written[date], today: date, checks: Checks) -> str | None:
    """In words, the first step that comes too late for it to those who begin today; None: none does."""
    for cadence in checks.files.cadences:
        journey = checks.journeys[cadence.name]
        for step in asking_steps(cadence):
            reached = journey.reached.get(step.id.value)
            on = today + (reached - journey.begins) if reached else today
            if on > expires.value + timedelta(days=1):
                return f'"{cadence.name}" today comes to "{step.id.value}" about {on}, and does not get it'
    return None
