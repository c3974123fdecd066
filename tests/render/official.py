"""Compares what we make of MJML designs with what the official compiler makes of them. Used by hand, not by `make test`:

    npm install mjml@4            in any folder
    python -m tests.render.official FOLDER --node THAT_FOLDER [--pictures]

Each `.mjml` file of FOLDER is compiled as a body without a layout. It must come out with the same words, links and pictures as
there, or with a diagnostic that has a line. NAME.json beside NAME.mjml is its event's data: the official compiler gets what Jinja
makes of the design. `--pictures` compares what a browser shows at 700 and 400 pixels as well.
"""

import json
import re
import struct
import subprocess
import sys
import zlib
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from urllib.parse import unquote

from jinja2 import Environment

from engine.preview.pictures import find_browser, running
from engine.render.library import compile_emails
from engine.render.sample import NOWHERE
from engine.render.wire import render
from tests.render.conftest import BRAND, make_values

ABOUT = "subject: A design\nstream: transactional\n"
COMPILE = """
console.log = console.warn = console.error;
const mjml2html = require(process.argv[1] + '/node_modules/mjml'), {readFileSync} = require('fs');
const convert = async ([name, text]) => {
  try { const made = await mjml2html(text, {
            validationLevel: 'soft', keepComments: false, ignoreIncludes: false, filePath: process.argv[2] + '/' + name});
        return [name, {html: made.html, errors: made.errors.map(each => each.formattedMessage)}]; }
  catch (error) { return [name, {html: '', errors: [String(error)]}]; }
};
Promise.all(Object.entries(JSON.parse(readFileSync(0, 'utf8'))).map(convert))
  .then(made => process.stdout.write(JSON.stringify(Object.fromEntries(made))));
"""
TOKEN = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
WIDTHS = (700, 400)
ALIKE = 0.002  # of the pixels; at less, only edges of letters differ
DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAJmZmQAAACwAAAAAAQABAAACAkQBADs="


class Page(HTMLParser):
    """The words, links and pictures of a page or a design; what Outlook alone sees is left out, as by a browser."""

    silent = frozenset({"style", "script", "title", "mj-style", "mj-attributes", "mj-title", "mj-preview", "mj-head"})

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.words: Counter[str] = Counter()
        self.links: set[str] = set()
        self.pictures: set[str] = set()
        self._depth = 0
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._depth += tag in self.silent
        said = {name: value or "" for name, value in attrs}
        if tag not in ("link", "mj-font", "mj-class") and not self._depth and said.get("href"):
            self.links.add(unquote(said["href"].strip()))
        if tag in ("img", "mj-image", "mj-carousel-image") and said.get("src"):
            self.pictures.add(said["src"])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.silent:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag in self.silent and self._depth > 0

    def handle_data(self, data: str) -> None:
        if not self._depth:
            self.words.update(TOKEN.sub(" ", data).split())


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of one design. `differences`: empty where we have told of an error, or agree."""

    name: str
    html: str
    problems: list[str]
    seconds: float
    differences: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        if self.differences:
            return "DIFFERS"
        return "same" if self.html else "diagnostic"


def filled(text: str, data: Mapping[str, Any]) -> str:
    """What Jinja makes of the design, where there are data for it."""
    names = {"event": Data(data), "lead": Data(make_values()["lead"])}
    return Environment(autoescape=True).from_string(text).render(names) if data else text


class Data(dict[str, Any]):
    """Of whose `items` an event's own are meant."""

    def __getattribute__(self, name: str) -> Any:
        return self[name] if name in self else super().__getattribute__(name)


