"""All copy of an email: an artifact for each language and arm, and which of them somebody gets. Pure.

Before: `engine.render.library` has compiled each. After: a plan's steps and the table of emails name them, and whoever makes a
send picks one and writes down which.
"""

from dataclasses import dataclass

from engine.languages import read_by

PLAIN = "plain"  # the arm that is the email's own files; every email has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One language and arm of an email. `artifact`: a hash."""

    language: str
    arm: str
    artifact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyArm:
    """One arm of an email. `share`: its part of all shares; 0: nobody draws it any more."""

    name: str
    share: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """An email in one brand. `language`: that of the plain files, for whoever reads none of the others.

    `arms`: the plain one first; empty: the email has no variants, and nothing is drawn. Every language has every arm.
    """

    language: str
    versions: tuple[Version, ...]
    arms: tuple[CopyArm, ...] = ()

    @property
    def plain(self) -> str:
        """The artifact of the email's own files."""
        return self.version(self.language, PLAIN).artifact

    @property
    def artifacts(self) -> tuple[str, ...]:
        return tuple(version.artifact for version in self.versions)

    def version(self, language: str, arm: str) -> Version:
        """Raises LookupError where there is none."""
        for version in self.versions:
            if (version.language, version.arm) == (language, arm):
                return version
        raise LookupError(f"there is no version in {language} of the arm {arm}")

    def language_for(self, tag: object) -> str:
        """The language in which somebody gets it whose own is `tag`."""
        if len(self.versions) == 1:
            return self.language
        return read_by(tag, {version.language for version in self.versions}, self.language)

    def has_arm(self, name: str | None) -> bool:
        return any(arm.name == name for arm in self.arms)
