"""Colours of a mail as numbers, and how well one can be read on another (WCAG 2.2, success criterion 1.4.3).

Before: nothing. After: `engine.render.review.styles` reads the colours of each piece of text, `legible` compares them.
"""

import re
from functools import lru_cache
from typing import TypeAlias

Colour: TypeAlias = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)
LINK: Colour = (0, 0, 238)  # what browsers give a link that has no colour
NAMED = {
    "black": "#000000", "white": "#ffffff", "red": "#ff0000", "green": "#008000", "blue": "#0000ff", "yellow": "#ffff00",
    "orange": "#ffa500", "purple": "#800080", "navy": "#000080", "teal": "#008080", "maroon": "#800000", "olive": "#808000",
    "silver": "#c0c0c0", "gray": "#808080", "grey": "#808080", "lightgray": "#d3d3d3", "lightgrey": "#d3d3d3",
    "darkgray": "#a9a9a9", "darkgrey": "#a9a9a9", "dimgray": "#696969", "dimgrey": "#696969", "whitesmoke": "#f5f5f5",
    "pink": "#ffc0cb", "gold": "#ffd700", "brown": "#a52a2a", "lime": "#00ff00", "aqua": "#00ffff", "cyan": "#00ffff",
}  # fmt: skip
HEX = re.compile(r"#(?:[0-9a-f]{6}|[0-9a-f]{3})(?![0-9a-f])")
KEEPING = frozenset({"inherit", "initial", "unset", "currentcolor", "transparent", "auto"})
RGBA = re.compile(r"rgba\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d*\.?\d+)(%?)\s*\)")
RGB = re.compile(r"rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)")


@lru_cache(1024)
def colour_in(value: str) -> Colour | None:
    """The first opaque colour in a CSS value; None: there is none that we can compute with."""
    low = value.lower()
    if found := HEX.search(low):
        return from_hex(found[0])
    if found := RGB.search(low):
        return min(int(found[1]), 255), min(int(found[2]), 255), min(int(found[3]), 255)
    named = next((word for word in re.findall(r"[a-z]+", low) if word in NAMED), None)
    return from_hex(NAMED[named]) if named else None


def colour_over(value: str, ground: Colour | None) -> Colour | None:
    """As `colour_in`, and what a colour that lets something through comes to on that ground."""
    found = RGBA.search(value.lower())
    if found is None:
        return colour_in(value)
    share = min(float(found[4]) / (100 if found[5] else 1), 1.0)
    over = [min(int(found[part]), 255) for part in (1, 2, 3)]
    if ground is None:
        return (over[0], over[1], over[2]) if share == 1 else None
    red, green, blue = (round(own * share + below * (1 - share)) for own, below in zip(over, ground, strict=True))
    return red, green, blue


def is_colour(value: str) -> bool:
    """Whether a value of CSS sets a colour, be it one that we cannot compute with."""
    return bool(value) and value.strip().lower() not in KEEPING and not value.lower().startswith(("url(", "none"))


def from_hex(text: str) -> Colour:
    digits = text[1:] if len(text) == 7 else "".join(digit * 2 for digit in text[1:])
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


def spelt(colour: Colour) -> str:
    return "#{:02X}{:02X}{:02X}".format(*colour)


@lru_cache(1024)
def contrast(one: Colour, other: Colour) -> float:
    """From 1 (the same) to 21 (black on white)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@lru_cache(1024)
def luminance(colour: Colour) -> float:
    """Relative luminance, from 0 (black) to 1 (white)."""
    red, green, blue = (linear(part / 255) for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)
