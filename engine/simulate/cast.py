"""One lead for a simulation: a real one by its key, one in a file, or one whose fields are given.

Before: `handraiser simulate --lead` or `--field`. After: `engine.simulate.parts` brings it into a world.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from engine.compiler.diagnostics import Findings, closest
from engine.compiler.kinds import parse_zone
from engine.compiler.plan import Policy
from engine.compiler.reading import plain
from engine.compiler.source import read_alone
from engine.database import Database
from engine.errors import UsageError
from engine.expressions.values import as_json, parse_value
from engine.leads import Lead, NewLead, consents_of, find_lead
from engine.vocabulary import Consent

KEY, EMAIL = "a-lead", "lead@simulated.example"
OWN = ("key", "email", "zone", "do_not_call", "created_at")


def one_person(policy: Policy, lead: str | None, fields: Sequence[str], live: Callable[[], Database]) -> NewLead:
    """Raises UsageError where a field is unknown or its value does not fit, or nobody has that key.

    `live`: opens the live database, which is asked for a lead that is no file.
    """
    given: Mapping[str, object] = dict(pair_of(each) for each in fields)
    if lead is not None and (file := Path(lead)).suffix in (".yaml", ".yml"):
        given = {**read_person(file), **given}
    elif lead is not None:
        return changed(real_person(policy, live(), lead), typed(given, policy))
    return changed(stranger(policy), typed(given, policy))


def pair_of(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--field {text}: write it as NAME=VALUE, such as --field employees=80")
    return name.strip(), value.strip()


def read_person(file: Path) -> Mapping[str, object]:
    findings = Findings()
    node = read_alone(file, file.name, findings)
    facts = plain(node) if node is not None else None
    if findings.has_errors or not isinstance(facts, dict):
        raise UsageError(
            "\n".join(map(str, findings.in_order())) or f"{file}: must be a mapping of fields, such as {{employees: 80}}"
        )
    return facts


def typed(given: Mapping[str, object], policy: Policy) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in given.items():
        field = policy.lead_schema.field(name)
        if field is None:
            close = closest(name, [each.name for each in policy.lead_schema.all_fields])
            raise UsageError(f"leads.yaml has no field {name!r}" + (f"; did you mean {close!r}?" if close else ""))
        try:
            found[name] = as_json(parse_value(field, value))
            if name == "zone" and found[name]:
                parse_zone(str(found[name]))
        except ValueError as error:
            raise UsageError(str(error)) from error
    return found


def stranger(policy: Policy) -> NewLead:
    """Somebody who has agreed to every topic."""
    consent = dict.fromkeys(policy.topics, Consent.GRANTED)
    return NewLead(key=KEY, email=EMAIL, zone=None, fields={}, consent=consent, consent_source="the simulation")


def real_person(policy: Policy, database: Database, key: str) -> NewLead:
    """As the lead stands in the live database, whose rows are only read."""
    try:
        with database.read() as tx:
            lead = find_lead(tx, key)
            if lead is None:
                raise UsageError(f"no lead has the key or the email {key!r}, and no file of that name ends in .yaml")
            said = {topic: consents_of(tx, [lead.id], topic).get(lead.id, Consent.UNKNOWN) for topic in policy.topics}
    finally:
        database.close()
    return as_new(lead, said)


def as_new(lead: Lead, said: Mapping[str, Consent]) -> NewLead:
    return NewLead(
        key=lead.key, email=lead.email, zone=lead.zone, fields=lead.fields, do_not_call=lead.do_not_call, consent=said,
        consent_source="as it is live",
    )  # fmt: skip


def changed(person: NewLead, given: Mapping[str, object]) -> NewLead:
    def text(name: str, otherwise: str | None) -> str | None:
        return str(given[name]) if given.get(name) else otherwise

    return NewLead(
        key=text("key", person.key) or person.key,
        email=text("email", person.email),
        zone=text("zone", person.zone),
        fields={**person.fields, **{name: value for name, value in given.items() if name not in OWN}},
        do_not_call=given.get("do_not_call", person.do_not_call) is True,
        consent=person.consent,
        consent_source=person.consent_source,
    )
