"""Cadences to draw: one of every kind of step, and random ones that nest as the compiler's do."""

from dataclasses import replace
from datetime import time
from random import Random
from typing import Any

from engine.compiler.plan import (
    Arm,
    CadencePlan,
    EnterStep,
    Entry,
    LeaveStep,
    RaiseStep,
    SetStep,
    SplitStep,
    Step,
    Timing,
    WebhookStep,
)
from tests.schedule.plans import AT_ONCE, after, at, branch, cadence, email, goal, task, wait

HOSTILE = '"><script>alert(1)</script>&#34; %%{init: {}}%% `x` end; A-->B\u202e \U0001f600 日本語 \u0000]]>'


def every_kind(title: str = "Every kind of step") -> CadencePlan:
    """Each kind of step once at least, with a fork in a fork and ways that end early."""
    return cadence(
        email("welcome", at(""), next="pause"),
        wait("pause", "3 days", next="read"),
        wait("read", "10 days", condition="clicked('guide')", next="big", otherwise="short-or-long"),
        branch("big", "employees >= 50", next="call", otherwise="tell-crm"),
        task("call", after("2 days"), next="tell-crm"),
        WebhookStep(id="tell-crm", timing=AT_ONCE, to="crm", fields=("first_name", "company"), next="warm"),
        SplitStep(
            id="short-or-long", timing=AT_ONCE, next="warm",
            arms=(Arm(name="short", share=45, next="one"), Arm(name="long", share=45, next="two"),
                  Arm(name="none", share=10, next="warm", holdout=True)),
        ),
        email("one", at("2 weeks"), next="warm"),
        email("two", Timing(base="at", span=at("3 months").span, clock=time(14, 30)), next="three"),
        email("three", after("3 business days"), next="warm"),
        SetStep(id="warm", timing=AT_ONCE, values={"stage": "warm", "wants_call": True, "old": None}, next="small"),
        branch("small", "employees <= 9", next="too-small", otherwise="visit"),
        LeaveStep(id="too-small", timing=AT_ONCE, because="has fewer than 10 people"),
        RaiseStep(id="visit", timing=AT_ONCE, because="asked for a visit", next="bought"),
        goal("bought", "purchased()", next="trial"),
        EnterStep(id="trial", timing=AT_ONCE, cadence="trial-ended", next="over"),
        goal("over"),
        title=title, name="every-kind", goal="purchased()", shadow=True,
        entries=(Entry(segment="big-offices", event=None, condition=None),
                 Entry(segment=None, event="demo_requested", condition="employees >= 50")),
    )  # fmt: skip


def random_cadence(seed: int, *, words: str = "") -> CadencePlan:
    dice = Random(seed)
    steps = grow(dice, f"{seed}", None, depth=0, words=words) or [email("only")]
    return cadence(*steps, name="grown", title=f"Grown {seed} {words}")


def grow(dice: Random, prefix: str, onward: str | None, *, depth: int, words: str) -> list[Step]:
    """A run of steps that leads on to `onward`; in it forks, the deeper the fewer."""
    count = dice.randint(0 if depth else 1, 4)
    ids = [f"{prefix}-{number}" for number in range(count)]
    steps: list[Step] = []
    for step_id, following in zip(ids, [*ids[1:], onward][: len(ids)], strict=True):
        is_fork = depth < 3 and dice.random() < 0.4
        steps += fork(dice, step_id, following, depth, words) if is_fork else [single(dice, step_id, following, words)]
    return steps


def single(dice: Random, step_id: str, following: str | None, words: str) -> Step:
    kinds: list[Any] = [
        lambda: email(step_id, after("4 days"), next=following),
        lambda: task(step_id, title=f"Call {words}", next=following),
        lambda: wait(step_id, "5 days", next=following),
        lambda: goal(step_id, f"company == '{words}'", next=following),
        lambda: SetStep(id=step_id, timing=AT_ONCE, values={"note": words}, next=following),
        lambda: LeaveStep(id=step_id, timing=AT_ONCE, because=words or "enough"),
    ]
    found: Step = dice.choice(kinds[:-1] if dice.random() < 0.9 else kinds)()
    return found


def fork(dice: Random, step_id: str, following: str | None, depth: int, words: str) -> list[Step]:
    runs = [grow(dice, f"{step_id}{letter}", following, depth=depth + 1, words=words) for letter in "abcd"[: dice.randint(2, 4)]]
    firsts = [run[0].id if run else following for run in runs]
    inner = [step for run in runs for step in run]
    if len(runs) > 2:
        arms = tuple(Arm(name=f"{words[:9]}{n}", share=n + 1, next=first) for n, first in enumerate(firsts))
        return [SplitStep(id=step_id, timing=AT_ONCE, arms=arms, next=following), *inner]
    step: Any = (
        branch(step_id, f"company == '{words}'") if dice.random() < 0.5 else wait(step_id, "2 weeks", condition="opened()")
    )
    return [replace(step, next=firsts[0], otherwise=firsts[1]), *inner]
