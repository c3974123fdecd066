"""A cadence file as written: who comes in, its exits, and what holds for all of its steps.

Before: `engine.compiler.reading` over one file of `cadences/`. After: `engine.compiler.check_cadences`. The steps are read
by `engine.compiler.read_steps`.
"""

from collections.abc import Iterator

from engine.compiler import kinds
from engine.compiler.diagnostics import Findings
from engine.compiler.plan import Window
from engine.compiler.read_steps import read_first_steps
from engine.compiler.read_window import read_window
from engine.compiler.reading import Section
from engine.compiler.shapes_of_cadences import CADENCE, ENTRY, EXIT
from engine.compiler.shapes_of_windows import OWN_WINDOW
from engine.compiler.source import Node, Scalar
from engine.compiler.syntax import Cadence, Entry, Exit, Written
from engine.spans import Span
from engine.vocabulary import EventType

USUAL_EXITS = (EventType.REPLIED, EventType.PURCHASED)
USUAL_GAP = Span(days=1)


def read_cadence(node: Node, name: str, window: Window, findings: Findings) -> Cadence:
    """One cadence; `window` is the workspace's, whose parts stand in for what its own leaves out."""
    section = Section(node, "a cadence", CADENCE, findings)
    own_window = section.node("window")
    return Cadence(
        name=name,
        place=section.place,
        title=section.text("title"),
        owner=section.reference("owner"),
        topic=section.reference("topic"),
        brand=section.optional("brand", kinds.TEXT),
        sender=section.optional("from", kinds.TEXT),
        on_change=section.given("on_change", kinds.ON_CHANGE, "pin").value,
        repeat=section.given("repeat", kinds.YES_NO, False).value,
        window=read_window(own_window, window, OWN_WINDOW, own_window.place, findings) if own_window else None,
        gap=section.given("gap", kinds.SPAN, USUAL_GAP).value,
        goal=section.filled_scalar("goal"),
        exits=tuple(read_exits(section)),
        steps=read_first_steps(section),
        entries=tuple(read_entries(section)),
        reentry=section.given("reentry", kinds.REENTRY, None),
        priority=section.given("priority", kinds.PRIORITY, 0).value,
        shadow=section.given("shadow", kinds.YES_NO, False).value,
        tests=section.list_of_nodes("tests"),
    )


def read_entries(section: Section) -> Iterator[Entry]:
    for item in section.list_of_nodes("enter"):
        if entry := read_entry(item, section.findings):
            yield entry


def read_entry(node: Node, findings: Findings) -> Entry | None:
    """One way in; None: it names nothing, or two things (reported)."""
    own = Section(node, "a way in", ENTRY, findings)
    if ("segment" in own) == ("event" in own):
        if not own.is_misshapen and not own.misspelt:
            told = "names `segment:` or `event:`, not both" if "event" in own else "needs `segment:` or `event:`"
            findings.add("E054", node.place, f"a way in {told}")
        return None
    if "segment" in own and "if" in own:
        findings.add("E054", own.place_of("if"), "`if:` belongs to an `event:`; a segment has its condition in segments.yaml")
    if "segment" in own:
        return Entry(segment=own.reference("segment"))
    return Entry(event=own.reference("event"), condition=own.filled_scalar("if"))


def read_exits(section: Section) -> Iterator[Exit]:
    if "exits" not in section:
        yield from (Exit(event=Written(str(event), section.place)) for event in USUAL_EXITS)
    for item in section.list_of_nodes("exits"):
        if isinstance(item, Scalar):
            yield Exit(event=Written(item.text, item.place))
        else:
            own = Section(item, "an exit", EXIT, section.findings)
            because = own.optional("because", kinds.TEXT)
            yield Exit(condition=own.needed_scalar("if"), because=because.value if because else None)
