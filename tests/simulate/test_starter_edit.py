"""An edit of the starter's two-year cadence, lived out: see `tests.simulate.starter_edit`."""

from pathlib import Path

from engine.compiler.workspace import Compiled
from tests.simulate.starter_edit import live_through_edit


def test_what_plan_tells_of_an_edit_of_the_starter_is_what_two_years_then_bring(compiled_starter: Compiled, tmp_path: Path):
    lived = live_through_edit(tmp_path, compiled_starter, people=48)

    assert lived.otherwise == []
    assert lived.told == lived.sent > 100
    assert (lived.twice, lived.inside) == (0, 0)
