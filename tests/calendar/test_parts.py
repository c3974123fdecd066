"""The calendar's parts: stated odds, learning, caps, findings, and the forms in which it is shown."""

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.calendar.capping import Way, chance_below, moved_by_caps
from engine.calendar.collisions import collisions
from engine.calendar.expected import Forecast
from engine.calendar.odds import LeavingOdds, Odds, Seen, Source, assumed, learnt
from engine.calendar.page import page_of
from engine.calendar.road import Road
from engine.calendar.stated import newcomers, read_odds, with_words
from engine.calendar.terminal import WIDTH, lines_of
from engine.calendar.told import as_plain, csv_of
from engine.calendar.walk import begin
from engine.compiler.plan import Caps
from engine.compiler.workspace import Compiled
from engine.errors import UsageError
from engine.schedule.next_step import Passage, course_of
from tests.graph.shapes import HOSTILE, every_kind
from tests.schedule.plans import at, branch, cadence, email, workspace

PLANS = {"every-kind": every_kind(), "plain": cadence(email("welcome"), name="plain")}
ROOT = Path(__file__).parents[2]
BEGINS = date(2026, 11, 23)
MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)


def told(**changed: object) -> Forecast:
    """Two years with ten mails on every working day, and a crowd of a thousand on one of them."""
    found = Forecast(begins=BEGINS, ends=date(2028, 11, 23), plans=PLANS, odds=Odds(), new={})
    found.people, found.passages = 40, 41
    found.inside["every-kind"] = 40
    for day in found.days:
        if date.fromordinal(day).weekday() < 5:
            found.sends[day, "every-kind", "welcome"] = 10.25
    found.sends[crowded(), "plain", "welcome"] = 1000.0
    found.domains = {"gmail.com": {day: 6.0 for day in found.days} | {crowded(): 900.0}, "all others": {crowded(): 5.0}}
    found.reached["every-kind", "short-or-long"] = found.reached["every-kind", "read"] = 3.0
    for name, value in changed.items():
        setattr(found, name, value)
    return found


def crowded() -> int:
    return (BEGINS + timedelta(days=100)).toordinal()


def test_odds_of_a_file_are_read(tmp_path: Path) -> None:
    (tmp_path / "odds.yaml").write_text(
        "every_mail: {replied: 0.5%}\n"
        "every-kind:\n  read: 30%\n  short-or-long: {short: 50%, long: 0.4, none: 10%}\n"
        "  bought: 2%\n  every_mail: {purchased: 1%}\n"
    )

    odds = read_odds(tmp_path / "odds.yaml", PLANS)

    assert odds.leaving["plain"].rates == {"replied": 0.005}
    assert odds.leaving["every-kind"].rates == {"purchased": 0.01}
    assert odds.steps["every-kind", "read"].shares == {"next": 0.3, "otherwise": 0.7}
    assert odds.steps["every-kind", "short-or-long"].shares == {"short": 0.5, "long": 0.4, "none": 0.1}
    assert odds.steps["every-kind", "bought"].shares == {"reached": 0.02, "next": 0.98}


def test_the_odds_that_the_document_shows_can_be_read(compiled_starter: Compiled, tmp_path: Path) -> None:
    assert compiled_starter.plan is not None
    [text] = re.findall(r"```yaml\n(every_mail.*?)```", (ROOT / "docs" / "calendar.md").read_text(), re.DOTALL)
    (tmp_path / "odds.yaml").write_text(text)

    odds = read_odds(tmp_path / "odds.yaml", {plan.name: plan for plan in compiled_starter.plan.cadences})

    assert odds.steps["new-enquiry", "looked-at-prices"].shares == {"next": 0.15, "otherwise": 0.85}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("every_mail: {answered: 1%}", "odds.yaml:1:14: nobody leaves for 'answered'"),
        ("every_mail: 3", "odds.yaml:1:13: every_mail holds names"),
        ("every_mail: {replied: 80%, purchased: 30%}", "more leave than there are"),
        ("new-inquiry: {read: 1%}", "there is no cadence 'new-inquiry'"),
        ("every-kind: {reads: 30%}", "no step 'reads' at which ways part"),
        ("every-kind: {read: many}", "a share is written like 30%"),
        ("every-kind: {read: 130%}", "a share is written like 30%"),
        ("every-kind: {short-or-long: {short: 50%, long: 20%}}", "together 100%"),
        ("- 1", "names with shares"),
        ("a: [", "odds.yaml"),
    ],
)
def test_a_mistake_in_a_file_of_odds_is_told_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "odds.yaml").write_text(text)

    with pytest.raises(UsageError, match=re.escape(message)):
        read_odds(tmp_path / "odds.yaml", PLANS)


def test_odds_in_words_go_before_those_of_the_file() -> None:
    odds = with_words(Odds(), ["replied=1%", "every-kind.read=0.25", "unsubscribed=0.5%"], PLANS)

    assert odds.leaving["plain"].rates == {"replied": 0.01, "unsubscribed": 0.005}
    assert odds.steps["every-kind", "read"].shares["next"] == 0.25
    with pytest.raises(UsageError, match="states no odds"):
        with_words(Odds(), ["replied"], PLANS)


def test_rates_of_people_to_come() -> None:
    assert newcomers(["50/week", "plain=10/day"], PLANS) == {"every-kind": 50.0, "plain": 70.0}
    for wrong in ("50", "many/week", "nothing=5/week", "nan/week"):
        with pytest.raises(UsageError, match="is no rate"):
            newcomers([wrong], PLANS)


