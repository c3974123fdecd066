"""A mail, read in the browser."""

import pytest

from engine.expressions.fields import Field, LeadSchema
from engine.vocabulary import SendState
from tests.factories import add_lead
from tests.schedule.plans import apply
from tests.webhooks.place import Place


@pytest.fixture
def reader(place: Place) -> Place:
    with place.database.write() as tx:
        apply(tx, lead_schema=LeadSchema((Field(name="first_name"),)))
    return place


TO = "maya@school.example"


def sent_to(place: Place, first_name: str, **values: object) -> str:
    with place.database.write() as tx:
        lead_id = add_lead(tx, email=TO, fields={"first_name": first_name})
    return place.token(place.send(lead_id=lead_id, **values), TO)


def test_the_mail_is_shown_to_whoever_has_its_token(reader: Place):
    token = sent_to(reader, "Maya")

    answer = reader.get(f"/w/{token}")

    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert "Hello Maya" in answer.text
    assert f"https://mail.clearroom.example/c/{token}/0" in answer.text
    assert "script" not in answer.headers["Content-Security-Policy"]


def test_what_a_person_is_called_runs_nothing(reader: Place):
    answer = reader.get(f"/w/{sent_to(reader, '<script>alert(1)</script>')}")

    assert "<script>" not in answer.text


def test_reading_it_changes_nothing(reader: Place):
    reader.get(f"/w/{sent_to(reader, 'Maya')}")

    assert reader.settle() == []


def test_a_mail_that_never_went_out_is_not_shown(reader: Place):
    assert reader.get(f"/w/{sent_to(reader, 'Maya', state=SendState.CANCELLED)}").status_code == 404
    assert reader.get(f"/w/{reader.token(4711)}").status_code == 404
    assert reader.get("/w/forged").status_code == 404


def test_a_mail_without_a_workspace_or_a_database_is_503(place: Place):
    assert place.get(f"/w/{place.token(place.send())}").status_code == 503
