"""Which installation a database belongs to, and where it lies: facts about the database, kept in itself.

Before: `engine.migrations` made the tables. After: whoever suppresses or sends. Its rows name addresses by a key that only one
secret can make: with another one no suppression would be found again, and people who said stop would be mailed; so a process
with another secret does not start. And a copy of a database knows by these that it is one (`engine.schedule.restored`).
"""

from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

from engine.database import Tx
from engine.errors import DatabaseError
from engine.prepared import Prepared
from engine.schema import installation
from engine.sql import insert
from engine.tokens import Tokens

FINGERPRINT = "address key fingerprint"
ID = "installation id"
LEAVES = "mail leaves"  # since a process ran that sends and had a mail server's address
MACHINE_ID = Path("/etc/machine-id")  # the same until the system is installed anew; not there in many containers


def require_same_key(tx: Tx, tokens: Tokens) -> None:
    """Note the secret's fingerprint at the first start; raise DatabaseError when a later one differs."""
    known = first_said(tx, FINGERPRINT, tokens.fingerprint)
    if known != tokens.fingerprint:
        raise DatabaseError(
            "HANDRAISER_SECRET_KEY is not the key this database was made with, so nobody who unsubscribed would be "
            "recognised. Set the old key again; to change keys, put the new one first and keep the old one last: new,old."
        )


def installation_id(tx: Tx) -> str:
    """The same for ever, and in every copy."""
    return first_said(tx, ID, uuid4().hex)


def first_said(tx: Tx, name: str, value: str) -> str:
    """What stands there; `value` from now on where nothing did."""
    known = said(tx, name)
    if known is not None:
        return known
    tx.run(insert(tx, installation).on_conflict_do_nothing(index_elements=["name"]), [{"name": name, "value": value}])
    return str(said(tx, name))


def said(tx: Tx, name: str) -> str | None:
    return next((str(row.value) for row in SAID.rows(tx, name=name)), None)


def say(tx: Tx, name: str, value: str) -> None:
    """From now on, whatever stood there."""
    new = insert(tx, installation).values(name=name, value=value)
    tx.run(new.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


def place_of(tx: Tx) -> str:
    """Where this database lies, in words that no copy of it has: which database of which cluster, which file of which machine.

    A file keeps its number when it is renamed or its folder is moved, and gets another one when it is copied.
    """
    if not tx.is_sqlite:
        return f"database {OWN_OID.rows(tx)[0].oid} of the cluster {cluster_of(tx)}"
    file = next((str(row.file) for row in tx.run(sa.text("PRAGMA database_list")) if row.name == "main"), "")
    machine = MACHINE_ID.read_text(encoding="ascii").strip()[:12] if MACHINE_ID.is_file() else ""
    return f"file {Path(file).stat().st_ino if file else 0} of the machine {machine or UNKNOWN}"


def is_same_place(one: str, other: str) -> bool:
    """What is not known of either says nothing against it."""
    (what, _of, where), (other_what, _of, other_where) = one.rpartition(" of the "), other.rpartition(" of the ")
    return what == other_what and (where == other_where or UNKNOWN in where + other_where)


def cluster_of(tx: Tx) -> str:
    """What a dump that is read in elsewhere does not bring along; a provider may forbid to ask."""
    [may_ask] = MAY_ASK.rows(tx)
    return str(IDENTIFIER.rows(tx)[0].system_identifier) if may_ask.it else UNKNOWN


UNKNOWN = "(unknown)"
# Asked every second by every process.
SAID = Prepared(sa.select(installation.c.value).where(installation.c.name == sa.bindparam("name", type_=sa.String)))
DATABASES = sa.table("pg_database", sa.column("oid", sa.BigInteger), sa.column("datname", sa.String))
OWN_OID = Prepared(sa.select(DATABASES.c.oid).where(DATABASES.c.datname == sa.func.current_database()))
MAY_ASK = Prepared(sa.select(sa.func.has_function_privilege("pg_control_system()", "EXECUTE", type_=sa.Boolean).label("it")))
IDENTIFIER = Prepared(sa.select(sa.func.pg_control_system().table_valued(sa.column("system_identifier", sa.BigInteger)).c[0]))
