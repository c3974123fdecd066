"""`handraiser status`: what goes out, how the ways out do, and what needs a person, with what to do."""

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from engine.cli import status
from engine.database import Database, Tx
from engine.deliver.kept import keep_messages
from engine.errors import UsageError
from engine.processes.tally import write_down
from engine.schema import relay_states, route_states, sends
from engine.vocabulary import SendState, Stream
from tests.cli.test_lead_commands import Run, filled, run, said
from tests.factories import add_lead, add_send, add_touch, add_worker

__all__ = ["filled", "run"]


def test_status_tells_what_goes_out_and_what_is_late(filled: Database, run: Run) -> None:
    write_down(filled, "worker-1", {("marketing", "main", "accepted"): 1200, ("transactional", "main", "accepted"): 34})
    with filled.write() as tx:
        add_worker(tx, lease_until=tx.now + timedelta(hours=1))
        add_send(tx, due_at=tx.now - timedelta(hours=3))
        add_send(tx, state=SendState.ATTEMPTING)

    told = said(run, "status")

    assert "1,234 in the last hour, 1,234 today (1,200 marketing, 34 transactional)" in told
    assert "1 marketing mail (since 3 h)" in told and "in flight   1 mail" in told
    assert "LOOK: marketing mails are due since 3 h and not begun" in told
    assert "relay       main: well, 1,234 today" in told


def test_status_tells_of_relays_and_domains_in_trouble(filled: Database, run: Run) -> None:
    with filled.write() as tx:
        soon, ago = tx.now + timedelta(minutes=8), tx.now - timedelta(minutes=5)
        words = {"why": "421 4.7.0 come later", "since": ago}
        tx.run(sa.insert(relay_states).values(relay="main", failures=5, open_until=soon, tried_at=ago, **words))
        tx.run(sa.insert(route_states).values(relay="main", domain="slow.example", strikes=2, open_until=soon, **words))

        for reason in ("relay_away", "relay_away", "paced"):
            add_send(tx, due_at=soon, reason=reason)

    told = said(run, "status")
    facts = json.loads(said(run, "status", "--json"))

    assert "put off     1 for their turn at a provider, 2 until a mail server is well" in told
    assert f"next try {soon:%a %d %b %H:%M:%S} UTC" in told
    assert "relay       main: left alone since" in told and "(421 4.7.0 come later), 0 today" in told
    assert "domain      slow.example: left alone by main since" in told
    assert "LOOK: the relay main is left alone (2 mails put off until a mail server is well); it is tried by itself" in told
    assert "when it is mended, `handraiser resume relay main` tries it at once" in told
    assert (facts["relays"][0]["failures"], facts["domains"][0]["strikes"]) == (5, 2)


def test_a_relay_of_which_a_process_has_no_address_is_told_with_what_to_do(filled: Database, run: Run) -> None:
    with filled.write() as tx:
        until = tx.now + timedelta(hours=1)
        add_worker(tx, id="old", lease_until=until, relays="bulk other")
        add_worker(tx, id="new", lease_until=until, relays="main")
        add_worker(tx, id="captures", lease_until=until)
        add_send(tx, due_at=until, reason="no_relay")

    told = said(run, "status")

    assert "relay       main: well, 0 today (no address)" in told
    assert (
        "LOOK: the relay main has no address in worker (test, 1), so mail that only it takes waits: set HANDRAISER_SMTP_URL"
        in told
    )
    assert "put off     1 until a mail server has its address" in told
    assert "LOOK: worker (test, 1) has no HANDRAISER_SMTP_URL and keeps in its local outbox" in told


def test_mail_that_waits_and_a_slow_domain_are_told(filled: Database, run: Run) -> None:
    with filled.write() as tx:
        asked, soon = tx.now - timedelta(minutes=3), tx.now + timedelta(minutes=1)
        for reason in ("relay_away", "temporary"):
            add_send(tx, stream=Stream.TRANSACTIONAL, created_at=asked, due_at=soon, reason=reason)
        for number, domain in enumerate(("slow.example", "slow.example", "fast.example")):
            lead_id = add_lead(tx, email=f"kim{number}@{domain}")
            add_send(tx, lead_id=lead_id, state=SendState.ATTEMPTING, attempting_at=tx.now - timedelta(seconds=40))

    told = said(run, "status")

    assert "in flight   3 mails, 2 of them to slow.example, the first since 4" in told
    assert "LOOK: 2 mails that somebody waits for may not go yet, the first since 3 min" in told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("sends", "--relay", "mian"), "there is no relay 'mian'; did you mean 'main'?"),
        (("webhooks", "list", "crm"), "it is of all"),
        (("apply", "--within", "5"), "--within is for a saved plan"),
    ],
)
def test_a_word_that_would_be_passed_over_is_told(words: tuple[str, ...], says: str, filled: Database, run: Run) -> None:
    error = run(*words).exception

    assert isinstance(error, UsageError) and says in str(error)