def ours(name: str, text: str, beside: Path, data: Mapping[str, Any]) -> Outcome:
    """The design compiled by us, with its links as they were written."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch, "templates/emails/design")
        folder.mkdir(parents=True)
        for each in beside.glob("*.mjml"):
            (folder / each.name).write_bytes(each.read_bytes())
        (folder / "email.yaml").write_text(ABOUT)
        (folder / "body.mjml").write_text(text, encoding="utf-8")
        began = perf_counter()
        artifacts, problems = compile_emails(Path(scratch), {"fern": BRAND}, [("design", "fern")])
        seconds = perf_counter() - began
    told = [f"{each.line}:{each.column}: {each.code} {each.message}" for each in problems if each.file]
    made = next(iter(artifacts.values()), None)
    if made is None:
        return Outcome(name=name, html="", problems=told, seconds=seconds)
    artifact = made.plain
    html = render(artifact, make_values(track=NOWHERE.track, token=NOWHERE.token, seal=same, event=data)).html
    for number, link in enumerate(artifact.links):
        html = html.replace(f'"{NOWHERE.track}/c/{NOWHERE.token}/{number}"', f'"{link.target}"')
        html = html.replace(f"{NOWHERE.track}/p/{NOWHERE.token}/{number}/", "")
    return Outcome(name=name, html=html, problems=told, seconds=seconds)


def same(address: str) -> str:
    return address


def compare(outcome: Outcome, official: str, source: str) -> None:
    """Note what is missing or more. Of the design itself nothing may be lost, whatever the official compiler does with it."""
    if not outcome.html:
        if not outcome.problems:
            outcome.differences.append("no mail, and no diagnostic")
        return
    mine, theirs, written = Page(outcome.html), Page(official), Page(source)
    if lost := written.words - mine.words:
        outcome.differences.append(f"lost words: {' '.join(lost)[:200]}")
    if lost_links := [link for link in written.links if not any(link in each for each in mine.links)]:
        outcome.differences.append(f"lost links: {' '.join(sorted(lost_links))[:200]}")
    if mine.words != theirs.words:
        outcome.differences.append(f"words: {dict(mine.words - theirs.words)} / {dict(theirs.words - mine.words)}"[:300])
    if mine.links != theirs.links:
        outcome.differences.append(f"links: {sorted(mine.links ^ theirs.links)}"[:300])
    if mine.pictures - {f"{NOWHERE.track}/o/{NOWHERE.token}"} != theirs.pictures:
        outcome.differences.append(f"pictures: {sorted(mine.pictures ^ theirs.pictures)}"[:300])


def compare_pictures(outcomes: list[Outcome], official: Mapping[str, str]) -> None:
    with TemporaryDirectory() as scratch, running(find_browser(), Path(scratch)) as browser:
        for outcome in (each for each in outcomes if each.html and official[each.name]):
            for width in WIDTHS:
                pair = [without_loading(html) for html in (outcome.html, official[outcome.name])]
                mine, theirs = (browser.picture(html, width, "light") for html in pair)
                if (share := share_unlike(mine, theirs)) > ALIKE:
                    outcome.differences.append(f"looks otherwise at {width} px: {share:.2%} of the pixels")


def without_loading(html: str) -> str:
    """Nothing is fetched while pictures are taken: each picture is the same grey dot, and no font is there."""
    html = re.sub(r"<link[^>]*>|@import[^;]*;", "", html)
    html = re.sub(r'\bsrc="[^"]*"', f'src="{DOT}"', html)
    return re.sub(r"url\([^)]*\)", f"url({DOT})", html)


def share_unlike(mine: bytes, theirs: bytes) -> float:
    """How many of the pixels differ, of all of the higher picture."""
    (width, rows), (_, others) = pixels(mine), pixels(theirs)
    unlike = sum(one[at : at + 3] != other[at : at + 3] for one, other in zip(rows, others, strict=False) for at in steps(one))
    return (unlike + abs(len(rows) - len(others)) * width) / (max(len(rows), len(others)) * width)


def steps(row: bytes) -> range:
    return range(0, len(row), 3)


def pixels(png: bytes) -> tuple[int, list[bytes]]:
    """The width, and each row as RGB: of the PNGs that browsers write, with 8 bits and without interlacing (RFC 2083)."""
    width, height, _, colour = struct.unpack(">IIBB", png[16:26])
    size = {2: 3, 6: 4}[colour]
    data, at = b"", 8
    while at < len(png):
        (length,), kind = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        data += png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += length + 12
    raw, rows, above = zlib.decompress(data), [], bytes(width * size)
    for start in range(0, len(raw), width * size + 1):
        above = unfiltered(raw[start], raw[start + 1 : start + 1 + width * size], above, size)
        rows.append(above if size == 3 else b"".join(above[at : at + 3] for at in range(0, len(above), 4)))
    assert len(rows) == height
    return width, rows


def unfiltered(kind: int, row: bytes, above: bytes, size: int) -> bytes:
    """RFC 2083 section 6."""
    done = bytearray(row)
    for at in range(len(row) if kind else 0):
        left = done[at - size] if at >= size else 0
        corner = above[at - size] if at >= size else 0
        match kind:
            case 1:
                guess = left
            case 2:
                guess = above[at]
            case 3:
                guess = (left + above[at]) // 2
            case _:
                guess = min((left, above[at], corner), key=lambda each: abs(left + above[at] - corner - each))
        done[at] = (row[at] + guess) & 255
    return bytes(done)


def data_for(design: Path) -> dict[str, Any]:
    file = design.with_suffix(".json")
    data: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return data


def main() -> None:
    parser = ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--node", type=Path, required=True, help="A folder in which npm installed mjml.")
    parser.add_argument("--pictures", action="store_true")
    asked = parser.parse_args()
    designs = {path.name: path.read_text("utf-8", "replace") for path in sorted(asked.folder.glob("*.mjml"))}
    data = {name: data_for(asked.folder / name) for name in designs}
    as_read = {name: filled(text, data[name]) for name, text in designs.items()}
    command = ["node", "-e", COMPILE, str(asked.node.resolve()), str(asked.folder.resolve())]
    made = json.loads(subprocess.run(command, input=json.dumps(as_read), capture_output=True, text=True, check=True).stdout)
    outcomes = [ours(name, text, asked.folder, data[name]) for name, text in designs.items()]
    for outcome in outcomes:
        compare(outcome, made[outcome.name]["html"], as_read[outcome.name])
    if asked.pictures:
        compare_pictures(outcomes, {name: each["html"] for name, each in made.items()})
    for outcome in outcomes:
        print(f"{outcome.kind:10} {outcome.seconds * 1000:5.0f} ms  {outcome.name}")
        for line in outcome.differences + [each for each in outcome.problems if "E0" in each][:3]:
            print("             ", line)
    print(dict(Counter(outcome.kind for outcome in outcomes)))
    sys.exit(any(outcome.differences for outcome in outcomes))


if __name__ == "__main__":
    main()
