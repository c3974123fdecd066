"""What was applied: cadence versions and artifacts, immutable and cached, and the rules that are live now.

Written by `engine.schedule.apply`; read by every verb. Immutable rows are parsed once a process; the live rules are parsed
again only when a newer row is there.
"""

from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from engine.compiler.copies import Copy
from engine.compiler.plan import Assignment, CadencePlan, Offer, Policy, ScoringModel, from_json
from engine.database import Tx
from engine.errors import DatabaseError
from engine.prepared import Prepared
from engine.render.artifact import Artifact
from engine.schema import artifacts, cadence_versions, cadences, emails, rules

LIVE = "live rules"  # in a transaction's `seen`; who writes rules takes it out
KINDS = ("policy", "scoring", "assignment", "offers")
COPY = Prepared(sa.select(emails.c.copy).where(emails.c.name == sa.bindparam("email")))
NEWEST = Prepared(sa.select(rules.c.kind, sa.func.max(rules.c.id).label("id")).group_by(rules.c.kind))  # asked for every batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The rules that hold for everyone now. `ids`: the row of each kind, to be recorded with what they decide."""

    policy: Policy
    scoring: ScoringModel
    assignment: Assignment
    offers: tuple[Offer, ...]
    ids: tuple[tuple[str, int], ...]


def live_rules(tx: Tx) -> Live:
    """The same for the whole transaction. Raises DatabaseError when no workspace was ever applied."""
    known = tx.seen.get(LIVE)
    if isinstance(known, Live):
        return known
    tx.seen[LIVE] = newest = newest_rules(tx)
    return newest


def declared_relays(tx: Tx) -> list[str]:
    """The names of the relays of the workspace in force; none where none was applied yet."""
    if len(NEWEST.rows(tx)) < len(KINDS):
        return []
    return [relay.name for relay in live_rules(tx).policy.relays]


def newest_rules(tx: Tx) -> Live:
    ids = tuple(sorted((str(row.kind), int(row.id)) for row in NEWEST.rows(tx)))
    if len(ids) < len(KINDS):
        raise DatabaseError("no workspace was applied to this database yet; run `handraiser apply` first")
    known = _live.get(tx.connection.engine)
    if known is None or known.ids != ids:
        known = _live[tx.connection.engine] = parse_rules(tx, ids)
    return known


def parse_rules(tx: Tx, ids: tuple[tuple[str, int], ...]) -> Live:
    chosen = sa.select(rules.c.kind, rules.c.body).where(rules.c.id.in_([row_id for _kind, row_id in ids]))
    bodies = {row.kind: row.body for row in tx.run(chosen)}
    return Live(
        policy=from_json(Policy, bodies["policy"]),
        scoring=from_json(ScoringModel, bodies["scoring"]),
        assignment=from_json(Assignment, bodies["assignment"]),
        offers=from_json(tuple[Offer, ...], bodies["offers"]),
        ids=ids,
    )


_live: WeakKeyDictionary[sa.Engine, Live] = WeakKeyDictionary()


def cadence_plan(tx: Tx, version_id: int) -> CadencePlan:
    """The cadence as this version has it."""
    known = _plans.setdefault(tx.connection.engine, {})
    if version_id not in known:
        text = tx.run(sa.select(cadence_versions.c.body).where(cadence_versions.c.id == version_id)).scalar_one()
        known[version_id] = from_json(CadencePlan, str(text))
    return known[version_id]


_plans: WeakKeyDictionary[sa.Engine, dict[int, CadencePlan]] = WeakKeyDictionary()


def current_version(tx: Tx, cadence: str) -> int | None:
    """The version that a new enrolment of this cadence gets; None when there is no such cadence (any more)."""
    version_id: int | None = tx.run(sa.select(cadences.c.version_id).where(cadences.c.name == cadence)).scalar()
    return version_id


def artifact(tx: Tx, artifact_hash: str) -> Artifact:
    """The compiled email of this hash, parsed once a process: equal hashes are equal artifacts."""
    known = _artifacts.get(artifact_hash)
    if known is None:
        text = tx.run(sa.select(artifacts.c.body).where(artifacts.c.hash == artifact_hash)).scalar_one()
        known = _artifacts.setdefault(artifact_hash, Artifact.from_json(str(text)))  # for two threads the same, too
    return known


_artifacts: dict[str, Artifact] = {}


def transactional_copy(tx: Tx, email: str) -> Copy | None:
    """The copy that this transactional email uses now."""
    found = COPY.rows(tx, email=email)
    return copy_in(found[0].copy) if found and found[0].copy is not None else None


@lru_cache(maxsize=256)
def copy_in(text: str) -> Copy:
    return from_json(Copy, text)
