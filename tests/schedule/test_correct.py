"""A correction of copy reaches those who stay on an older version, and nothing else of the edit does."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from engine.compiler.plan import CadencePlan, WorkspacePlan
from engine.database import Database, Tx
from engine.render.artifact import Artifact, Link
from engine.schedule.apply import apply_plan
from engine.schedule.changes import CadenceChange, Changes, KeptCopy
from engine.schedule.edited import work_out
from engine.schedule.enrol import enrol_leads
from engine.schedule.who import consequences
from engine.schedule.wording import WIDTH, lines
from engine.schema import enrolments
from engine.versions import cadence_plan
from tests.factories import add_lead, plain_copy
from tests.schedule.plans import artifact, at, cadence, chain, email, task, wait, workspace

WELCOME = artifact("welcome", "helo")
CORRECTED = artifact("welcome", "hello")


@pytest.mark.both_databases
def test_who_stays_on_an_older_version_gets_the_corrected_copy_and_no_other_step(database: Database):
    with database.write() as tx:
        put(tx, cadence(*chain(mail(WELCOME), task("call", title="Call")), title="Old"), WELCOME)
        enrolled(tx)
        new = cadence(*chain(mail(CORRECTED, "9 days"), task("call", title="Ring"), email("more")), title="New")

        changes = put(tx, new, CORRECTED, artifact("more"))

        assert changes.cadences == (CadenceChange(cadence="new-enquiry", how="structure", stays=1, corrected=1),)
        assert list(lines(changes))[1:3] == [
            "    1 person stays on the version they are on",
            "    1 person on older versions gets the corrected copy",
        ]
        assert theirs(tx) == cadence(*chain(mail(CORRECTED), task("call", title="Ring")), title="New")
        assert put(tx, new, CORRECTED, artifact("more")).is_nothing


def test_a_later_correction_reaches_those_whom_an_earlier_edit_left_behind(sqlite_database: Database):
    with sqlite_database.write() as tx:
        put(tx, cadence(mail(WELCOME)), WELCOME)
        lead_id = enrolled(tx)
        put(tx, cadence(mail(WELCOME, "9 days")), WELCOME)
        new = cadence(mail(CORRECTED, "9 days"))

        work = work_out(tx, plan_of(new, CORRECTED), {CORRECTED.hash: CORRECTED})
        named = consequences(tx, work, "corrected")
        put(tx, new, CORRECTED)

        assert [each.lead_ids for each in named] == [(lead_id,)]
        assert theirs(tx) == cadence(mail(CORRECTED))


def test_a_mail_that_only_the_older_version_has_is_corrected_too_and_so_is_one_of_a_cadence_that_is_gone(
    sqlite_database: Database,
):
    with sqlite_database.write() as tx:
        put(tx, cadence(mail(WELCOME)), WELCOME)
        enrolled(tx)

        put(tx, cadence(email("more")), CORRECTED, artifact("more"))
        assert theirs(tx) == cadence(mail(CORRECTED))
        assert put(tx, None, CORRECTED).cadences[0].corrected == 0
        [change] = put(tx, None, WELCOME).cadences

        assert (change.how, change.stays, change.corrected) == ("unchanged", 1, 1)
        assert theirs(tx) == cadence(mail(WELCOME))


LINKED = replace(WELCOME, links=(Link(name="guide", target="https://clearroom.example/guide"),))
LINKED_MAIL = replace(email("welcome"), copy=plain_copy(LINKED.hash))
UNTIL_CLICKED = wait("read", "3 days", condition="clicked('guide')")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (cadence(*chain(LINKED_MAIL, UNTIL_CLICKED)), CORRECTED, "link"),
        (cadence(LINKED_MAIL), replace(CORRECTED, stream="transactional"), "stream"),
        (cadence(LINKED_MAIL, brand="other"), CORRECTED, "brand"),
    ],
)
def test_copy_that_the_older_version_cannot_use_is_kept_from_it_and_the_plan_says_so(
    sqlite_database: Database, old: CadencePlan, new: Artifact, why: str
):
    with sqlite_database.write() as tx:
        put(tx, old, LINKED)
        enrolled(tx)

        changes = put(tx, cadence(email("more")), new, artifact("more"))

        [change] = changes.cadences
        assert max(map(len, "\n".join(lines(changes)).splitlines())) <= WIDTH
        assert change.kept == (KeptCopy(email="welcome", why=why, people=1),)
        assert (change.corrected, theirs(tx)) == (0, old)


def test_shadow_reaches_also_those_who_keep_the_old_copy_of_a_mail(sqlite_database: Database):
    with sqlite_database.write() as tx:
        put(tx, cadence(*chain(LINKED_MAIL, UNTIL_CLICKED)), LINKED)
        enrolled(tx)

        put(tx, cadence(replace(mail(CORRECTED, "9 days"), shadow=True)), CORRECTED)

        assert theirs(tx) == cadence(*chain(replace(LINKED_MAIL, shadow=True), UNTIL_CLICKED))


def mail(made: Artifact, when: str = "1 day"):
    return replace(email(made.email, at(when)), copy=plain_copy(made.hash))


def plan_of(cadence: CadencePlan | None, *made: Artifact) -> WorkspacePlan:
    plan = workspace(*[cadence] if cadence else [])
    plan.emails.update({each.email: plain_copy(each.hash) for each in made})
    return plan


def put(tx: Tx, cadence: CadencePlan | None, *made: Artifact) -> Changes:
    return apply_plan(tx, plan_of(cadence, *made), {each.hash: each for each in made})


def enrolled(tx: Tx) -> int:
    lead_id = add_lead(tx)
    enrol_leads(tx, "new-enquiry", [lead_id])
    return lead_id


def theirs(tx: Tx) -> CadencePlan:
    return cadence_plan(tx, tx.run(sa.select(enrolments.c.version_id)).scalar_one())
