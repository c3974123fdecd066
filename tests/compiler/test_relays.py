"""relays.yaml: what it becomes in the plan, and what is told of its mistakes."""

import json
from datetime import date
from pathlib import Path

import pytest

from engine.compiler.plan import Policy, WorkspacePlan, from_json, to_json
from engine.compiler.relay import DomainLimit, Relay, WarmUp
from engine.compiler.workspace import compile_workspace
from engine.settings import MAIN
from engine.vocabulary import Stream
from tests.compiler import stub_render
from tests.compiler.workspaces import compiled, copy_good, write

TWO = """\
relays:
  main: {weight: 3}
  bulk:
    streams: [marketing]
    brands: [fernhill]
    domains: [gmail.com, München.example]
    warm_up: {from: 2026-11-20, mails: 200, grows: 30%, until: 50000}
  spare: {weight: 0}
limits:
  Gmail.com: {per_hour: 500, connections: 4}
  others: {per_hour: 10000}
"""


def policy_of(folder: Path) -> Policy:
    plan = compiled(folder).plan
    assert plan
    return plan.policy


def told(folder: Path, text: str, *addressed: str) -> list[str]:
    write(folder, "relays.yaml", text)
    return [str(found) for found in compile_workspace(folder, render=stub_render, addressed=addressed).diagnostics]


def test_relays_and_limits_are_in_the_plan_as_written(tmp_path: Path) -> None:
    folder = copy_good(tmp_path)
    write(folder, "relays.yaml", TWO)

    policy = policy_of(folder)

    assert policy.relays == (
        Relay(name="main", weight=3),
        Relay(
            name="bulk",
            streams=(Stream.MARKETING,),
            brands=("fernhill",),
            domains=("gmail.com", "xn--mnchen-3ya.example"),
            warm_up=WarmUp(starts_on=date(2026, 11, 20), mails=200, grows=0.3, until=50_000),
        ),
        Relay(name="spare", weight=0),
    )
    assert policy.limits == {"gmail.com": DomainLimit(per_hour=500, connections=4), "others": DomainLimit(per_hour=10_000)}


def test_a_plan_with_relays_comes_back_from_its_json_the_same(tmp_path: Path) -> None:
    write(copy_good(tmp_path), "relays.yaml", TWO)
    plan = compiled(tmp_path).plan
    assert plan

    assert from_json(WorkspacePlan, to_json(plan)) == plan


def test_a_workspace_without_the_file_has_one_relay(tmp_path: Path) -> None:
    policy = policy_of(copy_good(tmp_path))

    assert policy.relays == (Relay(name=MAIN),)
    assert policy.limits == {}


def test_rules_that_were_applied_before_there_were_relays_can_still_be_read(tmp_path: Path) -> None:
    policy = policy_of(copy_good(tmp_path))
    older = {key: value for key, value in json.loads(to_json(policy)).items() if key not in ("relays", "limits")}

    assert from_json(Policy, json.dumps(older)) == policy


@pytest.mark.parametrize("text", ["relays:\n  main: {}\n", "relays:\n  main:\n", "limits: {others: {per_hour: 9}}\n", ""])
def test_one_relay_may_be_written_down_or_left_out(tmp_path: Path, text: str) -> None:
    write(copy_good(tmp_path), "relays.yaml", text)

    assert policy_of(tmp_path).relays == (Relay(name=MAIN),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("relays: {}", "relays.yaml:1:9: E028 `relays` is empty"),
        ("relays: {Main: {}}", "E017"),
        ("relays: {main: {wieght: 3}}", 'E010 unknown key "wieght" in a relay (did you mean "weight"?)'),
        ("relays: {main: {weight: -1}}", "E016 `weight`: -1 is too small; the least is 0"),
        ("relays: {main: {streams: [internal]}}", "E014"),
        ("relays: {main: {streams: [transactionel]}}", '(did you mean "transactional"?)'),
        ("relays: {main: {}, b: {brands: [fernhil]}}", 'E019 unknown brand "fernhil" (did you mean "fernhill"?)'),
        ("relays: {main: {}, a_b: {}}", 'E017 `relays`: "a_b" cannot be the name of a relay'),
        ("relays: {main: {warm_up: {from: 2026-11-20, mails: 0, grows: 30%, until: 9}}}", "E016 `mails`: 0 is too small"),
        ("relays: {main: {warm_up: {from: 2026-11-20, mails: 1, grows: 0.3, until: 9}}}", 'E016 `grows`: "0.3" is not a share'),
        ("relays: {main: {warm_up: {from: 2026-11-20, mails: 1, grows: 30%}}}", "E011 `warm_up` needs `until:`"),
        ("relays: {main: {streams: [transactional]}}", 'E081 no relay takes marketing mail of "fernhill" to just any domain'),
        ("relays: {main: {brands: [other]}}", "E019"),
        ("limits: {gmail.com: {per_hour: 0}}", "relays.yaml:1:32: E016 `per_hour`: 0 is too small; the least is 1"),
        ("limits: {gmail.com: {}}", "E028 a limit needs `per_hour:` or `connections:`"),
        ("limits: {gmail.com: {per_hour: 5}, GMAIL.com: {per_hour: 6}}", 'E024 "GMAIL.com" is here already, spelt otherwise'),
        ("limits: {gmail: {per_hour: 5}}", 'E068 each of `limits`: "gmail" is not a domain; write it like gmail.com'),
        ("limits: {other: {per_hour: 5}}", 'E068 each of `limits`: "other" is not a domain; write it like gmail.com'),
    ],
)
def test_a_mistake_is_told_where_it_stands(tmp_path: Path, text: str, expected: str) -> None:
    findings = told(copy_good(tmp_path), text + "\n")

    assert len(findings) == 1
    assert expected in findings[0]


def test_a_relay_whose_name_cannot_be_is_read_all_the_same(tmp_path: Path) -> None:
    first, second = told(copy_good(tmp_path), "relays: {Main: {wieght: 3}}\n")

    assert "E017" in first and 'E010 unknown key "wieght"' in second


def test_a_misspelt_file_is_told(tmp_path: Path) -> None:
    write(copy_good(tmp_path), "relay.yaml", TWO)

    assert [str(found) for found in compiled(tmp_path).diagnostics] == [
        'relay.yaml:1:1: W006 this file is not read (did you mean "relays.yaml"?)'
    ]


def test_an_address_that_no_relay_uses_is_told_and_without_addresses_nothing(tmp_path: Path) -> None:
    text = "relays: {main: {}, bulk: {}}\n"

    assert told(copy_good(tmp_path), text, "main", "bulk") == []
    assert told(tmp_path, text) == []
    assert told(tmp_path, text, "main", "bulk", "blk") == [
        'relays.yaml:1:9: W018 HANDRAISER_SMTP_URL_BLK is set, and there is no relay "blk" that would use it'
    ]
