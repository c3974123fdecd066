"""The pictures of docs/blocks.md: each of its examples, in the starter's brand and layout, as Chromium shows it. `make pictures`.

Before: somebody changed a block, or its example. After: the pictures stand beside the page. The tests compile the same examples.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copyfile, copytree
from tempfile import TemporaryDirectory

from engine.compiler.build import build_tables
from engine.compiler.diagnostics import Findings
from engine.compiler.files import read_files
from engine.compiler.pictures import picture_bytes
from engine.compiler.plan import WorkspacePlan
from engine.installed import starter_folder
from engine.preview.pictures import find_browser, running
from engine.render import library
from engine.render.artifact import Artifact
from engine.render.pictures import kept_pictures, with_pictures_inside
from engine.render.sample import sample_values
from engine.render.wire import render

DOCS = starter_folder() / "docs"
PICTURES = DOCS / "pictures/blocks"
EXAMPLE = re.compile(r"([\w-]+)\n.*?```jinja\n(.*?)```", re.DOTALL)
LAYOUTS = ("default", "transactional")
LAYOUT_BODY = '{{ block("hero", title="Your email goes here") }}{{ block("text", text="All that stands in its body.mjml.") }}'
EMAIL = 'subject: "An example"\npreheader: "Of a block."\nstream: transactional\nlayout: {}\n'
SAMPLE_OF = "order-confirmation"
WIDTH = 640
PART = {"header": ".edge:has(~ .card)", "footer": ".edge"}  # of what is not on the card


def examples() -> dict[str, str]:
    """The example of each block, by the block's name."""
    sections = (DOCS / "blocks.md").read_text(encoding="utf-8").split("\n### ")[1:]
    return dict(found.groups() for section in sections if (found := EXAMPLE.match(section)))


def compile_example(workspace: Path, body: str, layout: str, plan: WorkspacePlan) -> tuple[Artifact | None, list[str]]:
    """The example as an email in the workspace's brand, and what is wrong with it."""
    folder = workspace / library.EMAILS / "example"
    folder.mkdir(exist_ok=True)
    (folder / "email.yaml").write_text(EMAIL.format(layout), encoding="utf-8")
    (folder / "body.mjml").write_text(body, encoding="utf-8")
    made, problems = library.compile_emails(workspace, plan.policy.brands, [("example", plan.policy.brand)])
    edition = made.get(("example", plan.policy.brand))
    return edition.plain if edition else None, [str(problem) for problem in problems]


def html_of(workspace: Path, artifact: Artifact, plan: WorkspacePlan) -> str:
    sample = workspace / f"{library.EMAILS}/{SAMPLE_OF}/sample.yaml"
    html = render(artifact, sample_values(replace(artifact, email=SAMPLE_OF), sample, plan)).html
    return with_pictures_inside(html, kept_pictures(artifact.pictures, picture_bytes(workspace, artifact.pictures)))


def pages(workspace: Path, plan: WorkspacePlan) -> Iterator[tuple[str, str, str]]:
    """The name of each picture, the HTML, and which part of it."""
    shown = [(f"layout-{layout}", LAYOUT_BODY, layout, "") for layout in LAYOUTS]
    for name, body in examples().items():
        is_around = name in PART
        shown.append((name, LAYOUT_BODY if is_around else body, "default", PART.get(name, ".card")))
    for name, body, layout, part in shown:
        artifact, problems = compile_example(workspace, body, layout, plan)
        assert artifact, problems
        yield name, html_of(workspace, artifact, plan), part


def copy_of_starter(to: Path) -> WorkspacePlan:
    """The starter without most of its emails, in a folder of its own; what can be had of its plan without compiling them."""
    for name in ("brands", "layouts", "blocks", "images", f"emails/{SAMPLE_OF}"):
        copytree(starter_folder() / "templates" / name, to / "templates" / name)
    for file in (*starter_folder().glob("*.yaml"), starter_folder() / "templates/phrases.yaml"):
        copyfile(file, to / file.relative_to(starter_folder()))
    files = read_files(to, Findings())
    assert files
    return build_tables(files)


def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="handraiser-") as folder, running(find_browser(), Path(folder)) as browser:
        workspace = Path(folder) / "workspace"
        for name, html, part in pages(workspace, copy_of_starter(workspace)):
            (PICTURES / f"{name}.png").write_bytes(browser.picture(html, WIDTH, "light", of=part))


if __name__ == "__main__":
    main()
