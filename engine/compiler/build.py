"""From what was written, and found to be sound, to the plan.

Before: `engine.compiler.check` found no error. After: `engine.compiler.plan` is all that the rest of the engine sees.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from engine.compiler import plan, syntax
from engine.compiler.attachment import Attachment
from engine.compiler.attachments import Attachables
from engine.compiler.build_steps import Made, build_steps, text_of
from engine.compiler.collateral import Collateral
from engine.compiler.copies import Copy
from engine.compiler.senders import sender_in
from engine.compiler.steps import emails_of
from engine.render.artifact import Edition
from engine.vocabulary import Late, Reason

Editions: TypeAlias = Mapping[tuple[str, str], Edition]  # by email and brand

NONE: Attachables = {}


def build_plan(files: syntax.Files, editions: Editions, attachables: Attachables) -> plan.WorkspacePlan:
    """The plan of a workspace without errors."""
    brand, copies = default_brand(files), {key: edition.copy for key, edition in editions.items()}
    tables = build_tables(files, attachables)
    return replace(
        tables,
        policy=replace(tables.policy, promptness=dict(build_promptness(files, editions))),
        cadences=tuple(build_cadence(cadence, files, brand, copies, attachables) for cadence in files.cadences),
        emails={email: copy for (email, own), copy in sorted(copies.items()) if own == brand_of(email, brand, files)},
    )


def build_promptness(files: syntax.Files, editions: Editions) -> Iterator[tuple[str, plan.Promptness]]:
    for (name, _), edition in editions.items():
        own = files.emails[name]
        if edition.plain.stream == "transactional" and own.valid_for:
            yield name, plan.Promptness(valid_for=own.valid_for.value, late=own.late.value if own.late else Late.SKIP)


def build_tables(files: syntax.Files, attachables: Attachables = NONE) -> plan.WorkspacePlan:
    """The plan without cadences and emails: what can be had of it although there are errors."""
    return plan.WorkspacePlan(
        policy=build_policy(files, default_brand(files), attachables),
        scoring=build_scoring(files.scoring),
        assignment=build_assignment(files.assignment),
        offers=tuple(build_offer(offer) for offer in files.offers),
        cadences=(),
        emails={},
    )


def default_brand(files: syntax.Files) -> str:
    """The brand of mails that name none: the workspace's, or the only one."""
    return files.workspace.brand.value if files.workspace.brand else next(iter(files.brands), "")


def brand_of(email: str, brand: str, files: syntax.Files) -> str:
    """The brand of an email where mails that name none are of that one."""
    own = files.emails[email].brand if email in files.emails else None
    return own.value if own else brand


def build_policy(files: syntax.Files, brand: str, attachables: Attachables) -> plan.Policy:
    workspace = files.workspace
    return plan.Policy(
        name=workspace.name,
        zone=workspace.zone,
        brand=brand,
        topics={name: plan.Topic(title=title) for name, title in workspace.topics.items()},
        unknown_consent=workspace.unknown_consent,
        caps=workspace.caps,
        lead_schema=files.leads,
        event_schema=files.events.schema,
        segments={name: condition.text for name, condition in files.segments.items()},
        brands={name: each.values for name, each in files.brands.items()},
        event_emails={event: email.value for event, email in files.events.emails.items()},
        between=workspace.between.value,
        holidays=workspace.holidays,
        language=workspace.language,
        webhooks={name: plan.Webhook(url=url.value) for name, url in workspace.webhooks.items()},
        collateral=tuple(
            build_collateral(each, attachables[each.file.value].attachment)
            for each in files.collateral
            if each.file.value in attachables
        ),
        relays=tuple(relay.value for relay in files.relays.relays),
        limits=dict(files.relays.limits),
    )


def build_collateral(each: syntax.Collateral, attachment: Attachment) -> Collateral:
    return Collateral(
        key=each.key,
        title=each.title,
        interests=each.interests,
        attachment=attachment,
        language=each.language.value if each.language else None,
        expires=each.expires.value if each.expires else None,
    )


def build_scoring(scoring: syntax.Scoring) -> plan.ScoringModel:
    return plan.ScoringModel(
        threshold=scoring.threshold,
        respond_within=scoring.respond_within,
        points=tuple(build_point_rule(rule) for rule in scoring.points),
        profile=tuple(
            plan.ProfileRule(condition=rule.condition.text, points=rule.points, because=rule.because) for rule in scoring.profile
        ),
    )


def build_point_rule(rule: syntax.PointRule) -> plan.PointRule:
    return plan.PointRule(
        on=rule.on.value,
        condition=text_of(rule.condition),
        points=rule.points,
        at_most=rule.at_most,
        fades=rule.fades,
        because=rule.because.text,
    )


def build_assignment(assignment: syntax.Assignment) -> plan.Assignment:
    rules = (
        plan.AssignmentRule(condition=text_of(rule.condition), to=tuple(name.value for name in rule.to))
        for rule in assignment.rules
    )
    return plan.Assignment(reps=dict(assignment.reps), rules=tuple(rules))


def build_offer(offer: syntax.Offer) -> plan.Offer:
    return plan.Offer(
        key=offer.key,
        priority=offer.priority,
        emails=tuple(email.value for email in offer.emails),
        condition=text_of(offer.condition),
        title=offer.title,
        text=offer.text,
        link=offer.link,
        button=offer.button,
        languages=dict(offer.languages),
    )


def build_cadence(
    cadence: syntax.Cadence, files: syntax.Files, brand: str, copies: Mapping[tuple[str, str], Copy], attachables: Attachables
) -> plan.CadencePlan:
    own_brand = cadence.brand.value if cadence.brand else brand
    own_copies = {email: copy for (email, of), copy in copies.items() if of == brand_of(email, own_brand, files)}
    senders = {email: sender_in(cadence, email, own_brand, files) for email in emails_of(cadence.steps)}
    made = Made(own_copies, attachables, files.leads, senders)
    return plan.CadencePlan(
        name=cadence.name,
        title=cadence.title,
        owner=cadence.owner.value,
        topic=cadence.topic.value,
        brand=own_brand,
        on_change=cadence.on_change,
        repeat=cadence.repeat,
        window=cadence.window or files.workspace.window,
        gap=cadence.gap,
        goal=text_of(cadence.goal),
        exits=tuple(build_exit(way_out) for way_out in cadence.exits),
        steps=tuple(build_steps(cadence.steps, None, made)),
        entries=tuple(build_entry(entry) for entry in cadence.entries),
        reentry=cadence.reentry.value,
        priority=cadence.priority,
        shadow=cadence.shadow,
    )


def build_entry(entry: syntax.Entry) -> plan.Entry:
    return plan.Entry(
        segment=entry.segment.value if entry.segment else None,
        event=entry.event.value if entry.event else None,
        condition=text_of(entry.condition),
    )


def build_exit(way_out: syntax.Exit) -> plan.Exit:
    """An event's own name is its reason; a condition without words of its own has the usual one."""
    event = way_out.event.value if way_out.event else None
    because = way_out.because or event or Reason.EXIT.value
    return plan.Exit(event=event, condition=text_of(way_out.condition), because=because)
