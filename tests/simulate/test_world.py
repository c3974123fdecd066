"""A simulated world, and the demo, small: the live code under a virtual clock."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from click.testing import CliRunner

from engine.cli.demo import demo_command
from engine.compiler.workspace import Compiled
from engine.leads import NewLead, save_leads
from engine.schedule.enrol import enrol_leads
from engine.schema import enrolments, sends, touches
from engine.simulate.make import make_runtime, make_world
from engine.simulate.reception import Reception, receiving
from engine.simulate.recipients import Persona, Recipients
from engine.simulate.shop import Shop
from engine.simulate.tally import Tally, tally, together
from engine.simulate.world import World
from engine.vocabulary import Consent

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
YEAR = timedelta(days=366)
WEBHOOK_KEY = "whsec_" + "c2hvcCBhbmQgcmVjZWl2ZXIgYm90aCBrbm93IHRoaXM="


def lived(compiled: Compiled, folder: Path, personas: Sequence[Persona], *, count: int = 12) -> World:
    """A year of the new-enquiry nurture for a few leads who all behave alike."""
    world = make_world(compiled, folder, start=START, seed=1)
    world.recipients = Recipients(seed=1, personas=tuple(personas))
    world.runtime.wire.is_refused = lambda address: world.recipients.persona_of(address).refused  # type: ignore[attr-defined]
    people = [
        NewLead(
            key=f"lead-{n}@firm.example",
            email=f"lead-{n}@firm.example",
            zone="Europe/London",
            fields={"first_name": "Ada"},
            consent={"air-lessons": Consent.GRANTED},
            consent_source="test",
        )
        for n in range(count)
    ]
    with world.runtime.database.write() as tx:
        ids = save_leads(tx, world.runtime.tokens, people)
        enrol_leads(tx, "new-enquiry", list(ids.values()))
    world.run(START + YEAR)
    return world


def told(world: World) -> Tally:
    with world.runtime.database.read() as tx:
        return tally(tx)


def test_a_silent_lead_gets_the_whole_nurture_and_each_mail_once(compiled_starter: Compiled, tmp_path: Path) -> None:
    world = lived(compiled_starter, tmp_path, [Persona(name="silent", share=1.0)])

    with world.runtime.database.read() as tx:
        mails = tx.run(sa.select(sends.c.lead_id, sends.c.email).where(sends.c.state == "accepted")).all()
        standing = tx.run(sa.select(enrolments.c.state).distinct()).scalars().all()
    assert len(mails) == len(set(mails))
    assert len(mails) >= 12 * 14
    assert standing == ["finished"]


def test_the_numbers_of_every_step_add_up(compiled_starter: Compiled, tmp_path: Path) -> None:
    curious = Persona(name="curious", share=1.0, opens=0.8, clicks=0.3, replies=0.05, unsubscribes=0.02)
    world = lived(compiled_starter, tmp_path, [curious], count=6)

    counted = told(world)

    with world.runtime.database.read() as tx:
        rows = tx.run(sa.select(sa.func.count()).select_from(touches)).scalar_one()
    assert sum(step.reached for step in counted.steps) == rows
    assert all(step.reached == sum(step.became.values()) for step in counted.steps)


def test_nobody_is_mailed_after_opting_out(compiled_starter: Compiled, tmp_path: Path) -> None:
    world = lived(compiled_starter, tmp_path, [Persona(name="leaving", share=1.0, unsubscribes=1.0)])

    counted = told(world)

    assert counted.sends == {("accepted", None): 12}
    assert counted.passages == {("left", "unsubscribed"): 12}


def test_a_mailbox_that_does_not_exist_is_tried_once(compiled_starter: Compiled, tmp_path: Path) -> None:
    world = lived(compiled_starter, tmp_path, [Persona(name="gone", share=1.0, refused=True)])

    counted = told(world)

    assert counted.sends == {("refused", "permanent"): 12}
    assert counted.passages == {("left", "bounced"): 12}


def test_scanners_raise_no_hand_however_much_they_click(compiled_starter: Compiled, tmp_path: Path) -> None:
    world = lived(compiled_starter, tmp_path, [Persona(name="scanned", share=1.0, scanned=True)])

    counted = told(world)

    assert counted.by_machines > 12 * 14
    assert counted.events.get("clicked", 0) == 0
    assert counted.hands == []


def test_those_who_are_ready_are_raised_once_for_each_crossing(compiled_starter: Compiled, tmp_path: Path) -> None:
    ready = Persona(name="ready", share=1.0, opens=1.0, clicks=1.0, favourite="pricing")
    world = lived(compiled_starter, tmp_path, [ready], count=4)

    hands = told(world).hands

    assert len(hands) >= 4
    assert all(hand.points >= 60 and hand.reasons for hand in hands)


def test_the_same_seed_is_the_same_world(compiled_starter: Compiled, tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    curious = [Persona(name="curious", share=1.0, opens=0.8, clicks=0.3)]

    one, other = (told(lived(compiled_starter, tmp_path / name, curious, count=3)) for name in ("one", "other"))

    assert one == other


def test_two_tallies_add_up(compiled_starter: Compiled, tmp_path: Path) -> None:
    one = told(lived(compiled_starter, tmp_path, [Persona(name="silent", share=1.0)], count=2))

    both = together(one, one)

    assert both.leads == 4
    assert sum(both.mails.values()) == 2 * sum(one.mails.values())
    assert all(step.reached == sum(step.became.values()) for step in both.steps)


def test_a_confirmation_that_the_receiver_asks_for_goes_out_at_once(compiled_starter: Compiled, tmp_path: Path) -> None:
    world, reception = make_world(compiled_starter, tmp_path, start=START, seed=1), Reception.free()
    ports = {"web_listen": f"127.0.0.1:{reception.web_port}", "reply_listen": f"127.0.0.1:{reception.reply_port}"}
    settings = replace(world.runtime.settings, **ports, webhook_key=WEBHOOK_KEY)
    runtime = make_runtime(settings, world.runtime.database, world.runtime.wire)

    with receiving(runtime, world.clock):
        Shop(url=reception.url, key=WEBHOOK_KEY, clock=world.clock).place_order("ada@firm.example", "CR-1", START)

    with world.runtime.database.read() as tx:
        [row] = tx.run(sa.select(sends.c.email, sends.c.state, sends.c.ended_at)).all()
    assert row == ("order-confirmation", "accepted", START)


def test_the_demo_tells_its_story(tmp_path: Path) -> None:
    folder = tmp_path / "demo"

    result = CliRunner().invoke(demo_command, ["--leads", "6", "--days", "90", "--folder", str(folder)])

    assert result.exit_code == 0, result.output
    assert "Mails by month" in result.output
    assert "Where to look next" in result.output
    assert list((folder / ".handraiser" / "outbox").glob("*.eml"))


def test_the_demo_overwrites_nothing_of_yours(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("mine")

    result = CliRunner().invoke(demo_command, ["--folder", str(tmp_path)])

    assert result.exit_code != 0
    assert (tmp_path / "kept.txt").read_text() == "mine"
