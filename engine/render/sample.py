"""The values that an email is previewed with: its `sample.yaml`, read by the workspace's own types.

Before: the marketer has written a sample, and the workspace has been compiled. After: `engine.render.wire` renders
with them, for `handraiser render` and `preview` and for tests. Links are to a host that cannot exist, unless told otherwise.
"""

import os
import re
from collections.abc import Callable
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine.compiler.collateral import INTERESTS, Collateral, fitting, for_template
from engine.compiler.diagnostics import Findings
from engine.compiler.plan import Policy, WorkspacePlan
from engine.compiler.reading import Section, entries_of, scalar_of
from engine.compiler.source import Listing, Mapping, Node, Scalar, read_alone
from engine.errors import WorkspaceError
from engine.expressions.fields import EventKind, LeadSchema
from engine.expressions.values import parse_data, parse_value
from engine.languages import FIELD
from engine.render.artifact import Artifact
from engine.render.context import values_for
from engine.render.phrases import look_in

EMAILS = "templates/emails"
KEYS = ("lead", "event", "rep", "offer")
OF_TEXTS = ("rep", "offer")
USUAL_SAMPLE = "sample"
ANOTHER = re.compile(r"sample-[a-z0-9][a-z0-9_-]*\.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leading:
    """Where the mail's own links lead: as `values_for` has them."""

    track: str
    token: str
    seal: Callable[[str], str]


NOWHERE = Leading(track="https://track.invalid", token="sample", seal=lambda address: quote(address, safe=""))


def samples_of(workspace: Path, email: str, language: str) -> list[str]:
    """The names of an email's samples, the usual one first. That is always there: without a file, it is a lead of whom nothing
    is known. A language may have more, and others of the same names.
    """
    folder = workspace / EMAILS / email
    files = {*folder.glob("sample-*.yaml"), *(folder / "languages" / language).glob("sample-*.yaml")}
    return [USUAL_SAMPLE, *sorted({file.stem for file in files if ANOTHER.fullmatch(file.name)})]


def sample_file(workspace: Path, email: str, language: str, sample: str) -> str:
    """The sample's file, below the workspace: the language's own where it has one."""
    own = f"{EMAILS}/{email}/languages/{language}/{sample}.yaml"
    return own if os.path.lexists(workspace / own) else f"{EMAILS}/{email}/{sample}.yaml"


def sample_values(artifact: Artifact, sample: Path, plan: WorkspacePlan, leading: Leading = NOWHERE) -> dict[str, Any]:
    """Values for one preview. The rep and the offer are the workspace's first that fit, unless the sample has its own.

    Raises WorkspaceError for a sample that cannot be read, or has what `leads.yaml` and `events.yaml` do not know.
    """
    written = read_sample(sample)
    try:
        lead = lead_of(written.get("lead", {}), plan.policy.lead_schema)
        event = event_of(written.get("event"), kind_for(artifact.email, plan))
    except ValueError as error:
        raise WorkspaceError(f"{sample}: {error}") from error
    return values_for(
        lead=lead,
        brand=look_in(plan.policy.brands[artifact.brand], artifact.language),
        rep={**(first_rep(plan) or {}), **written.get("rep", {})} or None,
        event=event,
        offer=written.get("offer") or first_offer(artifact, plan),
        collateral=for_template([each.title for each in fitting_sample(lead, plan.policy)[:1]]),
        track=leading.track,
        token=leading.token,
        seal=leading.seal,
        unsubscribe_url=f"{leading.track}/u/{leading.token}",
        web_url=f"{leading.track}/w/{leading.token}",
    )


def fitting_sample(lead: AnyMapping[str, Any], policy: Policy) -> list[Collateral]:
    """The collateral that fits a lead like this, whatever has expired."""
    language = lead.get(FIELD)
    return fitting(policy.collateral, lead.get(INTERESTS), language=language, usual_language=policy.language, on=date.min)


def read_sample(sample: Path) -> dict[str, Any]:
    """The file as mappings, lists and texts. A sample that is not there is empty: then the fallbacks show."""
    if not os.path.lexists(sample):
        return {}
    findings = Findings()
    node = read_alone(sample, str(sample), findings)
    section = Section(node, "a sample", KEYS, findings)
    for key, value in section.nodes.items():
        check_shape(key, value, findings)
    if findings.has_errors:
        raise WorkspaceError("\n".join(map(str, findings.in_order())))
    return {key: plain(value) for key, value in section.nodes.items() if isinstance(value, Mapping)}


def check_shape(key: str, node: Node, findings: Findings) -> None:
    """Report what is not a mapping; a rep and an offer are texts by their names."""
    for name, value in entries_of(node, f"`{key}`", findings):
        if key in OF_TEXTS:
            scalar_of(value, f"`{name.text}`", findings)


def plain(node: Node) -> Any:
    match node:
        case Scalar(text=text):
            return text
        case Listing(items=items):
            return [plain(item) for item in items]
    return {key.text: plain(value) for key, value in node.entries}


def lead_of(written: AnyMapping[str, object], schema: LeadSchema) -> dict[str, Any]:
    """Every declared field, None where the sample has none. Raises ValueError."""
    if unknown := sorted(set(written) - {field.name for field in schema.all_fields}):
        raise ValueError(f"leads.yaml has no field {', '.join(unknown)}")
    return {field.name: parse_value(field, written.get(field.name)) for field in schema.all_fields}


def event_of(written: AnyMapping[str, object] | None, kind: EventKind | None) -> AnyMapping[str, Any] | None:
    """The event's data by its types; as written where no event is known to send this email. Raises ValueError."""
    if written is None or kind is None:
        return written
    return parse_data(kind, written)


def kind_for(email: str, plan: WorkspacePlan) -> EventKind | None:
    """The event that sends this email."""
    names = [name for name, each in plan.policy.event_emails.items() if each == email]
    return plan.policy.event_schema.kind(names[0]) if names else None


def first_rep(plan: WorkspacePlan) -> dict[str, Any] | None:
    rep = next(iter(plan.assignment.reps.values()), None)
    return {"name": rep.name, "email": rep.email, "phone": rep.phone} if rep else None


def first_offer(artifact: Artifact, plan: WorkspacePlan) -> dict[str, str] | None:
    """Of those that are written in the mail's language."""
    best = sorted((offer for offer in plan.offers if artifact.email in offer.emails), key=lambda offer: -offer.priority)
    told = (offer.words(artifact.language, plan.policy.language) for offer in best)
    return next((words for words in told if words), None)
