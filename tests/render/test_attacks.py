"""Templates and values as an attacker writes them: none gets out of the sandbox, none hangs or fills the machine.

`pytest tests/render/test_attacks.py --full` gives each bomb the two seconds that it has in use and compiles every way out.
"""

import os
import quopri
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import RenderError, WorkspaceError
from engine.render.artifact import Artifact
from engine.render.child import Limits
from engine.render.fence import Fence
from engine.render.sample import read_sample
from engine.render.wire import WireParts, render
from tests.render.attacks import AT_COMPILE_TIME, BOMBS, EVIDENCE, REFUSED, WHOLE, Bomb, escapes
from tests.render.conftest import Compile, text_body
from tests.render.test_fence import PLAIN, values

ESCAPES = list(dict.fromkeys(escapes()))
MEMORY_KB = 300 * 1024


def person(**event: Any) -> dict[str, Any]:
    return values(first_name="Ada", interests=["air"], key="ada") | {"event": event or {"items": [1, 2]}}


def by_hand(html: str) -> Artifact:
    """An artifact that no compiler of ours looked at."""
    return replace(PLAIN, html=f"{html}\n")


@pytest.fixture(scope="module")
def fence(request: pytest.FixtureRequest) -> Iterator[Fence]:
    fence = Fence(Limits(cpu_seconds=2.0 if request.config.getoption("--full") else 0.2))
    yield fence
    fence.children.close()


def test_no_template_gets_out_of_the_sandbox_even_if_nobody_checked_it(fence: Fence) -> None:
    written = fence.render_many([(by_hand(escape), person()) for escape in ESCAPES])

    out = [escape for escape, one in zip(ESCAPES, written, strict=True) if shows_evidence(one)]
    assert len(ESCAPES) >= 200
    assert out == []


def shows_evidence(written: WireParts | RenderError) -> bool:
    told = str(written) if isinstance(written, RenderError) else quopri.decodestring(written.html_qp).decode()
    return isinstance(written, WireParts) and bool(re.search(EVIDENCE, told.replace("&lt;", "<"), re.IGNORECASE))


def test_the_compiler_lets_no_way_out_through(compile_email: Compile, values: Any, pytestconfig: pytest.Config) -> None:
    tried = WHOLE if pytestconfig.getoption("--full") else WHOLE[::8]

    for escape in tried:
        artifact, problems = compile_email(text_body(escape))
        if not problems:
            with suppress(RenderError):
                assert not re.search(EVIDENCE, render(artifact, values()).html), escape


def test_a_template_in_a_value_is_only_text(fence: Fence) -> None:
    texts = [*ESCAPES, "{{ 7*7 }}<script>", "{% raw %}{{ 7*7 }}{% endraw %}", "{# x #}"]

    for text, written in zip(texts, fence.render_many([(PLAIN, values(name=text)) for text in texts]), strict=True):
        assert isinstance(written, WireParts)
        assert f"Dear {text}\n" == quopri.decodestring(written.text_qp).decode().replace("\r\n", "\n")
        assert "<script" not in quopri.decodestring(written.html_qp).decode()


@pytest.mark.parametrize("bomb", REFUSED, ids=lambda bomb: bomb.name)
def test_a_bomb_that_the_sandbox_knows_is_refused_at_once(bomb: Bomb) -> None:
    begun = time.process_time()

    with pytest.raises(RenderError):
        render(by_hand(bomb.template), person(**bomb.event))

    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.name)
def test_a_bomb_that_goes_off_harms_only_itself(fence: Fence, bomb: Bomb) -> None:
    begun = time.perf_counter()

    before, exploded, after = fence.render_many(
        [(PLAIN, values()), (by_hand(bomb.template), person(**bomb.event)), (PLAIN, values())]
    )

    assert isinstance(exploded, RenderError)
    assert before == after == fence.render_wire(PLAIN, values())
    assert most_memory(fence) < MEMORY_KB
    print(f"\n{bomb.name:<34}{time.perf_counter() - begun:6.2f} s  {most_memory(fence) / 1024:5.0f} MB  {exploded}", end="")


