"""The files that go with mails: found, measured and named by the digest of their bytes.

Before: `engine.compiler.files` has read which files the cadences attach. After: `engine.compiler.build` puts them into the
plan, and whoever stores a plan stores the bytes under their digests.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath

from engine.compiler.attachment import Attachment
from engine.compiler.diagnostics import Findings, closest, quote
from engine.compiler.steps import all_steps
from engine.compiler.syntax import EmailStep, Files, Text

FOLDER = "attachments"
LARGEST_FILE = 5 * 1024 * 1024
LARGEST_MAIL = 10 * 1024 * 1024
# Our own table, so that a plan does not depend on what the machine knows; mail servers take all of these.
MEDIA_TYPES = {
    ".csv": "text/csv",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".gif": "image/gif",
    ".ics": "text/calendar",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".odp": "application/vnd.oasis.opendocument.presentation",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".txt": "text/plain",
    ".vcf": "text/vcard",
    ".webp": "image/webp",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@dataclass(frozen=True, slots=True)
class Attachable:
    """One file of `attachments/` that a mail may carry."""

    attachment: Attachment
    data: bytes


Attachables = Mapping[str, Attachable]  # by the file's name


def read_attachments(folder: Path, files: Files, findings: Findings) -> Attachables:
    """Every file that a mail may carry; what is wrong with the others is reported where they are named."""
    steps = [step for cadence in files.cadences for step in all_steps(cadence.steps) if isinstance(step, EmailStep)]
    attachables: dict[str, Attachable | None] = {}
    for name in (*(name for step in steps for name in files_of(step)), *(each.file for each in files.collateral)):
        if name.value and not attachables.get(name.value):
            attachables[name.value] = read_attachment(folder, name, findings)
    found = {name: each for name, each in attachables.items() if each}
    sizes = sorted(found[name].attachment.size for name in {each.file.value for each in files.collateral} & found.keys())
    for step in steps:
        check_mail(step, found, sizes, findings)
    return found


def files_of(step: EmailStep) -> Iterator[Text]:
    yield from step.attach
    if step.otherwise:
        yield step.otherwise


def read_attachment(folder: Path, name: Text, findings: Findings) -> Attachable | None:
    media_type = MEDIA_TYPES.get(PurePosixPath(name.value).suffix.lower())
    if not is_within(folder / FOLDER, name.value):
        message = f"there is no file {quote(name.value)} in {FOLDER}/"
        findings.add("E049", name.place, message, closest(name.value, names_in(folder / FOLDER)))
    elif media_type is None:
        kinds = ", ".join(ending.removeprefix(".") for ending in MEDIA_TYPES)
        findings.add("E051", name.place, f"{quote(name.value)} is not a kind of file that can go with a mail: {kinds}")
    elif (data := read_data(folder / FOLDER / name.value)) is None:
        findings.add("E049", name.place, f"the file {quote(name.value)} in {FOLDER}/ cannot be read")
    elif len(data) > LARGEST_FILE:
        findings.add("E050", name.place, f"{quote(name.value)} is larger than {LARGEST_FILE // 1024**2} MB")
    else:
        digest = sha256(data).hexdigest()
        return Attachable(Attachment(file=name.value, media_type=media_type, size=len(data), digest=digest), data)
    return None


def is_plain_name(name: str) -> bool:
    """Whether it names a file right inside the folder: no path may lead out of it."""
    return name == PurePosixPath(name).name and not name.startswith(".") and "\\" not in name and name.isprintable()


def is_within(folder: Path, name: str) -> bool:
    """Whether there is a file of that name right inside the folder, and no link that leads out of it."""
    path = folder / name
    try:
        return is_plain_name(name) and path.is_file() and path.resolve().parent == folder.resolve()
    except (OSError, ValueError):  # such as a name that is too long
        return False


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*") if path.is_file())


def read_data(path: Path) -> bytes | None:
    """The bytes, one more than may be at the most; None: they cannot be read."""
    try:
        with path.open("rb") as opened:
            return opened.read(LARGEST_FILE + 1)
    except OSError:
        return None


def check_mail(step: EmailStep, attachables: Attachables, sizes: Sequence[int], findings: Findings) -> None:
    """Report a mail that carries a file twice, or may carry more than mail servers take. `sizes`: of all collateral, in order."""
    counts = Counter(name.value for name in step.attach)
    for name in step.attach:
        if counts.pop(name.value, 1) > 1:
            findings.add("E024", name.place, f"{quote(name.value)} is attached twice")
    size = sum(attachables[name.value].attachment.size for name in step.attach if name.value in attachables)
    size += sum(sizes[-step.collateral.value :]) if step.collateral else 0
    if size > LARGEST_MAIL:
        place = step.attach[0].place if step.attach else step.email.place
        message = f"the files of this mail are {size / 1024**2:.1f} MB together; {LARGEST_MAIL // 1024**2} MB are the most"
        findings.add("E050", place, message)
