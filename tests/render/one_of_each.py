"""One workspace in which each mail has one mistake: what `check` says to it is read as a marketer would, and kept.

`python -m tests.render.one_of_each FOLDER` writes it there and checks it, with the time that took.
"""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import run
from time import perf_counter

from tests.compiler.workspaces import BAD, MAILS, write

GUIDE, ORDER = "templates/emails/guide", "templates/emails/order-confirmation"
COLUMN = "<mj-section>\n  <mj-column>\n    {}\n  </mj-column>\n</mj-section>\n"
TEXT = "<mj-text>Air goes stale before anybody notices it. The guide names three numbers.</mj-text>"
OPEN = "https://fernhill.example/guide"

# By the name of its email: what stands in the column in the place of the copy.
MARKUP = {
    "tag-unknown": "<mj-txt>Air goes stale.</mj-txt>",
    "tag-not-closed": "<mj-text>Air goes stale.",
    "tag-closed-wrongly": "<mj-text>Air <b>goes</i> stale.</b></mj-text>",
    "tag-of-html": "<div>Air goes stale.</div>",
    "tag-that-mail-lacks": "<mj-list></mj-list>",
    "script": "<mj-text>Air goes stale.<script>open()</script></mj-text>",
    "wrong-nesting": "<mj-section></mj-section>",
    "text-outside": "Air goes stale before anybody notices it.",
    "attribute-unknown": '<mj-text colour="#17262B">Air goes stale.</mj-text>',
    "attribute-twice": '<mj-text color="#17262B" color="#000000">Air goes stale.</mj-text>',
    "bad-width": '<mj-image src="https://fernhill.example/week.png" alt="A week" width="wide" />',
    "bad-link": '<mj-button href="www.fernhill.example/guide">Read the guide</mj-button>',
    "variable-unknown": "<mj-text>Hello {{ lead.frist_name }}</mj-text>",
    "root-unknown": "<mj-text>Hello {{ customer.first_name }}</mj-text>",
    "may-be-missing": "<mj-text>Hello {{ lead.first_name }}</mj-text>",
    "filter-unknown": '<mj-text>Hello {{ lead.first_name | defualt("there") }}</mj-text>',
    "token-not-closed": "<mj-text>Hello {{ lead.first_name </mj-text>",
    "if-not-ended": "<mj-text>Hello {% if lead.first_name %}you</mj-text>",
    "if-misspelt": "<mj-text>Hello {% fi lead.first_name %}you{% endif %}</mj-text>",
    "block-unknown": '{{ block("ofer") }}',
    "block-without-argument": '{{ block("naming") }}',
    "block-in-itself": '{{ block("mirror") }}',
}  # fmt: skip
BLOCKS = {
    "naming": "<mj-text>Air goes stale before {{ who }} notices it.</mj-text>\n",
    "mirror": '<mj-text>Air goes stale.</mj-text>\n{{ block("mirror") }}\n',
}
# What is about the whole of a file: by the email's name, its files in the place of those of a sound one.
FILES: Mapping[str, Mapping[str, str]] = {
    "subject-missing": {"email.yaml": "stream: marketing\nowner: dana\npreheader: Three numbers.\n"},
    "layout-unknown": {"email.yaml": "subject: Air\npreheader: Three.\nstream: marketing\nowner: dana\nlayout: defualt\n"},
    "key-unknown": {"email.yaml": "subject: Air\npreheaders: Three numbers.\nstream: marketing\nowner: dana\n"},
    "text-unknown-name": {"text.txt": "Hello {{ lead.nmae }}, read the guide: https://fernhill.example/guide\n"},
    "picture-missing": {"body.mjml": COLUMN.format(f'{TEXT}\n    <mj-image src="images/week.png" alt="A week" />')},
    "link-to-nowhere": {"body.mjml": COLUMN.format(TEXT.replace("The guide", '<a href="https://example.com/g">The guide</a>'))},
    "no-answer": {"body.mjml": COLUMN.format(TEXT.replace("The guide", "Please do not reply to this mail. The guide"))},
    "plain-http": {"body.mjml": COLUMN.format(TEXT.replace("The guide", '<a href="http://fernhill.example/g">The guide</a>'))},
    "vague-link": {"body.mjml": COLUMN.format(TEXT.replace("The guide", '<a href="https://fernhill.example/g">Click here</a>'))},
    "shortened-link": {"body.mjml": COLUMN.format(TEXT.replace("The guide", '<a href="https://bit.ly/3xYz">The guide</a>'))},
    "small-button": {"body.mjml": COLUMN.format(f'{TEXT}<mj-button inner-padding="6px" href="{OPEN}">The guide</mj-button>')},
    "webp": {"body.mjml": COLUMN.format(f'{TEXT}<mj-image src="https://fernhill.example/week.webp" alt="A week" />')},
    "two-parts": {"text.txt": "See " + OPEN + "\n{{ unsubscribe_url }}\n{{ brand.postal_address | join(', ') }}\n"},
    "considered-wrongly": {"email.yaml": (MAILS / GUIDE / "email.yaml").read_text() + 'considered: {W099: "Why not."}\n'},
}  # fmt: skip
CODES = {**dict.fromkeys(MARKUP, "E030"), **dict.fromkeys(FILES, "E030")} | {
    "picture-missing": "E072", "link-to-nowhere": "E073", "no-answer": "E074", "plain-http": "W035", "vague-link": "W036",
    "shortened-link": "W046", "small-button": "W037", "webp": "W045", "two-parts": "W044", "considered-wrongly": "E014",
}  # fmt: skip
# Shown by the examples of the codes: the part of the workspace that each is about.
SHOWN = {
    GUIDE: ("W032", "W033", "W034", "W039", "W060", "W062"),
    ORDER: ("E075", "W030", "W031", "W038", "W042", "W048", "W049"),
    "templates/layouts/default.mjml": ("E070", "E071", "W043", "W047"),
}


