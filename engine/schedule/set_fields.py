"""Steps that write fields of the lead, which then count like any other change of it.

Before: `engine.advance` comes to such steps. After: the fields stand, the lead is due to be scored again, and whoever waits for
something of it looks. The caller commits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.database import Tx
from engine.expressions.fields import LeadSchema
from engine.expressions.values import as_json, parse_value
from engine.leads import set_fields
from engine.schedule.entries import enter_by_segment
from engine.schedule.progress import EndedTouch
from engine.schedule.wake import wake_waits
from engine.vocabulary import TouchState


@dataclass(frozen=True, slots=True, kw_only=True)
class Sets:
    """The touch gives its lead these values; None empties a field."""

    touch_id: int
    lead_id: int
    values: Mapping[str, object]


def fitting_values(values: Mapping[str, object], schema: LeadSchema) -> dict[str, object]:
    """Those that the fields still take, in the form in which they are stored."""
    fields = {field.name: field for field in schema.fields}
    fit: dict[str, object] = {}
    for name in values.keys() & fields.keys():
        try:
            fit[name] = as_json(parse_value(fields[name], values[name]))
        except ValueError:
            continue
    return fit


def set_all(tx: Tx, asked: Sequence[Sets]) -> list[EndedTouch]:
    """Write them, and say how their touches end. Where two touches set a field of one lead, the later one has the last word."""
    changes: dict[int, dict[str, object]] = {}
    for each in sorted(asked, key=lambda each: each.touch_id):
        changes.setdefault(each.lead_id, {}).update(each.values)
    if changes:
        set_fields(tx, changes)
        wake_waits(tx, changes)
        enter_by_segment(tx, changes)
    return [EndedTouch(touch_id=each.touch_id, state=TouchState.DONE) for each in asked]
