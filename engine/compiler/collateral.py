"""Collateral: files of a library in the workspace, of which each lead gets those that fit its interests. Pure.

Before: `collateral.yaml` was read into the plan's policy, and steps ask for some. After: `engine.deliver.collateral` writes
down what a mail got. The library is live, never pinned: what has expired, or was corrected, must not reach
those who stay on an older version of a cadence either. What a mail got is kept with the mail.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from engine.compiler.attachment import Attachment
from engine.languages import primary

INTERESTS = "interests"  # the field of leads.yaml by which they are matched


@dataclass(frozen=True, slots=True, kw_only=True)
class Collateral:
    """One file of the library. `language` None: it needs none. `expires`: the last day on which it goes out; None: none."""

    key: str
    title: str
    interests: tuple[str, ...]
    attachment: Attachment
    language: str | None = None
    expires: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """What a step asks of the library: so many at most, and what goes instead where nothing fits."""

    at_most: int
    otherwise: Attachment | None = None


def fitting(
    library: Sequence[Collateral],
    interests: object,
    *,
    language: object,
    usual_language: str,
    on: date,
    had: Collection[str] = (),
) -> list[Collateral]:
    """What fits somebody on that day and was not `had`: in their own language first, then by how many interests it shares.

    What is in neither their language nor the workspace's is left out; what is equally good stands in the library's order.
    """
    own = primary(language) or usual_language
    wanted = set(folded(interests))
    ranked = [
        (each.language not in (None, own), -len(wanted & set(folded(each.interests))), place, each)
        for place, each in enumerate(library)
        if each.key not in had and each.language in (None, own, usual_language) and (each.expires is None or on <= each.expires)
    ]
    return [each for _, shared, _, each in sorted(ranked, key=lambda entry: entry[:3]) if shared]


def folded(words: object) -> Iterator[str]:
    """A lead's list as it is compared; a lead without one has none."""
    if isinstance(words, list | tuple):
        yield from (str(word).strip().casefold() for word in words)


def for_template(titles: Sequence[str]) -> dict[str, object] | None:
    """What a template may print of them, as `collateral`; None: nothing goes along."""
    return {"title": titles[0], "titles": list(titles)} if titles else None
