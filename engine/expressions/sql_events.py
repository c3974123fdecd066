"""Questions about events as SQL: `clicked('pricing', within='30 days')` is that there is such an event of the lead.

`engine.expressions.sql` comes to such a leaf. The same events count as in `engine.expressions.evaluate`.
"""

from datetime import datetime
from functools import reduce
from itertools import groupby

import sqlalchemy as sa

from engine.expressions.evaluate import name_of
from engine.expressions.sql_values import Moment, Question, Truth, Value, any_row, fixed, in_object
from engine.expressions.sql_words import Words, folded
from engine.expressions.tree import DataTest, EventMatch, Happened
from engine.spans import Span
from engine.vocabulary import Origin


def happened(node: Happened, asked: Question) -> Truth:
    """Whether there is an event of the lead that counts."""
    event, columns = asked.columns.events.alias(), asked.columns
    at_ = event.c.occurred_at
    which = [
        event.c.lead_id == columns.lead_id,
        event.c.origin == Origin.HUMAN.value,
        at_ <= instant(asked.moment.now, at_),
        sa.or_(*(fits(matches, node, event, asked.words) for matches in alike(node.matches))),
    ]
    if node.within is not None:
        which.append(at_ >= earliest(node.within, columns.zone, asked.moment, at_))
    if columns.since is not None:
        which.append(at_ > columns.since)
    return any_row(event, *which)


def instant(moment: datetime, like: Value) -> Value:
    return sa.literal(moment, like.type)


def earliest(within: Span, zone: Value, moment: Moment, like: Value) -> Value:
    """From when on an event counts: days and months are the calendar's where the lead is, so it depends on its zone."""
    usually = within.before(moment.now, moment.usual_zone)
    if not (within.months or within.days or within.business_days):
        return instant(usually, like)
    begins = {name: within.before(moment.now, its) for name, its in moment.zones.items()}
    other = sorted((began, name) for name, began in begins.items() if began != usually)
    cases = [
        (zone.in_([name for _began, name in names]), instant(began, like))
        for began, names in groupby(other, key=lambda one: one[0])
    ]
    return sa.case(*cases, else_=instant(usually, like)) if cases else instant(usually, like)


def alike(matches: tuple[EventMatch, ...]) -> list[list[EventMatch]]:
    """Types of event together of which the same data is asked."""
    found: dict[tuple[DataTest, ...], list[EventMatch]] = {}
    for match in matches:
        found.setdefault(match.data, []).append(match)
    return list(found.values())


def fits(matches: list[EventMatch], node: Happened, event: sa.FromClause, words: Words) -> Truth:
    tests: list[Truth] = [event.c.type.in_([match.type for match in matches])]
    if node.subject is not None:
        wanted = name_of(node.subject)
        tests.append(sa.or_(*(subject_in(event.c.data, place, words) == wanted for place in node.places)))
    return sa.and_(*tests, *(data_fits(test, event.c.data, words) for test in matches[0].data))


def subject_in(data: Value, place: str, words: Words) -> Value:
    """A page is the same with or without the slashes around it."""
    return folded(sa.func.rtrim(sa.func.ltrim(words.text(data, place), "/"), "/", type_=sa.String()))


def data_fits(test: DataTest, data: Value, words: Words) -> Truth:
    """All the values, in the data itself or in one record of its list."""
    if test.inside is None:
        return all_equal(test, data, words)
    records = words.items(data, test.inside)
    return any_row(records, words.is_record(records), all_equal(test, records.c.value, words))


def all_equal(test: DataTest, container: Value, words: Words) -> Truth:
    return reduce(
        sa.and_,
        (in_object(container, name, literal.type, words) == fixed(literal) for name, literal in test.fields),
        sa.true(),
    )
