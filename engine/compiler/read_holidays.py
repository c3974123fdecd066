"""`holidays` of workspace.yaml as written: whose public holidays count, and days of our own.

Before: `engine.compiler.reading`. After: `engine.compiler.check` looks its two fields up in leads.yaml. Which countries and
regions there are is known to the package `holidays`, which is imported only where a workspace asks.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from importlib import import_module

from engine.compiler import kinds
from engine.compiler.diagnostics import quote
from engine.compiler.plan import Holidays
from engine.compiler.reading import Section, value_of
from engine.compiler.shapes_of_tables import HOLIDAYS
from engine.compiler.source import Scalar
from engine.compiler.syntax import Text


def read_holidays(section: Section) -> tuple[Holidays, tuple[Text, ...]]:
    """The workspace's holidays, and the fields of leads that they name. Without the key, there are none."""
    own = Section(section.node("holidays"), "`holidays`", HOLIDAYS, section.findings)
    country, region = own.optional("country_field", kinds.TEXT), own.optional("region_field", kinds.TEXT)
    if region and not country:
        own.findings.add("E061", region.place, "a `region_field:` needs a `country_field:` whose regions it names")
    usual = own.optional("usual", COUNTRY)
    holidays = Holidays(
        usual=usual.value if usual else None,
        country_field=country.value if country else None,
        region_field=region.value if region else None,
        also=tuple(sorted(set(read_own_days(own)))),
    )
    return holidays, tuple(field for field in (country, region) if field)


def read_own_days(section: Section) -> list[date]:
    scalars = [node for node in section.list_of_nodes("also") if isinstance(node, Scalar)]
    days = [value_of(scalar, kinds.DATE, "each of `also`", section.findings) for scalar in scalars]
    return [day.value for day in days if day]


def parse_country(text: str) -> str:
    """`GB`, or `GB-SCT` with a region of it."""
    country, _, region = text.upper().partition("-")
    known = countries()
    if country not in known:
        raise kinds.Unusable(f"unknown country {quote(text)}; write a code such as GB, DE or GB-SCT", known)
    if "-" in text and region not in known[country]:
        raise kinds.Unusable(f"unknown region {quote(text)}", [f"{country}-{each}" for each in known[country]])
    return text.upper()


@cache
def countries() -> Mapping[str, Sequence[str]]:
    """Each country with its regions, as ISO 3166 codes. Reading them all takes a fifth of a second, so only who asks waits."""
    known: Mapping[str, Sequence[str]] = import_module("holidays").list_supported_countries(include_aliases=False)
    return known


COUNTRY = kinds.Kind("E044", parse_country)
