"""What the claimed rows are handed to, by noun; and what is done at every round besides. The one table of each.

Before: the dispatcher (or the simulator) claims. After: the verbs move the rows.
"""

from collections.abc import Callable

from engine.advance import advance_touches
from engine.claim import Claim
from engine.database import Tx
from engine.deliver.send import deliver
from engine.posts.send import post_claimed
from engine.reactions import react
from engine.runtime import Runtime
from engine.schedule.catch_up import keep_pace
from engine.schedule.pause import keep_still

Verb = Callable[[Runtime, list[Claim]], None]
Chore = Callable[[Tx], object]

VERBS: dict[str, Verb] = {"touch": advance_touches, "send": deliver, "reaction": react, "post": post_claimed}
CHORES: tuple[Chore, ...] = (keep_still, keep_pace)
