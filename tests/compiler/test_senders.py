"""Who a mail is from and in which brand it is: what the email says, else its cadence, else the brand or the workspace."""

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.compiler.build import build_tables
from engine.compiler.diagnostics import Findings
from engine.compiler.files import read_files
from engine.compiler.plan import EmailStep
from engine.compiler.sender import Sender
from engine.compiler.workspace import Compiled, compile_workspace
from engine.deliver.heading import Spelt, headers_for
from engine.render import library
from engine.render.artifact import Artifact
from tests.compiler.workspaces import MAILS, write
from tests.render import gallery

DOCS = Path(__file__).parents[2] / "docs" / "brands.md"
TEAM = Sender(name="Fernhill", address="hello@fernhill.example")
DANA = Sender(name="Dana at Fernhill", address="dana@fernhill.example")
MILL = Sender(name="The Mill", address="hello@mill.example")
FERNHILL = """
name: Fernhill
identities:
  team: {name: Fernhill, address: hello@fernhill.example}
  dana: {name: Dana at Fernhill, address: dana@fernhill.example}
from: team
postal_address: [Fernhill Ltd, 3 Orchard Rise, Leeds LS8 0ZZ]
site: https://fernhill.example
colours: {primary: "#0B6B5F"}
"""
OTHER = """
name: The Mill
identities: {team: {name: The Mill, address: hello@mill.example}}
postal_address: [The Mill Ltd, 1 Water Lane, York YO1 6AA]
site: https://mill.example
colours: {primary: "#0B6B5F"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two brands, the first of which is the workspace's, with two identities."""
    shutil.copytree(MAILS, tmp_path, dirs_exist_ok=True)
    write(tmp_path, "templates/brands/fernhill.yaml", FERNHILL)
    write(tmp_path, "templates/brands/mill.yaml", OTHER)
    add(tmp_path, "workspace.yaml", "brand: fernhill")
    return tmp_path


def add(folder: Path, file: str, line: str) -> None:
    """Put a line on top, in the place of one for the same key."""
    rest = re.sub(rf"^{line.partition(':')[0]}:.*\n", "", (folder / file).read_text(), flags=re.MULTILINE)
    write(folder, file, f"{line}\n{rest}")


def compiled(folder: Path) -> Compiled:
    result = compile_workspace(folder, render=library)
    assert [str(found) for found in result.diagnostics if found.is_error] == []
    return result


def guide(result: Compiled) -> tuple[EmailStep, Artifact]:
    """The step of the small cadence, and what it sends."""
    assert result.plan
    step = next(step for step in result.plan.cadences[0].steps if isinstance(step, EmailStep))
    return step, result.artifacts[step.copy.plain]


def test_a_mail_that_names_nobody_is_from_the_brands_usual_identity(folder: Path) -> None:
    step, artifact = guide(compiled(folder))

    assert (step.sender, artifact.sender) == (None, TEAM)


def test_a_cadence_names_whom_its_mails_are_from(folder: Path) -> None:
    add(folder, "cadences/small.yaml", "from: dana")

    step, _ = guide(compiled(folder))

    assert step.sender == DANA


def test_an_email_that_names_its_sender_keeps_it_in_every_cadence(folder: Path) -> None:
    add(folder, "cadences/small.yaml", "from: rep")
    add(folder, "templates/emails/guide/email.yaml", "from: dana")

    step, artifact = guide(compiled(folder))

    assert (step.sender, artifact.sender) == (None, DANA)


def test_an_email_that_names_its_brand_is_in_it_and_from_it(folder: Path) -> None:
    add(folder, "cadences/small.yaml", "from: dana")
    add(folder, "templates/emails/guide/email.yaml", "brand: mill")

    result = compiled(folder)

    step, artifact = guide(result)
    assert (artifact.brand, artifact.sender, step.sender) == ("mill", MILL, None)
    assert result.plan and result.plan.emails["guide"] == step.copy


def test_a_cadence_in_another_brand_sends_its_mails_in_that(folder: Path) -> None:
    add(folder, "cadences/small.yaml", "brand: mill")

    step, artifact = guide(compiled(folder))

    assert (artifact.brand, artifact.sender, step.sender) == ("mill", MILL, None)


@pytest.mark.parametrize(
    ("file", "line", "told"),
    [
        (
            "templates/emails/guide/email.yaml",
            "from: dna",
            'guide/email.yaml:1:7: E030 unknown identity "dna" (did you mean "dana"?)',
        ),
        (
            "templates/emails/guide/email.yaml",
            "brand: mil",
            'guide/email.yaml:1:8: E019 unknown brand "mil" (did you mean "mill"?)',
        ),
        ("templates/brands/fernhill.yaml", "from: tem", 'fernhill.yaml:1:7: E065 unknown identity "tem" (did you mean "team"?)'),
        (
            "templates/brands/mill.yaml",
            "identities: {rep: {name: R, address: r@mill.example}}",
            "mill.yaml:1:14: E017 an identity cannot",
        ),
    ],
)
def test_an_identity_or_a_brand_that_is_not_there_is_told_where_it_is_named(
    folder: Path, file: str, line: str, told: str
) -> None:
    add(folder, file, line)

    found = [str(each) for each in compile_workspace(folder, render=library).diagnostics]

    assert any(told in each for each in found), found


def test_a_brand_with_several_identities_says_which_is_the_usual_one(folder: Path) -> None:
    write(folder, "templates/brands/fernhill.yaml", FERNHILL.replace("from: team\n", ""))

    found = [each.code for each in compile_workspace(folder, render=library).diagnostics]

    assert found == ["E011"]


@pytest.mark.parametrize(
    ("rep", "shown"),
    [
        ({"name": "Priya Nair", "email": "priya@fernhill.example"}, ("Priya Nair", "priya@fernhill.example")),
        (None, ("Fernhill", "hello@fernhill.example")),
    ],
)
def test_a_mail_from_the_rep_is_from_the_brand_while_there_is_none(rep: dict[str, str] | None, shown: tuple[str, str]) -> None:
    from_rep = Sender(name="Fernhill", address="hello@fernhill.example", is_rep=True)

    headers = headers_for(
        from_rep,
        Spelt(in_url="t", in_address="t"),
        rep=rep,
        recipient="ada@school.example",
        date=datetime(2026, 3, 2, tzinfo=UTC),
        is_marketing=True,
        topic="lessons",
        public_url="https://track.example",
        domain="reply.example",
    )

    assert (headers.sender_name, headers.sender_address) == shown


def test_the_brand_of_the_documentation_is_a_second_one_for_the_starter(tmp_path: Path) -> None:
    gallery.copy_of_starter(tmp_path)
    example = DOCS.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    write(tmp_path, "templates/brands/clearroom-home.yaml", example)
    add(tmp_path, f"templates/emails/{gallery.SAMPLE_OF}/email.yaml", "from: team")  # whom both brands have
    shutil.copyfile(tmp_path / "templates/images/hub.png", tmp_path / "templates/images/logo.png")
    findings = Findings()
    files = read_files(tmp_path, findings)
    assert files and findings.in_order() == ()

    brands = build_tables(files).policy.brands
    made, problems = library.compile_emails(tmp_path, brands, [(gallery.SAMPLE_OF, brand) for brand in brands])

    assert problems == []
    shown = {brand: edition.plain for (_, brand), edition in made.items()}
    assert [picture.file for picture in shown["clearroom-home"].pictures] == ["logo.png"]
    assert "#7A3E9D" in shown["clearroom-home"].html and "#7A3E9D" not in shown["clearroom"].html
