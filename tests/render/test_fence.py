"""Rendering in children: the same mails as in this process, and a mail that loops, grows or kills harms itself alone."""

import errno
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from engine.compiler.sender import Sender
from engine.errors import RenderError
from engine.render import child as child_module
from engine.render import children as children_module
from engine.render.artifact import Artifact
from engine.render.child import Limits
from engine.render.children import NotRendering
from engine.render.context import values_for
from engine.render.fence import MOST_FORMS, Fence
from engine.render.wire import WireParts, render, render_wire

PLAIN = Artifact(
    email="welcome",
    brand="fern",
    stream="marketing",
    sender=Sender(name="Fern", address="hello@fern.example"),
    subject="For {{ lead.name }}",
    preheader="",
    html="<p>Dear {{ lead.name }}, of {{ brand.name }}</p>\n",
    text="Dear {{ lead.name }}\n",
    links=(),
)
LOOPING = replace(
    PLAIN,
    html="{% for a in event.items %}{% for b in event.items %}{% for c in event.items %}{% endfor %}{% endfor %}{% endfor %}\n",
)
GROWING = replace(PLAIN, html="{% set a = 'abcdefgh' %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}\n")
MEMORY = 256 * 1024 * 1024
QUICK = Limits(cpu_seconds=0.3, still_seconds=1)


@pytest.fixture
def fence() -> Iterator[Fence]:
    fence = Fence(QUICK)
    yield fence
    fence.children.close()


def values(**lead: Any) -> dict[str, Any]:
    items = lead.pop("items", list(range(3000)))
    return values_for(
        lead={"name": "Ada"} | lead,
        brand={"name": "Fern"},
        track="https://t.example",
        token="T",
        seal=sealed,
        event={"items": items},
    )


def sealed(address: str) -> str:
    return address.encode().hex()


def names(written: list[WireParts | RenderError]) -> list[str]:
    return [type(one).__name__ for one in written]


def test_a_child_writes_what_this_process_would(fence: Fence) -> None:
    linked = replace(
        PLAIN, html=PLAIN.html + "<a href='/p/{{ seal(lead.url) }}'>{{ seal(lead.url) }}</a>\n", text="{{ seal(lead.url) }}"
    )
    person = values(name="Zoë <b>\n", url="https://fern.example/" + "ü" * 60, born=date(2001, 2, 3), none=None, some=[1.5, True])

    assert fence.render_many([(PLAIN, person), (linked, person)]) == [render_wire(PLAIN, person), render_wire(linked, person)]
    assert fence.render(linked, person) == render(linked, person)


def test_a_child_reads_mjml_anew_as_this_process_would(fence: Fence) -> None:
    column = "<mj-column><mj-text>{{ lead.name }} <a href='/p/{{ seal(lead.url) }}'>here</a></mj-text></mj-column>"
    afresh = replace(
        PLAIN, html=f"<mjml><mj-body><mj-section>{column}{{% if lead.name %}}{column}{{% endif %}}</mj-section></mj-body></mjml>",
        is_mjml=True,
    )  # fmt: skip

    for shift in range(90):  # a stand-in may be broken anywhere by the end of a line
        person = values(name="a" * shift, url="https://fern.example/" + "b" * 50)
        assert fence.render(afresh, person) == render(afresh, person)


def test_values_that_name_a_stand_in_are_only_text(fence: Fence) -> None:
    linked = replace(PLAIN, html="{{ lead.name }}{{ seal('https://fern.example') }}\n")
    person = values(name="sealed-0-0-")

    assert fence.render_wire(linked, person) == render_wire(linked, person)


def test_a_mail_that_loops_ends_alone_and_soon(fence: Fence) -> None:
    begun = time.perf_counter()
    written = fence.render_many([(PLAIN, values()), (LOOPING, values()), (PLAIN, values(name="Bo")), (PLAIN, values(name="Cy"))])

    assert names(written) == ["WireParts", "RenderError", "WireParts", "WireParts"]
    assert "took more than 0.3 seconds" in str(written[1])
    assert written[3] == render_wire(PLAIN, values(name="Cy"))
    assert time.perf_counter() - begun < 10  # of the clock; a busy machine must not fail this


def test_other_mails_do_not_wait_for_all_of_a_template_that_loops(fence: Fence) -> None:
    mails = [(artifact, values()) for artifact in (LOOPING, PLAIN, LOOPING, LOOPING, PLAIN)]

    first, second, third, fourth, fifth = fence.render_some(mails)

    assert isinstance(first, RenderError)
    assert (third, fourth) == (None, None)
    assert second == fifth == render_wire(PLAIN, values())


def test_a_mail_that_grows_ends_alone(fence: Fence) -> None:
    written = fence.render_many([(PLAIN, values()), (GROWING, values()), (PLAIN, values())])

    assert names(written) == ["WireParts", "RenderError", "WireParts"]
    assert peak_memory(fence) < MEMORY


def test_mails_too_large_for_one_child_together_are_written_one_by_one() -> None:
    fence = Fence(Limits(answer=200_000))
    large = [(PLAIN, values(name="a" * 30_000 + str(number))) for number in range(5)]

    assert fence.render_many(large) == [render_wire(PLAIN, person) for _, person in large]
    fence.children.close()


