"""The settings of relays: which environment names one, and when mail may leave through it."""

from pathlib import Path

import pytest

from engine.errors import SettingsError
from engine.settings import Settings, read_settings, relay_named, url_setting

KEY = "a secret of a test that is long enough to be one"
INSIDE, OUTSIDE = "smtp://127.0.0.1:2525", "smtps://user:secret@mail.example.com"


def settings_with(folder: Path, **relays: str) -> Settings:
    return read_settings(folder, {"HANDRAISER_SECRET_KEY": KEY} | {f"HANDRAISER_{name}": url for name, url in relays.items()})


def test_each_address_belongs_to_the_relay_that_its_setting_names(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, SMTP_URL_BULK_MAIL=OUTSIDE, SMTP_URL_A2=INSIDE, SMTP_URL=INSIDE)

    assert list(settings.relay_urls.items()) == [("main", INSIDE), ("a2", INSIDE), ("bulk-mail", OUTSIDE)]
    assert settings.sends_for_real


@pytest.mark.parametrize("relay", ["main", "bulk", "bulk-mail", "a2-b3-c"])
def test_the_name_of_a_setting_says_which_relay_it_is(relay: str) -> None:
    assert relay_named(url_setting(relay)) == relay


def test_without_an_address_nothing_leaves(tmp_path: Path) -> None:
    assert not settings_with(tmp_path).sends_for_real


def test_who_says_that_mail_stays_here_names_no_server_beside(tmp_path: Path) -> None:
    assert settings_with(tmp_path, SMTP_URL="outbox:").is_outbox_meant

    with pytest.raises(
        SettingsError, match="HANDRAISER_SMTP_URL is outbox:, so mail is to stay here, and HANDRAISER_SMTP_URL_BULK"
    ):
        settings_with(tmp_path, SMTP_URL="outbox:", SMTP_URL_BULK=INSIDE)
    with pytest.raises(SettingsError, match="HANDRAISER_SMTP_URL_BULK must look like"):
        settings_with(tmp_path, SMTP_URL_BULK="outbox:")


@pytest.mark.parametrize("name", ["SMTP_URL_", "SMTP_URL_bulk", "SMTP_URLS", "SMTP_URL__A", "SMTP_URL_9", "SMTP_URL_MAIN"])
def test_a_setting_that_names_no_relay_is_unknown(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"unknown setting HANDRAISER_{name}"):
        settings_with(tmp_path, **{name: INSIDE})


def test_an_address_that_is_none_is_told_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="HANDRAISER_SMTP_URL_BULK must look like smtp://"):
        settings_with(tmp_path, SMTP_URL=INSIDE, SMTP_URL_BULK="mail.example.com:25")


def test_one_relay_outside_of_this_machine_is_enough_to_need_a_public_https_address(tmp_path: Path) -> None:
    settings_with(tmp_path, SMTP_URL=INSIDE, SMTP_URL_BULK=INSIDE).require_safe_delivery()

    with pytest.raises(SettingsError, match="HANDRAISER_SMTP_URL_BULK is set, so mail would go out with links to http://127"):
        settings_with(tmp_path, SMTP_URL=INSIDE, SMTP_URL_BULK=OUTSIDE).require_safe_delivery()


def test_with_a_public_https_address_mail_may_leave(tmp_path: Path) -> None:
    settings_with(tmp_path, SMTP_URL_BULK=OUTSIDE, PUBLIC_URL="https://mail.example.com").require_safe_delivery()
