"""Whose public holidays count: a lead's country and region in words or codes, turned into the days on which nobody works there.

Before: workspace.yaml names the fields that say where a lead is. After: `engine.schedule.timing` keeps windows shut on these days
and leaves them out of business days. The days themselves are those of the package `holidays`, read when first asked for.
"""

import re
import unicodedata
from datetime import date
from functools import cache, lru_cache
from importlib import import_module
from typing import Any, Protocol, cast

from engine.compiler.plan import Holidays
from engine.spans import NO_DAYS_OFF, DaysOff

# What people also write, beside the codes and the package's own names.
ALSO_CALLED = {
    "uk": "GB", "great britain": "GB", "britain": "GB", "england": "GB-ENG", "scotland": "GB-SCT", "wales": "GB-WLS",
    "northern ireland": "GB-NIR", "usa": "US", "united states of america": "US", "america": "US", "holland": "NL",
    "the netherlands": "NL", "czech republic": "CZ", "south korea": "KR", "korea": "KR", "republic of ireland": "IE",
    "russian federation": "RU", "viet nam": "VN", "turkiye": "TR", "uae": "AE", "emirates": "AE", "ivory coast": "CI",
    "cote divoire": "CI",
    "deutschland": "DE", "osterreich": "AT", "schweiz": "CH", "espana": "ES", "hongkong": "HK", "swaziland": "SZ",
}  # fmt: skip


class Calendar(Protocol):
    """What the package knows of one country."""

    subdivisions: tuple[str, ...]
    subdivisions_aliases: dict[str, str]

    def __call__(self, *, subdiv: str | None, years: int, expand: bool) -> dict[date, str]: ...


class PublicHolidays:
    """The days off of one place, a year at a time as they are asked for, and our own days."""

    def __init__(self, code: str | None, also: tuple[date, ...]) -> None:
        self._code = code
        self._also = frozenset(also)
        self._years: dict[int, frozenset[date]] = {}

    def __contains__(self, day: object) -> bool:
        assert isinstance(day, date)
        known = self._years.get(day.year)
        if known is None:
            known = self._years[day.year] = self._also | (days_of_year(self._code, day.year) if self._code else frozenset())
        return day in known

    def name_of(self, day: date) -> str | None:
        """What is celebrated on a public holiday; None on any other day, and on our own."""
        if self._code is None:
            return None
        country, _, subdivision = self._code.partition("-")
        return calendar_of(country)(subdiv=subdivision or None, years=day.year, expand=False).get(day)


def holiday_name(days_off: DaysOff, day: date) -> str | None:
    """The name of a day off, where it is a public one."""
    return days_off.name_of(day) if isinstance(days_off, PublicHolidays) else None


def is_none(rule: Holidays) -> bool:
    """Whether no day is off for anybody."""
    return rule.usual is None and rule.country_field is None and not rule.also


@lru_cache(maxsize=4_096)
def public_holidays(rule: Holidays, country: str | None, region: str | None) -> DaysOff:
    """The days off where a lead is, by what its fields say; the usual ones where that is empty or unknown."""
    found = place_of(country, region)
    usual = place_of(rule.usual, None)
    if found is None or (usual is not None and found == usual.partition("-")[0] and region_is_unknown(found, region)):
        found = usual
    if found is None and not rule.also:
        return NO_DAYS_OFF
    return one_calendar(found, rule.also)


@cache
def one_calendar(code: str | None, also: tuple[date, ...]) -> PublicHolidays:
    return PublicHolidays(code, also)


def region_is_unknown(country: str, region: str | None) -> bool:
    return region is None or region_code(country, region) is None


def place_of(country: str | None, region: str | None) -> str | None:
    """`DE` or `DE-BY`; None where the country is not known. A region that is not known leaves the country's own days."""
    if not country or not country.strip():
        return None
    said = folded(country)
    code = ALSO_CALLED.get(said) or names().get(said) or country.strip().upper()
    alone, _, within = code.partition("-")
    if alone not in modules():
        return None
    subdivision = region_code(alone, region) if region else None
    subdivision = subdivision or (region_code(alone, within) if within else None)
    return f"{alone}-{subdivision}" if subdivision else alone


def region_code(country: str, region: str) -> str | None:
    """The subdivision's code, from itself, with or without the country before it, or from its name."""
    calendar = calendar_of(country)
    code = region.strip().upper().removeprefix(f"{country}-")
    if code in calendar.subdivisions:
        return code
    aliases = {folded(name): alias for name, alias in getattr(calendar, "subdivisions_aliases", {}).items()}
    return aliases.get(folded(region))


@cache
def days_of_year(code: str, year: int) -> frozenset[date]:
    country, _, subdivision = code.partition("-")
    return frozenset(calendar_of(country)(subdiv=subdivision or None, years=year, expand=False))


@cache
def calendar_of(country: str) -> Calendar:
    return cast(Calendar, getattr(package("holidays"), modules()[country]))


@cache
def modules() -> dict[str, str]:
    """The package's class for each country, by its ISO 3166 code."""
    return {alpha_2: name for name, alpha_2, *_rest in package("holidays.registry").COUNTRIES.values()}


@cache
def names() -> dict[str, str]:
    """Codes by the English names that the package uses, and by ISO's three letters."""
    registered = package("holidays.registry").COUNTRIES.items()
    by_name = {name.replace("_", " "): codes[1] for name, codes in registered}
    return by_name | {codes[2].lower(): codes[1] for _name, codes in registered}


def folded(words: str) -> str:
    """Without accents, case and punctuation: how people write names is their affair."""
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode()
    return " ".join(re.sub(r"[^a-z0-9]+", " ", re.sub(r"[.']", "", plain.lower())).split())


@cache
def package(name: str) -> Any:
    """Imported when first needed: it takes a tenth of a second, and most commands ask for no holiday."""
    return import_module(name)
