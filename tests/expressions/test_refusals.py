"""What is not in the language: each refusal says where, what and what to write, and none hides another."""

import pytest

from engine.errors import ConditionError
from engine.expressions.condition import compile_condition
from engine.expressions.scope import Scope


def refusals(text: str, scope: Scope) -> list[tuple[int, str]]:
    with pytest.raises(ConditionError) as caught:
        compile_condition(text, scope)
    return [(problem.column, str(problem)) for problem in caught.value.problems]


CASES = [
    # reading
    ("", 0, "is empty"),
    ("   ", 0, "is empty"),
    ("employees ==", 12, "ends too early"),
    ("(employees > 3", 14, "ends too early"),
    ("employees > 3)", 13, "`)` is not expected"),
    ("employees = 3", 10, "write `==`"),
    ("wants_call && wants_call", 11, "write `and`"),
    ("wants_call || wants_call", 12, "write `or`"),
    ("!wants_call", 0, "write `not`"),
    ("employees <> 3", 11, "write `!=`"),
    ("wants_call AND wants_call", 11, "in small letters"),
    ("{{ wants_call }}", 14, "without `{{ }}`"),
    ("company == ‘Acme’", 11, "straight quotes"),
    ("company == 'Acme", 11, "no closing quote"),
    ("company == '\\N{x'", 11, "or a backslash in it"),
    ("company == # 3", 11, "in quotes"),
    ("wants_call wants_call", 11, "`wants_call` is not expected"),
    ("wants_call and\n  do_not_call x", 29, "`x` is not expected"),
    ("clicked('guide', within='3 days', 'x')", 7, "the value comes first"),
    ("x" * 2001, 2000, "use segments"),
    ("(" * 1900 + "wants_call", 0, "too many brackets"),
    ("not " * 40 + "wants_call", None, "nested too deeply"),
    # what the language does not have
    ("company|lower == 'acme'", 0, "no filters such as `|lower`"),
    ("employees + 1 > 3", 0, "do not calculate"),
    ("employees > -rooms", 12, "do not calculate"),
    ("company ~ 'x' == 'y'", 0, "cannot join texts"),
    ("wants_call if true else false", 0, "write it with `and`, `or` and `not`"),
    ("lead['company'] == 'x'", 0, "cannot look inside"),
    ("brand.name == 'x'", 0, "only `lead` may stand before a dot"),
    ("company.x == 'x'", 0, "only `lead` may stand before a dot"),
    ("{'a': 1}", 0, "means nothing in a condition"),
    ("['a']", 0, "may only stand behind `in`"),
    ("company == ['a']", 11, "may only stand behind `in`"),
    ("company is defined", 0, "only knows `missing`"),
    ("company == none", 11, "write `company is missing`"),
    ("employees == 1" + "0" * 400, 13, "too large"),
    ("(employees > 3) == true", 1, "cannot be compared; join such answers"),
    ("'x'", 0, "a fixed value, not a yes or no"),
    ("1 == 1", 0, "both sides are fixed"),
    ("lead.company('x')", 0, "brackets are for questions about events"),
    ("company('x')", 0, "is a field and takes no brackets"),
    # names and types
    ("emploees > 3", 0, "there is no field `emploees` (did you mean `employees`?)"),
    ("Employees > 3", 0, "(did you mean `employees`?)"),
    ("lead.compny == 'x'", 0, "(did you mean `company`?)"),
    ("link == 'pricing'", 0, "there is no field `link`"),
    ("opened", 0, "write it with brackets"),
    ("wants_call == yes", 14, "write `true` for yes"),
    ("employees", 0, "write it like `employees >= 50`"),
    ("company", 0, "write it like `company == '…'`"),
    ("interests", 0, "write it like `'air' in interests`"),
    ("trial_ended_on", 0, "write it like `trial_ended_on >= '2026-03-31'`"),
    ("trial_ended_on > '2026-W13-2'", 17, "is a date: '2026-W13-2' is none; write it like '2026-03-31'"),
    ("employees >= '50'", 13, "is a number: '50' is none; write it without quotes"),
    ("employees in [1, 'x']", 17, "is a number: 'x' is none"),
    ("company == 50", 11, "is a text: write 50 in quotes"),
    ("wants_call == 'yes'", 14, "write it alone or with `not`"),
    ("trial_ended_on > '31.03.2026'", 17, "write it like '2026-03-31'"),
    ("trial_ended_on > '2026-02-30'", 17, "write it like '2026-03-31'"),
    ("trial_ended_on > 2026", 17, "write it like '2026-03-31'"),
    ("role == 'techer'", 8, "one of `Owner`, `Teacher` (did you mean `Teacher`?)"),
    ("consent == 'yes'", 11, "one of `granted`, `unknown`, `refused`"),
    ("role < 'owner'", 7, "has no order"),
    ("company >= country", 11, "has no order"),
    ("employees == company", 13, "`employees` (number) and `company` (text) cannot be compared"),
    ("interests == 'air'", 13, "write `'…' in interests`"),
    ("interests in ['air']", 0, "write `'…' in interests`"),
    ("country in 'Germany'", 11, "behind `in` stands a list"),
    ("country in []", 11, "the list is empty"),
    ("country in [company]", 12, "in a list stand fixed values"),
    ("'x' in ['x']", 0, "must be a field"),
    ("'x' in role", 7, "write `==`"),
    ("3 in interests", 0, "must be one, in quotes"),
    # questions
    ("clickd('guide')", 0, "there is no question `clickd(…)` (did you mean `clicked`?)"),
    ("opened(welcome)", 7, "write the name in quotes: opened('welcome')"),
    ("opened('welcom')", 7, "there is no email 'welcom' (did you mean `welcome`?)"),
    ("clicked('pricng')", 8, "there is no email or link 'pricng' (did you mean `pricing`?)"),
    ("opened('welcome', 'co2')", 18, "ask for several with `or`"),
    ("opened('')", 7, "`opened` is written like"),
    ("opened(3)", 7, "`opened` is written like"),
    ("replied('welcome')", 8, "is written like `replied(within='30 days')`"),
    ("opened(withn='3 days')", 13, "(did you mean `within`?)"),
    ("opened(within=3)", 14, "a span of time in quotes"),
    ("opened(within='soon')", 14, "'soon' is not a span of time; write it like"),
    ("opened(within='3 days', within='4 days')", 31, "is there twice"),
    ("opened(*company)", 8, "`*` has no meaning"),
    ("purchased(skuu='x')", 15, "no data `skuu`; there is `sku`"),
    ("purchased(ship_to='x')", 18, "is personal data"),
    ("purchased(quantity='2')", 19, "`quantity` is a number"),
    ("purchased(number=company)", 17, "wants a fixed value"),
    ("purchased(items='x')", 16, "no data `items`"),
    ("happened()", 0, "wants a name in quotes"),
    ("happened('order_plcd')", 9, "there is no type of event 'order_plcd' (did you mean `order_placed`?)"),
    ("happened('trial_begun', plan='Sole')", 29, "one of `Solo`, `Team` (did you mean `Solo`?)"),
    ("happened('replied', sku='x')", 24, "no data `sku`"),
    ("in_segment('big-office')", 11, "there is no segment 'big-office' (did you mean `big-offices`?)"),
    ("in_segment('hen')", 11, "a segment cannot ask for itself: hen → egg → hen"),
    ("in_segment('broken')", 11, "the segment 'broken' cannot be used: there is no field `emploees`"),
    ("in_segment('big-offices', within='3 days')", 33, "`in_segment` has no `within=`"),
    ("in_segment()", 0, "wants a name in quotes"),
]


