"""The two evaluations of a condition, in memory and in SQL, give one answer.

`pytest tests/expressions/test_sql.py -k agree --full -s` asks a hundred thousand drawn conditions of leads on each database, or
as many as twenty minutes of PostgreSQL bear; without `--full` as many as a few seconds bear.
"""

import random
import time
from collections.abc import Mapping

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, seed, settings

from engine.compiler.plan import Policy
from engine.conditions import condition, gather_facts, holds_for
from engine.database import Database, Tx
from engine.expressions.fields import Field, FieldType
from engine.expressions.folding import FOLD
from engine.expressions.sql_values import NotInSql
from engine.expressions.tree import Not
from engine.expressions.values import parse_value
from engine.leads import load_leads
from engine.schema import consents, events, leads, scores
from engine.versions import Live
from tests.expressions.scenes import EVENTS, LEADS, SEGMENTS, TEXTS, DrawnLead, Scene, scenes, serial
from tests.schedule.plans import workspace

TOPIC = "air-lessons"
POLICY: Policy = workspace(lead_schema=LEADS, event_schema=EVENTS, segments=SEGMENTS).policy
LIVE = Live(policy=POLICY, scoring=workspace().scoring, assignment=workspace().assignment, offers=(), ids=())
CI, FULL = (30, 1), (250, 100_000)  # scenes of four to eight conditions in a block, and conditions in all
MOST_SECONDS = {"sqlite": 3600, "postgresql": 1200}


@pytest.mark.both_databases
def test_both_evaluations_agree_for_every_lead(database: Database, request: pytest.FixtureRequest) -> None:
    """Block after block of drawn scenes, each with a seed of its own: `--seed` with that of a failure has its block again."""
    scenes_of_a_block, wanted = FULL if request.config.getoption("--full") else CI
    given_seed = request.config.getoption("--seed")
    first = random.randrange(10**6) if given_seed is None else given_seed
    engine, asked, answered, blocks, began = database.engine, 0, 0, 0, time.monotonic()

    @settings(max_examples=scenes_of_a_block, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(scenes())
    def agree(scene: Scene) -> None:
        nonlocal asked, answered
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            tx = Tx(connection, scene.now, connection.connection.cursor())
            lead_ids = [add(tx, lead) for lead in scene.leads]
            in_memory, in_sql = both_answers(tx, lead_ids, scene)
            connection.rollback()
        assert in_sql == in_memory, f"--seed {first + blocks}"
        asked += len(in_memory)
        answered += len(in_memory) * len(lead_ids)

    while asked < wanted and time.monotonic() - began < MOST_SECONDS[engine.dialect.name]:
        seed(first + blocks)(agree)()
        blocks += 1
    print(f"\n{engine.dialect.name}, --seed {first}: {asked:,} conditions in {blocks} blocks, {answered:,} answers, all alike")


def both_answers(tx: Tx, lead_ids: list[int], scene: Scene) -> tuple[Mapping[str, set[int]], Mapping[str, set[int]]]:
    """{condition: the leads for whom it holds} by each of the two."""
    facts = gather_facts(tx, load_leads(tx, lead_ids), LIVE, topic=TOPIC)
    asked = {text: condition(text, POLICY) for text in scene.conditions}
    in_memory = {text: {lead_id for lead_id in lead_ids if each.holds(facts[lead_id])} for text, each in asked.items()}
    answers = [sa.case((holds_for(tx, each.tree, POLICY, topic=TOPIC), 1), else_=0) for each in asked.values()]
    rows = tx.run(sa.select(leads.c.id, *answers)).all()
    in_sql = {text: {row[0] for row in rows if row[place]} for place, text in enumerate(asked, 1)}
    return in_memory, in_sql


def add(tx: Tx, lead: DrawnLead) -> int:
    row = {
        "key": f"lead-{next(serial)}", "email": lead.email, "zone": lead.zone, "fields": lead.fields,
        "do_not_call": lead.do_not_call, "created_at": lead.created_at, "updated_at": tx.now,
    }  # fmt: skip
    lead_id: int = tx.run(sa.insert(leads).values(**row).returning(leads.c.id)).scalar_one()
    happened = [
        {"source_key": f"scene:{next(serial)}", "type": event.type, "origin": event.origin, "lead_id": lead_id,
         "data": event.data, "occurred_at": event.at, "received_at": tx.now}
        for event in lead.events
    ]  # fmt: skip
    if happened:
        tx.run(sa.insert(events), happened)
    if lead.consent is not None:
        tx.run(sa.insert(consents).values(lead_id=lead_id, topic=TOPIC, state=lead.consent, source="scene", at=tx.now))
    if lead.score is not None:
        tx.run(sa.insert(scores).values(lead_id=lead_id, points=lead.score, reasons=[], as_of=tx.now, above=False, crossings=0))
    return lead_id


@pytest.mark.both_databases
def test_a_text_is_folded_alike_everywhere(database: Database) -> None:
    with database.read() as tx:
        folded = [tx.run(sa.select(sa.Function(FOLD, sa.literal(text, sa.String())))).scalar() for text in TEXTS]

    assert folded == [text.casefold() for text in TEXTS]


def test_what_is_nested_too_deeply_for_a_database_is_refused_when_it_is_built(sqlite_database: Database) -> None:
    tree = condition("staff > 1", POLICY).tree
    for _ in range(30):
        tree = Not(part=tree)

    with sqlite_database.read() as tx, pytest.raises(NotInSql):
        holds_for(tx, tree, POLICY)


def test_no_number_that_is_none_comes_into_a_field() -> None:
    with pytest.raises(ValueError, match="15 digits"):
        parse_value(Field(name="staff", type=FieldType.NUMBER), float("nan"))
