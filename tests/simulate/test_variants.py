"""The arms of an email side by side: people, mails, what they did with them, and whether a difference is more than chance."""

import pytest

from engine.database import Database, Tx
from engine.simulate.chance import difference, likely
from engine.simulate.variants import VariantCount, compared, variants, variants_in_words, variants_together
from tests.factories import add_event, add_lead, add_send


@pytest.mark.both_databases
def test_arms_are_counted_by_people_and_by_what_was_done_with_their_own_mails(database: Database) -> None:
    with database.write() as tx:
        keen = add_lead(tx)
        twice = [sent(tx, "question", keen), sent(tx, "question", keen)]
        for send_id in twice:
            add_event(tx, type="opened", lead_id=keen, send_id=send_id)
        add_event(tx, type="clicked", lead_id=keen, send_id=twice[0])
        scanned = sent(tx, "question")
        add_event(tx, type="clicked", send_id=scanned, origin="machine")
        answered = sent(tx, "plain")
        add_event(tx, type="replied", send_id=answered)
        add_event(tx, type="opened", send_id=sent(tx, None))
        sent(tx, "plain", state="refused")

        found = variants(tx)

    assert found == [
        count("plain", mails=1, people=1, replied=1),
        count("question", mails=3, people=2, opened=1, clicked=1),
    ]


def test_the_counts_of_different_leads_add_up() -> None:
    one, other = count("question", people=2, opened=1), count("question", people=3, mails=4)

    assert variants_together([one], [other, count("plain", people=1)]) == [
        count("plain", people=1),
        count("question", people=5, mails=4, opened=1),
    ]


def test_the_intervals_are_those_of_the_literature() -> None:
    # Newcombe's own examples of 1998: 81 of 263 in his paper on one rate, 56 of 70 against 48 of 80 in that on two.
    by = difference((56, 70), (48, 80))
    lies = likely(81, 263)

    assert (round(by.low, 4), round(by.high, 4)) == (0.0524, 0.3339)
    assert (round(lies.low, 4), round(lies.high, 4)) == (0.2553, 0.3662)
    assert likely(0, 0) == likely(5, 0)


def test_a_small_difference_is_called_small_and_a_real_one_real() -> None:
    few = variants_in_words([count("plain", people=40, clicked=4), count("question", people=40, clicked=7)])
    many = variants_in_words([count("plain", people=4_000, clicked=400), count("question", people=4_000, clicked=700)])

    assert "clicked: no difference to speak of between question and plain yet; the true one lies between " in few
    assert "clicked: question does better than plain, by 6.0 to 9.0 points" in many
    assert "700 17.5% (16.4-18.7)" in many


def test_many_arms_need_a_clearer_difference() -> None:
    two = [count("plain", people=1_000, opened=300), count("a", people=1_000, opened=342)]
    four = [*two, count("b", people=1_000, opened=300), count("c", people=1_000, opened=300)]

    assert [each.by.is_more_than_chance for each in compared(two) if each.arm == "a" and each.what == "opened"] == [True]
    assert [each.by.is_more_than_chance for each in compared(four) if each.arm == "a" and each.what == "opened"] == [False]


def test_without_variants_nothing_is_told() -> None:
    assert variants_in_words([]) == ""


def sent(tx: Tx, arm: str | None, lead_id: int | None = None, state: str = "accepted") -> int:
    return add_send(tx, lead_id=lead_id, email="tissue", arm=arm, language="en", state=state)


def count(arm: str, **numbers: int) -> VariantCount:
    return VariantCount(email="tissue", arm=arm, **({"mails": 0, "people": 0, "opened": 0, "clicked": 0, "replied": 0} | numbers))
