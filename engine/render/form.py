"""What of an artifact is printed: all that the process which renders needs to know of it.

Before: `engine.render.artifact` has it among much else. After: `engine.render.wire` prints it.
"""

import json
from dataclasses import asdict, dataclass
from typing import Protocol

from engine.render.manner import Manner, from_plain


class Form(Protocol):
    """An artifact, or as much of one as is printed. Hashable."""

    @property
    def email(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def html(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def is_mjml(self) -> bool: ...
    @property
    def manner(self) -> Manner | None: ...
    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """That much and no more."""

    email: str
    subject: str
    html: str
    text: str
    is_mjml: bool = False
    manner: Manner | None = None  # of writing money and dates

    def __hash__(self) -> int:
        """Of one text, whose hash Python keeps: it is looked up for every mail."""
        return hash(self.html)


def to_json(form: Form) -> str:
    plain = {name: getattr(form, name) for name in Bare.__slots__}
    return json.dumps(plain | {"manner": form.manner and asdict(form.manner)})


def from_json(text: str) -> Bare:
    plain = json.loads(text)
    return Bare(**{**plain, "manner": from_plain(plain["manner"])})
