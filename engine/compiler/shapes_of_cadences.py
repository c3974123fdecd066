"""What a cadence file may hold, key by key.

Before: `engine.compiler.shapes`. After: `read_cadence`, `read_steps` and `read_tests` take their keys from here.
"""

from engine.compiler.shapes import Key as K
from engine.compiler.shapes import ListOf, MapOf, OneOf, Record, Ref, Value, choice, needed
from engine.compiler.shapes_of_windows import OWN_WINDOW
from engine.vocabulary import Consent, EventType, Late, StepKind

STEPS = ListOf(Ref("step"), 1)
TIMES = Record(
    at=K(Value.AT, "When, counted from the lead's first day: `day 4`, `month 3`, `week 2, 14:30`."),
    after=K(Value.AFTER, "How long after the step before: `3 business days`, `2 weeks, 10:00`."),
)
ENTRY = Record(
    {
        "segment": K(Value.NAME, "Lets in whoever comes to match this segment of segments.yaml."),
        "event": K(Value.FIELD_NAME, "Lets in whoever this event happens to."),
        "if": K(Value.CONDITION, "Only those who meet this condition; beside `event`."),
    }
)
EXIT = Record(
    {
        "if": needed(Value.CONDITION, "Leaves when this holds."),
        "because": K(Value.TEXT, "The reason that reports show."),
    }
)
MATCHING = Record(
    {
        "collateral": needed(Value.COUNT, "How many files of collateral.yaml at most, by the lead's interests."),
        "else": K(Value.FILE, "A file of attachments/ for those whom nothing there fits."),
    }
)
EMAIL = Record(
    email=needed(Value.NAME, "A folder in templates/emails/."),
    id=K(Value.NAME, "For an email that stands twice in one cadence. Else its name."),
    attach=K(ListOf(OneOf((Value.FILE, MATCHING))), "Files of attachments/ that go with the mail, or `{collateral: 1}`."),
    valid_for=K(Value.SPAN, "What lateness by our own fault, such as an outage, the mail bears."),
    late=K(choice(tuple(Late)), "What happens to a mail that is later: send, shift (all that follows, too) or skip."),
    shadow=K(Value.YES_NO, "yes: everything happens, but the mail does not go out."),
    **TIMES,
)
TASK = Record(
    task=needed(Value.NAME, "The step's id."),
    title=needed(Value.TEMPLATE, "What the rep is to do."),
    note=K(Value.TEMPLATE, "What the rep should know."),
    due=K(Value.SPAN, "How long the rep has. Default: 2 business days."),
    action=K(choice(("call", "other")), "What kind of task it is. Default: call."),
    owner=K(Value.NAME, "A rep of assignment.yaml. Default: the lead's."),
    **TIMES,
)
PAUSE = Record(wait=needed(Value.SPAN, "How long."), id=K(Value.NAME, "The step's id. Default: wait-N."), **TIMES)
WAIT = Record(
    {
        "wait": needed(Value.NAME, "The step's id."),
        "for": needed(Value.CONDITION, "What is waited for."),
        "timeout": needed(Value.SPAN, "How long at most."),
        "then": K(STEPS, "For those in whom it came true in time."),
        "else": K(STEPS, "For the others."),
        **TIMES,
    }
)
BRANCH = Record(
    {
        "branch": needed(Value.NAME, "The step's id."),
        "if": needed(Value.CONDITION, "Who goes on at `then`."),
        "then": K(STEPS, "For those who meet it."),
        "else": K(STEPS, "For the others."),
        **TIMES,
    }
)
GOAL = Record(
    {
        "goal": needed(Value.NAME, "The step's id."),
        "if": K(Value.CONDITION, "Leaves as a success where this holds. Default: always."),
        **TIMES,
    }
)
ARM = Record(
    share=needed(Value.COUNT, "How many of all shares: 45 and 45 and 10, or 1 and 1."),
    holdout=K(Value.YES_NO, "yes: these get nothing here, for comparison."),
    steps=K(STEPS, "What these get."),
)
SPLIT = Record(
    split=needed(Value.NAME, "The step's id."),
    arms=needed(MapOf(Value.NAME, ARM), "Two or more ways; each lead draws one, for good."),
    **TIMES,
)
SET = Record(
    set=needed(Value.NAME, "The step's id."),
    fields=needed(MapOf(Value.FIELD_NAME, Value.ANY), "Fields of leads.yaml with their new values; an empty value empties."),
    **TIMES,
)
WEBHOOK = Record(
    webhook=needed(Value.NAME, "The step's id."),
    to=needed(Value.NAME, "A name under `webhooks` in workspace.yaml."),
    fields=K(ListOf(Value.FIELD_NAME), "What is told of the lead beside key and email."),
    **TIMES,
)
RAISE = Record(
    {
        "raise": needed(Value.NAME, "The step's id."),
        "because": needed(Value.TEMPLATE, "The reason that sales reads."),
        **TIMES,
    }
)
ENTER = Record(
    enter=needed(Value.NAME, "The cadence that the lead begins beside this one."),
    id=K(Value.NAME, "The step's id. Default: enter-<cadence>."),
    **TIMES,
)
LEAVE = Record(
    leave=needed(Value.NAME, "The step's id."),
    because=needed(Value.TEXT, "The reason that reports show."),
    **TIMES,
)
STEP = {
    StepKind.EMAIL: EMAIL,
    StepKind.TASK: TASK,
    StepKind.WAIT: WAIT,
    StepKind.BRANCH: BRANCH,
    StepKind.GOAL: GOAL,
    StepKind.SPLIT: SPLIT,
    StepKind.SET: SET,
    StepKind.WEBHOOK: WEBHOOK,
    StepKind.RAISE: RAISE,
    StepKind.ENTER: ENTER,
    StepKind.LEAVE: LEAVE,
}
HAPPENING = Record(
    on=needed(Value.MOMENT, "When: `day 4`, counted from the start, or a date."),
    link=K(Value.TEXT, "The name of the link, for `clicked`."),
    page=K(Value.TEXT, "The page."),
    form=K(Value.TEXT, "The form."),
)
EXPECT = Record(
    sends=K(ListOf(MapOf(Value.NAME, Value.MOMENT)), "Exactly these mails, in this order, each with its day."),
    score=K(Value.NUMBER, "The points right after the last event."),
    handoff=K(Value.MOMENT_OR_NO, "The day on which a hand is raised, or no."),
    ends=K(Value.TEXT, "The reason for which the passage ends, or no."),
)
SCRIPT = Record(events=needed(ListOf(Ref("happening")), "What happens, in order."))
TEST = Record(
    title=K(Value.TEXT, "What it shows, in a few words."),
    lead=K(MapOf(Value.FIELD_NAME, Value.ANY), "The lead's fields."),
    consent=K(choice(tuple(Consent)), "What the lead said of the cadence's topic. Default: granted."),
    arms=K(MapOf(Value.NAME, Value.NAME), "The arm that the lead draws at a split."),
    starts=K(Value.DATE, "The first day. Default: a Monday."),
    events=K(ListOf(Ref("happening")), "What happens, in order."),
    expect=needed(EXPECT, "What is then to come out."),
)
CADENCE = Record(
    {
        "title": needed(Value.TEXT, "The cadence in a few words."),
        "owner": needed(Value.NAME, "A rep of assignment.yaml."),
        "topic": needed(Value.NAME, "A topic of workspace.yaml: what a reader can opt out of."),
        "brand": K(Value.NAME, "A file of templates/brands/. Default: the workspace's."),
        "from": K(Value.NAME, "An identity of its brand, or `rep`: the lead's rep. For mails that name none themselves."),
        "on_change": K(choice(("pin", "migrate")), "Whether those inside stay on their version (pin, the default) or move."),
        "repeat": K(Value.YES_NO, "yes: who goes through again gets everything again. Default: no."),
        "enter": K(ListOf(ENTRY), "Who comes in by itself. Without it: only by hand."),
        "reentry": K(
            Value.REENTRY, "Whether a lead may come in again: no (the default), yes, or after a time such as `6 months`."
        ),
        "priority": K(Value.PRIORITY, "Of mails to one person that a cap lets not all go, the higher goes first. Default: 0."),
        "shadow": K(Value.YES_NO, "yes: everything happens, but nothing leaves the house."),
        "window": K(OWN_WINDOW, "When its mail may go out. Default: the workspace's window."),
        "gap": K(Value.SPAN, "The least time between two of its mails to one person. Default: 1 day."),
        "exits": K(
            ListOf(OneOf((choice(tuple(EventType)), Value.FIELD_NAME, EXIT))),
            "What ends it: events and conditions. Default: replied, purchased.",
        ),
        "goal": K(Value.CONDITION, "Leaves as a success the moment this holds."),
        "steps": needed(STEPS, "What happens, one after another."),
        "tests": K(ListOf(TEST), "Leads, what happens to them, and what is expected then; for `handraiser test`."),
    }
)
