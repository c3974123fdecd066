"""The outbox: captured mail as a reader sees it, for this machine's eyes only."""

import json
import smtplib
from email.message import EmailMessage
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from engine.posts.http import HttpPosts
from engine.posts.wire import PostRequest
from engine.processes.outbox.app import create_outbox
from engine.processes.outbox.mailbox import Mailbox
from engine.processes.outbox.posts import KeptPosts, kept_files, read_posts
from engine.simulate.sink import Sink, running

HTML = "<html><head><style>p {color: #111}</style></head><body><p>Guten Tag, <b>Zoë</b></p></body></html>"


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "outbox")


@pytest.fixture
def browser(mailbox: Mailbox) -> FlaskClient:
    return create_outbox(mailbox, mailbox.folder / "posts").test_client()


def test_mail_sent_by_smtp_is_listed_the_newest_first(mailbox: Mailbox, browser: FlaskClient) -> None:
    with running(Sink(on_message=mailbox.keep)) as sink, smtplib.SMTP("127.0.0.1", sink.port) as client:
        client.send_message(mail(subject="The first"), "back@example.com", ["zoe@example.com"])
        client.send_message(mail(subject="Größer & <b>"), "back@example.com", ["zoe@example.com"])

    page = browser.get("/").text

    assert "2 mails" in page
    assert page.index("Größer &amp; &lt;b&gt;") < page.index("The first")
    assert "zoe@example.com" in page


def test_a_mail_is_shown_as_html_text_headers_and_source(mailbox: Mailbox, browser: FlaskClient) -> None:
    name = keep(mailbox, mail(subject="Clean air"))

    pages = {view: browser.get(f"/mail/{name}?view={view}").text for view in ("html", "text", "headers", "source")}

    assert f'src="/mail/{name}/html"' in pages["html"]
    assert "Guten Tag, Zoë" in pages["text"]
    assert "List-Unsubscribe" in pages["headers"]
    assert "Delivered-To: zoe@example.com" in pages["source"]
    assert "<b>Zoë</b>" in browser.get(f"/mail/{name}/html").text
    assert browser.get(f"/mail/{name}.eml").data.startswith(b"Return-Path: <back@example.com>\r\n")


def test_a_mail_cannot_run_scripts_or_leave_its_frame(mailbox: Mailbox, browser: FlaskClient) -> None:
    name = keep(mailbox, mail(html="<script>alert(1)</script>"))

    policy = browser.get(f"/mail/{name}/html").headers["Content-Security-Policy"]

    assert "sandbox " in policy
    assert "allow-scripts" not in policy
    assert "default-src 'none'" in policy


def test_links_of_a_mail_open_beside_the_outbox(mailbox: Mailbox, browser: FlaskClient) -> None:
    name = keep(mailbox, mail())

    assert '<head><base target="_blank">' in browser.get(f"/mail/{name}/html").text


def test_posts_that_did_not_leave_are_listed_the_newest_first(mailbox: Mailbox, browser: FlaskClient) -> None:
    none = browser.get("/posts").text
    for number, words in enumerate(("the first", "<b>Größer</b>")):
        post(mailbox, number, words)

    page = browser.get("/posts").text

    assert "No post yet" in none
    assert "2 posts" in page
    assert page.index("https://crm.example/hook/1") < page.index("https://crm.example/hook/0")
    assert "&lt;b&gt;Größer&lt;/b&gt;" in page
    assert "No mail yet" in browser.get("/").text, "they are no mails"


def test_only_this_machine_by_its_own_names_may_read(browser: FlaskClient) -> None:
    own = [browser.get("/", headers={"Host": host}).status_code for host in ("127.0.0.1:8027", "localhost:8027")]
    rebound = browser.get("/", headers={"Host": "attacker.example:8027"})

    assert own == [200, 200]
    assert rebound.status_code == 400


@pytest.mark.parametrize("name", ["../../.env", "..%2f..%2f.env", "20260101T000000.000000-0001", "x"])
def test_other_files_are_not_mails(browser: FlaskClient, name: str) -> None:
    assert browser.get(f"/mail/{name}").status_code == 404
    assert browser.get(f"/mail/{name}.eml").status_code == 404


def test_an_empty_outbox_says_what_to_do(browser: FlaskClient) -> None:
    page = browser.get("/").text

    assert "No mail yet" in page
    assert "handraiser enrol" in page


def test_the_list_has_pages(mailbox: Mailbox, browser: FlaskClient) -> None:
    for number in range(51):
        keep(mailbox, mail(subject=f"Number {number}"))

    first, second = browser.get("/").text, browser.get("/?page=2").text

    assert "Page 1 of 2" in first
    assert ("Number 50" in first, "Number 0<" in first, "Number 0<" in second) == (True, False, True)


def test_nobody_else_on_this_machine_may_read_the_files(mailbox: Mailbox) -> None:
    assert mailbox.folder.stat().st_mode & 0o777 == 0o700


def test_only_the_newest_mails_are_kept(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.processes.outbox.mailbox.MOST_MAILS", 20)

    for _ in range(100):
        keep(mailbox, mail())

    assert len(mailbox.names()) == 20


def test_only_the_newest_posts_are_kept(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.processes.outbox.posts.MOST_POSTS", 2)
    monkeypatch.setattr("engine.processes.outbox.posts.PRUNED_AT", 4)

    for number in range(5):
        post(mailbox, number, "words")

    assert [kept.url[-1] for kept in read_posts(kept_files(mailbox.folder / "posts"))] == ["4", "3"]


def test_a_post_that_goes_while_somebody_looks_is_left_out(mailbox: Mailbox) -> None:
    post(mailbox, 0, "words")
    files = kept_files(mailbox.folder / "posts")
    files[0].unlink()

    assert list(read_posts(files)) == []


def post(mailbox: Mailbox, number: int, words: str) -> None:
    wire = KeptPosts(folder=mailbox.folder / "posts", allow=frozenset(), outward=HttpPosts())
    body = json.dumps({"type": "cadence.step", "data": {"step": words}}).encode()
    url = f"https://crm.example/hook/{number}"
    wire.post(PostRequest(webhook="crm", url=url, headers={"webhook-id": f"post_ab_{number}"}, body=body))


def keep(mailbox: Mailbox, message: EmailMessage) -> str:
    mailbox.keep("back@example.com", "zoe@example.com", message.as_bytes())
    return mailbox.names()[0]


def mail(*, subject: str = "Hello", html: str = HTML) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = "Dana <dana@clearroom.example>"
    message["To"] = "zoe@example.com"
    message["List-Unsubscribe"] = "<https://example.com/u/1>"
    message.set_content("Guten Tag, Zoë")
    message.add_alternative(html, subtype="html")
    return message