def write_workspace(folder: Path) -> dict[str, str]:
    """The workspace, and the code that is to be told of each email by its name."""
    shutil.copytree(MAILS, folder, dirs_exist_ok=True)
    write(
        folder, "offers.yaml", (MAILS / "offers.yaml").read_text().replace("[order-confirmation]", "[order-confirmation, e075]")
    )
    for name, inside in BLOCKS.items():
        write(folder, f"templates/blocks/{name}.mjml", inside)
    for name, inside in MARKUP.items():
        write_email(folder, name, MAILS / GUIDE, {"body.mjml": COLUMN.format(inside)})
    for name, files in FILES.items():
        write_email(folder, name, MAILS / GUIDE, files)
    for part, codes in SHOWN.items():
        for code in codes:
            write_shown(folder, part, code)
    return CODES | {code.lower(): code for codes in SHOWN.values() for code in codes}


def write_email(folder: Path, name: str, like: Path, files: Mapping[str, str]) -> None:
    shutil.copytree(like, folder / f"templates/emails/{name}")
    for file, text in files.items():
        write(folder, f"templates/emails/{name}/{file}", text)


def write_shown(folder: Path, part: str, code: str) -> None:
    """The example of a code as an email of its own, with its own layout or event where the example is about that."""
    name = code.lower()
    if part.endswith(".mjml"):
        write(folder, f"templates/layouts/{name}.mjml", (BAD / code / part).read_text())
        write_email(folder, name, MAILS / GUIDE, {"email.yaml": (MAILS / GUIDE / "email.yaml").read_text() + f"layout: {name}\n"})
        return
    write_email(folder, name, MAILS / part, {path.name: path.read_text() for path in (BAD / code / part).iterdir()})
    if part == ORDER:
        with (folder / "events.yaml").open("a") as events:
            events.write(f"  {name}:\n    title: One of each\n    email: {name}\n    data: {{number: {{type: text}}}}\n")


def main(folder: Path) -> None:
    codes = write_workspace(folder)
    began = perf_counter()
    command = "from engine.cli.main import main; main()"
    run([sys.executable, "-c", command, "check", "--workspace", str(folder)], check=False)
    print(f"{len(codes)} emails with a mistake each, in {perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
