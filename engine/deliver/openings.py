"""Openings: when a mail that has to wait may go, within its cadence's window in the lead's own zone. Pure.

Before: `engine.deliver.gate` or `engine.deliver.record` puts a mail off. After: its row says when it is due again.
"""

from datetime import date, datetime, time

from engine.deliver.load import Loaded
from engine.schedule.timing import first_instant, into_window

NOON = time(12)


def opening_on(day: date, send: Loaded) -> datetime:
    """The first opening of its window from that day on."""
    opening = first_instant(day, send.window.opens, send.zone) if send.window else first_instant(day, NOON, send.zone)
    return in_its_window(send, opening)


def in_its_window(send: Loaded, instant: datetime) -> datetime:
    return instant if send.window is None else into_window(instant, send.window, send.zone, days_off=send.days_off)
