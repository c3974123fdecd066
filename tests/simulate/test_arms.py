"""The arms of a split side by side: people, mails, and what they did from the draw on. On both databases."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from engine.clock import VirtualClock
from engine.database import Database, Tx
from engine.schema import enrolments, handoffs
from engine.simulate.arms import ArmCount, arms, arms_in_words, arms_together
from tests.factories import add_enrolment, add_event, add_lead, add_send, add_touch


@pytest.mark.both_databases
def test_each_arm_has_its_people_and_what_they_did_from_the_draw_on(database: Database, clock: VirtualClock):
    with database.write() as tx:
        early = add_lead(tx)
        add_event(tx, type="replied", lead_id=early)
    clock.move_to(clock.now() + timedelta(days=1))
    with database.write() as tx:
        version = enrolled(tx, early, "short")
        keen, machine, held = (add_lead(tx) for _ in range(3))
        for lead_id, arm in ((keen, "short"), (machine, "long"), (held, "none")):
            enrolled(tx, lead_id, arm, version=version)
        for kind in ("opened", "opened", "clicked", "replied"):
            add_event(tx, type=kind, lead_id=keen)
        add_event(tx, type="opened", lead_id=machine, origin="machine")
        add_event(tx, type="replied", lead_id=held)
        add_hand(tx, keen)
        tx.run(sa.update(enrolments).where(enrolments.c.lead_id == held).values(state="finished", reason="goal", ended_at=tx.now))

        found = {arm.arm: arm for arm in arms(tx)}

    assert found["short"] == count("short", people=2, mails=2, opened=1, clicked=1, replied=1, raised=1)
    assert found["long"] == count("long", people=1, mails=1)
    assert found["none"] == count("none", is_holdout=True, people=1, replied=1, reached=1)


def test_the_counts_of_different_leads_add_up():
    one, other = count("short", people=2, opened=1), count("short", people=3, opened=2)

    assert arms_together([one], [other, count("long", people=1)]) == [
        count("long", people=1), count("short", people=5, opened=3),
    ]  # fmt: skip


def test_arms_are_told_with_their_rates():
    told = arms_in_words(
        [count("none", is_holdout=True, people=10, replied=1), count("short", people=1_000, mails=2_000, clicked=125)]
    )

    assert told.splitlines()[0] == "How the arms of test in lessons compare, by what people did from the draw on"
    assert "none (holdout)             10        0" in told
    assert "short                   1,000    2,000        0   0.0%      125  12.5%" in told


def test_without_a_split_nothing_is_told():
    assert arms_in_words([]) == ""


def count(arm: str, *, is_holdout: bool = False, people: int = 0, **numbers: int) -> ArmCount:
    nothing = dict.fromkeys(("mails", "opened", "clicked", "replied", "raised", "reached"), 0)
    return ArmCount(cadence="lessons", split="test", arm=arm, is_holdout=is_holdout, people=people, **(nothing | numbers))


def enrolled(tx: Tx, lead_id: int, arm: str, *, version: int | None = None) -> int:
    """A passage that drew this arm, and was sent a mail if it is one that sends; its version."""
    enrolment = add_enrolment(tx, lead_id=lead_id, cadence="lessons", version_id=version)
    reason = "holdout" if arm == "none" else None
    add_touch(tx, enrolment_id=enrolment, step_id="test", state="done", arm=arm, reason=reason, ended_at=tx.now)
    if arm != "none":
        touch = add_touch(tx, enrolment_id=enrolment, step_id="mail", state="done", ended_at=tx.now)
        add_send(tx, lead_id=lead_id, touch_id=touch, state="accepted", ended_at=tx.now)
    return int(tx.run(sa.select(enrolments.c.version_id).where(enrolments.c.id == enrolment)).scalar_one())


def add_hand(tx: Tx, lead_id: int) -> None:
    row = {"crossing": 1, "state": "raised", "rep": "dana", "points": 60, "reasons": []}
    tx.run(sa.insert(handoffs).values(**row, lead_id=lead_id, raised_at=tx.now, answer_by=tx.now))
