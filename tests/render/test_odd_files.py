"""Files that are not what they should be: each is told, and nothing stands in for it: least of all a file elsewhere."""

import os
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import pytest

from engine.render.library import compile_emails
from tests.render.conftest import BRAND, text_body, told
from tests.render.test_editions import GERMAN, YAML, compile_all

INCLUDED = "blocks/more.mjml"
SHORT = 'subject: "Hello"\npreheader: "Inside."\nstream: marketing\nvariants: {short: {subject: "Hi"}}\n'
FILES = {
    **GERMAN,
    YAML: SHORT,
    "emails/welcome/body.mjml": text_body("Hello") + '<mj-include path="../../blocks/more.mjml" />',
    "emails/welcome/variants/short/body.mjml": text_body("Hi"),
    "emails/welcome/variants/short/text.txt": "Hi {{ unsubscribe_url }}",
    "emails/welcome/languages/de/email.yaml": GERMAN["emails/welcome/languages/de/email.yaml"]
    + "variants: {short: {subject: Na}}\n",
    "emails/welcome/languages/de/variants/short/body.mjml": text_body("Na"),
    "emails/welcome/languages/de/variants/short/text.txt": "Na {{ unsubscribe_url }}",
    INCLUDED: text_body("More"),
    "phrases.yaml": "phrases: {}\n",
}


def mistakes(folder: Path) -> list[str]:
    _, problems = compile_emails(folder, {"fern": BRAND}, [("welcome", "fern")])
    return [told(problem) for problem in problems]


def to_a_file_elsewhere(path: Path) -> None:
    path.symlink_to(__file__)


def to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def as_words(path: Path) -> None:
    path.write_bytes(b"\xff\xfe" if path.suffix != ".yaml" else b"nothing but words")


@pytest.mark.parametrize("spoil", [to_a_file_elsewhere, to_itself, os.mkfifo, Path.mkdir, as_words])
@pytest.mark.parametrize("file", [*FILES, "layouts/default.mjml"])
def test_a_file_that_cannot_be_used_is_told_and_nothing_stands_in_for_it(
    tmp_path: Path, file: str, spoil: Callable[[Path], None]
) -> None:
    compile_all(tmp_path, FILES)
    spoilt = tmp_path / "templates" / file
    spoilt.unlink()
    spoil(spoilt)

    problems = mistakes(tmp_path)

    told_at = f"templates/{file}:" if file != INCLUDED or spoil is not to_a_file_elsewhere else "a file inside templates/"
    assert any(told_at in problem for problem in problems), problems


def test_an_empty_body_is_no_mail(tmp_path: Path) -> None:
    compile_all(tmp_path, {**FILES, "emails/welcome/languages/de/variants/short/body.mjml": " \n"})

    body = "templates/emails/welcome/languages/de/variants/short/body.mjml"
    assert mistakes(tmp_path) == [f"{body}:1:1: this file is empty, so that the mail would say nothing"]


@pytest.mark.parametrize("folder", ["languages", "languages/de", "variants", "variants/short"])
def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path, folder: str) -> None:
    compile_all(tmp_path, FILES)
    rmtree(tmp_path / "templates/emails/welcome" / folder)
    (tmp_path / "templates/emails/welcome" / folder).write_text("")

    assert f"templates/emails/welcome/{folder}:1:1: this is a file, where a folder is wanted" in mistakes(tmp_path)


def test_a_folder_whose_name_is_no_text_is_told(tmp_path: Path) -> None:
    compile_all(tmp_path, FILES)
    os.mkdir(os.fsencode(tmp_path / "templates/emails/welcome/variants") + b"/\xff")

    problems = mistakes(tmp_path)

    assert any(problem.startswith('templates/emails/welcome/variants/?:1:1: unknown variant "?"') for problem in problems), (
        problems
    )
