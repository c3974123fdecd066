"""Which installation a database belongs to: its rows name addresses by a key that only one secret can make.

Before: `engine.migrations` made the tables. After: whoever suppresses or sends. With another secret no suppression would be
found again, and people who said stop would be mailed; so a process with another secret does not start.
"""

import sqlalchemy as sa

from engine.database import Tx
from engine.errors import DatabaseError
from engine.schema import installation
from engine.sql import insert
from engine.tokens import Tokens

FINGERPRINT = "address key fingerprint"


def require_same_key(tx: Tx, tokens: Tokens) -> None:
    """Note the secret's fingerprint at the first start; raise DatabaseError when a later one differs."""
    first = insert(tx, installation).on_conflict_do_nothing(index_elements=["name"])
    tx.run(first, [{"name": FINGERPRINT, "value": tokens.fingerprint}])
    known = tx.run(sa.select(installation.c.value).where(installation.c.name == FINGERPRINT)).scalar_one()
    if known != tokens.fingerprint:
        raise DatabaseError(
            "HANDRAISER_SECRET_KEY is not the key this database was made with, so nobody who unsubscribed would be "
            "recognised. Set the old key again; to change keys, put the new one first and keep the old one last: new,old."
        )
