"""docs/blocks.md: every block has its section, an example that works, and a picture."""

from pathlib import Path

from engine.installed import starter_folder
from engine.render.pictures import SCHEME
from tests.render import gallery

LARGEST = 600_000  # bytes of all pictures together
NOT_CALLED = {"look", "dark"}  # by emails or on their own


def test_every_block_and_layout_has_a_section_and_a_picture() -> None:
    blocks = {path.stem for path in (starter_folder() / "templates/blocks").glob("*.mjml")}
    layouts = {path.stem for path in (starter_folder() / "templates/layouts").glob("*.mjml")}

    assert gallery.examples().keys() == blocks - NOT_CALLED
    assert layouts == set(gallery.LAYOUTS)
    pictures = {path.stem: path.stat().st_size for path in gallery.PICTURES.glob("*.png")}
    assert pictures.keys() == (blocks - NOT_CALLED) | {f"layout-{name}" for name in layouts}
    assert sum(pictures.values()) < LARGEST
    page = (gallery.DOCS / "blocks.md").read_text(encoding="utf-8")
    assert all(f"pictures/blocks/{name}.png" in page for name in pictures)


def test_every_example_is_a_mail(tmp_path: Path) -> None:
    plan = gallery.copy_of_starter(tmp_path)

    shown = {name: html for name, html, _ in gallery.pages(tmp_path, plan)}

    assert "Inlet filters, pack of six" in shown["product-row"] and "data:image/png;base64," in shown["products"]
    assert not any(SCHEME in html for html in shown.values())
