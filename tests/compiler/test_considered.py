"""Warnings about mails that a marketer lets stand, with a reason: which can be, and what a reason must be."""

from pathlib import Path

import pytest

from engine.compiler.workspace import compile_workspace
from engine.render import library
from tests.compiler.workspaces import BAD, MAILS, lay_over, write

ORDER = "templates/emails/order-confirmation/email.yaml"


def told(folder: Path) -> list[str]:
    return [str(found) for found in compile_workspace(folder, render=library).diagnostics]


def with_more(text: str, folder: Path, *codes: str) -> Path:
    """The sound workspace with the examples of these codes, and more lines in the email.yaml of the order's mail."""
    lay_over(folder, MAILS)
    for code in codes:
        lay_over(folder, BAD / code)
    write(folder, ORDER, (folder / ORDER).read_text() + text)
    return folder


@pytest.mark.parametrize("code", ["W038", "W048", "W049"])
def test_a_warning_that_is_considered_is_not_told(code: str, tmp_path: Path) -> None:
    folder = with_more(f'considered: {{{code}: "We tried the other and it did worse."}}\n', tmp_path, code)

    assert told(folder) == []


def test_a_reason_silences_only_the_mail_that_it_stands_in(tmp_path: Path) -> None:
    folder = with_more('considered: {W032: "The shop wants it so."}\n', tmp_path, "W032")

    assert [line.split()[1] for line in told(folder)] == ["W032", "W015"]


@pytest.mark.parametrize(
    ("considered", "message"),
    [
        ('{W049: "Nothing."}', "W015 W049 (a transactional mail that nobody improves) is not there, so the reason can go"),
        ('{E074: "It is so."}', 'E014 "E074" cannot be considered in an email; take the code of a warning from what check says'),
        ('{W041: "It is so."}', 'E014 "W041" cannot be considered in an email; take the code of a warning from what check says'),
        ('{W038: " "}', "E011 W038 needs its reason in a few words, for whoever comes after you"),
        ("no", "E030 considered must be a mapping of codes to reasons"),
    ],
)
def test_a_reason_has_a_code_that_is_told_and_words(considered: str, message: str, tmp_path: Path) -> None:
    folder = with_more(f"considered: {considered}\n", tmp_path)

    assert any(line.endswith(message) for line in told(folder)), told(folder)


@pytest.mark.parametrize("code", ["W060", "W061", "W070"])
def test_what_is_told_before_mails_are_looked_at_can_be_considered(code: str, tmp_path: Path) -> None:
    folder = with_more("", tmp_path, code)
    guide = "templates/emails/guide/email.yaml"
    assert {line.split()[1] for line in told(folder)} == {code}

    write(folder, guide, (folder / guide).read_text() + f'considered: {{{code}: "It looks right where our readers are."}}\n')

    assert told(folder) == []


def test_a_mail_that_cannot_be_written_says_nothing_of_what_was_considered(tmp_path: Path) -> None:
    folder = with_more('considered: {W038: "A refund is no time to sell."}\n', tmp_path, "W038", "W031")

    assert [line.split()[1] for line in told(folder)] == ["W031"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("valid_for: soon\n", "E015 `valid_for`: "),
        ("valid_for: 2 hours\nlate: shift\n", 'E014 `late`: "shift" is not one of: send, skip'),
        ("late: send\n", "E053 `late: send` says nothing without `valid_for:`, the time for which the mail is of use"),
    ],
)
def test_how_long_a_mail_is_of_use_is_checked(lines: str, message: str, tmp_path: Path) -> None:
    folder = with_more("", tmp_path)
    usual = (folder / ORDER).read_text().replace("valid_for: 2 hours\n", "")
    write(folder, ORDER, usual + lines)

    assert any(message in line for line in told(folder)), told(folder)


def test_a_marketing_mail_has_its_end_at_the_step(tmp_path: Path) -> None:
    folder = with_more("", tmp_path)
    guide = "templates/emails/guide/email.yaml"
    write(folder, guide, (folder / guide).read_text() + "valid_for: 2 days\n")

    assert [line.split()[1] for line in told(folder)] == ["W013"]


def test_an_event_that_begins_a_cadence_is_heard_of(tmp_path: Path) -> None:
    folder = with_more("", tmp_path, "W041")
    cadence = folder / "cadences/small.yaml"
    write(folder, "cadences/small.yaml", cadence.read_text() + "enter:\n  - {event: visit_booked}\n")

    (line,) = told(folder)
    assert "W041 nobody hears of visit_moved:" in line


def test_every_sample_is_looked_at_and_one_fault_is_told_once(tmp_path: Path) -> None:
    folder = with_more("", tmp_path)
    body = folder / "templates/emails/order-confirmation/body.mjml"
    link = '{% if event.number == "A-2" %}<a href="http://fernhill.example/faq">Your questions</a>{% endif %}'
    write(folder, str(body.relative_to(folder)), body.read_text().replace("Thank you:", f"Thank you: {link}"))
    for name in ("sample-other", "sample-third"):
        write(folder, f"templates/emails/order-confirmation/{name}.yaml", "event: {number: A-2}\n")

    (line,) = told(folder)

    assert "W035 http://fernhill.example/faq is plain http" in line and line.endswith("(seen with sample-other.yaml)")


def test_a_sample_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    folder = with_more("", tmp_path)
    write(folder, "templates/emails/order-confirmation/sample-other.yaml", "event: {}\n")

    (line,) = told(folder)

    assert line.startswith("templates/emails/order-confirmation/sample-other.yaml:1:1: W031")
