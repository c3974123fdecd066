"""Totals that reconcile: for each step, where everybody is who ever came into its cadence.

    enrolled = sent + waiting + skipped(reason) + failed(reason) + unknown + left(reason) + not reached

Before: rows, live or of a simulated world. After: `handraiser simulate` and `report` print them. What came to a
step is counted twice, by passage and by fate, and the mails a third time in the ledger, so that the sums prove something.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from engine.database import Tx
from engine.errors import HandraiserError
from engine.schedule.courses import course
from engine.schema import enrolments, posts, sends, touches
from engine.vocabulary import OPEN_TOUCH, PostState, SendState, TouchState


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTotal:
    """One step. `sent` counts mails that a server took; `done` what other steps did. By reason: `skipped`, `failed`, `left`."""

    cadence: str
    step: str
    enrolled: int
    sent: int = 0
    done: int = 0
    waiting: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    unknown: int = 0
    left: Mapping[str, int] = field(default_factory=dict)
    not_reached: int = 0

    @property
    def accounted(self) -> int:
        by_reason = sum(sum(each.values()) for each in (self.skipped, self.failed, self.left))
        return self.sent + self.done + self.waiting + by_reason + self.unknown + self.not_reached


def totals(tx: Tx) -> list[StepTotal]:
    """Of every step of the cadences that anybody is or was in. Raises HandraiserError when a sum does not come out."""
    enrolled = {row.cadence: row.rows for row in tx.run(ENROLLED)}
    here = {(row.cadence, row.step_id): row.rows for row in tx.run(CAME)}
    counts: dict[tuple[str, str], dict[str, Counter[str]]] = {step: {} for step in steps_in_order(tx, here)}
    for row in tx.run(BECAME):
        what, why = fate(row)
        counts[(row.cadence, row.step_id)].setdefault(what, Counter())[why] += row.rows
    found = [
        total(cadence, step, enrolled[cadence], count, enrolled[cadence] - here.get((cadence, step), 0))
        for (cadence, step), count in counts.items()
    ]
    require_sums(found)
    require_ledger(tx, found)
    return found


def steps_in_order(tx: Tx, here: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """As the versions in use write them; then those that no version in use has any more."""
    found: dict[tuple[str, str], None] = {}
    for row in tx.run(VERSIONS):
        found |= {(row.cadence, step_id): None for step_id in course(tx, row.version_id).steps}
    return [*(found | dict.fromkeys(here))]


def fate(row: "sa.Row[tuple[object, ...]]") -> tuple[str, str]:
    """What a touch comes to in the sum, and why."""
    why = str(row.send_reason or row.post_reason or row.reason or "")
    if row.state in OPEN_TOUCH:
        return "waiting", ""
    if row.state == TouchState.LEFT:
        return "left", why
    if row.send_state == SendState.REFUSED or row.post_state == PostState.FAILED:
        return "failed", why
    if row.send_state == SendState.UNKNOWN:
        return "unknown", ""
    if row.state == TouchState.SKIPPED:
        return "skipped", why
    return ("sent" if row.send_state == SendState.ACCEPTED else "done"), ""


def total(cadence: str, step: str, enrolled: int, count: Mapping[str, Counter[str]], not_reached: int) -> StepTotal:
    def number(what: str) -> int:
        return count.get(what, Counter()).total()

    return StepTotal(
        cadence=cadence, step=step, enrolled=enrolled, sent=number("sent"), done=number("done"), waiting=number("waiting"),
        skipped=dict(count.get("skipped", {})), failed=dict(count.get("failed", {})), unknown=number("unknown"),
        left=dict(count.get("left", {})), not_reached=not_reached,
    )  # fmt: skip


def require_sums(found: Iterable[StepTotal]) -> None:
    for each in found:
        if each.accounted != each.enrolled:
            raise HandraiserError(
                f"the numbers of step {each.step!r} of {each.cadence} do not add up: {each.enrolled} came in, "
                f"{each.accounted} are accounted for. This is a fault of Handraiser, not of your workspace; please report it."
            )


def require_ledger(tx: Tx, found: Iterable[StepTotal]) -> None:
    """What the steps call sent is what the ledger says was accepted for them."""
    accepted, sent = tx.run(ACCEPTED).scalar_one(), sum(each.sent for each in found)
    if accepted != sent:
        raise HandraiserError(
            f"the steps say that {sent} mails went out, the ledger says {accepted}. This is a fault of Handraiser, not of your "
            "workspace; please report it."
        )


def totals_together(one: Sequence[StepTotal], other: Sequence[StepTotal]) -> list[StepTotal]:
    """Of different leads, as one. A cadence that nobody of one part was in has no lines there."""
    found = {(each.cadence, each.step): each for each in one}
    for each in other:
        known = found.get((each.cadence, each.step))
        found[(each.cadence, each.step)] = each if known is None else summed(known, each)
    return list(found.values())


def summed(one: StepTotal, other: StepTotal) -> StepTotal:
    return StepTotal(
        cadence=one.cadence, step=one.step, enrolled=one.enrolled + other.enrolled, sent=one.sent + other.sent,
        done=one.done + other.done, waiting=one.waiting + other.waiting, skipped=both(one.skipped, other.skipped),
        failed=both(one.failed, other.failed), unknown=one.unknown + other.unknown, left=both(one.left, other.left),
        not_reached=one.not_reached + other.not_reached,
    )  # fmt: skip


def both(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return dict(Counter(one) + Counter(other))


ENROLLED = sa.select(enrolments.c.cadence, sa.func.count().label("rows")).group_by(enrolments.c.cadence)
VERSIONS = (
    sa.select(enrolments.c.cadence, enrolments.c.version_id)
    .distinct()
    .order_by(enrolments.c.cadence, enrolments.c.version_id.desc())
)
CAME = (
    sa.select(enrolments.c.cadence, touches.c.step_id, sa.func.count(touches.c.enrolment_id.distinct()).label("rows"))
    .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
    .group_by(enrolments.c.cadence, touches.c.step_id)
)
BECAME = (
    sa.select(
        enrolments.c.cadence, touches.c.step_id, touches.c.state, touches.c.reason,
        sends.c.state.label("send_state"), sends.c.reason.label("send_reason"),
        posts.c.state.label("post_state"), posts.c.reason.label("post_reason"), sa.func.count().label("rows"),
    )
    .join_from(touches, enrolments, enrolments.c.id == touches.c.enrolment_id)
    .join(sends, sends.c.touch_id == touches.c.id, isouter=True)
    .join(posts, posts.c.touch_id == touches.c.id, isouter=True)
    .group_by(
        enrolments.c.cadence, touches.c.step_id, touches.c.state, touches.c.reason, sends.c.state, sends.c.reason,
        posts.c.state, posts.c.reason,
    )
)  # fmt: skip
ACCEPTED = sa.select(sa.func.count()).where(sends.c.state == SendState.ACCEPTED, sends.c.touch_id.is_not(None))
