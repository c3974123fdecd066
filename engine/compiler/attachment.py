"""A file that goes with a mail, or a picture that its HTML shows.

Before: `engine.compiler.attachments` and `engine.compiler.pictures` find and measure them. After: it stands in a plan and
in artifacts. By itself here, for the process that renders reads artifacts and nothing else of the plan.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file of the workspace's `attachments/` or `templates/images/`. `digest`: SHA-256 of its bytes."""

    file: str
    media_type: str
    size: int  # bytes
    digest: str
