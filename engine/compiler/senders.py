"""Which of a brand's identities a mail is from.

Before: `engine.compiler.read_brand` has read the identities. After: `engine.render.library` writes the one that an email or its
brand names into the artifact, `engine.compiler.build_steps` the one that a cadence names into its steps.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.compiler.sender import Sender
from engine.compiler.syntax import Cadence, Files

REP = "rep"  # in the place of an identity: the lead's rep


def sender_in(cadence: Cadence, email: str, brand: str, files: Files) -> Sender | None:
    """Who the cadence says that this mail is from, its own brand being that one. None: what the email or its brand says holds.

    An email that is in a brand of its own is from there, too.
    """
    own, look = files.emails.get(email), files.brands.get(brand)
    if cadence.sender is None or look is None or (own and (own.sender or own.brand)):
        return None
    if cadence.sender.value == REP and look.usual in look.identities:
        return replace(look.identities[look.usual], is_rep=True)
    return look.identities.get(cadence.sender.value)


def sender_of(look: Mapping[str, Any], named: str = "") -> Sender:
    """The identity of that name of a sound brand, `look` being what its file says; without a name, the brand's usual one.

    Raises KeyError for one that it has not.
    """
    identity = look["identities"][look["from"] if named in ("", REP) else named]
    return Sender(name=str(identity["name"]), address=str(identity["address"]), is_rep=named == REP)


def names_of(look: Mapping[str, Any]) -> tuple[str, ...]:
    """What `from:` may say in a mail of this brand."""
    return (*look["identities"], REP)
