"""The mails to be shown: every email × brand × sample × language × arm, as it is sent, or with what is wrong with it.

Before: `engine.preview.remember` has compiled the emails, and `engine.compiler` knows the rest of the workspace. After:
`engine.preview.pages` shows them.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from engine.compiler.attachments import read_attachments
from engine.compiler.build import build_tables, default_brand
from engine.compiler.copies import PLAIN
from engine.compiler.diagnostics import Diagnostic, Findings
from engine.compiler.pictures import picture_bytes
from engine.compiler.plan import WorkspacePlan
from engine.compiler.sender import Sender
from engine.compiler.senders import sender_in
from engine.compiler.steps import all_steps, emails_of
from engine.compiler.syntax import EmailStep, Files
from engine.compiler.workspace import wanted_emails
from engine.deliver.attach import as_part
from engine.deliver.heading import headers_for, spell
from engine.deliver.mime import write_message
from engine.errors import RenderError, WorkspaceError
from engine.render import library
from engine.render.artifact import Artifact, Edition
from engine.render.children import NotRendering
from engine.render.fence import render_wire
from engine.render.pictures import pictures_in, with_pictures_inside
from engine.render.sample import Leading, fitting_sample, sample_file, sample_values, samples_of
from engine.settings import Settings
from engine.tokens import NOBODY, Tokens

TOKENS = Tokens(("a preview's links are as long as real ones, and open nothing",))
SENT_AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)  # of no meaning, and the same every time
NO_PICTURE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
Versions: TypeAlias = Collection[tuple[str, str]]  # language and arm
HEAD = re.compile(r"<head[^>]*>", re.IGNORECASE)
DARK_STYLES = re.compile(r"prefers-color-scheme\s*:\s*dark", re.IGNORECASE)


class Name(NamedTuple):
    """Which mail: what it was compiled from, and whom it is written to."""

    email: str
    brand: str
    sample: str  # the name of its file, without .yaml
    language: str = ""  # empty where the email has but one
    arm: str = ""  # empty where the email has no variants

    def __str__(self) -> str:
        return ".".join(part for part in self if part)

    def artifact_in(self, edition: Edition) -> Artifact | None:
        return edition.artifacts.get((self.language or edition.language, self.arm or PLAIN))


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A mail as it would leave, taken apart. `html_size`, `size`: bytes of the HTML, and of the whole message as sent.

    `attached`: the names of the files that go with it; their bytes are not counted.
    """

    subject: str
    headers: tuple[tuple[str, str], ...]
    html: str
    text: str
    html_size: int
    size: int
    attached: tuple[str, ...] = ()

    @property
    def has_dark_styles(self) -> bool:
        return bool(DARK_STYLES.search(self.html))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail of the preview. `written` None: it cannot be written, and `why` or the diagnostics tell the reason.

    `stamp` changes with anything that is shown of it.
    """

    name: Name
    written: Written | None
    why: str | None
    diagnostics: tuple[Diagnostic, ...]
    stamp: str

    @property
    def errors(self) -> int:
        return sum(found.is_error for found in self.diagnostics) + (self.why is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """What mails are written with, besides their artifact."""

    folder: Path
    settings: Settings
    tables: WorkspacePlan
    topics: Mapping[str, str]  # by email
    senders: Mapping[str, Sender]  # by email, where its cadence names one
    steps: Mapping[str, EmailStep]  # by email

    def write(self, artifact: Artifact, sample: str) -> Written:
        """Raises WorkspaceError for the sample, RenderError or ValueError for a mail that the send would not write either."""
        pixel = f"{self.settings.public_url}/o/{spell(TOKENS, 0, artifact.hash, NOBODY).in_url}"
        attached = self.attached(artifact.email, self.values(artifact, sample)["lead"])
        return replace(taken_apart(self.message(artifact, sample), pixel), attached=tuple(attached))

    def message(self, artifact: Artifact, sample: str) -> bytes:
        """The whole message, as it would leave. Raises what `write` raises."""
        spelt, values = spell(TOKENS, 0, artifact.hash, NOBODY), self.values(artifact, sample)
        headers = headers_for(
            self.senders.get(artifact.email, artifact.sender),
            spelt,
            rep=values["rep"],
            recipient=values["lead"].get("email") or "somebody@example.com",
            date=SENT_AT,
            is_marketing=artifact.stream == "marketing",
            topic=self.topics.get(artifact.email),
            public_url=self.settings.public_url,
            domain=self.settings.reply_domain,
        )
        data = picture_bytes(self.folder, artifact.pictures)
        pictures = [as_part(each, data[each.digest], is_picture=True) for each in artifact.pictures if each.digest in data]
        return write_message(headers, render_wire(artifact, values), pictures=pictures)

    def values(self, artifact: Artifact, sample: str) -> dict[str, Any]:
        token = spell(TOKENS, 0, artifact.hash, NOBODY).in_url
        leading = Leading(track=self.settings.public_url, token=token, seal=TOKENS.seal_target)
        file = self.folder / sample_file(self.folder, artifact.email, artifact.language, sample)
        return sample_values(artifact, file, self.tables, leading)

    def attached(self, email: str, lead: Mapping[str, Any]) -> Iterator[str]:
        """The names of the files that would go with it."""
        step = self.steps.get(email)
        yield from (name.value for name in step.attach) if step else ()
        if step and step.collateral:
            found = fitting_sample(lead, self.tables.policy)[: step.collateral.value]
            otherwise = [step.otherwise.value] if step.otherwise else []
            yield from [f"{each.attachment.file} ({each.title})" for each in found] or otherwise


def workspace_of(folder: Path, settings: Settings, files: Files) -> Workspace:
    """Also where the files have errors, as far as they can be read."""
    topics = {email: cadence.topic.value for cadence in files.cadences for email in emails_of(cadence.steps)}
    senders = {
        email: sender
        for cadence in files.cadences
        for email in emails_of(cadence.steps)
        if (sender := sender_in(cadence, email, cadence.brand.value if cadence.brand else default_brand(files), files))
    }
    mails = (step for cadence in files.cadences for step in all_steps(cadence.steps) if isinstance(step, EmailStep))
    tables = build_tables(files, read_attachments(folder, files, Findings()))
    steps = {step.email.value: step for step in mails}
    return Workspace(folder=folder, settings=settings, tables=tables, topics=topics, senders=senders, steps=steps)


def names_of(folder: Path, files: Files, versions: Mapping[tuple[str, str], Versions]) -> list[Name]:
    """Every mail there is to show, in the order of the emails' names. `versions`: of each email and brand that is known."""
    emails = library.email_names(folder)
    wanted = sorted({(email, brand) for email, brand in wanted_emails(files, emails) if email in emails})
    return [
        Name(email, brand, sample, *version)
        for email, brand in wanted
        for language, version in named(versions.get((email, brand), ()), files.workspace.language)
        for sample in samples_of(folder, email, language)
    ]


