"""A workspace of two real emails, quick to compile, for tests that send."""

import shutil
from pathlib import Path

from engine.compiler.workspace import Compiled, compile_workspace
from engine.installed import starter_folder
from engine.render import library

FILES = ("workspace.yaml", "leads.yaml", "assignment.yaml", "templates/phrases.yaml")
FOLDERS = ("templates/brands", "templates/layouts", "templates/blocks")
EMAILS = {"welcome": "enquiry-01-welcome", "guide": "enquiry-02-co2"}
SEGMENTS = """segments:
  schools: {title: Schools, if: "building == 'school'"}
"""
EVENTS = """events:
  visit_booked:
    title: A site visit was booked
    data: {day: {type: date}}
"""
SCORING = """threshold: 60
respond_within: 4 hours
points:
  - {on: replied, points: 40, because: replied}
  - {on: clicked, points: 6, because: clicked}
  - {on: visit_booked, points: 60, because: booked a visit}
profile: []
"""


def make_workspace(folder: Path, **cadences: str) -> Path:
    """The starter's brand and rules, the emails `welcome` and `guide`, and these cadences."""
    folder.mkdir(exist_ok=True)
    (folder / "templates").mkdir()
    for name in FILES:
        shutil.copyfile(starter_folder() / name, folder / name)
    for name in FOLDERS:
        shutil.copytree(starter_folder() / name, folder / name)
    for name, source in EMAILS.items():
        shutil.copytree(starter_folder() / "templates" / "emails" / source, folder / "templates" / "emails" / name)
    (folder / "segments.yaml").write_text(SEGMENTS)
    (folder / "events.yaml").write_text(EVENTS)
    (folder / "scoring.yaml").write_text(SCORING)
    (folder / "cadences").mkdir()
    for name, text in cadences.items():
        (folder / "cadences" / f"{name}.yaml").write_text(text)
    return folder


def compile_sound(folder: Path) -> Compiled:
    """Compiled, and without a mistake in it."""
    made = compile_workspace(folder, render=library)
    assert [str(found) for found in made.diagnostics if found.is_error] == []
    return made
