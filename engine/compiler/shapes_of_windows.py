"""What a sending window may hold, in the workspace and in a cadence.

Before: `engine.compiler.shapes`. After: `read_window` takes its keys from here.
"""

from engine.compiler.shapes import Key as K
from engine.compiler.shapes import ListOf, Record, Value, choice, needed

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
QUIET = Record(
    {
        "from": needed(Value.CLOCK, "Where the quiet hours begin."),
        "to": needed(Value.CLOCK, "Where they end; over midnight when that is earlier."),
    }
)
WINDOW = Record(
    {
        "days": K(ListOf(choice(WEEKDAYS), 1), "The days of the week on which mail goes out."),
        "from": K(Value.CLOCK, "When it opens, where the lead is."),
        "to": K(Value.CLOCK, "When it closes."),
    }
)
OWN_WINDOW = Record(
    {
        **WINDOW,
        "quiet": K(ListOf(QUIET), "Hours without mail, beside the workspace's."),
        "holidays": K(choice(("observe", "ignore")), "Whether it stays shut on public holidays. Default: observe."),
    }
)