@pytest.mark.parametrize(("text", "column", "words"), CASES, ids=[f"{n}-{case[0][:30]}" for n, case in enumerate(CASES)])
def test_a_refusal_says_where_what_and_what_to_write(scope: Scope, text: str, column: int | None, words: str) -> None:
    found = refusals(text, scope)

    assert any(words in message and column in (None, at) for at, message in found), found


def test_all_problems_come_at_once_in_the_order_written(scope: Scope) -> None:
    text = "emploees > 3 and (role == 'x' or opened('welcom')) and not company"

    found = refusals(text, scope)

    assert [at for at, _ in found] == [0, 26, 40, 59]


def test_the_message_of_the_error_has_every_problem(scope: Scope) -> None:
    with pytest.raises(ConditionError, match=r"emploees.*compny"):
        compile_condition("emploees > 3 and compny == 'x'", scope)


def test_a_score_cannot_depend_on_itself_nor_on_the_consent_of_no_topic(scope: Scope) -> None:
    assert refusals("score > 3", scope.for_scoring()) == [(0, "`score` cannot be used in this place")]
    assert refusals("consent == 'granted'", scope.for_segment()) == [(0, "`consent` cannot be used in this place")]


def test_records_and_personal_data_of_a_scored_event_cannot_be_compared(scope: Scope) -> None:
    on_order = scope.for_scoring("order_placed")

    assert "is a list of records" in refusals("items == 'x'", on_order)[0][1]
    assert "no field `ship_to`" in refusals("ship_to == 'x'", on_order)[0][1]


def test_names_of_mails_are_not_checked_where_they_are_not_known(scope: Scope) -> None:
    assert compile_condition("opened('anything') or clicked('anything')", Scope(leads=scope.leads))
