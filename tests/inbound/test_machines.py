"""Who is taken for a machine."""

from datetime import UTC, datetime, timedelta

import pytest

from engine.inbound.machines import Request, label
from engine.vocabulary import Origin

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
LONG_AGO = NOON - timedelta(hours=3)
BROWSER = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15"


def request(
    *, after: float = 0, method: str = "GET", agent: str = BROWSER, link: int | None = 0, prefetch: bool = False
) -> Request:
    return Request(at=NOON + timedelta(seconds=after), method=method, agent=agent, link=link, prefetch=prefetch)


def test_a_browser_some_time_after_the_mail_is_a_person():
    assert label(request(), [], LONG_AGO) is Origin.HUMAN
    assert label(request(link=None), [], LONG_AGO) is Origin.HUMAN


@pytest.mark.parametrize(
    "agent",
    [
        "BarracudaCentral/1.0", "Mozilla/5.0 (compatible; proofpoint-urldefense)", "Mozilla/5.0 TMES", "CiscoSecureEmail",
        "Mozilla/4.0 (compatible; ms-office; MSOffice 16)", "Googlebot/2.1", "python-requests/2.31", "curl/8.1", "Slackbot 1.0",
    ],
)  # fmt: skip
def test_a_scanner_that_says_so_is_a_machine(agent: str):
    assert label(request(agent=agent), [], LONG_AGO) is Origin.MACHINE


@pytest.mark.parametrize("agent", ["Mozilla/5.0 (Linux; Android 13; CUBOT P80) Chrome/120 Mobile Safari/537.36", BROWSER])
def test_a_phone_is_not_a_robot(agent: str):
    assert label(request(agent=agent), [], LONG_AGO) is Origin.HUMAN


def test_head_and_prefetch_are_machines():
    assert label(request(method="HEAD"), [], LONG_AGO) is Origin.MACHINE
    assert label(request(prefetch=True), [], LONG_AGO) is Origin.MACHINE


def test_nobody_clicks_within_five_seconds_of_acceptance():
    assert label(request(), [], NOON - timedelta(seconds=5)) is Origin.MACHINE
    assert label(request(), [], NOON + timedelta(seconds=1)) is Origin.MACHINE
    assert label(request(), [], NOON - timedelta(seconds=6)) is Origin.HUMAN
    assert label(request(), [], None) is Origin.HUMAN


def test_three_links_at_once_are_a_machine_whichever_is_looked_at():
    clicks = [request(after=n * 0.6, link=n) for n in range(3)]

    assert {label(click, clicks, LONG_AGO) for click in clicks} == {Origin.MACHINE}


def test_two_links_at_once_are_unsure_and_far_apart_are_a_person():
    assert label(request(link=0), [request(after=1, link=1)], LONG_AGO) is Origin.UNSURE
    assert label(request(link=0), [request(after=30, link=1), request(after=60, link=2)], LONG_AGO) is Origin.HUMAN


def test_the_same_link_twice_is_one_person():
    assert label(request(), [request(after=1), request(after=1.5)], LONG_AGO) is Origin.HUMAN


def test_opening_and_clicking_at_once_is_a_person():
    assert label(request(link=2), [request(after=-1, link=None)], LONG_AGO) is Origin.HUMAN


def test_a_browser_that_follows_a_probe_is_unsure():
    assert label(request(), [request(after=-1, method="HEAD")], LONG_AGO) is Origin.UNSURE


def test_picture_loaders_are_told_apart():
    google = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"

    preload = (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
    )

    assert label(request(link=None, agent=google), [], LONG_AGO) is Origin.HUMAN
    assert label(request(link=None, agent=preload), [], LONG_AGO) is Origin.MACHINE
    assert label(request(link=None, agent="Mozilla/5.0"), [], LONG_AGO) is Origin.MACHINE


def test_an_empty_agent_is_unsure():
    assert label(request(agent=""), [], LONG_AGO) is Origin.UNSURE
