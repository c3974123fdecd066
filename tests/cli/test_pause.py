"""pause and resume, as a person types them."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from engine.cli.main import handraiser
from engine.database import Database
from engine.domains import domain_of
from engine.errors import UsageError
from engine.installation import installation_id
from engine.migrations import upgrade
from engine.schedule.enrol import enrol_leads
from engine.schedule.restored import hold_if_restored
from engine.schema import enrolments, relay_states, route_states, sends
from engine.vocabulary import Reason
from engine.witness import Witness
from tests.factories import SECRET, add_lead, add_send
from tests.schedule.plans import at, cadence, email
from tests.scoring.models import apply_rules

Run = Callable[..., Result]


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path / 'handraiser.db'}", durable=False)
    upgrade(database)
    with database.write() as tx:
        apply_rules(tx, cadence(email("welcome", at("4 days"))))
        enrol_leads(tx, "new-enquiry", [add_lead(tx, key="maya", email="maya@fernhill.example"), add_lead(tx)])
    yield database
    database.close()


@pytest.fixture
def run(filled: Database, tmp_path: Path) -> Run:
    def invoke(*words: str) -> Result:
        return CliRunner().invoke(handraiser, [words[0], "--workspace", str(tmp_path), *words[1:]])

    return invoke


def said(run: Run, *words: str) -> str:
    done = run(*words)
    assert done.exit_code == 0, done.output + repr(done.exception)
    return " ".join(done.output.split())


def test_pausing_a_cadence_says_what_it_did_and_every_command_tells_of_it(run: Run) -> None:
    told = said(run, "pause", "cadence", "new-enquiry", "--note", "a wrong price")

    assert "the cadence new-enquiry stands still since" in told
    assert "2 passages stand still." in told
    line = "new-enquiry stands still since"
    assert f"LOOK: the cadence {line}" in said(run, "status")
    assert f"HELD BACK: the cadence {line}" in said(run, "explain", "maya")
    assert f"NOW the cadence {line}" in said(run, "calendar", "--months", "1")
    assert "(a wrong price): `handraiser resume cadence new-enquiry` lets it go" in said(run, "pause")


def test_what_is_told_of_a_person_names_the_pause_of_an_international_domain(filled: Database, run: Run) -> None:
    with filled.write() as tx:
        add_lead(tx, key="nora", email="nora@bücher.example")
    said(run, "pause", "domain", "Bücher.example")

    assert "HELD BACK: mail to xn--bcher-kva.example is held back" in said(run, "explain", "nora")
    assert "HELD BACK" not in said(run, "explain", "maya")


def test_resuming_a_cadence_lets_its_passages_go_on(run: Run, filled: Database) -> None:
    said(run, "pause", "cadence", "new-enquiry")

    told = said(run, "resume", "cadence", "new-enquiry")

    assert "cadence new-enquiry goes on, held back since" in told
    assert "2 passages go on." in told
    with filled.read() as tx:
        assert set(tx.run(sa.select(enrolments.c.state)).scalars()) == {"active"}
    assert said(run, "pause") == "Nothing is held back."


def test_what_is_done_twice_is_said_and_harmless(run: Run) -> None:
    said(run, "pause", "all")

    assert "It was held back before, and stays so." in said(run, "pause", "all")
    assert "all goes on" in said(run, "resume", "all")
    assert "It was not held back." in said(run, "resume", "all")


@pytest.mark.parametrize(("kind", "name"), [("relay", "mian"), ("cadence", "new-enquirry")])
def test_resuming_what_there_is_none_of_is_told(run: Run, filled: Database, kind: str, name: str) -> None:
    error = run("resume", kind, name).exception

    assert isinstance(error, UsageError) and f"there is no {kind} {name!r}" in str(error)


def test_resuming_one_thing_tells_what_still_holds(run: Run) -> None:
    said(run, "pause", "marketing")
    said(run, "pause", "domain", "someone@Bücher.example")

    told = said(run, "resume", "marketing")

    assert "Still held back: mail to xn--bcher-kva.example is held back" in told
    assert [each["name"] for each in json.loads(run("pause", "--json").output)] == ["xn--bcher-kva.example"]


@pytest.mark.parametrize(
    ("kind", "name", "reason"), [("relay", "main", Reason.RELAY_AWAY), ("domain", "slow.example", Reason.DOMAIN_PAUSED)]
)
def test_what_is_left_alone_is_tried_at_once_when_somebody_has_mended_it(
    run: Run, filled: Database, kind: str, name: str, reason: Reason
) -> None:
    with filled.write() as tx:
        later, so = tx.now + timedelta(hours=1), {"since": tx.now, "tried_at": tx.now}
        tx.run(sa.insert(relay_states).values(relay="main", failures=9, why="535 no", open_until=later, **so))
        for relay in ("main", "bulk"):
            tx.run(
                sa.insert(route_states).values(relay=relay, domain="slow.example", strikes=4, why="421", open_until=later, **so)
            )
        mail = add_send(tx, due_at=later, reason=reason)

    told = said(run, "resume", kind, name)

    assert told == f"The {kind} {name} was left alone and is tried again now; `handraiser status` tells how it goes."
    with filled.read() as tx:
        assert tx.run(sa.select(sends.c.due_at).where(sends.c.id == mail)).scalar_one() <= tx.now
    assert said(run, "resume", kind, name) == "It was not held back."


def test_what_was_let_go_is_told_to_a_machine(run: Run, filled: Database) -> None:
    with filled.write() as tx:
        later = tx.now + timedelta(hours=1)
        tx.run(sa.insert(relay_states).values(relay="main", failures=9, why="", open_until=later, since=tx.now, tried_at=tx.now))
    run("pause", "marketing", "--note", "wrong price")

    each = (("relay", "main"), ("marketing",), ("all",))
    asked, ended, nothing = (json.loads(run("resume", *words, "--json").output) for words in each)

    assert asked == {
        "kind": "relay", "name": "main", "since": None, "note": None, "was_held_back": False, "is_tried_again": True
    }  # fmt: skip
    assert (ended["kind"], ended["note"], ended["was_held_back"], ended["is_tried_again"]) == (
        "marketing",
        "wrong price",
        True,
        False,
    )
    assert (nothing["kind"], nothing["was_held_back"], nothing["is_tried_again"]) == ("all", False, False)


def test_a_held_copy_says_what_it_saw_and_goes_on_when_it_is_told_that_it_was_moved(run: Run, filled: Database) -> None:
    hold(filled)

    assert (
        "LOOK: nothing goes out, for this database may be older than the mail that was sent: it does not know of mail 7"
        in said(run, "status")
    )
    assert said(run, "resume", "restored", "--moved").startswith("Mail goes on. What became overdue goes out little by little")
    assert said(run, "resume", "restored") == "It was not held back: this database is what it was."


def test_resuming_a_restored_database_tells_what_was_perhaps_sent(
    run: Run, filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANDRAISER_SECRET_KEY", SECRET)
    hold(filled)

    told = said(run, "resume", "restored")

    assert "perhaps sent, and not sent again: 0 marketing mails. Mail goes on." in told
    assert said(run, "pause") == "Nothing is held back."


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--from", "soon"), "--from 'soon' is no instant; write it as 2026-11-22T14:30"),
        (("--from", "2999-01-01T10:00"), "that is still to come"),
        (("--from", "2026-01-01T10:00", "--moved"), "say either --from or --moved"),
    ],
)
def test_an_instant_that_cannot_be_is_refused_and_all_stays_held(
    run: Run, filled: Database, words: tuple[str, ...], told: str
) -> None:
    hold(filled)

    done = run("resume", "restored", *words)

    assert isinstance(done.exception, UsageError) and told in str(done.exception)
    assert "nothing goes out" in said(run, "pause")


def hold(database: Database) -> None:
    with database.write() as tx:
        assert hold_if_restored(tx, [Witness(installation=installation_id(tx), send_id=7, at=tx.now)]) is not None


@pytest.mark.parametrize(
    "domain", ["straße.example", "FAß.example", "βόλος.example", "Bücher.example", "a_b.example", "example.com."]
)
def test_a_domain_is_paused_by_the_name_under_which_mail_goes_to_it(run: Run, domain: str) -> None:
    said(run, "pause", "domain", domain)

    [held] = json.loads(run("pause", "--json").output)
    assert held["name"] == domain_of(f"ada@{domain}".rstrip("."))


@pytest.mark.parametrize(
    "domain", ["a..example", "☃.example", "two words.example", "https://mail.example", f"{'a' * 64}.example"]
)
def test_what_is_no_domain_is_not_paused(run: Run, domain: str) -> None:
    assert "is no domain; write what follows the @" in str(run("pause", "domain", domain).exception)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("pause", "cadence"), "which cadence? handraiser pause cadence NAME"),
        (("pause", "cadence", "new-enquiri"), "there is no cadence 'new-enquiri'; did you mean 'new-enquiry'?"),
        (("pause", "relay", "bulk"), "there is no relay 'bulk'; there are: main"),
        (("pause", "domain", "gmail"), "'gmail' is no domain; write what follows the @"),
        (("pause", "all", "mail"), "`all` takes no name: handraiser pause all"),
        (("resume", "domain"), "which domain? Held back: none"),
    ],
)
def test_a_mistake_is_told_with_what_to_do(run: Run, words: tuple[str, ...], told: str) -> None:
    done = run(*words)

    assert isinstance(done.exception, UsageError)
    assert told in str(done.exception)
