"""Corrections for those who stay on an older version: the newest copy of its mails and tasks, and never another step or time.

Before: `engine.schedule.edited` knows who stays. After: `engine.schedule.apply` writes the corrected version, and they go on with
it. What was sent, or is on its way, keeps the artifact that its row names.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.compiler.copies import Copy
from engine.compiler.plan import COPY, COPY_OF_STEPS, CadencePlan, EmailStep, Policy, Step, WorkspacePlan
from engine.database import Tx
from engine.expressions.tree import Happened, deep_leaves
from engine.render.artifact import Artifact
from engine.schedule.changes import WhyKept
from engine.schedule.counterparts import counterparts
from engine.schedule.endings import compiled_or_none, conditions_of
from engine.versions import artifact, cadence_plan

OF_THE_MAIL = frozenset({"copy", "attach"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """All copy of a workspace that is to be applied. `made`: by hash; `mails`: by email and brand; `links`: the names of all
    links in it; `changed`: the emails whose copy is not the one in force.
    """

    plan: WorkspacePlan
    made: Mapping[str, Artifact]
    mails: Mapping[tuple[str, str], Copy]
    links: frozenset[str]
    changed: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What becomes of a version that people stay on. `kept`: changed mails of which it goes on with the copy that it has."""

    version_id: int
    people: int
    old: CadencePlan
    plan: CadencePlan
    kept: tuple[tuple[str, WhyKept], ...]  # email, why

    @property
    def is_any(self) -> bool:
        return self.plan != self.old


def copies_of(plan: WorkspacePlan, made: Mapping[str, Artifact], changed: Collection[str]) -> Copies:
    mails = {(email, plan.policy.brand): copy for email, copy in plan.emails.items()}
    for cadence in plan.cadences:
        mails |= {(step.email, cadence.brand): step.copy for step in cadence.steps if isinstance(step, EmailStep)}
    links = links_in(made.values())
    return Copies(plan=plan, made=made, mails=mails, links=links, changed=frozenset(changed))


def correct(tx: Tx, version_id: int, people: int, new: CadencePlan | None, copies: Copies) -> Correction:
    """`people` stay on this version. `new`: the cadence as it is now; None: its file is gone."""
    old = cadence_plan(tx, version_id)
    kept = {mail.email: why for mail in mails_of(old) if (why := why_kept(tx, old, mail, copies))}
    twins = {} if new is None else twins_of(old, new)
    corrected = old if new is None else replace(old, **copy_of(new, COPY))
    mails = {mail.email: copies.mails.get((mail.email, old.brand), mail.copy) for mail in mails_of(old)}
    steps = tuple(corrected_step(step, twins.get(step.id), mails, kept) for step in old.steps)
    return Correction(
        version_id=version_id,
        people=people,
        old=old,
        plan=replace(corrected, steps=steps),
        kept=tuple((email, why) for email, why in kept.items() if email in copies.changed),
    )


def mails_of(plan: CadencePlan) -> Iterator[EmailStep]:
    return (step for step in plan.steps if isinstance(step, EmailStep))


def why_kept(tx: Tx, old: CadencePlan, mail: EmailStep, copies: Copies) -> WhyKept | None:
    """Why this version cannot use the newest copy of a mail; None: it can, or there is no other."""
    copy = copies.mails.get((mail.email, old.brand))
    if copy is None:
        return "brand" if mail.email in copies.plan.emails else None
    if copy == mail.copy:
        return None
    was = [artifact(tx, digest) for digest in mail.copy.artifacts]
    is_now = [copies.made.get(digest) or artifact(tx, digest) for digest in copy.artifacts]
    if is_now[0].stream != was[0].stream:
        return "stream"
    lost = links_in(was) - links_in(is_now) - copies.links
    return "link" if lost & links_asked(old, copies.plan.policy) else None


def links_in(made: Iterable[Artifact]) -> frozenset[str]:
    return frozenset(link.name for each in made for link in each.links)


def links_asked(plan: CadencePlan, policy: Policy) -> frozenset[str]:
    """What the conditions of this version take for a link, or for an email."""
    texts = {*conditions_of(plan), *(text for step in plan.steps if (text := getattr(step, "condition", None)))}
    conditions = [found for text in sorted(texts) if (found := compiled_or_none(text, policy))]
    asked = (leaf for each in conditions for leaf in deep_leaves(each.tree) if isinstance(leaf, Happened))
    return frozenset(leaf.subject for leaf in asked if leaf.subject and "link" in leaf.places)


def twins_of(old: CadencePlan, new: CadencePlan) -> dict[str, Step]:
    """For each step of `old` that does the same in `new`, that one."""
    there, same = {step.id: step for step in new.steps}, counterparts(old, new)
    pairs = ((step, there[same[step.id]]) for step in old.steps if step.id in same)
    return {step.id: twin for step, twin in pairs if (step.kind, email_of(step)) == (twin.kind, email_of(twin))}


def email_of(step: Step) -> str | None:
    return step.email if isinstance(step, EmailStep) else None


def corrected_step(step: Step, twin: Step | None, mails: Mapping[str, Copy], kept: Collection[str]) -> Step:
    """Of a mail that keeps its copy, all but that: who pretends to send it means everybody."""
    keeps = email_of(step) in kept
    corrected = replace(step, **copy_of(twin, COPY_OF_STEPS - OF_THE_MAIL if keeps else COPY_OF_STEPS)) if twin else step
    if isinstance(corrected, EmailStep) and not keeps:
        return replace(corrected, copy=mails[corrected.email])
    return corrected


def copy_of(of: CadencePlan | Step, names: Collection[str]) -> dict[str, Any]:
    return {name: getattr(of, name) for name in sorted(names) if hasattr(of, name)}