def named(versions: Versions, usual: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Each version's language, and how it is called: by what tells it from the others. The plain files come first."""
    languages, arms = {language for language, _ in versions} or {usual}, {arm for _, arm in versions} or {PLAIN}
    for language in sorted(languages, key=lambda each: (each != usual, each)):
        for arm in sorted(arms, key=lambda each: (each != PLAIN, each)):
            yield language, (language if len(languages) > 1 else "", arm if len(arms) > 1 else "")


def make_mail(name: Name, artifact: Artifact | None, diagnostics: Sequence[Diagnostic], workspace: Workspace) -> Mail:
    written, why = None, None
    if artifact is not None:
        try:
            written = workspace.write(artifact, name.sample)
        except (WorkspaceError, RenderError, NotRendering, ValueError) as error:
            why = str(error)
    elif not diagnostics:
        why = "this mail cannot be compiled until the errors elsewhere in the workspace are put right"
    stamp = stamp_of(name, written, why, *diagnostics)
    return Mail(name=name, written=written, why=why, diagnostics=tuple(diagnostics), stamp=stamp)


def stamp_of(*shown: object) -> str:
    return sha256(repr(shown).encode("utf-8", "replace")).hexdigest()[:16]


def taken_apart(message: bytes, pixel: str) -> Written:
    """The message as a mail program would read it; the pixel, which counts openings, is not asked for."""
    read = message_from_bytes(message, policy=policy.default)
    html, text = read.get_body(("html",)), read.get_body(("plain",))
    shown = str(html.get_content()) if html else ""
    return Written(
        subject=str(read["Subject"]),
        headers=tuple((name, str(value)) for name, value in read.items()),
        html=with_pictures_inside(shown.replace(pixel, NO_PICTURE), pictures_in(read)),
        text=str(text.get_content()) if text else "",
        html_size=len(shown.encode()),
        size=len(message),
    )
