"""Whole passages, walked: see `tests/schedule/walks.py`."""

import random

from hypothesis import given
from hypothesis import strategies as st

from tests.schedule.walks import walk


@given(st.randoms(use_true_random=False))
def test_every_step_comes_once_in_order_and_mails_keep_their_distance(chance: random.Random):
    walk(chance)