def test_mails_are_listed_by_domain_relay_and_what_they_wait_for(filled: Database, run: Run) -> None:
    with filled.write() as tx:
        ours, theirs = (add_lead(tx, email=f"kim@{domain}") for domain in ("Slow.Example", "notslow.example"))
        foreign, sharp = (add_lead(tx, email=f"kim@{domain}") for domain in ("bücher.example", "straße.example"))
        numbers = {
            "a": add_send(tx, lead_id=ours, relay="bulk", state=SendState.ACCEPTED),
            "b": add_send(tx, lead_id=ours, reason="relay_away", due_at=tx.now),
            "c": add_send(tx, lead_id=theirs, relay="bulk", reason="paced", due_at=tx.now),
            "d": add_send(tx, lead_id=ours, stream=Stream.INTERNAL, relay="bulk", state=SendState.REFUSED),
            "e": add_send(tx, lead_id=foreign, state=SendState.REFUSED, reason="relay_away"),
            "f": add_send(tx, lead_id=sharp, state=SendState.REFUSED),
            "g": add_send(tx, lead_id=add_lead(tx, email="kim@strasse.example"), state=SendState.REFUSED),
        }

    def listed(*words: str) -> str:
        found = {mail["number"] for mail in json.loads(said(run, "sends", "--json", *words))}
        return "".join(name for name, number in numbers.items() if number in found)

    assert listed("--domain", "slow.example") == "ab"
    assert (listed("--domain", "bücher.example"), listed("--domain", "xn--bcher-kva.example")) == ("e", "e")
    assert (listed("--domain", "straße.example"), listed("--domain", "xn--strae-oqa.example")) == ("f", "f")
    assert listed("--domain", "strasse.example") == "g"
    assert listed("--relay", "bulk") == "acd"
    assert listed("--reason", "relay_away") == "b"
    assert listed("--relay", "bulk", "--state", "ready") == "c"
    assert " UTC  " in said(run, "sends", "--domain", "slow.example")


@pytest.mark.parametrize("only", [("--domain", "slow.example"), ("--state", "unknown"), ("--relay", "main")])
def test_what_is_settled_is_named_and_not_chosen(only: tuple[str, str], filled: Database, run: Run) -> None:
    error = run("sends", "accept", "--all", *only).exception

    assert isinstance(error, UsageError) and "NUMBERS" in str(error)


def test_mails_that_a_template_failed_for_are_told_of(filled: Database, run: Run) -> None:
    with filled.write() as tx:
        for days in (1, 8):
            add_send(tx, state=SendState.CANCELLED, reason="template_error", ended_at=tx.now - timedelta(days=days))

    assert "LOOK: 1 mail of the last week could not be written, since a template failed" in said(run, "status")


def test_what_nobody_knows_is_counted_listed_and_settled(filled: Database, run: Run) -> None:
    with filled.write() as tx:
        numbers = [
            add_send(tx, state=SendState.UNKNOWN, reason="no_answer", ended_at=tx.now, smtp_reply="gone", stream=stream)
            for stream in (Stream.MARKETING, Stream.TRANSACTIONAL, Stream.TRANSACTIONAL)
        ]
        keep_bytes(tx, numbers[1])

    assert "LOOK: 3 mails of which nobody knows whether they arrived" in said(run, "status")
    listed = json.loads(said(run, "sends", "--state", "unknown", "--json"))
    assert sorted(mail["number"] for mail in listed) == numbers
    assert "the mail server said: gone" in said(run, "sends", "--state", "unknown")

    assert "1 mail made due" in said(run, "sends", "again", str(numbers[1]))
    assert "1 mail settled as accepted" in said(run, "sends", "accept", str(numbers[0]))
    assert "1 mail settled as accepted" in said(run, "sends", "accept", "--all")

    assert states(filled, numbers) == ["accepted", "ready", "accepted"]
    assert "nobody knows" not in said(run, "status")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("again",), "which ones"),
        (("again", "--all"), "which ones"),
        (("again", "1"), "never sent twice"),
        (("again", "2"), "no longer kept"),
        (("accept", "3"), "is accepted"),
        (("accept", "9"), "no mail 9"),
    ],
)
def test_what_may_not_be_settled_is_told(filled: Database, run: Run, words: tuple[str, ...], why: str) -> None:
    with filled.write() as tx:
        tx.run(sa.text("DELETE FROM sends"))
        for stream, state in ((Stream.MARKETING, SendState.UNKNOWN), (Stream.TRANSACTIONAL, SendState.UNKNOWN),
                              (Stream.MARKETING, SendState.ACCEPTED)):  # fmt: skip
            add_send(tx, stream=stream, state=state, ended_at=tx.now)

    error = run("sends", *words).exception

    assert isinstance(error, UsageError) and why in str(error)


def test_rows_that_were_set_aside_are_listed_and_let_go(filled: Database, run: Run) -> None:
    with filled.write() as tx:
        touch = add_touch(tx, claims=3)
        tx.run(sa.text("UPDATE touches SET due_at = NULL WHERE id = :id"), {"id": touch})

    told = said(run, "set-aside")

    assert f"touch    {touch:>9}  " in told and "/ enquiry-01-welcome, " in told
    assert "LOOK: tried three times and set aside: 1 touch: `handraiser set-aside`" in said(run, "status")
    assert "Nothing is set aside." in said(run, "set-aside", "release", "--only", "send")
    assert "Due now: 1 touch." in said(run, "set-aside", "release")
    assert "Nothing is set aside." in said(run, "set-aside")


def test_status_is_drawn_again_and_again(filled: Database, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []

    def pause(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(status, "sleep", pause)

    assert said(run, "status", "--watch").count("going out") == 3
    assert isinstance(run("status", "--watch", "--json").exception, UsageError)


def keep_bytes(tx: Tx, number: int) -> None:
    keep_messages(tx, [(number, b"as it was")], until=tx.now + timedelta(days=7))


def states(database: Database, numbers: list[int]) -> list[str]:
    with database.read() as tx:
        return [tx.run(sa.select(sends.c.state).where(sends.c.id == number)).scalar_one() for number in numbers]
