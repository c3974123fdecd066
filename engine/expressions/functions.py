"""The questions about events that a condition may ask, and what each may be given.

`engine.expressions.calls` checks calls against this table; a new aggregate is a new line here.
"""

from dataclasses import dataclass

from engine.vocabulary import EventType


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One question: which type of event answers it, and where in the event its subject stands."""

    example: str
    type: EventType | None = None  # None: the first argument names it
    places: tuple[str, ...] = ()  # where the optional subject may stand in the event; none: it takes no subject
    takes_data: bool = False  # whether `name=value` may ask for the event's data


FUNCTIONS = {
    "opened": Function(type=EventType.OPENED, places=("email",), example="opened('welcome', within='30 days')"),
    "clicked": Function(type=EventType.CLICKED, places=("email", "link"), example="clicked('pricing', within='30 days')"),
    "replied": Function(type=EventType.REPLIED, example="replied(within='30 days')"),
    "purchased": Function(type=EventType.PURCHASED, takes_data=True, example="purchased(within='12 months')"),
    "visited": Function(type=EventType.VISITED, places=("page",), example="visited('/pricing', within='30 days')"),
    "submitted": Function(type=EventType.FORM_SUBMITTED, places=("form",), example="submitted('site-visit', within='30 days')"),
    "happened": Function(takes_data=True, example="happened('order_placed', within='30 days')"),
    "in_segment": Function(example="in_segment('big-offices')"),
}
