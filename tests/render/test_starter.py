"""The emails of the starter workspace, each rendered with its own sample."""

import quopri
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.cli.render import render_command
from engine.compiler.workspace import Compiled, compile_workspace
from engine.errors import UsageError, WorkspaceError
from engine.installed import starter_folder
from engine.preview.mails import workspace_of
from engine.render import library
from engine.render.artifact import Artifact
from engine.render.review.review import written
from engine.render.sample import sample_file, sample_values
from engine.render.wire import Rendered, render, render_wire
from engine.settings import read_settings
from tests.golden_files import assert_golden
from tests.render.scored import ENVIRON, in_both_forms

GOLDEN = Path(__file__).parent / "golden"
EMAILS = library.email_names(starter_folder())


@pytest.fixture(scope="module")
def starter() -> Compiled:
    return compile_workspace(starter_folder(), render=library)


def artifact_of(email: str, starter: Compiled) -> Artifact:
    assert starter.plan is not None, starter.diagnostics
    return starter.artifacts[starter.plan.emails[email].plain]


def values_of(email: str, starter: Compiled) -> dict[str, object]:
    assert starter.plan is not None
    return sample_values(artifact_of(email, starter), starter_folder() / f"templates/emails/{email}/sample.yaml", starter.plan)


def rendered(email: str, starter: Compiled) -> Rendered:
    return render(artifact_of(email, starter), values_of(email, starter))


@pytest.mark.parametrize("email", EMAILS)
def test_an_email_of_the_starter_looks_as_it_did(email, starter):
    mail = rendered(email, starter)

    assert_golden(GOLDEN / f"{email}.html", mail.html)
    assert_golden(GOLDEN / f"{email}.txt", f"Subject: {mail.subject}\n\n{mail.text}")


def test_the_other_versions_of_the_starter_look_as_they_did(starter):
    """Languages and variants, as `email.language.arm`."""
    for name, artifact in others(starter).items():
        file = sample_file(starter_folder(), artifact.email, artifact.language, "sample")
        mail = render(artifact, sample_values(artifact, starter_folder() / file, starter.plan))

        assert_golden(GOLDEN / f"{name}.html", mail.html)
        assert_golden(GOLDEN / f"{name}.txt", f"Subject: {mail.subject}\n\n{mail.text}")


def others(starter: Compiled) -> dict[str, Artifact]:
    assert starter.plan is not None
    copies = starter.plan.emails.items()
    found = {f"{email}.{each.language}.{each.arm}": each for email, copy in copies for each in copy.versions}
    plain = {copy.plain for _, copy in copies}
    return {name: starter.artifacts[each.artifact] for name, each in found.items() if each.artifact not in plain}


def test_every_golden_file_belongs_to_an_email(starter):
    assert {file.name.removesuffix(file.suffix) for file in GOLDEN.iterdir()} == {*EMAILS, *others(starter)}


@pytest.mark.parametrize("email", EMAILS)
def test_every_email_of_the_starter_renders_alike_in_both_forms(email, starter):
    mail = rendered(email, starter)

    parts = render_wire(artifact_of(email, starter), values_of(email, starter))

    assert quopri.decodestring(parts.html_qp).decode().replace("\r\n", "\n") == mail.html
    assert quopri.decodestring(parts.text_qp).decode().replace("\r\n", "\n") == mail.text
    assert "{{" not in mail.html + mail.text + mail.subject and "{%" not in mail.html + mail.text


@pytest.mark.parametrize("email", EMAILS)
def test_a_mail_that_is_looked_at_is_the_one_that_is_sent(email, starter):
    artifact, values = artifact_of(email, starter), values_of(email, starter)

    assert written(artifact, values) == render(artifact, values)


@pytest.mark.parametrize("email", EMAILS)
def test_every_marketing_mail_of_the_starter_can_be_left_and_has_an_address(email, starter):
    artifact, mail = artifact_of(email, starter), rendered(email, starter)

    if artifact.stream == "marketing":
        assert "https://track.invalid/u/sample" in mail.html
        assert "https://track.invalid/u/sample" in mail.text
    assert "Bristol BS2 0ZZ" in mail.text


def test_every_colour_of_a_mail_is_another_where_the_reader_is_in_the_dark(starter):
    """But for white words, which stand on a button."""
    for email in ("enquiry-02-co2", "order-confirmation", "shipping-notice", "service-update"):
        head, _, body = rendered(email, starter).html.partition("</head>")
        dark = head.partition("(prefers-color-scheme: dark)")[2]

        assert '<meta name="color-scheme" content="light dark" />' in head
        assert {*re.findall(r"#[0-9A-F]{6}", body)} <= {*re.findall(r"#[0-9A-F]{6}", dark), "#D5DFDC"}
        assert contrast(*dark_colours(starter, "ink", "paper")) > 7
        assert contrast(*dark_colours(starter, "muted", "background")) > 4.5
        assert contrast(*dark_colours(starter, "primary", "background")) > 4.5, "words on a button"


