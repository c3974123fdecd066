"""Whom a mail is from: a name and an address, or the lead's rep.

Before: `engine.compiler.senders` chooses it for an email. After: it stands in the plan's steps and in each artifact. By itself
here, for the process that renders reads artifacts and nothing else of the plan.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who a mail is from. `is_rep`: the lead's rep; this name and address while it has none."""

    name: str
    address: str
    is_rep: bool = False
