"""Pictures in a message: beside its HTML, which names them, and within what Python's own parser and ours read the same."""

from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path

from engine.claim import Claim
from engine.compiler.attachment import Attachment
from engine.compiler.pictures import content_id
from engine.database import Database
from engine.deliver.again import print_again
from engine.deliver.attach import as_part
from engine.deliver.mime import write_message
from engine.files import write_files
from engine.inbound.parts import read_parts
from engine.processes.outbox.mailbox import Mailbox
from engine.render.wire import WireParts
from engine.simulate.sink import Sink
from tests.deliver.given import add_mail, add_workspace, an_artifact, deliver_begun, keep_artifact, runtime_over, send_of
from tests.deliver.test_attach import HEADERS, an_attachment

LOGO = b"\x89PNG\r\n\x1a\n the logo"
PICTURE = Attachment(file="lögo.png", media_type="image/png", size=len(LOGO), digest=sha256(LOGO).hexdigest())
PARTS = WireParts(subject="Air", text_qp=b"text\r\n", html_qp=f'<img src=3D"cid:{content_id(PICTURE)}">\r\n'.encode())


def read(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=policy.default)  # type: ignore[return-value]


def shape(message: EmailMessage) -> object:
    """The tree of types."""
    own = message.get_content_type()
    return {own: [shape(part) for part in message.iter_parts()]} if message.is_multipart() else own  # type: ignore[arg-type]


def test_pictures_are_beside_both_bodies_and_files_beside_it_all() -> None:
    guide = an_attachment("guide.pdf", b"%PDF")

    written = write_message(HEADERS, PARTS, [as_part(*guide)], [as_part(PICTURE, LOGO, is_picture=True)])

    bodies = {"multipart/alternative": ["text/plain", "text/html"]}
    assert shape(read(written)) == {"multipart/mixed": [{"multipart/related": [bodies, "image/png"]}, "application/pdf"]}


def test_a_picture_is_named_as_the_html_names_it_and_is_no_attachment() -> None:
    message = read(write_message(HEADERS, PARTS, (), [as_part(PICTURE, LOGO, is_picture=True)]))

    (picture,) = [part for part in message.walk() if part.get_content_type() == "image/png"]
    html = message.get_body(("html",))
    assert message.get_param("type") == "multipart/alternative"
    assert picture["Content-ID"] == f"<{content_id(PICTURE)}>"
    assert html and f"cid:{content_id(PICTURE)}" in html.get_content()
    assert (picture.get_content_disposition(), picture.get_filename()) == ("inline", "lögo.png")
    assert picture.get_payload(decode=True) == LOGO
    assert not any(part.defects for part in message.walk())


def test_our_own_reader_finds_the_same_parts() -> None:
    written = write_message(HEADERS, PARTS, (), [as_part(PICTURE, LOGO, is_picture=True)])

    assert [part.content_type for part in read_parts(written)] == [part.get_content_type() for part in read(written).walk()]


def add_picture_mail(database: Database, picture: Attachment) -> Claim:
    artifact = an_artifact(html=f'<img src="cid:{content_id(picture)}" />', pictures=(picture,), links=())
    with database.write() as tx:
        version_id = add_workspace(tx)
        write_files(tx, {PICTURE.digest: LOGO})
        return add_mail(tx, version_id, artifact_hash=keep_artifact(tx, artifact))


def test_a_mail_goes_out_with_its_picture_and_is_shown_with_it(database: Database, tmp_path: Path) -> None:
    claim = add_picture_mail(database, PICTURE)
    outbox = Mailbox(tmp_path / "outbox")

    with runtime_over(database, Sink(on_message=outbox.keep), tmp_path) as runtime:
        deliver_begun(runtime, [claim])
        with database.read() as tx:
            again = print_again(tx, runtime, claim[0])

    (name,) = outbox.names()
    kept = outbox.open(name)
    assert kept and kept.html and again
    assert 'src="data:image/png;base64,iVBOR' in kept.html
    assert 'src="data:image/png;base64,iVBOR' in again.html


def test_a_mail_without_its_picture_does_not_go_out(database: Database, tmp_path: Path) -> None:
    claim = add_picture_mail(database, replace(PICTURE, digest="0" * 64))

    with runtime_over(database, Sink(), tmp_path) as runtime:
        deliver_begun(runtime, [claim])

    assert (send_of(database, claim[0]).state, send_of(database, claim[0]).reason) == ("cancelled", "template_error")