def test_the_line_beside_a_quote_is_light_in_the_dark(starter):
    html = rendered("enquiry-10-cheap-fixes", starter).html

    assert (
        '<table border="0" cellpadding="0" cellspacing="0" role="presentation" width="100%" style="border-left:3px solid #0B6B5F'
        in html
    )
    assert re.search(r'^ *\[style\*="solid #0B6B5F"\]', html, re.MULTILINE), "for more than cells"


def dark_colours(starter: Compiled, *names: str) -> list[str]:
    assert starter.plan is not None
    colours = starter.plan.policy.brands["clearroom"]["colours"]
    return [colours[f"dark_{name}"] for name in names]


def contrast(one: str, other: str) -> float:
    """As WCAG 2 reckons it."""

    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    brighter, darker = sorted((light(one), light(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def test_the_same_email_is_the_same_artifact_each_time(starter):
    again = compile_workspace(starter_folder(), render=library)

    assert again.artifacts.keys() == starter.artifacts.keys()


def run(*arguments: str) -> str:
    return (
        CliRunner()
        .invoke(render_command, [*arguments, "--workspace", str(starter_folder())], catch_exceptions=False, standalone_mode=False)
        .stdout
    )


def test_render_prints_the_text_with_its_subject_the_html_or_the_source():
    assert run("order-confirmation").startswith("Subject: Order CR-10482 is in")
    assert "Thank you. We have your order." in run("order-confirmation", "--html")
    assert "{{ event.number }}" in run("order-confirmation", "--source")


def test_render_says_which_email_was_probably_meant():
    with pytest.raises(UsageError, match='did you mean "order-confirmation"'):
        run("order-confirmatoin")


def test_render_prints_what_a_lead_gets_in_its_language_and_arm_or_another(tmp_path: Path):
    maya, jonas = tmp_path / "maya.yaml", tmp_path / "jonas.yaml"
    maya.write_text("lead: {email: maya@fernhill.example, language: fr}\n")
    jonas.write_text((starter_folder() / "templates/emails/order-confirmation/languages/de/sample.yaml").read_text())

    assert run("order-confirmation", "--lead", str(jonas)).startswith("Subject: Bestellung CR-10517")
    assert run("order-confirmation", "--lead", str(jonas), "--language", "en").startswith("Subject: Order CR-10517")
    subjects = {run("enquiry-03-tissue-test", "--lead", str(maya), "--arm", arm).splitlines()[0] for arm in ("plain", "question")}
    assert len(subjects) == 2
    assert run("enquiry-03-tissue-test", "--lead", str(maya)).splitlines()[0] in subjects
    with pytest.raises(UsageError, match='no version in "it"; there is: de, en'):
        run("order-confirmation", "--language", "it")
    with pytest.raises(UsageError, match='no arm "short"; there is: plain, question'):
        run("enquiry-03-tissue-test", "--arm", "short")


def test_render_refuses_a_sample_with_fields_that_nobody_declared(tmp_path: Path):
    sample = tmp_path / "mine.yaml"
    sample.write_text("lead: {shoe_size: 44}\n")

    with pytest.raises(WorkspaceError, match="no field shoe_size"):
        run("order-confirmation", "--lead", str(sample))


def test_render_names_the_file_of_a_lead_once_when_it_cannot_be_read(tmp_path: Path):
    lead = tmp_path / "mine.yaml"
    lead.write_text("first_name: Lena\n")

    with pytest.raises(WorkspaceError) as refused:
        run("order-confirmation", "--lead", str(lead))
    assert str(refused.value).startswith(f"{lead}:1:1: E010")


def test_a_mail_can_be_handed_to_strangers_as_a_message_and_as_its_design(starter):
    workspace = workspace_of(starter_folder(), read_settings(starter_folder(), ENVIRON), starter.files)
    artifact = artifact_of("order-confirmation", starter)

    forms = in_both_forms(workspace, artifact)

    assert forms["mjml"].startswith("<mjml") and "CR-10482" in forms["mjml"] and "{{" not in forms["mjml"]
    assert forms["ours"] == rendered("order-confirmation", starter).html
    assert b"Subject: Order CR-10482" in workspace.message(artifact, "sample")
