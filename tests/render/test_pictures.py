"""Pictures sent along with a mail: found in templates/images/, named by their bytes, and refused with their line."""

from base64 import b64decode
from hashlib import sha256
from pathlib import Path

import pytest

from engine.compiler.pictures import LARGEST_PICTURE, content_id
from engine.render.artifact import Artifact
from engine.render.pictures import with_pictures_inside
from tests.render.conftest import Compile, text_body

PNG = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
BODY = '<mj-section>\n  <mj-column>\n    <mj-image src="cid:{}" alt="A curve" />\n  </mj-column>\n</mj-section>'
AT = "templates/emails/welcome/body.mjml:3:15: "


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / "templates/images" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def compiled(compile_email: Compile, name: str) -> Artifact:
    artifact, problems = compile_email(BODY.format(name))
    assert problems == []
    assert artifact
    return artifact


def test_a_picture_goes_along_and_is_named_by_its_bytes(compile_email: Compile, tmp_path: Path) -> None:
    put(tmp_path, "curve.png", PNG)

    artifact = compiled(compile_email, "curve.png")

    (picture,) = artifact.pictures
    assert (picture.file, picture.media_type, picture.size) == ("curve.png", "image/png", len(PNG))
    assert picture.digest == sha256(PNG).hexdigest()
    assert f'src="cid:{content_id(picture)}"' in artifact.html
    assert Artifact.from_json(artifact.to_json()) == artifact


def test_it_may_stand_in_text_and_in_a_brands_look_and_goes_along_once(compile_email: Compile, tmp_path: Path) -> None:
    put(tmp_path, "curve.png", PNG)
    behind = BODY.replace("<mj-section", '<mj-section background-url="cid:{}"').format("curve.png", "curve.png")

    artifact, problems = compile_email(behind + text_body('<img src="cid:curve.png" alt="" />'))

    assert problems == [] and artifact
    assert len(artifact.pictures) == 1 and "cid:curve.png" not in artifact.html


def test_what_kind_it_is_its_bytes_say(compile_email: Compile, tmp_path: Path) -> None:
    put(tmp_path, "photo.png", b"\xff\xd8\xff\xe0 a camera's")

    assert compiled(compile_email, "photo.png").pictures[0].media_type == "image/jpeg"


def test_another_picture_under_the_same_name_is_another_artifact(compile_email: Compile, tmp_path: Path) -> None:
    put(tmp_path, "curve.png", PNG)
    before = compiled(compile_email, "curve.png")

    put(tmp_path, "curve.png", PNG + b"\0")

    assert compiled(compile_email, "curve.png").hash != before.hash


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("curve.png", b"<html>", 'the picture "curve.png" is no picture that mail programs show'),
        ("curve.png", PNG + bytes(LARGEST_PICTURE), 'the picture "curve.png" is larger than 256 KB'),
        ("curve.svg", b"<?xml?><svg/>", 'the picture "curve.svg" is an SVG, which neither Gmail nor Outlook shows'),
    ],
)
def test_what_no_mail_can_carry_is_told_with_its_line(
    compile_email: Compile, tmp_path: Path, name: str, data: bytes, told: str
) -> None:
    put(tmp_path, name, data)

    artifact, problems = compile_email(BODY.format(name))

    assert artifact is None
    assert [problem.startswith(AT + told) for problem in problems] == [True], problems


@pytest.mark.parametrize("name", ["curv.png", "../emails/welcome/body.mjml", "/etc/passwd", "..", "a\\b.png", "x" * 400])
def test_a_picture_that_is_not_in_the_folder_is_not_there(compile_email: Compile, tmp_path: Path, name: str) -> None:
    put(tmp_path, "curve.png", PNG)

    artifact, problems = compile_email(BODY.format(name))

    hint = ' (did you mean "curve.png"?)' if name == "curv.png" else ""
    assert artifact is None
    assert problems == [f'{AT}there is no picture "{name[:60]}" in templates/images/{hint}']


def test_a_link_that_leads_out_of_the_workspace_is_not_followed(compile_email: Compile, tmp_path: Path) -> None:
    (tmp_path / "outside.png").write_bytes(PNG)
    put(tmp_path, "own.png", PNG).with_name("curve.png").symlink_to(tmp_path / "outside.png")

    _, problems = compile_email(BODY.format("curve.png"))

    assert len(problems) == 1 and "there is no picture" in problems[0]


def test_pictures_that_are_too_many_for_a_mail_are_told(compile_email: Compile, tmp_path: Path) -> None:
    for number in range(5):
        put(tmp_path, f"{number}.png", PNG + bytes([number]) * (LARGEST_PICTURE - len(PNG)))

    _, problems = compile_email("".join(BODY.format(f"{number}.png") for number in range(5)))

    assert [problem.partition(": ")[2] for problem in problems] == [
        "the pictures of this mail are 1280 KB together; 1024 KB are the most"
    ]


def test_webp_goes_along_with_a_warning(compile_email: Compile, tmp_path: Path) -> None:
    put(tmp_path, "curve.webp", b"RIFF\0\0\0\0WEBPVP8 ")

    artifact, problems = compile_email(BODY.format("curve.webp"))

    assert artifact and artifact.pictures[0].media_type == "image/webp"
    assert problems == [f'{AT}the picture "curve.webp" is WebP, which Outlook does not show; save it as PNG']


def test_a_page_has_the_pictures_inside_and_nothing_else() -> None:
    html = '<img src="cid:a@picture"><img src="cid:b@picture">'

    shown = with_pictures_inside(html, [("a@picture", "image/png", b"png"), ("b@picture", "text/html", b"<script>")])

    assert shown == '<img src="data:image/png;base64,cG5n"><img src="cid:b@picture">'
