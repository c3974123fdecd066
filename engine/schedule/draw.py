"""Which arm of a split a lead draws: a pure function, so that the same lead draws the same arm wherever and whenever asked.

Before: `engine.advance` comes to a split. After: the touch keeps the arm, which from then on decides, whatever the shares are.
"""

from hashlib import sha256

from engine.compiler.plan import Arm, SplitStep

DRAWS = 1 << 64


def draw(split: SplitStep, *, lead_id: int, cadence: str) -> Arm:
    """One arm, each as likely as its share of all shares. Draws of different splits know nothing of each other."""
    digest = sha256(f"{lead_id}|{cadence}|{split.id}".encode()).digest()
    left = int.from_bytes(digest[:8], "big") * sum(arm.share for arm in split.arms) // DRAWS
    for arm in split.arms:
        left -= arm.share
        if left < 0:
            return arm
    return split.arms[-1]


def arm_named(split: SplitStep, name: str | None) -> Arm | None:
    """The arm of this name; None where this version of the split has none."""
    return next((arm for arm in split.arms if arm.name == name), None)
