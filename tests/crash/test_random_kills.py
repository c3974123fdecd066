"""Processes of few threads and of many are killed from outside at any moment, one or all, while work keeps coming; in between
Redis loses its memory.
"""

from random import Random

from tests.crash.trial import Trial


def test_kills_at_any_moment_send_nothing_twice_and_lose_nothing(on_trial: Trial, chance: Random, is_full: bool) -> None:
    on_trial.employ_two_workers()
    for kill in range(250 if is_full else 2):
        on_trial.add_work(lessons=12, orders=5)
        on_trial.product.threads = chance.choice((2, 4, 5, 8))
        on_trial.die_in(chance.choice(on_trial.product.roles), chance.uniform(0.2, 2.0))
        if chance.random() < 0.1:
            on_trial.end_all()
        if chance.random() < 0.3:
            on_trial.empty_queues()
        if kill % 25 == 24:
            on_trial.finish()

    on_trial.finish()

    assert on_trial.complaints() == []
    assert [death for death in on_trial.deaths if not death.is_bounded] == []
