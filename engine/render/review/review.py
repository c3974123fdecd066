"""Looks at every email as its reader would, with each of its samples: `handraiser check` tells what would go wrong in an inbox.

Before: `engine.compiler.workspace` has a plan and the artifacts it names. After: the findings stand among the compiler's own; an
error among them keeps the workspace from being applied.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from engine.compiler.considered import report_needless
from engine.compiler.diagnostics import Findings, Place
from engine.compiler.plan import WorkspacePlan
from engine.compiler.read_emails import read_emails
from engine.compiler.senders import sender_of
from engine.compiler.syntax import Email
from engine.errors import RenderError, WorkspaceError
from engine.render.artifact import Artifact, Edition
from engine.render.fence import render
from engine.render.phrases import look_in
from engine.render.review.mail import TOKEN, TRACK, UNSUBSCRIBE, Finding, Home, Mail
from engine.render.review.places import Files
from engine.render.review.rules import faults_of
from engine.render.sample import USUAL_SAMPLE, sample_file, sample_values, samples_of
from engine.render.skeleton import Skeleton
from engine.render.wire import Rendered

# An artifact has these many times over, and they are the same in all that is looked at: put in before, they cost nothing.
SETTLED = {"{{ track }}": TRACK, "{{ token }}": TOKEN, "{{ unsubscribe_url }}": UNSUBSCRIBE}
MISSING = re.compile(r"'dict object' has no attribute '(\w+)'")  # as Jinja says it
OFFER_SLOT = re.compile(r"\{[{%][^{}]*\boffer\b")


def review_emails(workspace: Path, plan: WorkspacePlan, editions: Mapping[tuple[str, str], Edition], findings: Findings) -> None:
    """Add what is wrong with each email in each brand, language and arm, as each of its samples gets it.

    Raises nothing for a user's mistake.
    """
    files, abouts = Files(workspace), dict(read_emails(workspace, Findings()))
    for email, some in groupby(sorted(editions), key=itemgetter(0)):
        about = abouts[email]
        told: set[tuple[str, Place]] = set()
        made = [artifact for key in some for _, artifact in sorted(editions[key].artifacts.items())]
        looked = ((artifact, sample) for artifact in made for sample in samples_of(workspace, email, artifact.language))
        for artifact, sample in looked:
            told |= review_one(Looked(workspace, plan, artifact, about, sample), files, told, findings)
        if "W031" not in (codes := {code for code, _ in told}):  # else nobody knows what the others would show
            report_needless(about.considered, codes, findings)


class Looked(NamedTuple):
    """An email in one brand, as one sample gets it."""

    workspace: Path
    plan: WorkspacePlan
    artifact: Artifact
    about: Email
    sample: str


def review_one(looked: Looked, files: Files, told: Collection[tuple[str, Place]], findings: Findings) -> set[tuple[str, Place]]:
    """Add what is wrong and not told yet: what one sample shows at a place need not be said again for others."""
    found = [(each, files.place(each, looked.artifact, looked.sample)) for each in faults(looked)]
    shown = "" if looked.sample == USUAL_SAMPLE else f" (seen with {looked.sample}.yaml)"
    for each, place in found:
        if (each.code, place) not in told and each.code not in looked.about.considered:
            findings.add(each.code, place, each.message + shown)
    return {(each.code, place) for each, place in found}


def faults(looked: Looked) -> tuple[Finding, ...]:
    try:
        return faults_of(rendered(looked))
    except (RenderError, WorkspaceError) as error:
        told = MISSING.sub(
            r'it prints "\1", which the sample does not give', str(error).partition("for this person: ")[2] or str(error)
        )
        shown = f"with this sample, the email cannot be written, so it was not looked at: {told}"
        return (Finding("W031", " ".join(shown.split()), home=Home.SAMPLE),)


def rendered(looked: Looked) -> Mail:
    """The email as its sample gets it. Raises RenderError or WorkspaceError."""
    workspace, plan, artifact, about, sample = looked
    brand = look_in(plan.policy.brands[artifact.brand], artifact.language)
    values = sample_values(artifact, workspace / sample_file(workspace, artifact.email, artifact.language, sample), plan)
    has_slot = artifact.stream == "transactional" and OFFER_SLOT.search(artifact.html)
    return Mail(
        artifact=artifact,
        is_nobodys=about.owner is None and bool(plan.assignment.reps),
        has_end=about.valid_for is not None,
        is_worked_on=about.is_worked_on,
        rendered=written(artifact, values),
        without_offer=written(artifact, {**values, "offer": None}) if has_slot else None,
        postal_address=texts_in(brand.get("postal_address")),
        colours=texts_in(brand.get("colours")),
        senders=tuple(sender_of(brand, name).address for name in brand["identities"]),
    )


def written(artifact: Artifact, values: Mapping[str, Any]) -> Rendered:
    """What `render` makes of it, without the time that Jinja takes for texts that it only passes on."""
    if artifact.is_mjml:
        return render(artifact, values)
    html, text = Skeleton(), Skeleton()
    bones = replace(artifact, html=html.take_all(settled(artifact.html)), text=text.take_all(settled(artifact.text)))
    mail = render(bones, values)
    return replace(mail, html=html.put_back(mail.html), text=text.put_back(mail.text))


def settled(template: str) -> str:
    for token, value in SETTLED.items():
        template = template.replace(token, value)
    return template


def texts_in(value: object) -> tuple[str, ...]:
    """What a brand says in one text, a list of them, or a mapping to them."""
    if isinstance(value, Mapping):
        value = list(value.values())
    return tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),) if value else ()
