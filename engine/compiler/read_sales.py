"""scoring.yaml, assignment.yaml and offers.yaml as written.

Before: `engine.compiler.reading` over each file. After: `engine.compiler.check`.
"""

from collections.abc import Iterator

from engine.compiler import kinds
from engine.compiler.diagnostics import Findings
from engine.compiler.plan import OfferWords, Rep
from engine.compiler.reading import Section
from engine.compiler.shapes_of_tables import ASSIGNMENT, OFFER, OFFER_WORDS, OFFERS, POINT_RULE, PROFILE_RULE, REP, RULE, SCORING
from engine.compiler.source import Node
from engine.compiler.syntax import Assignment, AssignmentRule, Offer, PointRule, ProfileRule, Scoring
from engine.spans import Span

USUAL_THRESHOLD = 60.0
USUAL_RESPONSE = Span(seconds=4 * 3600)


def read_scoring(node: Node, findings: Findings) -> Scoring:
    section = Section(node, "scoring.yaml", SCORING, findings)
    return Scoring(
        threshold=section.given("threshold", kinds.NUMBER_FROM_ZERO, USUAL_THRESHOLD).value,
        respond_within=section.given("respond_within", kinds.POSITIVE_SPAN, USUAL_RESPONSE).value,
        points=tuple(read_point_rule(item, findings) for item in section.list_of_nodes("points")),
        profile=tuple(read_profile_rule(item, findings) for item in section.list_of_nodes("profile")),
    )


def read_point_rule(node: Node, findings: Findings) -> PointRule:
    section = Section(node, "a rule for points", POINT_RULE, findings)
    at_most = section.optional("at_most", kinds.NUMBER_FROM_ZERO)
    fades = section.optional("fades", kinds.POSITIVE_SPAN)
    return PointRule(
        on=section.reference("on"),
        condition=section.filled_scalar("if"),
        points=section.needed("points", kinds.NUMBER, 0).value,
        at_most=at_most.value if at_most else None,
        fades=fades.value if fades else None,
        because=section.needed_scalar("because"),
    )


def read_profile_rule(node: Node, findings: Findings) -> ProfileRule:
    section = Section(node, "a rule of the profile", PROFILE_RULE, findings)
    return ProfileRule(
        condition=section.needed_scalar("if"),
        points=section.needed("points", kinds.NUMBER, 0).value,
        because=section.text("because"),
    )


def read_assignment(node: Node, findings: Findings) -> Assignment:
    section = Section(node, "assignment.yaml", ASSIGNMENT, findings)
    return Assignment(
        place=section.place,
        reps={key: read_rep(own, key, findings) for key, own in section.named_entries("reps")},
        rules=tuple(read_rule(item, findings) for item in section.list_of_nodes("rules")),
    )


def read_rep(node: Node, key: str, findings: Findings) -> Rep:
    section = Section(node, "a rep", REP, findings)
    phone, zone = section.optional("phone", kinds.TEXT), section.optional("zone", kinds.ZONE)
    return Rep(
        key=key,
        name=section.text("name"),
        email=section.needed("email", kinds.ADDRESS, "").value,
        phone=phone.value if phone else None,
        zone=zone.value if zone else None,
    )


def read_rule(node: Node, findings: Findings) -> AssignmentRule:
    section = Section(node, "a rule", RULE, findings)
    section.require("to")
    to = section.texts("to")
    if not to and "to" in section:
        findings.add("E028", section.place, "`to` names nobody")
    return AssignmentRule(condition=section.filled_scalar("if"), to=to)


def read_offers(node: Node, findings: Findings) -> tuple[Offer, ...]:
    section = Section(node, "offers.yaml", OFFERS, findings)
    return tuple(read_offer(own, key, findings) for key, own in section.named_entries("offers"))


def read_offer(node: Node, key: str, findings: Findings) -> Offer:
    section = Section(node, "an offer", OFFER, findings)
    section.require("for")
    return Offer(
        key=key,
        priority=section.given("priority", kinds.WHOLE, 0).value,
        emails=section.texts("for"),
        condition=section.filled_scalar("if"),
        title=section.text("title"),
        text=section.text("text"),
        link=section.needed("link", kinds.LINK, "").value,
        button=section.text("button"),
        languages=dict(read_offer_words(section)),
    )


def read_offer_words(section: Section) -> Iterator[tuple[str, OfferWords]]:
    """What the offer says in other languages."""
    for key, node in section.keyed_entries("languages"):
        own = Section(node, "an offer in a language", OFFER_WORDS, section.findings)
        link = own.given("link", kinds.LINK, "").value
        words = OfferWords(title=own.text("title"), text=own.text("text"), link=link, button=own.text("button"))
        yield section.value(key, kinds.LANGUAGE_CODE, "").value, words
