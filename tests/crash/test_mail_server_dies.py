"""A mail server takes mails and dies before it has said so: nobody can know, the ledger says so, and nothing comes twice."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.database import Database
from engine.schema import relay_states
from engine.vocabulary import Stream
from tests.crash.given import ledger
from tests.crash.mortal import MortalServer, mortal_server
from tests.crash.oracle import Entry, send_id_of
from tests.crash.trial import CONNECTIONS, JOURNAL, judged, trial
from tests.factories import TOKENS

DEATHS = 100


@pytest.mark.full
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_mail_server_that_takes_a_mail_and_dies_leaves_it_unknown(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url, broker_url = request.getfixturevalue(f"{kind}_url"), request.getfixturevalue("redis_url") if kind == "postgres" else None
    server = MortalServer(journal=tmp_path / JOURNAL, lives=DEATHS)
    with (
        mortal_server(server) as port,
        trial(tmp_path, url, broker_url, mail_port=port) as on_trial,
        judged(request, on_trial),
    ):
        while len(server.died_with) < DEATHS:
            if on_trial.is_over():
                on_trial.add_work(lessons=40, orders=20)
            on_trial.run_for(0.2)
            forgive_the_server(on_trial.database)
        on_trial.finish()

        entries = {entry.send_id: entry for entry in ledger(on_trial.database)}
        assert on_trial.complaints() == []
        assert [entry for entry in died_with(server, entries) if not entry.unknowns] == []
        assert sum(entry.unknowns for entry in entries.values()) <= DEATHS * CONNECTIONS, "what was in its hands, and no more"


def forgive_the_server(database: Database) -> None:
    """Else it would be left alone for half a minute after each death."""
    with database.write() as tx:
        tx.run(sa.delete(relay_states))


def died_with(server: MortalServer, entries: dict[int, Entry]) -> list[Entry]:
    """The sends whose mail was on disk when the server ended."""
    ids = {entry.source: entry.send_id for entry in entries.values()}
    found = [entries[send_id_of(token, ids, TOKENS)] for token in server.died_with]
    assert {entry.stream for entry in found} >= {Stream.MARKETING, Stream.TRANSACTIONAL}
    return found
