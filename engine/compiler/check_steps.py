"""Checking each step for itself: the names it uses, the values it writes, the time of day it is set to.

Before: `engine.compiler.check_cadences` goes through the steps. After: `engine.compiler.journey` looks at them in their order.
"""

from engine.compiler.build_steps import value_of
from engine.compiler.checks import Checks
from engine.compiler.conditions import check_template
from engine.compiler.diagnostics import quote
from engine.compiler.plan import Window
from engine.compiler.possible import may_fail
from engine.compiler.read_window import is_open_at
from engine.compiler.source import Node, Scalar
from engine.compiler.syntax import (
    BranchStep,
    Cadence,
    EmailStep,
    EnterStep,
    GoalStep,
    LeaveStep,
    RaiseStep,
    SetStep,
    SplitStep,
    Step,
    TaskStep,
    WaitStep,
    WebhookStep,
)
from engine.expressions.fields import BUILT_IN_FIELDS
from engine.vocabulary import Late, Stream


def check_step(step: Step, cadence: Cadence, window: Window, checks: Checks) -> None:
    """Report what is wrong with one step of a cadence, whose window is that."""
    match step:
        case EmailStep():
            check_email(step, window, checks)
        case TaskStep():
            check_template(step.title, checks.lead_fields, checks.findings)
            check_template(step.note, checks.lead_fields, checks.findings)
            checks.rep(step.owner)
        case GoalStep():
            checks.conditions.check(step.condition)
        case WaitStep():
            check_asked(step.condition, "this wait waits for nothing", checks)
        case BranchStep():
            check_asked(step.condition, "nobody goes on at `else`", checks)
        case SetStep():
            for key, node in step.fields:
                check_value(key, node, checks)
        case WebhookStep():
            check_webhook(step, checks)
        case RaiseStep():
            check_template(step.because, checks.lead_fields, checks.findings)
        case EnterStep():
            check_enter(step, cadence, checks)
        case SplitStep() | LeaveStep():
            pass


def check_email(step: EmailStep, window: Window, checks: Checks) -> None:
    checks.email(step.email, Stream.MARKETING)
    check_clock(step, window, checks)
    if step.late and not step.valid_for:
        message = f"`late: {step.late.value}` says nothing without `valid_for:`, the lateness that the mail bears"
        checks.findings.add("E053", step.late.place, message)
    if step.late and step.valid_for and step.late.value is Late.SEND and not checks.has_deadlines:
        message = "with `late: send` it goes out however late it is, so `valid_for:` says nothing"
        checks.findings.add("W013", step.late.place, message)


def check_clock(step: EmailStep, window: Window, checks: Checks) -> None:
    clock = step.timing.value.clock
    if clock is None or is_open_at(window, clock):
        return
    if window.opens <= clock < window.closes:
        message = f"{clock:%H:%M} is within the quiet hours"
    else:
        message = f"{clock:%H:%M} is outside the sending window, {window.opens:%H:%M} to {window.closes:%H:%M}"
    checks.findings.add("W004", step.timing.place, message)


def check_asked(scalar: Scalar | None, what: str, checks: Checks) -> None:
    """Check a condition that decides something, and so must be able to hold and to fail. `what` is so if it cannot fail."""
    condition = checks.conditions.check(scalar)
    if scalar and condition and not may_fail(condition.tree, checks.conditions.scope.choices):
        checks.findings.add("W010", scalar.place, f"{quote(scalar.text)} holds for every lead, so {what}")


def check_value(key: Scalar, node: Node, checks: Checks) -> None:
    """Report a value that its field cannot hold, or a field that no step may write."""
    name = key.text
    if name in {field.name for field in BUILT_IN_FIELDS}:
        checks.findings.add("E058", key.place, f"{quote(name)} cannot be written by a step; only the fields of leads.yaml can")
    elif checks.field(key.text, key.place):
        try:
            value_of(name, node, checks.files.leads)
        except ValueError as error:
            checks.findings.add("E043", node.place, str(error))


def check_webhook(step: WebhookStep, checks: Checks) -> None:
    checks.known("E040", "webhook", step.to, checks.files.workspace.webhooks)
    for field in step.fields:
        checks.field(field.value, field.place)


def check_enter(step: EnterStep, cadence: Cadence, checks: Checks) -> None:
    if step.cadence.value == cadence.name:
        message = "this cadence enters itself, which takes in nobody: whoever is here is inside"
        checks.findings.add("E057", step.cadence.place, message)
    else:
        checks.known("E039", "cadence", step.cadence, checks.cadence_names)
