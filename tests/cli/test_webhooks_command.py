"""`handraiser webhooks`, and how a post shows in `explain` and `status`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.cli.main import handraiser
from engine.compiler.plan import Webhook
from engine.database import Database
from engine.settings import read_settings
from tests.factories import SECRET, add_enrolment, add_lead, add_post, add_touch
from tests.schedule.plans import apply, cadence, webhook


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in force whose webhook has refused a post."""
    monkeypatch.setenv("HANDRAISER_SECRET_KEY", SECRET)
    database = Database.open(read_settings(tmp_path).database_url)
    CliRunner().invoke(handraiser, ["status", "--workspace", str(tmp_path)])
    with database.write() as tx:
        apply(tx, cadence(webhook("tell-crm")), webhooks={"crm": Webhook(url="https://crm.example/hook")})
        enrolment = add_enrolment(tx, lead_id=add_lead(tx, email="ada@example.com"), version_id=1)
        touch = add_touch(tx, enrolment_id=enrolment, step_id="tell-crm", state="done", ended_at=tx.now)
        add_post(tx, touch_id=touch, state="failed", reason="rejected", status_code=422, answer="no such pipeline", attempts=1)
    return tmp_path


def test_webhooks_are_listed_with_what_came_back(place: Path) -> None:
    out = run(place, "webhooks").output

    assert out == "crm  https://crm.example/hook\n  1 failed\n  last trouble: rejected: 422 no such pipeline\n"


def test_a_secret_is_printed_where_it_is_asked_for(place: Path) -> None:
    out = run(place, "webhooks", "secret", "crm").output

    assert out.startswith("whsec_") and len(out) < 60
    assert json.loads(run(place, "webhooks", "secret", "crm", "--json").output)["secret"] == out.strip()
    assert "whsec_" not in run(place, "webhooks").output


def test_there_is_no_secret_for_a_webhook_that_is_not_there(place: Path) -> None:
    result = run(place, "webhooks", "secret", "erp")

    assert result.exception is not None and "There are: crm" in str(result.exception)


def test_a_post_shows_in_the_story_of_its_lead_and_in_the_status(place: Path) -> None:
    story = run(place, "explain", "ada@example.com").output

    assert "the post to crm is failed after 1 try, the other system refused it" in story
    assert "crm said: 422 no such pipeline" in story
    assert "posts       1 failed" in run(place, "status").output
    assert "1 failed (rejected)" in run(place, "report").output


def run(place: Path, *words: str) -> Result:
    return CliRunner().invoke(handraiser, [*words, "--workspace", str(place)])
