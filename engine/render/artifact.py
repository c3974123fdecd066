"""The artifact: one compiled email for one brand, with everything that does not depend on the recipient already done.

Before: `engine.render.library` makes it from MJML and Jinja. After: `engine.render.wire` turns it and one person's values into
bytes; `webhooks` reads its link table to answer a click. Content-addressed: the hash names its JSON.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Literal

from engine.compiler.attachment import Attachment
from engine.compiler.copies import PLAIN, Copy, CopyArm, Version
from engine.compiler.sender import Sender
from engine.languages import USUAL
from engine.render.manner import Manner, from_plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One tracked link. `target` is None when it is personal: then it travels sealed in the mail's own URL."""

    name: str
    target: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A compiled email.

    `html`, `text`, `subject` and `preheader` are Jinja over the recipient's values, nothing else is left to do in them: markup is
    compiled, CSS inlined, links point to `{{ track }}/c/{{ token }}/<n>` and the pixel to `{{ track }}/o/{{ token }}`.
    `pictures` go along with it, and the HTML names them by their Content-IDs (`engine.compiler.pictures`).
    Where `is_mjml`, the `html` is MJML still, and becomes HTML for each person (`engine.render.afresh`).
    """

    email: str
    brand: str
    stream: Literal["marketing", "transactional"]
    sender: Sender
    subject: str
    preheader: str
    html: str
    text: str
    links: tuple[Link, ...]
    pictures: tuple[Attachment, ...] = ()
    is_mjml: bool = False
    language: str = USUAL
    arm: str = PLAIN
    manner: Manner | None = None  # of writing money and dates; None: as in English

    def __hash__(self) -> int:
        """Of one text, whose hash Python keeps: artifacts are looked up for every mail."""
        return hash(self.html)

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Artifact":
        plain = json.loads(text)
        plain["sender"] = Sender(**plain["sender"])
        plain["links"] = tuple(Link(**link) for link in plain["links"])
        plain["pictures"] = tuple(Attachment(**picture) for picture in plain["pictures"])
        plain["manner"] = from_plain(plain.get("manner"))
        return cls(**plain)

    @property
    def hash(self) -> str:
        return sha256(self.to_json().encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """An email in one brand, in each language and arm. `language`: of the plain files. `shares`: by arm; empty: no variants."""

    language: str
    shares: Mapping[str, int]
    artifacts: Mapping[tuple[str, str], Artifact]  # (language, arm)

    @property
    def plain(self) -> Artifact:
        return self.artifacts[self.language, PLAIN]

    @property
    def copy(self) -> Copy:
        """As a plan names it."""
        found = sorted(self.artifacts.items())
        return Copy(
            language=self.language,
            versions=tuple(Version(language=language, arm=arm, artifact=made.hash) for (language, arm), made in found),
            arms=tuple(CopyArm(name=name, share=share) for name, share in self.shares.items()),
        )


def link_table_id(artifact_hash: str) -> int:
    """The signed 48-bit number under which tokens name an artifact's links."""
    return int.from_bytes(bytes.fromhex(artifact_hash[:12]), "big", signed=True)
