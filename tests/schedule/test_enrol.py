"""Who is enrolled, who is left out and why."""

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from engine.clock import VirtualClock
from engine.database import Database, Tx
from engine.errors import UsageError
from engine.leads import save_consents
from engine.schedule.enrol import Enrolled, enrol_leads
from engine.schedule.leave import leave
from engine.schema import enrolments, refusals, touches
from engine.spans import Span, parse_span
from engine.vocabulary import Consent
from tests.factories import TOKENS, add_consent, add_lead, add_suppression
from tests.schedule.plans import apply, at, cadence, email

pytestmark = pytest.mark.both_databases


def test_everyone_left_out_has_a_reason(database: Database):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at(""))))
        inside, refused, fine = add_lead(tx), add_lead(tx), add_lead(tx)
        stopped = add_lead(tx, email="stopped@example.com")
        enrol_leads(tx, "new-enquiry", [inside])
        add_consent(tx, lead_id=refused, state="refused")
        add_suppression(tx, address_key=TOKENS.address_key("stopped@example.com"), scope="topic:air-lessons")
        nowhere = add_lead(tx, email=None)

        done = enrol_leads(tx, "new-enquiry", [inside, refused, fine, stopped, nowhere, 999, fine])

        reasons = {"inside": 1, "consent_refused": 1, "suppressed": 1, "no_address": 1, "no_lead": 1}
        assert done == Enrolled(enrolled=1, left_out=reasons)


def test_who_refused_the_topic_is_told_of_as_such_although_the_address_is_stopped_by_it(database: Database):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at(""))))
        lead_id = add_lead(tx, email="no@example.com")
        save_consents(tx, "air-lessons", [(lead_id, Consent.REFUSED, "a form")])

        assert enrol_leads(tx, "new-enquiry", [lead_id]).left_out == {"consent_refused": 1}


def test_unknown_consent_is_left_out_where_the_workspace_holds_it(database: Database):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at(""))), unknown_consent="hold")
        unknown, granted = add_lead(tx), add_lead(tx)
        add_consent(tx, lead_id=granted)

        done = enrol_leads(tx, "new-enquiry", [unknown, granted])

        assert done == Enrolled(enrolled=1, left_out={"consent_unknown": 1})


def test_a_suppression_of_another_topic_stops_nobody(database: Database):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at(""))))
        lead_id = add_lead(tx, email="some@example.com")
        add_suppression(tx, address_key=TOKENS.address_key("some@example.com"), scope="topic:product-news")

        assert enrol_leads(tx, "new-enquiry", [lead_id]).enrolled == 1


def test_a_day_to_begin_on_is_that_day_in_each_leads_zone(database: Database):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at(""))))
        people = [add_lead(tx, zone=zone) for zone in ("Pacific/Auckland", "America/Los_Angeles", None)]

        enrol_leads(tx, "new-enquiry", people, anchor_on=date(2026, 2, 2))

        due = tx.run(sa.select(touches.c.due_at).order_by(touches.c.enrolment_id)).scalars().all()
        assert due == [
            datetime(2026, 2, 1, 20, tzinfo=UTC),
            datetime(2026, 2, 2, 17, tzinfo=UTC),
            datetime(2026, 2, 2, 9, tzinfo=UTC),
        ]


def test_a_lead_whose_zone_no_longer_exists_lives_in_the_workspaces(database: Database):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at("1 day"))))

        enrol_leads(tx, "new-enquiry", [add_lead(tx, zone="Mars/Olympus_Mons")])

        assert tx.run(sa.select(touches.c.due_at)).scalar_one() == datetime(2026, 1, 6, 9, tzinfo=UTC)


def test_enrolling_in_a_cadence_that_is_not_there_says_which_are(database: Database):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at(""))))

        with pytest.raises(UsageError, match="There are: new-enquiry"):
            enrol_leads(tx, "new-inquiry", [add_lead(tx)])


def test_thousands_are_enrolled_in_one_go(database: Database):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at(""))))
        people = [add_lead(tx) for _ in range(1_200)]

        assert enrol_leads(tx, "new-enquiry", people).enrolled == 1_200
        assert tx.run(sa.select(sa.func.count()).select_from(enrolments)).scalar_one() == 1_200


def test_a_cadence_is_gone_through_once_unless_it_is_said_by_hand(database: Database):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at(""))))
        lead_id = been_through(tx)

        assert enrol_leads(tx, "new-enquiry", [lead_id]) == Enrolled(left_out={"had_before": 1})
        assert enrol_leads(tx, "new-enquiry", [lead_id], again=True) == Enrolled(enrolled=1)


def test_reentry_counts_from_the_end_of_the_last_passage(database: Database, clock: VirtualClock):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at("")), reentry=parse_span("1 month")))
        lead_id = been_through(tx)
    clock.move_to(clock.now() + timedelta(days=31) - timedelta(seconds=1))

    with database.write() as tx:
        assert enrol_leads(tx, "new-enquiry", [lead_id]).left_out == {"had_before": 1}
    clock.move_to(clock.now() + timedelta(seconds=1))
    with database.write() as tx:
        assert enrol_leads(tx, "new-enquiry", [lead_id]).enrolled == 1


def test_with_no_distance_asked_for_a_lead_may_come_in_again_at_once(database: Database):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at("")), reentry=Span()))

        assert enrol_leads(tx, "new-enquiry", [been_through(tx)]).enrolled == 1


def test_why_a_lead_was_left_out_is_kept(database: Database):
    with database.write() as tx:
        apply(tx, cadence(email("welcome", at(""))))
        lead_id = been_through(tx)

        enrol_leads(tx, "new-enquiry", [lead_id])

        kept = tx.run(sa.select(refusals.c.lead_id, refusals.c.cadence, refusals.c.reason, refusals.c.asked_by)).one()
        assert tuple(kept) == (lead_id, "new-enquiry", "had_before", "hand")


def been_through(tx: Tx) -> int:
    lead_id = add_lead(tx)
    enrol_leads(tx, "new-enquiry", [lead_id])
    leave(tx, list(tx.run(sa.select(enrolments.c.id)).scalars()), reason="replied")
    return lead_id
