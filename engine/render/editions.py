"""Which versions an email has, and of which files and lines each is made.

Before: the folder of the email: its plain files, `variants/<arm>/`, `languages/<code>/` and `languages/<code>/variants/<arm>/`.
After: `engine.render.library` compiles each version. A language is whole, and has whatever an arm changes: so no reader gets
another arm, or another language, than the one that is written down.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.compiler.copies import PLAIN
from engine.languages import LANGUAGE
from engine.render.email_file import EmailFile, Lines, read_language_file
from engine.render.problems import Place, Problems, Source

BODY, TEXT = "body.mjml", "text.txt"
OF_A_VARIANT = (BODY, TEXT)
OF_A_LANGUAGE = (BODY, TEXT, "email.yaml", "variants")
SAMPLES = "sample*.yaml"
FOLDERS = ("languages", "variants")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One language and arm. `folder`: where its body is; `text`: the file of its own text part, or None."""

    language: str
    arm: str
    about: EmailFile
    folder: str
    text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one folder, and the lines that belong to it, say of a version."""

    folder: str
    lines: Lines
    files: frozenset[str]

    @property
    def parts(self) -> frozenset[str]:
        """What it changes, in the words of a message."""
        lines = {"subject": self.lines.subject, "preheader": self.lines.preheader, "links": self.lines.links}
        return frozenset(name for name, said in lines.items() if said) | self.files


@dataclass(frozen=True, slots=True, kw_only=True)
class Tongue:
    """An email in one language. `layers`: by arm, the most particular first."""

    language: str
    plain: Layer
    arms: Mapping[str, Layer] = field(default_factory=dict)

    def layers(self, arm: str) -> tuple[Layer, ...]:
        return (self.plain,) if arm == PLAIN else (self.arms[arm], self.plain)


class Editions:
    """The versions of one email, read from its folder."""

    def __init__(self, workspace: Path, folder: str, about: EmailFile, language: str, problems: Problems) -> None:
        self.workspace, self.folder, self.about, self.language = workspace, folder, about, language
        self.problems, self.told_to = Problems(), problems

    def versions(self) -> Iterator[Version]:
        """All of them; where something is missing, which is reported, the plain files alone."""
        usual = self.tongue(self.language, self.folder, self.about.lines)
        self.check_arms(usual)
        others = [found for code in self.languages() if (found := self.other(code, usual))]
        self.told_to.take(self.problems)
        if self.problems:
            yield self.version(usual, PLAIN, usual)
            return
        for tongue in (usual, *others):
            yield from (self.version(tongue, arm, usual) for arm in (PLAIN, *self.about.variants))

    def version(self, tongue: Tongue, arm: str, usual: Tongue) -> Version:
        layers = tongue.layers(arm)
        subject = next(layer.lines.subject for layer in layers if layer.lines.subject)
        nothing = Source("", subject.place)
        preheader = next((layer.lines.preheader for layer in layers if layer.lines.preheader), nothing)
        said = (usual.plain, tongue.plain, usual.layers(arm)[0], layers[0])
        links = {name: address for layer in said for name, address in layer.lines.links.items()}
        return Version(
            language=tongue.language,
            arm=arm,
            about=replace(self.about, lines=Lines(subject=subject, preheader=preheader, links=links)),
            folder=next(layer.folder for layer in (*layers, usual.plain) if BODY in layer.files or layer is usual.plain),
            text=text_file(layers),
        )

    def tongue(self, language: str, folder: str, lines: Lines) -> Tongue:
        arms = {arm: self.layer(f"{folder}/variants/{arm}", lines.variants[arm]) for arm in self.about.variants}
        return Tongue(language=language, plain=self.layer(folder, lines), arms=arms)

    def layer(self, folder: str, lines: Lines) -> Layer:
        files = frozenset(file for file in OF_A_VARIANT if os.path.lexists(self.workspace / folder / file))
        return Layer(folder=folder, lines=lines, files=files)

    def languages(self) -> Iterator[str]:
        """The languages beside the plain files; what cannot be one is reported."""
        for path in self.only_folders(f"{self.folder}/languages"):
            place = Place(f"{self.folder}/languages/{path.name}")
            if not LANGUAGE.fullmatch(path.name):
                self.problems.add(place, f'"{path.name}" is not a language; name the folder by its two or three letters: de, fr')
            elif path.name == self.language:
                self.problems.add(place, f'the plain files are in "{self.language}" already: workspace.yaml says so')
            else:
                yield path.name

    def other(self, code: str, usual: Tongue) -> Tongue | None:
        """The email in a language beside that of the plain files; None: not even its lines can be read."""
        folder = f"{self.folder}/languages/{code}"
        self.check_files(folder, OF_A_LANGUAGE, "what else an email is stands in its email.yaml")
        lines = read_language_file(self.workspace, f"{folder}/email.yaml", self.about.variants, self.problems)
        if lines is None:
            return None
        self.check_folders(folder)
        tongue = self.tongue(code, folder, lines)
        self.check_whole(tongue, usual)
        return tongue

    def check_arms(self, usual: Tongue) -> None:
        """Each arm differs in something, somebody draws one, and no folder is there of which nobody speaks."""
        for path in self.folders(self.folder):
            if path.name not in FOLDERS:
                self.problems.unknown(Place(f"{self.folder}/{path.name}"), "folder", path.name, FOLDERS)
        self.check_folders(self.folder)
        for name, arm in usual.arms.items():
            if not arm.parts:
                told = f'the variant "{name}" differs in nothing: give it a subject here, or a body in variants/{name}/'
                self.problems.add(self.about.variants[name].place, told)
        if self.about.shares and not any(self.about.shares.values()):
            self.problems.add(next(iter(self.about.variants.values())).place, "nobody can draw an arm: the share of each is 0")

    def check_folders(self, folder: str) -> None:
        for path in self.only_folders(f"{folder}/variants"):
            place = Place(f"{folder}/variants/{path.name}")
            if path.name not in self.about.variants:
                self.problems.unknown(place, "variant", path.name, self.about.variants)
            else:
                self.check_files(place.file, OF_A_VARIANT, "a variant's lines stand in email.yaml, under `variants:`")

    def check_files(self, folder: str, known: tuple[str, ...], instead: str) -> None:
        """A file that nobody would read is one that somebody believes in."""
        for path in sorted((self.workspace / folder).iterdir()):
            if path.name not in known and not (path.match(SAMPLES) and "email.yaml" in known):
                self.problems.add(Place(f"{folder}/{path.name}"), f"this file is not read here; {instead}")

    def check_whole(self, tongue: Tongue, usual: Tongue) -> None:
        """A language has a body of its own, a preheader where the plain files have one, and all that arms change."""
        file = f"{tongue.plain.folder}/email.yaml"
        if BODY not in tongue.plain.files:
            self.problems.add(Place(f"{tongue.plain.folder}/{BODY}"), "this file is missing: a language needs a body of its own")
        if usual.plain.lines.preheader and not tongue.plain.lines.preheader:
            told = 'the key "preheader" is missing: the plain files have one, which is in another language'
            self.problems.add(Place(file), told)
        for name, arm in usual.arms.items():
            for part in sorted(arm.parts - tongue.arms[name].parts - {"links"}):
                where = f"variants/{name}/{part}" if part in OF_A_VARIANT else f"`{part}:` for it, under `variants:`"
                told = f'the variant "{name}" has a {said_of(part)} of its own, and none in "{tongue.language}": write {where}'
                self.problems.add(Place(file), told)

    def only_folders(self, folder: str) -> list[Path]:
        """Those in a folder that has nothing else in it: a file in the place of one is reported."""
        there = self.workspace / folder
        found = sorted(there.iterdir()) if there.is_dir() else [there] if os.path.lexists(there) else []
        for path in found:
            if not path.is_dir() and not path.name.startswith("."):
                place = Place(path.relative_to(self.workspace).as_posix())
                self.problems.add(place, "this is a file, where a folder is wanted")
        return self.folders(folder)

    def folders(self, folder: str) -> list[Path]:
        there = self.workspace / folder
        return sorted(path for path in there.iterdir() if path.is_dir()) if there.is_dir() else []


def said_of(part: str) -> str:
    return {BODY: "body", TEXT: "text part"}.get(part, part)


def text_file(layers: tuple[Layer, ...]) -> str | None:
    """A text part by hand belongs to the body beside it: a layer with a body and without a text has none."""
    for layer in layers:
        if TEXT in layer.files:
            return f"{layer.folder}/{TEXT}"
        if BODY in layer.files:
            return None
    return None
