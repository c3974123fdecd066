"""Looks at every email as its reader would, rendered with its sample: `handraiser check` tells what would go wrong in an inbox.

Before: `engine.compiler.workspace` has a plan and the artifacts it names. After: the findings stand among the compiler's own; an
error among them keeps the workspace from being applied.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.compiler.diagnostics import Findings
from engine.compiler.plan import WorkspacePlan
from engine.compiler.senders import sender_of
from engine.errors import RenderError, WorkspaceError
from engine.render.artifact import Artifact
from engine.render.review.mail import TOKEN, TRACK, UNSUBSCRIBE, Finding, Home, Mail
from engine.render.review.places import Files
from engine.render.review.rules import faults_of
from engine.render.sample import sample_values
from engine.render.skeleton import Skeleton
from engine.render.wire import Rendered, render

# An artifact has these many times over, and they are the same in all that is looked at: put in before, they cost nothing.
SETTLED = {"{{ track }}": TRACK, "{{ token }}": TOKEN, "{{ unsubscribe_url }}": UNSUBSCRIBE}
OFFER_SLOT = re.compile(r"\{[{%][^{}]*\boffer\b")


def review_emails(
    workspace: Path, plan: WorkspacePlan, artifacts: Mapping[tuple[str, str], Artifact], findings: Findings
) -> None:
    """Add what is wrong with each email in each brand. Raises nothing for a user's mistake."""
    files = Files(workspace)
    for (_, brand), artifact in sorted(artifacts.items()):
        for found in faults(workspace, plan, artifact, plan.policy.brands[brand]):
            findings.add(found.code, files.place(found, artifact), found.message)


def faults(workspace: Path, plan: WorkspacePlan, artifact: Artifact, brand: Mapping[str, Any]) -> tuple[Finding, ...]:
    try:
        return faults_of(rendered(workspace, plan, artifact, brand))
    except (RenderError, WorkspaceError) as error:
        told = f"with its sample, this email cannot be written, so it was not looked at: {error}"
        return (Finding("W031", " ".join(told.split()), home=Home.SAMPLE),)


def rendered(workspace: Path, plan: WorkspacePlan, artifact: Artifact, brand: Mapping[str, Any]) -> Mail:
    """The email as its sample gets it. Raises RenderError or WorkspaceError."""
    values = sample_values(artifact, workspace / f"templates/emails/{artifact.email}/sample.yaml", plan)
    has_slot = artifact.stream == "transactional" and OFFER_SLOT.search(artifact.html)
    return Mail(
        artifact=artifact,
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
