"""Each person gets their own content and nobody else's, however many mails are written at once and whatever fails among them.

`pytest tests/deliver/test_own_content.py --full -s` writes to 20,000 people over 64 threads, as docs/results/templates.md tells.
"""

import email
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.policy import SMTP
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.claim import Claim
from engine.compiler.plan import to_json
from engine.database import Database, Tx
from engine.expressions.fields import EventKind, EventSchema, Field, FieldType, LeadSchema
from engine.schema import bodies, rules
from engine.simulate.sink import Sink
from engine.tokens import from_address
from engine.vocabulary import SendState, Stream
from tests.deliver.given import (
    NO_CAPS,
    a_policy,
    add_claimed,
    add_mail,
    add_workspace,
    an_artifact,
    at_once,
    keep_artifact,
    runtime_over,
    send_of,
)
from tests.factories import TOKENS, add_event, add_lead

THREADS = 64
OWN = re.compile(r"own-[a-z]+-\d+-")
BROKEN = 17  # of so many leads one has a value over which its mail fails when half of it is written
PRINTED = (
    "{{ lead.first_name }}, {{ lead.company }}, {% for one in lead.interests %}{{ one }}, {% endfor %}{{ lead.note or '' }} "
    "{{ lead.key }} {{ lead.email }} of {{ 12 / lead.rooms }}\n"
)
LESSON = an_artifact(
    subject="{{ lead.company }}: air",
    html=f"<p title='{{{{ lead.company }}}}'>{PRINTED}</p>"
    + '<a href="{{ track }}/p/{{ token }}/0/{{ seal(lead.site) }}">site</a>\n',
    text=PRINTED,
)
ORDER = an_artifact(
    email="order-confirmation",
    stream="transactional",
    subject="Order {{ event.number }}",
    html="<p>{{ lead.company }}: {{ event.number }} to {{ event.ship_to }}, {{ 12 / lead.rooms }}</p>\n",
    text="{{ lead.company }}: {{ event.number }} to {{ event.ship_to }}, {{ 12 / lead.rooms }}\n",
    links=(),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What one mail must hold, and to whom it goes; None: it cannot be written."""

    recipient: str
    in_text: set[str]
    in_subject: set[str]


def test_every_mail_holds_its_own_reader_s_values_and_no_other_s(
    database: Database, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    people = 20_000 if pytestconfig.getoption("--full") else 120
    with database.write() as tx:
        mails = dict(given_mails(tx, people))
    kept: list[tuple[str, str, bytes]] = []
    sink = Sink(on_message=lambda *mail: kept.append(mail))

    with runtime_over(database, sink, tmp_path) as runtime:
        held = list(mails)
        at_once(runtime, [held[at::THREADS] for at in range(THREADS)])

    states = Counter((send_of(database, claim[0]).state, expected is None) for claim, expected in mails.items())
    arrived = {claim: mail for mail in kept for claim in [(send_id_of(mail[0]), 1)]}
    writable = {claim: expected for claim, expected in mails.items() if expected is not None}
    assert set(states) == {(SendState.ACCEPTED, False), (SendState.CANCELLED, True)}
    assert len(kept) == len(arrived) == len(writable)
    assert [claim for claim, expected in writable.items() if told(arrived[claim]) != expected] == []
    failed = states[SendState.CANCELLED, True]
    print(f"\n{people} people, {len(kept)} mails over {THREADS} threads: each its own; {failed} failed half-way")


def given_mails(tx: Tx, people: int) -> Iterator[tuple[Claim, Expected | None]]:
    """A lesson for everybody, a confirmation for every second; three people share each address, all have one name."""
    version_id = add_workspace(tx)
    fields = (Field(name="first_name"), Field(name="company"), Field(name="note"), Field(name="site"))
    numbers = (Field(name="rooms", type=FieldType.NUMBER), Field(name="interests", type=FieldType.LIST))
    order = EventKind(name="order_placed", data=(Field(name="number"), Field(name="ship_to", personal=True)), counts_as=None)
    policy = replace(a_policy(NO_CAPS), lead_schema=LeadSchema((*fields, *numbers)), event_schema=EventSchema((order,)))
    tx.run(sa.update(rules).where(rules.c.kind == "policy").values(body=to_json(policy)))
    lesson, confirmation = keep_artifact(tx, LESSON), keep_artifact(tx, ORDER)
    for number in range(people):
        lead_id, address = given_lead(tx, number)
        fails = number % BROKEN == 0
        yield add_mail(tx, version_id, lead_id=lead_id, artifact_hash=lesson), None if fails else expected_lesson(number, address)
        if number % 2:
            event_id = add_event(tx, type="order_placed", lead_id=lead_id, data={"number": own("order", number)})
            claim = add_claimed(
                tx, lead_id=lead_id, stream=Stream.TRANSACTIONAL, topic=None, event_id=event_id, artifact_hash=confirmation
            )
            insert_event_body(tx, event_id, number)
            yield claim, None if fails else expected_order(number, address)


def given_lead(tx: Tx, number: int) -> tuple[int, str]:
    address = f"own-address-{number // 3}-@mail.example"
    fields = {
        "first_name": "Ada",
        "company": own("company", number),
        "note": own("note", number) if number % 5 else None,
        "site": f"https://site.example/{own('site', number)}",
        "rooms": 0 if number % BROKEN == 0 else 3,
        "interests": [own("first", number), own("second", number)],
    }
    return add_lead(tx, key=own("key", number), email=address, fields=fields), address


def own(what: str, number: int) -> str:
    return f"own-{what}-{number}-"


def expected_lesson(number: int, address: str) -> Expected:
    names = ["company", "first", "second", "key", *(["note"] if number % 5 else [])]
    in_text = {own(name, number) for name in names} | {own("address", number // 3)}
    return Expected(recipient=address, in_text=in_text, in_subject={own("company", number)})


def expected_order(number: int, address: str) -> Expected:
    in_text = {own("company", number), own("order", number), own("house", number)}
    return Expected(recipient=address, in_text=in_text, in_subject={own("order", number)})


def insert_event_body(tx: Tx, event_id: int, number: int) -> None:
    content = json.dumps({"ship_to": own("house", number)}).encode()
    tx.run(sa.insert(bodies).values(event_id=event_id, content=content))


def send_id_of(sender: str) -> int:
    return TOKENS.open(from_address(sender.removeprefix("b+").partition("@")[0])).send_id


def told(mail: tuple[str, str, bytes]) -> Expected:
    """What arrived. A sealed address is opened, and the text part must say what the HTML says."""
    _sender, recipient, content = mail
    message = email.message_from_bytes(content, policy=SMTP)
    plain, html = message.get_body(("plain",)).get_content(), message.get_body(("html",)).get_content()  # type: ignore[union-attr]
    in_text = set(OWN.findall(plain))
    sealed = [TOKENS.open_target(found) for found in re.findall(r"/p/[\w-]+/0/([\w-]+)", html)]
    sites = set(OWN.findall(" ".join(sealed)))
    assert "{{" not in plain + html
    assert set(OWN.findall(html)) == in_text
    assert {site.replace("site", "company") for site in sites} <= in_text
    return Expected(recipient=recipient, in_text=in_text, in_subject=set(OWN.findall(str(message["Subject"]))))
