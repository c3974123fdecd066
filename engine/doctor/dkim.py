"""DKIM: whether each key of ours is published, as it is, and whether every sender has keys that receivers check.

Before: `engine.dkim.folder` has read the keys. After: what `engine.dkim.sign` signs can be checked by receivers.
"""

from collections.abc import Iterator

from engine.dkim.folder import USUAL_BITS
from engine.dkim.key import DkimKey
from engine.doctor.finding import Finding, Subject, ok, problem, unknown, warning
from engine.doctor.names import Names
from engine.doctor.place import Place, is_nobodys
from engine.doctor.records import tags_of

UNCHECKED = "Gmail, Microsoft and Yahoo do not check Ed25519 signatures (2026)"


def look_at_dkim(place: Place) -> Iterator[Finding]:
    if place.key_trouble:
        yield problem(Subject.DKIM, place.key_trouble, "until then neither `up` nor `worker` starts")
        return
    for domain in place.senders:
        if not place.signer.keys_for(domain) and not is_nobodys(domain):
            said = f"{domain}: no key here, so we do not sign. Fine if your relay signs as {domain}"
            yield unknown(Subject.DKIM, said, f"ask its operator; if it does not: handraiser dkim make {domain}")
    for domain in dict.fromkeys(key.domain for key in place.signer.keys):
        keys = place.signer.keys_for(domain)
        if all(key.kind == "ed25519" for key in keys):
            yield problem(Subject.DKIM, f"{domain} has only Ed25519 keys: {UNCHECKED}", f"handraiser dkim make {domain}")
        for key in keys:
            yield look_at_key(place.names, key)


def look_at_key(names: Names, key: DkimKey) -> Finding:
    records = names.texts(key.record_name)
    publish = f"publish a TXT record at {key.record_name}: {key.record}"
    if not records:
        return problem(Subject.DKIM, f"{key.record_name} is not published, so its signatures fail", publish)
    if len(records) > 1:
        return problem(Subject.DKIM, f"{key.record_name} has {len(records)} TXT records, so which one counts is chance", publish)
    tags = tags_of(records[0])
    if tags.get("p", "") == "" or tags.get("p") != key.public or tags.get("k", "rsa") != key.kind:
        return problem(Subject.DKIM, f"{key.record_name} is published with another key than ours", publish)
    if "y" in tags.get("t", "").split(":"):
        return warning(Subject.DKIM, f"{key.record_name} says t=y: only a test, which receivers pass over", "take t=y out of it")
    if key.kind == "rsa" and key.bits < USUAL_BITS:
        return warning(Subject.DKIM, f"{key.record_name} has only {key.bits} bits", f"handraiser dkim make {key.domain}")
    return ok(Subject.DKIM, f"{key.record_name} is published ({key.kind}, {key.bits} bits)")
