"""What simulated recipients decide."""

from dataclasses import replace
from datetime import UTC, datetime

from engine.simulate.recipients import Act, Persona, Received, Recipients

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
MAIL = Received(send_id=1, recipient="ada@firm.example", email="welcome", stream="marketing", links=("guide", "pricing"), at=AT)


def of_one_kind(**odds: object) -> Recipients:
    return Recipients(seed=1, personas=(replace(Persona(name="only", share=1.0), **odds),))  # type: ignore[arg-type]


def test_the_same_seed_and_mail_give_the_same_decision() -> None:
    recipients = of_one_kind(opens=0.5, clicks=0.5, replies=0.5)

    assert recipients.intend(MAIL) == Recipients(seed=1, personas=recipients.personas).intend(MAIL)


def test_nobody_acts_before_the_mail_has_arrived() -> None:
    recipients = of_one_kind(opens=1.0, clicks=1.0, replies=1.0, scanned=True)

    assert all(intended.at > AT for intended in recipients.intend(MAIL))


def test_a_scanner_follows_every_link_as_a_machine() -> None:
    intended = of_one_kind(scanned=True).intend(MAIL)

    assert [(i.act, i.link, i.by_machine) for i in intended] == [(Act.CLICK, 0, True), (Act.CLICK, 1, True)]


def test_whoever_has_a_favourite_link_follows_that_one() -> None:
    intended = of_one_kind(opens=1.0, clicks=1.0, favourite="pricing").intend(MAIL)

    assert [i.link for i in intended if i.act is Act.CLICK] == [1]


def test_an_order_confirmation_cannot_be_left() -> None:
    recipients = of_one_kind(unsubscribes=1.0)

    assert [i.act for i in recipients.intend(MAIL)] == [Act.UNSUBSCRIBE]
    assert recipients.intend(replace(MAIL, stream="transactional")) == []


def test_the_shares_of_the_personas_hold_over_many_addresses() -> None:
    recipients = Recipients(seed=7, personas=(Persona(name="rare", share=0.1), Persona(name="common", share=0.9)))

    drawn = [recipients.persona_of(f"{n}@firm.example").name for n in range(4_000)]

    assert 300 < drawn.count("rare") < 500
