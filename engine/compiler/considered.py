"""Warnings that somebody lets stand, each with the reason: `considered: {W038: "A death is no time to sell."}`.

Before: an email.yaml or an event of events.yaml as YAML. After: what would warn asks here first, and a reason for a warning that
does not come is itself told of.
"""

from collections.abc import Collection, Iterable, Mapping

from engine.compiler.diagnostics import TABLE, Findings, Place
from engine.compiler.reading import Section, scalar_of

OF_EVENTS = ("W040", "W041")
OF_EMAILS = tuple(code for code in TABLE if code >= "W030" and code not in OF_EVENTS)
OF_MARKUP = tuple(code for code in OF_EMAILS if code >= "W060")  # told before mails are looked at, perhaps of what several share


def read_considered(section: Section, codes: Collection[str]) -> Mapping[str, Place]:
    """The codes that are considered, with their places. Others than `codes`, and empty reasons, are reported."""
    found: dict[str, Place] = {}
    for key, node in section.keyed_entries("considered"):
        if key.text not in codes:
            told = f'"{key.text[:20]}" cannot be considered in {section.what}; take the code of a warning from what check says'
            section.findings.add("E014", key.place, told)
        elif (reason := scalar_of(node, f"the reason for {key.text}", section.findings)) and not reason.text.strip():
            section.findings.add("E011", key.place, f"{key.text} needs its reason in a few words, for whoever comes after you")
        elif reason:
            found[key.text] = key.place
    return found


def report_needless(considered: Mapping[str, Place], told: Iterable[str], findings: Findings) -> None:
    """Report the reasons for warnings that do not come. `told`: the codes of those that would have."""
    for code in sorted(considered.keys() - {*told, *OF_MARKUP}):
        findings.add("W015", considered[code], f"{code} ({TABLE[code].title}) is not there, so the reason can go")
