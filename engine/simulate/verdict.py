"""What a test expected, set against what came out: each difference with its place and its reason. Pure.

Before: `engine.simulate.trial` ran the test. After: `handraiser test` prints it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from difflib import SequenceMatcher
from typing import Literal

from engine.compiler.cadence_tests import CadenceTest, ExpectedSend
from engine.compiler.diagnostics import Place
from engine.compiler.plan import BranchStep, EmailStep, SplitStep, WaitStep
from engine.schedule.next_step import NEXT, OTHERWISE, Course, way_on, way_taken
from engine.simulate.trial import CameOut, Sent
from engine.story.steps import ToldStep
from engine.story.words import in_words

Key = tuple[str, date, str]
SENT = "sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A mail in the comparison: as expected (` `), expected and not sent (`-`), or sent and not expected (`+`)."""

    mark: Literal[" ", "-", "+"]
    name: str
    on: str  # the day, and the time where one was expected
    place: Place | None = None
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that came out otherwise. `lines`: of the mails, all of them."""

    what: Literal["sends", "score", "handoff", "ends", "event", "lead"]
    place: Place
    expected: str
    actual: str
    because: str = ""
    lines: tuple[Line, ...] = ()


def faults_of(test: CadenceTest, out: CameOut) -> tuple[Fault, ...]:
    """Everything that was expected and is not so; nothing where the test passes. Who is left out gets nothing."""
    if out.refused is not None and test.expect.sends != ():
        return (Fault(what="lead", place=test.place, expected="the lead comes in", actual="it is left out", because=out.refused),)
    return (
        *event_faults(test, out),
        *send_faults(test, out),
        *score_faults(test, out),
        *hand_faults(test, out),
        *end_faults(test, out),
    )


def event_faults(test: CadenceTest, out: CameOut) -> Iterator[Fault]:
    for number, why in out.trouble:
        event = test.events[number]
        named = event.email or event.page or event.form
        words = f"{event.type}: {named}" if named else event.type
        yield Fault(
            what="event",
            place=event.place,
            expected=f"`{words}` on {event.on.on(test.starts)}",
            actual="it could not happen",
            because=why,
        )


def send_faults(test: CadenceTest, out: CameOut) -> Iterator[Fault]:
    expected = test.expect.sends
    if expected is None:
        return
    wanted = [wanted_key(each, test) for each in expected]
    found = [found_key(each, wanted) for each in out.sends]
    if wanted != found:
        lines = tuple(compared(test, out, expected, wanted, found))
        yield Fault(
            what="sends",
            place=test.expect.places.get("sends", test.place),
            expected=f"{len(wanted)} mails",
            actual=f"{len(found)} mails",
            lines=lines,
        )


def wanted_key(send: ExpectedSend, test: CadenceTest) -> Key:
    return send.name, send.on.on(test.starts), f"{send.on.clock:%H:%M}" if send.on.clock else ""


def found_key(sent: Sent, wanted: Sequence[Key]) -> Key:
    """Under the name by which it is expected; its time counts where one is expected of a mail of that name on that day."""
    names = {name for name, _on, _clock in wanted}
    name = next((each for each in (sent.step, sent.email) if each in names), sent.step or sent.email)
    is_timed = any(clock for each, on, clock in wanted if (each, on) == (name, sent.on))
    return name, sent.on, f"{sent.at:%H:%M}" if is_timed else ""


def compared(
    test: CadenceTest, out: CameOut, expected: Sequence[ExpectedSend], wanted: Sequence[Key], found: Sequence[Key]
) -> Iterator[Line]:
    for kind, first, last, from_, to in SequenceMatcher(None, wanted, found, autojunk=False).get_opcodes():
        if kind == "equal":
            yield from (Line(mark=" ", name=name, on=day(on, clock)) for name, on, clock in wanted[first:last])
            continue
        came = list(found[from_:to])
        for send, (name, on, clock) in zip(expected[first:last], wanted[first:last], strict=True):
            yield Line(mark="-", name=name, on=day(on, clock), place=send.place, because=why_not(name, found, out))
            same = [key for key in came if key[0] == name][:1]
            yield from (unexpected(key, wanted, out) for key in same)
            came = [key for key in came if key not in same]
        yield from (unexpected(key, wanted, out) for key in came)


def unexpected(key: Key, wanted: Sequence[Key], out: CameOut) -> Line:
    name, on, clock = key
    return Line(mark="+", name=name, on=day(on, clock), because=why_sent(name, wanted, out))


def why_not(name: str, found: Sequence[Key], out: CameOut) -> str:
    """Why the mail did not go out on that day."""
    if days := [day(on, clock) for each, on, clock in found if each == name]:
        return f"it was sent on {', '.join(days)}"
    step = step_named(name, out)
    if step is not None and step.state != SENT:
        return f"{in_state(step)}: {'; '.join(step.because) or 'no reason is known'}"
    if turn := where_it_turned(name, out):
        return f"the lead went another way at {turn}"
    if out.ends is not None and out.ended_at is not None:
        return f"the cadence was over on {day(out.ended_at.date())}, before it: {in_words(out.ends)}"
    return "the lead has not come to it"


def where_it_turned(name: str, out: CameOut) -> str | None:
    """The last step at which another way would have led to this mail; None: there is none, or nothing led to it any more."""
    if out.course is None:
        return None
    for step in reversed(out.passages[0].steps if out.passages else ()):
        ways = ways_from(out.course, step.step)
        took = way_taken(step.reason, step.arm)
        if not leads_to(out.course, ways.get(took), name) and any(leads_to(out.course, way, name) for way in ways.values()):
            return step.step
    return None


def ways_from(course: Course, step_id: str) -> dict[str, str | None]:
    """Every way to leave a step, with the step that follows."""
    match course.steps.get(step_id):
        case SplitStep() as step:
            return {arm.name: way_on(step, arm.name) for arm in step.arms}
        case BranchStep() | WaitStep() as step:
            return {NEXT: step.next, OTHERWISE: step.otherwise}
    return {}


def leads_to(course: Course, step_id: str | None, name: str) -> bool:
    """Whether a mail of that name may come from this step on."""
    seen, ahead = set[str](), [step_id]
    while ahead:
        current = ahead.pop()
        if current is None or current in seen:
            continue
        seen.add(current)
        step = course.steps[current]
        if current == name or (isinstance(step, EmailStep) and step.email == name):
            return True
        ahead += [*ways_from(course, current).values(), step.next]
    return False


def in_state(step: ToldStep) -> str:
    return f"{step.state} ({step.reason})" if step.reason else step.state


def why_sent(name: str, wanted: Sequence[Key], out: CameOut) -> str:
    step = step_named(name, out)
    told = "; ".join(step.because) if step is not None else ""
    return told or ("" if name in {each for each, _on, _clock in wanted} else "the test does not expect it")


def step_named(name: str, out: CameOut) -> ToldStep | None:
    """The step with this id, else the last one with this email."""
    steps = [step for passage in out.passages for step in passage.steps]
    by_email = [step for step in steps if step.email == name]
    return next((step for step in steps if step.step == name), by_email[-1] if by_email else None)


def score_faults(test: CadenceTest, out: CameOut) -> Iterator[Fault]:
    if test.expect.score is not None and abs(test.expect.score - out.score) > 0.005:
        because = "; ".join(out.score_reasons) or "nothing brought points"
        yield fault(test, "score", f"{test.expect.score:g}", f"{out.score:g}", because)


def hand_faults(test: CadenceTest, out: CameOut) -> Iterator[Fault]:
    wanted, raised = test.expect.handoff, out.hands[0] if out.hands else None
    if wanted is None:
        return
    expected = "no" if wanted == "no" else day(wanted.on(test.starts))
    actual = "no" if raised is None else day(raised.date())
    if expected != actual:
        because = f"{out.score:g} points after the last event: {'; '.join(out.score_reasons) or 'nothing brought any'}"
        yield fault(test, "handoff", expected, actual, because)


def end_faults(test: CadenceTest, out: CameOut) -> Iterator[Fault]:
    wanted = test.expect.ends
    if wanted is not None and wanted != (out.ends or "no"):
        yield fault(test, "ends", wanted, out.ends or "no", why_it_stands(out))


def why_it_stands(out: CameOut) -> str:
    if out.ended_at is not None and out.ends is not None:
        return f"on {day(out.ended_at.date())}: {in_words(out.ends)}"
    steps = [
        step for passage in out.passages for step in passage.steps if step.when is None or step.state in ("waiting", "claimed")
    ]
    return f"it stands at {steps[-1].step}: {'; '.join(steps[-1].because)}" if steps else ""


def fault(test: CadenceTest, what: Literal["score", "handoff", "ends"], expected: str, actual: str, because: str) -> Fault:
    place = test.expect.places.get(what, test.place)
    return Fault(what=what, place=place, expected=expected, actual=actual, because=because)


def day(on: date | datetime, clock: str = "") -> str:
    return f"{on:%a %d %b %Y}{' ' + clock if clock else ''}"
