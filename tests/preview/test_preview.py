"""`handraiser preview`: every mail as it would be sent, on a page that follows the files, or as files."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner

from engine.cli.preview import preview_command
from engine.cli.render import render_command
from engine.errors import UsageError
from engine.preview import pictures
from engine.preview.app import create_preview
from engine.preview.remember import Email, Kept
from engine.preview.watch import Watch, watching
from engine.processes.serving import serving
from engine.settings import read_settings
from tests.simulate.workspaces import make_workspace

MAIL = "welcome.clearroom.sample"
BODY = "templates/emails/welcome/body.mjml"
PLACEHOLDER = "<mj-section><mj-column><mj-text>[[FirstName]]</mj-text></mj-column></mj-section>"
CADENCE = "title: T\nowner: dana\ntopic: air-lessons\nsteps:\n  - {email: welcome, at: day 0}\n  - {email: guide, at: day 3}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A preview that follows its workspace."""

    folder: Path
    address: str
    watch: Watch

    def get(self, page: str) -> str:
        with urlopen(f"{self.address}/{page}") as answer:
            return str(answer.read().decode())

    def write(self, file: str, change: Callable[[str], str]) -> float:
        """Seconds until the page of the mail would show it. The file is replaced as a whole: a look between the emptying and the
        writing of a file shows the page of an empty one, until the next look."""
        before = self.stamp()
        path, written = self.folder / file, self.folder.parent / "written"
        written.write_text(change(path.read_text()))
        written.replace(path)
        began = time.monotonic()
        while self.stamp() == before:
            assert time.monotonic() - began < 20, "the page does not follow the file"
            time.sleep(0.01)
        return time.monotonic() - began

    def wait_for(self, words: str, page: str, *, gone: bool = False) -> str:
        began = time.monotonic()
        while (words in (shown := self.get(page))) == gone:
            assert time.monotonic() - began < 20, f"{page} does not {'cease' if gone else 'come'} to say {words}"
            time.sleep(0.01)
        return shown

    def stamp(self) -> str:
        return str(json.loads(self.get(f"stamp?mail={MAIL}"))["mail"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_workspace(tmp_path / "workspace", lessons=CADENCE)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Each test leaves it without a mistake."""
    folder = make_workspace(tmp_path_factory.mktemp("preview") / "workspace", lessons=CADENCE)
    watch = Watch(folder, read_settings(folder, {}))
    watch.look()
    with serving(create_preview(watch), "127.0.0.1:0", setting="PREVIEW_LISTEN") as address, watching(watch):
        yield Served(folder=folder, address=address, watch=watch)


def test_a_page_shows_the_mail_that_render_prints_in_frames_that_can_do_nothing(served: Served) -> None:
    page = served.get(f"{MAIL}.html")
    printed = run(render_command, "welcome", "--html", "--workspace", str(served.folder))

    frames = re.findall(r'<iframe sandbox="(.*?)".*?srcdoc="(.*?)"></iframe>', page, re.DOTALL)
    assert [sandbox for sandbox, _ in frames] == ["allow-same-origin"] * 4
    assert all(without_links(unescape(html)) == without_links(printed) for _, html in frames)
    assert '<base target="_blank">' in unescape(frames[0][1])
    assert "/o/" not in page, "the picture that counts openings is not asked for"
    with urlopen(served.address) as answer:
        assert "script-src 'self';" in answer.headers["Content-Security-Policy"]


def test_a_page_shows_the_headers_as_sent_the_text_and_the_size(served: Served) -> None:
    page = unescape(served.get(f"{MAIL}.html"))

    told = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page))
    assert told["From"] == "Clearroom <hello@clearroom.example>"
    assert told["List-Id"] == "<air-lessons.localhost>"
    assert told["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert {"To", "Subject", "Reply-To", "List-Unsubscribe", "Date", "Message-ID"} <= told.keys()
    assert re.search(r"<b>\d+\.\d KB</b> of HTML; Gmail clips from 102.0 KB", page)
    assert '<pre class="sheet text">' in page


def test_the_page_follows_a_file_and_compiles_nothing_else(served: Served) -> None:
    before = served.watch.remembered.compiled

    served.write(BODY, lambda text: text.replace("<mj-text>", "<mj-text>Freshly written. ", 1))

    assert "Freshly written. " in served.get(f"{MAIL}.html")
    assert served.watch.remembered.compiled - before == 1


def test_a_picture_that_is_sent_along_is_shown_and_followed(served: Served) -> None:
    picture = served.folder / "templates/images/dot.gif"
    picture.parent.mkdir(exist_ok=True)
    picture.write_bytes(b"GIF89a-one")

    served.write(BODY, lambda text: text.replace("<mj-text>", '<mj-image src="cid:dot.gif" alt="" /><mj-text>', 1))
    first = served.wait_for("data:image/gif;base64,R0lGODlhLW9uZQ==", f"{MAIL}.html")
    picture.write_bytes(b"GIF89a-other")
    served.wait_for("data:image/gif;base64,R0lGODlhLW90aGVy", f"{MAIL}.html")
    served.write(BODY, lambda text: text.replace('<mj-image src="cid:dot.gif" alt="" />', "", 1))

    assert "cid:" not in first


def test_a_mistake_stands_in_place_of_the_mail_until_it_is_mended(served: Served) -> None:
    served.write(BODY, lambda text: text.replace("<mj-text>", "<mj-tex>", 1))
    broken, other = served.get(f"{MAIL}.html"), served.wait_for('class="wrong"', "guide.clearroom.sample.html")
    served.write(BODY, lambda text: text.replace("<mj-tex>", "<mj-text>", 1))
    mended = served.get(f"{MAIL}.html")

    assert "iframe" not in broken
    assert re.search(r"E030.*welcome/body.mjml:\d+:\d+.*unknown tag", unescape(broken), re.DOTALL)
    assert "iframe" in other
    assert "iframe" in mended and "E030" not in mended


def test_a_warning_of_the_layout_is_told_at_each_mail_and_is_no_error_meanwhile(folder: Path) -> None:
    layout, watch = folder / "templates/layouts/default.mjml", Watch(folder, read_settings(folder, {}))
    told: list[list[tuple[str, str]]] = []

    def note() -> None:
        mail = next(mail for name, mail in watch.shown.mails.items() if str(name) == MAIL)
        told.append([(found.code, found.file) for found in mail.diagnostics if found.code in ("E030", "W062")])

    layout.write_text(layout.read_text().replace("<!-- body -->", PLACEHOLDER + "<!-- body -->"))
    watch.look()
    note()
    show = watch.remembered.on_compiled

    def show_and_note(email: Email, kept: Kept, before: Kept | None) -> None:
        show(email, kept, before)
        note()

    watch.remembered.on_compiled = show_and_note
    (folder / BODY).write_text((folder / BODY).read_text().replace("<mj-text>", "<mj-text>Freshly written. ", 1))
    watch.look()

    assert told == [[("W062", "templates/layouts/default.mjml")]] * 2


def test_mistakes_in_a_sample_or_a_table_are_told_and_the_mails_stay(served: Served) -> None:
    served.write("templates/emails/welcome/sample.yaml", lambda text: "lead: {shoe_size: 44}\n")
    sample = served.get(f"{MAIL}.html")
    served.write("templates/emails/welcome/sample.yaml", lambda text: "lead: {first_name: Zoë}\n")
    sound = (served.folder / "workspace.yaml").read_text()
    (served.folder / "workspace.yaml").write_text("name: [")
    served.wait_for("workspace.yaml:", "index.html")
    meanwhile = served.get(f"{MAIL}.html")
    (served.folder / "workspace.yaml").write_text(sound)

    assert "no field shoe_size" in sample
    assert "iframe" in meanwhile
    served.wait_for("workspace.yaml:", "index.html", gone=True)


def test_every_further_sample_is_a_mail_of_its_own(served: Served) -> None:
    (served.folder / "templates/emails/welcome/sample-no-name.yaml").write_text("lead: {company: Kestrel Print}\n")

    served.wait_for("no-name", "index.html")

    assert "Hello there" in served.get("welcome.clearroom.sample-no-name.html")


def test_only_this_machine_by_its_own_names_may_look(served: Served) -> None:
    with pytest.raises(HTTPError, match="400"):
        urlopen(Request(f"{served.address}/", headers={"Host": "attacker.example"}))
    with pytest.raises(HTTPError, match="404"):
        served.get("x.y.z.html")


def test_out_writes_pages_that_need_nothing_beside_them(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "pages"

    told = run(preview_command, "--out", str(out), "--workspace", str(folder))
    again = run(preview_command, "--out", str(out), "--workspace", str(folder))

    assert told == again and "2 mails" in told
    assert {file.name for file in out.iterdir()} == {
        "index.html", f"{MAIL}.html", "guide.clearroom.sample.html", "preview.css", "preview.js"
    }  # fmt: skip
    page = (out / f"{MAIL}.html").read_text()
    assert "data-live" not in page
    assert all((out / file).is_file() for file in re.findall(r'^<(?:link|script|li).*?(?:href|src)="(.*?)"', page, re.MULTILINE))


def test_out_leaves_a_folder_alone_that_holds_other_things(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.html").write_text("mine")

    with pytest.raises(UsageError, match="holds other things"):
        run(preview_command, "--out", str(tmp_path), "--workspace", str(folder))

    assert (tmp_path / "notes.html").read_text() == "mine"


def test_without_a_browser_pictures_are_refused_in_plain_words(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "BROWSERS", ("no-such-browser",))

    with pytest.raises(UsageError, match="no Chromium or Chrome was found"):
        run(preview_command, "--out", str(tmp_path / "pages"), "--png", "--workspace", str(folder))
    with pytest.raises(UsageError, match="--png goes with --out"):
        run(preview_command, "--png", "--workspace", str(folder))


STAND_IN = """#!{python}
import json, os
rest = b""
result = {{"targetId": "t", "sessionId": "s", "cssContentSize": {{"height": 10}}, "data": "cGljdHVyZQ=="}}
while piece := os.read(3, 65536):
    *asked, rest = (rest + piece).split(b"\\0")
    for one in map(json.loads, asked):
        os.write(4, json.dumps({{"id": one["id"], "result": result}}).encode() + b"\\0")
        if one["method"] == "Page.navigate":
            os.write(4, json.dumps({{"method": "Page.loadEventFired"}}).encode() + b"\\0")
"""


def test_pictures_are_taken_though_another_process_wrote_the_mails(folder: Path, tmp_path: Path) -> None:
    """In a process of its own: there, the socket to what renders has the number of one of the browser's pipes."""
    browser = tmp_path / "bin/chromium"
    browser.parent.mkdir()
    browser.write_text(STAND_IN.format(python=sys.executable))
    browser.chmod(0o755)
    command = [sys.executable, "-c", "from engine.cli.main import main; main()", "preview", "--png"]
    paths = {"PATH": f"{browser.parent}:{os.environ['PATH']}", "PYTHONPATH": str(Path(pictures.__file__).parents[2])}

    subprocess.run(
        [*command, "--out", str(tmp_path / "pages"), "--workspace", str(folder)],
        env=os.environ | paths,
        check=True,
        close_fds=True,
    )

    assert (tmp_path / f"pages/{MAIL}.phone-dark.png").read_bytes() == b"picture"


def run(command: object, *arguments: str) -> str:
    result = CliRunner().invoke(command, arguments, catch_exceptions=False, standalone_mode=False)  # type: ignore[arg-type]
    return result.stdout


def without_links(html: str) -> str:
    """What does not depend on where the links lead."""
    html = html.replace("\r\n", "\n").replace('<base target="_blank">', "")
    return re.sub(r'(href|src)="[^"]*"', "", html).strip()


def test_a_page_names_the_files_that_would_go_with_the_mail(tmp_path: Path) -> None:
    asking = CADENCE.replace("at: day 0}", "at: day 0, attach: [plan.pdf, {collateral: 1}]}")
    folder = make_workspace(tmp_path / "workspace", lessons=asking)
    entry = "  a-week: {file: week.pdf, title: A week of air, interests: [co2]}\n"
    (folder / "collateral.yaml").write_text(f"collateral:\n{entry}")
    (folder / "attachments").mkdir()
    for name in ("plan", "week"):
        (folder / f"attachments/{name}.pdf").write_bytes(b"%PDF-1.7")
    (folder / "templates/emails/welcome/sample.yaml").write_text("lead: {interests: [co2]}\n")
    watch = Watch(folder, read_settings(folder, {}))
    watch.look()

    page = create_preview(watch).test_client().get(f"/{MAIL}.html", base_url="http://127.0.0.1").text

    assert "<dt>With it</dt><dd>plan.pdf, week.pdf (A week of air)</dd>" in page
