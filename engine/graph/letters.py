"""How wide text is, without a font: so that words are broken where they must be and nothing hangs over an edge. Pure.

Widths are those of the Helvetica family, which `FONT` asks for first; wider fonts are allowed for by `SAFETY`.
"""

import unicodedata

FONT = "Helvetica, Arial, 'Liberation Sans', Roboto, sans-serif"
MONO = "'SF Mono', Menlo, Consolas, 'Liberation Mono', monospace"
SAFETY = 1.06
MONO_WIDTH = 0.605
ELLIPSIS = "…"

# The characters of each width, in thousandths of the size; bold ones, which are never narrower.
BOLD = {
    278: " ,./I\\|ijl'’", 333: "!()-:;[]`ft", 389: "*r{}“”", 474: '"', 500: "z", 556: "#$0123456789J_aceksvxy–",
    584: "+<=>^~", 611: "?FLTZbdghnopqu‹›", 667: "EPSVXY", 722: "&ABCDHKNRU", 778: "GOQw", 833: "M", 889: "%m", 944: "W",
    975: "@", 1000: "—…",
}  # fmt: skip
WIDTHS = {letter: width / 1000 for width, letters in BOLD.items() for letter in letters}


def width_of(text: str, size: float, *, mono: bool = False) -> float:
    """In pixels, rather too wide than too narrow."""
    return SAFETY * size * sum(width_of_letter(letter, mono) for letter in text)


def width_of_letter(letter: str, mono: bool) -> float:
    if unicodedata.combining(letter):
        return 0.0
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.1
    return MONO_WIDTH if mono else WIDTHS.get(letter, 0.72 if letter.isalpha() else 0.8)


def wrap(text: str, size: float, width: float, *, lines: int, mono: bool = False) -> list[str]:
    """The text in at most `lines` lines that fit into `width`; what is too long ends in an ellipsis. Never empty."""
    rest, found = shown(text).split(" "), list[str]()
    while rest and len(found) < lines:
        found.append(take_line(rest, size, width, mono))
    if rest:
        found[-1] = shorten(f"{found[-1]} {rest[0]}", size, width, mono=mono)
    return found


def take_line(rest: list[str], size: float, width: float, mono: bool) -> str:
    """Takes from `rest` as many words as fit; one too long by itself is cut, at a hyphen if it has one."""
    line = rest.pop(0)
    while rest and width_of(f"{line} {rest[0]}", size, mono=mono) <= width:
        line += f" {rest.pop(0)}"
    if width_of(line, size, mono=mono) <= width:
        return line
    kept = len(line)
    while kept > 1 and width_of(line[:kept], size, mono=mono) > width:
        kept -= 1
    kept = line.rfind("-", kept // 2, kept) + 1 or kept
    rest.insert(0, line[kept:])
    return line[:kept]


def shorten(text: str, size: float, width: float, *, mono: bool = False) -> str:
    """As much of the text's beginning as fits with an ellipsis behind it."""
    while text and width_of(text + ELLIPSIS, size, mono=mono) > width:
        text = text[:-1]
    return text.rstrip() + ELLIPSIS


def shown(text: str) -> str:
    """Without what cannot be drawn in a line: control characters, and characters that turn the direction of the text."""
    kept = (letter for letter in text if letter.isspace() or unicodedata.category(letter)[0] != "C")
    return " ".join("".join(kept).split()) or " "
