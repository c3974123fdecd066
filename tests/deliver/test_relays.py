"""The choice of a relay: shares, streams, brands, domains, spares, and that a mail always gets the same answer."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.compiler.plan import Policy
from engine.compiler.relay import DomainLimit, Relay, WarmUp
from engine.deliver.relays import relays_for
from engine.domains import domain_of
from engine.settings import MAIN
from engine.vocabulary import Stream
from tests.deliver.given import NO_CAPS, a_policy

MARKETING, TRANSACTIONAL, INTERNAL = Stream.MARKETING, Stream.TRANSACTIONAL, Stream.INTERNAL
names = st.text("abcdefghij", min_size=1, max_size=5)
relays = st.lists(
    st.builds(
        Relay,
        name=names,
        weight=st.integers(0, 10),
        streams=st.sampled_from([(MARKETING,), (TRANSACTIONAL,), (MARKETING, TRANSACTIONAL)]),
        brands=st.sampled_from([(), ("a",), ("a", "b")]),
        domains=st.sampled_from([(), ("x.example",), ("y.example",)]),
    ),
    max_size=6,
    unique_by=lambda relay: relay.name,
)
mails = st.tuples(
    st.integers(1, 2**53), st.sampled_from(Stream), st.sampled_from(["a", "b", "c"]), st.sampled_from(["x.example", "z"])
)


def chosen(
    *declared: Relay, key: int = 1, stream: Stream = MARKETING, brand: str = "a", domain: str = "x.example", **options: str
) -> list[str]:
    return relays_for(key, stream, brand, domain, policy_with(declared), **options)


@lru_cache(8)
def policy_with(declared: tuple[Relay, ...]) -> Policy:
    return replace(a_policy(NO_CAPS), relays=declared)


def test_without_a_file_all_mail_goes_through_the_main_relay() -> None:
    policy = a_policy(NO_CAPS)

    assert [relays_for(7, stream, "any", "any.example", policy) for stream in Stream] == [[MAIN]] * 3


@pytest.mark.parametrize("weights", [{"a": 1, "b": 1}, {"a": 3, "b": 1}, {"a": 5, "b": 3, "c": 2}])
def test_shares_are_as_the_weights_say(weights: dict[str, int]) -> None:
    declared, count = [Relay(name=name, weight=weight) for name, weight in weights.items()], 10_000

    first = Counter(chosen(*declared, key=key)[0] for key in range(count))

    for name, weight in weights.items():
        share = weight / sum(weights.values())
        assert abs(first[name] - share * count) < 4 * sqrt(count * share * (1 - share))


def test_mails_of_a_relay_that_is_away_are_shared_by_weight_too() -> None:
    declared, count = [Relay(name=name, weight=weight) for name, weight in (("a", 2), ("b", 3), ("c", 1))], 10_000

    orders = [chosen(*declared, key=key) for key in range(count)]
    second = Counter(order[1] for order in orders if order[0] == "a")

    expected = second.total() * 3 / 4
    assert abs(second["b"] - expected) < 4 * sqrt(expected / 4)


@given(relays, mails)
def test_only_relays_that_take_a_mail_are_chosen_and_each_once(declared: list[Relay], mail: tuple[int, Stream, str, str]) -> None:
    key, stream, brand, domain = mail

    order = chosen(*declared, key=key, stream=stream, brand=brand, domain=domain)

    assert sorted(order) == sorted(relay.name for relay in declared if relay.takes(stream, brand, domain))


@given(relays, mails, st.randoms())
def test_the_order_is_the_same_however_the_file_is_ordered(
    declared: list[Relay], mail: tuple[int, Stream, str, str], by: object
) -> None:
    key, stream, brand, domain = mail
    shuffled = sorted(declared, key=lambda relay: by.random())  # type: ignore[attr-defined]

    assert chosen(*declared, key=key, stream=stream, brand=brand, domain=domain) == chosen(
        *shuffled, key=key, stream=stream, brand=brand, domain=domain
    )


@given(relays, mails)
def test_without_one_relay_all_others_keep_their_order(declared: list[Relay], mail: tuple[int, Stream, str, str]) -> None:
    key, stream, brand, domain = mail
    order = chosen(*declared, key=key, stream=stream, brand=brand, domain=domain)

    for away in order:
        left = [relay for relay in declared if relay.name != away]
        rest = chosen(*left, key=key, stream=stream, brand=brand, domain=domain)
        assert rest == [name for name in order if name != away]


@given(relays, mails)
def test_spares_come_last_and_those_that_name_the_domain_first(declared: list[Relay], mail: tuple[int, Stream, str, str]) -> None:
    key, stream, brand, domain = mail
    by_name = {relay.name: relay for relay in declared}

    order = [by_name[name] for name in chosen(*declared, key=key, stream=stream, brand=brand, domain=domain)]

    ranks = [(relay.weight == 0, not relay.domains) for relay in order]
    assert ranks == sorted(ranks)


@given(relays, mails)
def test_who_was_told_to_come_again_comes_again_by_the_same_way(
    declared: list[Relay], mail: tuple[int, Stream, str, str]
) -> None:
    key, stream, brand, domain = mail
    order = chosen(*declared, key=key, stream=stream, brand=brand, domain=domain)

    for last in order:
        again = chosen(*declared, key=key, stream=stream, brand=brand, domain=domain, last=last)
        assert again == [last, *(name for name in order if name != last)]
    assert chosen(*declared, key=key, stream=stream, brand=brand, domain=domain, last="gone") == order


def test_transactional_mail_and_notices_never_go_through_a_relay_for_marketing() -> None:
    bulk, own = Relay(name="bulk", weight=9, streams=(MARKETING,)), Relay(name="own", streams=(TRANSACTIONAL,))

    assert chosen(bulk, own, stream=MARKETING) == ["bulk"]
    assert chosen(bulk, own, stream=TRANSACTIONAL) == ["own"]
    assert chosen(bulk, own, stream=INTERNAL) == ["own"]
    assert chosen(bulk, stream=TRANSACTIONAL) == []


@pytest.mark.parametrize(("day", "allowed"), [(-1, 0), (0, 200), (1, 260), (2, 338), (21, 49_413), (22, None), (100_000, None)])
def test_a_warm_up_grows_each_day_until_it_is_over(day: int, allowed: int | None) -> None:
    plan = WarmUp(starts_on=date(2026, 11, 20), mails=200, grows=0.3, until=50_000)

    assert plan.allowed_on(date(2026, 11, 20) + timedelta(days=day)) == allowed


@given(st.integers(1, 10**6), st.integers(1, 1_000), st.integers(0, 10**6), st.integers(0, 10_000))
def test_a_warm_up_never_shrinks_and_never_passes_its_end(mails: int, percent: int, more: int, day: int) -> None:
    plan = WarmUp(starts_on=date(2026, 1, 1), mails=mails, grows=percent / 100, until=mails + more)

    today = plan.allowed_on(date(2026, 1, 1) + timedelta(days=day))
    tomorrow = plan.allowed_on(date(2026, 1, 1) + timedelta(days=day + 1))

    assert today is None or mails <= today <= plan.until
    assert tomorrow is None or (today is not None and tomorrow >= today)


def test_a_domain_is_one_however_it_is_spelt() -> None:
    spelt = ["ada@Gmail.COM", '"a@b"@gmail.com', "ada@münchen.example", "ada@xn--mnchen-3ya.EXAMPLE", ""]

    assert [domain_of(each) for each in spelt] == [
        "gmail.com",
        "gmail.com",
        "xn--mnchen-3ya.example",
        "xn--mnchen-3ya.example",
        "",
    ]


def test_a_limit_for_others_is_that_of_each_domain_not_named() -> None:
    named, others = DomainLimit(per_hour=500), DomainLimit(connections=4)
    policy = replace(a_policy(NO_CAPS), limits={"gmail.com": named, "others": others})

    assert policy.limit_for("gmail.com") == named
    assert policy.limit_for("web.example") == others
    assert a_policy(NO_CAPS).limit_for("gmail.com") is None