def peak_memory(fence: Fence) -> int:
    status = Path(f"/proc/{fence.children.idle[-1].pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []  # not on every system
    return max((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), default=0)


def test_many_threads_share_children_and_none_waits_behind_a_loop(fence: Fence) -> None:
    written: dict[int, list[WireParts | RenderError]] = {}

    def write(number: int) -> None:
        artifact = LOOPING if number % 8 == 0 else PLAIN
        written[number] = fence.render_many([(artifact, values(name=f"lead-{number}"))])

    in_threads(write, 12)

    looped = {number for number, (one,) in written.items() if isinstance(one, RenderError)}
    assert looped == {0, 8}
    assert all(written[number] == [render_wire(PLAIN, values(name=f"lead-{number}"))] for number in set(range(12)) - looped)


def in_threads(work: Callable[[int], None], how_many: int) -> None:
    with ThreadPoolExecutor(how_many) as threads:
        list(threads.map(work, range(how_many)))


def test_a_child_that_is_killed_while_idle_is_replaced_and_nobody_is_blamed(fence: Fence) -> None:
    fence.render_wire(PLAIN, values())
    os.kill(fence.children.idle[0].pid, signal.SIGKILL)

    assert fence.render_wire(PLAIN, values()) == render_wire(PLAIN, values())


def test_a_mail_over_which_a_child_was_killed_from_outside_is_tried_once_more() -> None:
    fence = Fence(Limits(cpu_seconds=60))
    fence.render_wire(PLAIN, values())
    first = fence.children.idle[0].pid
    killer = threading.Timer(0.2, os.kill, (first, signal.SIGKILL))
    killer.start()
    written = fence.render_many([(LOOPING, values(items=[0] * 300)), (PLAIN, values())])  # a second's work or more

    assert names(written) == ["WireParts", "WireParts"]
    assert [child.pid for child in fence.children.idle] != [first]
    fence.children.close()


def test_a_child_that_stands_still_is_ended(fence: Fence) -> None:
    fence.render_wire(PLAIN, values())
    os.kill(fence.children.idle[0].pid, signal.SIGSTOP)

    assert fence.render_wire(PLAIN, values()) == render_wire(PLAIN, values())


def test_more_forms_than_a_child_holds_are_told_anew(fence: Fence) -> None:
    forms = [replace(PLAIN, html=f"<p>{number} {{{{ lead.name }}}}</p>\n") for number in range(MOST_FORMS + 40)]

    written = fence.render_many([(form, values()) for form in forms] * 2)

    assert written == [render_wire(form, values()) for form in forms] * 2


def test_values_that_are_not_plain_data_never_reach_a_template(fence: Fence) -> None:
    written = fence.render_many([(PLAIN, values(name=print)), (PLAIN, values(born=Path())), (PLAIN, values())])

    assert names(written) == ["RenderError", "RenderError", "WireParts"]


def test_where_no_child_starts_it_is_said_once_and_mended_by_itself(
    fence: Fence, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(children_module, "PAUSE", 0.2)
    with monkeypatch.context() as broken:
        broken.setattr(child_module, "BEGIN", "raise SystemExit('no room here')")
        for _ in range(3):
            with pytest.raises(NotRendering, match="no room here"):
                fence.render_wire(PLAIN, values())
    time.sleep(0.3)
    told = [record for record in caplog.records if record.levelno == logging.ERROR]

    assert len(told) == 1
    assert fence.render_wire(PLAIN, values()) == render_wire(PLAIN, values())


def test_where_no_file_can_be_opened_nothing_is_rendered_until_one_can(fence: Fence, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it was tried: what did not start takes up no place."""
    monkeypatch.setattr(children_module, "PAUSE", 0.02)
    with monkeypatch.context() as full:
        full.setattr(child_module.socket, "socketpair", too_many_open_files)
        for _ in range(children_module.MOST_CHILDREN + 1):
            with pytest.raises(NotRendering, match="Too many open files"):
                fence.render_wire(PLAIN, values())
            time.sleep(0.03)

    assert fence.render_wire(PLAIN, values()) == render_wire(PLAIN, values())


def too_many_open_files() -> None:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_a_child_has_no_environment_and_can_open_nothing(fence: Fence) -> None:
    fence.render_wire(PLAIN, values())
    own = Path(f"/proc/{fence.children.idle[0].pid}")
    if not own.exists():
        pytest.skip("this system has no /proc")

    limits = " ".join((own / "limits").read_text().split())
    assert (own / "environ").read_bytes() == b""
    assert all(f"Max {what} 0 0" in limits for what in ("open files", "file size", "core file size", "processes"))


def test_a_child_goes_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import os, time\nfrom engine.render.fence import FENCE\nfrom tests.render.test_fence import PLAIN, values\n"
        "FENCE.render_wire(PLAIN, values())\nprint(FENCE.children.idle[0].pid, flush=True)\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())

    os.kill(pid, signal.SIGTERM)  # as a supervisor does that stops a whole group: not the child's to obey
    os.kill(pid, signal.SIGINT)
    assert is_running(pid)
    parent.kill()
    parent.communicate()

    deadline = time.monotonic() + 20
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(pid)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
