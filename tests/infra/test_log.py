"""What a process says while something fails again and again."""

import logging

import pytest

from engine.log import Trouble


def test_a_trouble_is_told_as_it_begins_turns_into_another_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    trouble = Trouble(logging.getLogger("test"), "nothing works")

    trouble.over()
    for error in (OSError("first"), OSError("second"), ValueError("third"), ValueError("fourth"), OSError("fifth")):
        trouble.tell(error)
    trouble.over()
    trouble.over()

    told = [(record.levelname, record.getMessage(), record.exc_text or "") for record in caplog.records]
    assert [(level, words) for level, words, _text in told] == [
        ("ERROR", "nothing works"), ("ERROR", "nothing works"), ("INFO", "no longer so: nothing works")
    ]  # fmt: skip
    assert "first" in told[0][2] and "third" in told[1][2]
