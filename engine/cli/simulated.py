"""What a simulation came to, for a person and for a machine; `handraiser report` tells what really happened in the same words.

Before: `engine.simulate.tally` counted. After: it is printed.
"""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap

from engine.simulate.arms import arm_as_plain
from engine.simulate.tally import Tally
from engine.simulate.timeline import Timeline
from engine.simulate.totals import StepTotal
from engine.simulate.variants import variants_as_plain

WIDTH = 80
BESIDE = 24  # the column of the words


def as_plain(told: Tally) -> dict[str, object]:
    return {
        "leads": told.leads,
        "mails": [{"month": month, "stream": stream, "mails": rows} for (month, stream), rows in told.mails.items()],
        "events": dict(told.events),
        "by_machines": told.by_machines,
        "passages": [{"state": state, "reason": reason, "leads": rows} for (state, reason), rows in told.passages.items()],
        "steps": [
            {"cadence": one.cadence, "step": one.step, "reached": one.reached, "became": dict(one.became)} for one in told.steps
        ],
        "totals": [plain_total(one) for one in told.totals],
        "arms": [arm_as_plain(arm) for arm in told.arms],
        "variants": variants_as_plain(told.variants),
        "hands": [{"who": hand.who, "rep": hand.rep, "state": hand.state, "points": hand.points} for hand in told.hands],
    }


def plain_total(one: StepTotal) -> dict[str, object]:
    return {
        "cadence": one.cadence, "step": one.step, "enrolled": one.enrolled, "sent": one.sent, "done": one.done,
        "waiting": one.waiting, "skipped": dict(one.skipped), "failed": dict(one.failed), "unknown": one.unknown,
        "left": dict(one.left), "not_reached": one.not_reached,
    }  # fmt: skip


def totals_in_words(totals: Sequence[StepTotal]) -> str:
    """A line for each step, which adds up to everybody who came in."""
    lines, cadence = ["Step by step: everybody who came in = where they are"], ""
    for one in totals:
        if one.cadence != cadence:
            cadence = one.cadence
            lines.append(f"  {cadence}: {one.enrolled:,} came in")
        words = ", ".join(shares(one)) or "nobody"
        lines += wrap(f"{one.step:<34} {words}", WIDTH, initial_indent="    ", subsequent_indent=" " * 39, break_on_hyphens=False)
    return "\n".join(lines)


def shares(one: StepTotal) -> Iterator[str]:
    plain = (("sent", one.sent), ("done", one.done), ("waiting", one.waiting), ("unknown", one.unknown))
    yield from (f"{rows:,} {what}" for what, rows in plain if rows)
    by_reason: tuple[tuple[str, Mapping[str, int]], ...] = (("skipped", one.skipped), ("failed", one.failed), ("left", one.left))
    for what, reasons in by_reason:
        for reason, rows in sorted(reasons.items(), key=lambda item: -item[1]):
            yield f"{rows:,} {what} ({reason})"
    if one.not_reached:
        yield f"{one.not_reached:,} not reached"


def in_order(told: Timeline) -> Iterator[str]:
    """All that happened to a lead."""
    yield f"{told.lead} <{told.key}>, times in {told.zone}"
    for each in told.moments:
        head = f"  {each.at:%a %d %b %Y %H:%M}"
        yield from wrap(each.words, WIDTH, initial_indent=f"{head:<{BESIDE}}", subsequent_indent=" " * BESIDE)


def plain_timeline(told: Timeline) -> dict[str, object]:
    moments = [{"at": each.at.isoformat(), "what": each.what, "words": each.words} for each in told.moments]
    return {"lead": told.key, "name": told.lead, "zone": told.zone, "moments": moments}
