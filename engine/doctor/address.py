"""The public address that links in mail lead to: encrypted, reachable, and answered by our receiver.

Before: `engine.settings` has it. After: clicks, opt-outs and the one-click of mail programs depend on it.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from engine.clock import HostClock
from engine.doctor.certificate import FEW_DAYS, days_left
from engine.doctor.finding import Finding, Subject, ok, problem, unknown, warning
from engine.doctor.place import Place
from engine.posts.http import ForbiddenTarget, HttpPosts, Target, target_of
from engine.settings import is_loopback

OURS = '"journal"'  # only our receiver's /health says it
SET_IT = "set HANDRAISER_PUBLIC_URL to the https:// address by which recipients reach `handraiser web`"
START = "start `handraiser up` or `handraiser web`, and look at the proxy before it"


def look_at_address(place: Place) -> Iterator[Finding]:
    url = place.settings.public_url
    try:
        target = target_of(f"{url}/health", allow=frozenset({urlsplit(url).hostname or ""}))
    except ForbiddenTarget as error:
        yield problem(Subject.ADDRESS, f"HANDRAISER_PUBLIC_URL is {url}: {error}", SET_IT)
        return
    if not target.is_encrypted and (place.relays or not is_loopback(target.host)):
        yield problem(Subject.ADDRESS, f"{url} is not encrypted: one-click unsubscribing counts over https alone", SET_IT)
    yield from look_behind(url, target, place)


def look_behind(url: str, target: Target, place: Place) -> Iterator[Finding]:
    try:
        answered, until = HttpPosts(frozenset({target.host})).look(target, place.patience)
    except (OSError, ForbiddenTarget) as error:
        told = unknown if is_loopback(target.host) else problem
        yield told(Subject.ADDRESS, f"{url} cannot be reached from here: {error}", START)
        return
    days = days_left(until, HostClock().now())
    if answered.status == 200 and OURS in answered.text:
        good_for = "" if days is None else f"; its certificate is good for {days} days"
        yield ok(Subject.ADDRESS, f"{url} is answered by our receiver{good_for}")
    else:
        said = f"{url}/health is answered with {answered.status}, and not by our receiver"
        yield problem(Subject.ADDRESS, said, START)
    if days is not None and days < FEW_DAYS:
        yield warning(Subject.ADDRESS, f"its certificate ends in {days} days", "have it renewed")
