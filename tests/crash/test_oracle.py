"""The oracle sees what would be wrong: each kind of loss and of doubling is complained of, each explained row is not."""

import pytest
import sqlalchemy as sa

from engine.database import Database
from engine.schema import sends
from engine.tokens import NOBODY, SendToken, in_address
from tests.crash.oracle import Copy, Entry, Verdict, join
from tests.crash.passages import complaints_about_orphans
from tests.factories import TOKENS, add_enrolment, add_send, add_touch


def entry(**changes: object) -> Entry:
    values: dict[str, object] = {
        "send_id": 7,
        "source": "touch:7",
        "stream": "marketing",
        "state": "accepted",
        "reason": None,
        "unknowns": 0,
        "address": "ada@mail.example",
    }
    return Entry(**(values | changes))  # type: ignore[arg-type]


def copy(send_id: int = 7, *, sha256: str = "as sent", address: str = "ada@mail.example") -> Copy:
    return Copy(
        token=in_address(TOKENS.seal(SendToken(send_id=send_id, link_table_id=1, address_key=NOBODY))),
        address=address,
        sha256=sha256,
    )


ACCEPTED = entry()
UNKNOWN = entry(state="unknown", reason="worker_died", unknowns=1)
AWAITED = entry(stream="transactional", source="event:1", unknowns=1)
NOTICE = Copy(token="handoff-3-raised-20260105090000", address="ada@mail.example", sha256="as sent")


@pytest.mark.parametrize(
    ("row", "copies"),
    [
        pytest.param(ACCEPTED, [copy()], id="accepted and there"),
        pytest.param(UNKNOWN, [], id="unknown and not there"),
        pytest.param(UNKNOWN, [copy()], id="unknown and there"),
        pytest.param(AWAITED, [copy(), copy()], id="awaited, and sent once more with the same bytes"),
        pytest.param(entry(state="cancelled", reason="suppressed"), [], id="cancelled for a reason"),
        pytest.param(entry(source="handoff:3:raised"), [NOTICE], id="a notice, known by its own Message-ID"),
    ],
)
def test_what_the_ledger_explains_is_let_pass(row: Entry, copies: list[Copy]) -> None:
    assert judge(row, copies).complaints == ()


@pytest.mark.parametrize(
    ("row", "copies", "complaint"),
    [
        pytest.param(ACCEPTED, [], "never arrived", id="lost"),
        pytest.param(entry(state="attempting"), [copy()], "not over", id="stuck"),
        pytest.param(ACCEPTED, [copy(), copy()], "too often", id="twice"),
        pytest.param(entry(unknowns=1), [copy(), copy()], "too often", id="marketing twice, though one attempt was unknown"),
        pytest.param(entry(state="cancelled", reason="cap"), [copy()], "too often", id="cancelled and yet there"),
        pytest.param(AWAITED, [copy(), copy(sha256="changed")], "other bytes", id="once more, but not the same"),
        pytest.param(AWAITED, [copy()] * 3, "too often", id="three times"),
        pytest.param(ACCEPTED, [copy(address="eve@mail.example")], "somebody else", id="to somebody else"),
        pytest.param(entry(state="refused"), [], "without a reason", id="not sent and nobody says why"),
        pytest.param(ACCEPTED, [copy(), copy(8)], "no send of ours", id="a send that is not in the ledger"),
        pytest.param(ACCEPTED, [copy(), Copy(token="x", address="", sha256="")], "no send of ours", id="a mail of nobody"),
    ],
)
def test_what_nothing_explains_is_complained_of(row: Entry, copies: list[Copy], complaint: str) -> None:
    complaints = judge(row, copies).complaints

    assert len(complaints) == 1
    assert complaint in complaints[0]


def judge(row: Entry, copies: list[Copy]) -> Verdict:
    return join([row], copies, TOKENS)


@pytest.mark.both_databases
def test_a_mail_without_its_lead_or_its_touch_is_complained_of(database: Database) -> None:
    with database.write() as tx:
        touch_id = add_touch(tx, enrolment_id=add_enrolment(tx))
        whole, of_touch = add_send(tx), add_send(tx, touch_id=touch_id)
        of_no_lead, of_no_touch = add_send(tx), add_send(tx, touch_id=touch_id + 1)
        tx.run(sa.update(sends).where(sends.c.id == of_no_lead).values(lead_id=99_999))

    complaints = " ".join(complaints_about_orphans(database))

    assert [f"({number}, " in complaints for number in (whole, of_touch, of_no_lead, of_no_touch)] == [False, False, True, True]
