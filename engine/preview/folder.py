"""The preview as files: a list, a page for each mail and what they need, to be opened without a server or put on one.

Before: `engine.preview.watch` looked at the workspace once. After: a browser opens index.html; `engine.preview.pictures` may add
pictures.
"""

from pathlib import Path
from shutil import copyfile

from engine.errors import UsageError
from engine.preview.pages import BESIDE, PARTS, index_page, mail_page
from engine.preview.watch import Shown


def write_folder(shown: Shown, folder: Path) -> None:
    """Raises UsageError for a folder that holds something else. An earlier preview in it is replaced."""
    clear(folder)
    for file in BESIDE:
        copyfile(PARTS / file, folder / file)
    for name, mail in shown.mails.items():
        (folder / f"{name}.html").write_text(mail_page(mail, shown), encoding="utf-8")
    (folder / "index.html").write_text(index_page(shown), encoding="utf-8")


def clear(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    there = sorted(folder.iterdir())
    if there and not all((folder / file).is_file() for file in BESIDE):
        raise UsageError(f"{folder} holds other things than a preview; name a new or an empty folder")
    for file in there:
        if file.suffix in (".html", ".png"):
            file.unlink()
