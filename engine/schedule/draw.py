"""Which arm of a split, or of an email, a lead draws: pure, so that the same lead draws the same wherever and whenever asked.

Before: `engine.advance` comes to a split or a mail. After: the touch or the send keeps the arm, which from then on decides,
whatever the shares are.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import TypeVar

from engine.compiler.copies import PLAIN, Copy, CopyArm, Version
from engine.compiler.plan import Arm, SplitStep

DRAWS = 1 << 64
Drawable = TypeVar("Drawable", Arm, CopyArm)


def draw(split: SplitStep, *, lead_id: int, cadence: str) -> Arm:
    """One arm, each as likely as its share of all shares. Draws of different splits know nothing of each other."""
    return drawn(split.arms, f"{lead_id}|{cadence}|{split.id}")


def pick(copy: Copy, *, email: str, lead_key: str, language: object, had: str | None = None) -> Version:
    """The version of an email that a lead gets whose language this is. `had`: the arm in which it got that email before.

    The arm is drawn by the lead's key, so that it is the same in any database, and whatever the language.
    """
    return copy.version(copy.language_for(language), arm_of(copy, email=email, lead_key=lead_key, had=had))


def arm_of(copy: Copy, *, email: str, lead_key: str, had: str | None) -> str:
    if not copy.arms:
        return PLAIN
    if had is not None and copy.has_arm(had):
        return had
    return drawn(copy.arms, f"{lead_key}|{email}").name


def drawn(arms: Sequence[Drawable], drawn_by: str) -> Drawable:
    left = int.from_bytes(sha256(drawn_by.encode()).digest()[:8], "big") * sum(arm.share for arm in arms) // DRAWS
    for arm in arms:
        left -= arm.share
        if left < 0:
            return arm
    return arms[-1]


def arm_named(split: SplitStep, name: str | None) -> Arm | None:
    """The arm of this name; None where this version of the split has none."""
    return next((arm for arm in split.arms if arm.name == name), None)