def most_memory(fence: Fence) -> int:
    """The most that a living child ever held, in KB; one that was ended could not hold more by its own limit."""
    found = [
        re.search(r"VmHWM:\s+(\d+)", status.read_text())
        for child in fence.children.idle
        if (status := status_of(child.pid)).exists()
    ]
    return max((int(one[1]) for one in found if one), default=0)


def status_of(pid: int) -> Path:
    return Path(f"/proc/{pid}/status")


@pytest.mark.parametrize("bomb", AT_COMPILE_TIME, ids=lambda bomb: bomb.name)
def test_a_bomb_that_goes_off_as_it_is_compiled_is_a_diagnostic_with_its_line(compile_email: Compile, bomb: Bomb) -> None:
    begun = time.process_time()

    artifact, problems = compile_email("\n\n" + text_body(bomb.template))

    assert artifact is None
    assert any(told.startswith("templates/emails/welcome/body.mjml:3:") for told in problems), problems
    assert time.process_time() - begun < 3


def test_a_sample_of_ten_megabytes_is_a_diagnostic(tmp_path: Path) -> None:
    sample = tmp_path / "sample.yaml"
    sample.write_text("lead:\n" + "  first_name: Ada\n" * 600_000)

    with pytest.raises(WorkspaceError, match=r"sample\.yaml:1:1: E003 this file is larger than 256 KB"):
        read_sample(sample)


def test_tags_and_attributes_of_html_may_be_written_in_capitals(compile_email: Compile, values: Any) -> None:
    artifact, problems = compile_email(
        text_body("<A HREF='https://fern.example/prices'>P</a><STYLE>p { color: {{ lead.company or 'red' }}; }</STYLE>")
    )

    assert artifact is not None
    assert problems == []
    assert [link.target for link in artifact.links] == ["https://fern.example/prices"]
    assert "P <{{ track }}/c/{{ token }}/0>" in artifact.text
    with pytest.raises(RenderError, match="no colour"):
        render(artifact, values(lead={"company": "red } p { position: fixed"}))


def test_a_value_in_a_mailto_adds_no_field_to_the_mail_that_a_reader_writes(compile_email: Compile, values: Any) -> None:
    artifact, _ = compile_email(text_body('<a href="mailto:a@fern.example?subject={{ lead.company or 0 }}&amp;body=x">m</a>'))

    assert artifact is not None
    rendered = render(artifact, values(lead={"company": "Smith & Sons&bcc=b@c.example"}))

    assert 'href="mailto:a@fern.example?subject=Smith%20%26%20Sons%26bcc%3Db@c.example&amp;body=x"' in rendered.html


ODD_SAMPLES = {
    "event: soon": "1:8: E013 `event` must be a mapping",
    "lead: [ada]": "1:7: E013 `lead` must be a mapping",
    "rep: {name: [Ada]}": "1:13: E013 `name` must be a text",
    "leads: {}": '1:1: E010 unknown key "leads"',
    "- lead": "1:1: E013 a sample must be a mapping",
}


@pytest.mark.parametrize("written", ODD_SAMPLES)
def test_a_sample_of_another_shape_is_told_with_its_line(tmp_path: Path, written: str) -> None:
    sample = tmp_path / "sample.yaml"
    sample.write_text(written)

    with pytest.raises(WorkspaceError, match=re.escape(ODD_SAMPLES[written])):
        read_sample(sample)


def test_a_sample_that_is_no_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "sample.yaml")

    with pytest.raises(WorkspaceError, match="this is a pipe"):
        read_sample(tmp_path / "sample.yaml")


ODD_NAMES = {
    "emoji": "🌍" * 5_000,
    "families": "👩‍👩‍👧‍👦" * 700,
    "right to left": "مرحبا " * 800,
    "turned": "\u202eevil\u202c" * 700,
    "accents by themselves": "é\u0301" * 2_500,
    "markup": "<b>&" * 1_200,
}


@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)
def test_a_very_long_or_odd_name_is_printed_whole(fence: Fence, name: str) -> None:
    rendered = fence.render(PLAIN, values(name=name))

    assert rendered.text == f"Dear {name}\n"
    assert len(rendered.subject) <= 300
    assert "<b>" not in rendered.html