def test_little_is_not_believed_and_much_is() -> None:
    step = branch("big", "employees >= 50")

    assert learnt(step, Seen(ways={"next": 10, "otherwise": 9})) is None
    found = learnt(step, Seen(ways={"next": 900, "otherwise": 100}))
    assert found is not None and found.source == Source.OBSERVED and found.sample == 1000
    assert found.shares["next"] == pytest.approx(0.9, abs=0.003)
    assert sum(found.shares.values()) == pytest.approx(1.0)


def test_every_assumption_is_a_whole() -> None:
    for step in every_kind().steps:
        odds = assumed(step)
        assert odds is None or sum(odds.shares.values()) == pytest.approx(1.0)
        assert odds is None or not odds.delays or sum(odds.delays) == pytest.approx(1.0)


def test_numbers_that_are_likely_leave_as_much_room_as_they_must() -> None:
    assert chance_below(2, [1.0, 1.0]) == 0
    assert chance_below(1, [0.5]) == pytest.approx(0.5)
    assert chance_below(2, [0.5, 1.25]) == pytest.approx(0.5 * 0.75)
    assert chance_below(1, []) == 1


def test_two_ways_that_exclude_each_other_take_no_room_from_each_other() -> None:
    apart = Road(course=course_of(cadence(
        branch("big", "employees >= 50", next="yes", otherwise="no"), email("yes", next="late"), email("no", next="late"),
        email("late", at("1 day")),
    )))  # fmt: skip
    passage = Passage(anchor_at=MONDAY, shift_days=0, zone=ZoneInfo("UTC"))
    walked = begin(apart, passage, Odds(), at=MONDAY, until=BEGINS + timedelta(days=30))
    way = Way(
        plan=apart.course.plan, priority=0, days_off=frozenset(), stays=1.0, before=apart.before, sends=walked.sends
    )  # fmt: skip
    policy = workspace(caps=Caps(per_day=1, per_week=1, per_month=None)).policy

    [moved] = moved_by_caps(policy, [way], {}, last=MONDAY.toordinal() + 30)

    assert (moved.step, moved.cap, moved.to, moved.mails) == ("late", "week", MONDAY.toordinal() + 7, pytest.approx(1.0))
    assert not moved_by_caps(replace(policy, caps=Caps(per_day=1, per_week=2, per_month=None)), [way], {}, last=800_000)


def test_crowds_peaks_and_caps_are_found_with_reason_and_advice() -> None:
    found = told(
        capped={(crowded(), "day", ("every-kind", "plain")): 12.0, (crowded() + 3, "day", ("every-kind", "plain")): 3.0},
        pushed={(crowded(), "plain", "holiday"): 40.0},
    )

    listed = {each.kind: each for each in collisions(found)}

    assert set(listed) == {"cap", "crowd", "domain", "holiday"}
    assert listed["cap"].mails == 15.0 and listed["cap"].until == listed["cap"].day + timedelta(days=3)
    assert "every-kind and plain at once" in listed["cap"].reason
    assert "1,000 of these are welcome of plain" in listed["crowd"].reason
    assert "all of them to gmail.com" in listed["domain"].reason
    assert all(each.advice.endswith(".") for each in listed.values())


def test_a_terminal_of_eighty_columns_is_enough() -> None:
    for by_week in (False, True):
        lines = list(lines_of(as_plain(told(capped={(crowded(), "week", ("every-kind", "plain")): 12.0})), by_week=by_week))

        assert max(map(len, lines)) <= WIDTH
        assert any(line.startswith("  2027-0") for line in lines)


def test_the_csv_has_a_line_for_each_day_and_cadence() -> None:
    lines = csv_of(told()).splitlines()

    assert lines[0] == "day,cadence,mails"
    assert f"{date.fromordinal(crowded())},plain,1000.0" in lines
    assert len(lines) == 1 + len({(day, name) for day, name, _step in told().sends})


def test_the_page_needs_no_network_and_lets_no_title_act_as_markup() -> None:
    plans = {"every-kind": every_kind(HOSTILE), "plain": cadence(email("welcome"), name="plain", title="</script><b>")}

    page = page_of(told(plans=plans), name="</title>" + HOSTILE)

    tags = Tags()
    tags.feed(page)
    assert tags.counted["script"] == 2
    assert tags.counted["b"] == 4  # the tiles
    assert not re.search(r"(?:src|href)=|url\(|@import|https?://(?!www\.w3\.org/2000/svg)", page)
    assert "@" not in re.sub(r"@media|<style>.*?</style>", "", page, flags=re.DOTALL)
    assert json.loads(tags.data)["people"] == 40


def test_the_page_says_where_its_odds_come_from() -> None:
    stated = LeavingOdds(rates={"replied": 0.012}, source=Source.STATED)

    page = page_of(told(odds=Odds(leaving={"every-kind": stated})), name="Clearroom")

    assert "replied 1.2 %" in page
    assert "stated by whoever asked" in page
    assert "as the cadence says" in page
    assert "assumed: fewer than 20 people seen so far" in page


class Tags(HTMLParser):
    """Counts the elements of a page, and keeps the JSON in it."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: dict[str, int] = {}
        self.inside, self.data = False, ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counted[tag] = self.counted.get(tag, 0) + 1
        self.inside = ("id", "data") in attrs

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.data += data
