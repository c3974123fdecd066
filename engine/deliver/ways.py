"""Ways: through which relay each mail of a batch may go now; or why through none, and when it may come again.

Before: `engine.deliver.gate` has mails that it might mark. After: it asks their caps and limits, and marks those that go on. What
is held back here is due again in the order and at the speed in which it came, so that nothing is overrun when it is well.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.claim import in_state
from engine.compiler.plan import Policy
from engine.database import Tx
from engine.deliver.breaker import PROBE_TAKES, RELAYS, ROUTES, Key, Kind, Trouble, may_probe, troubles
from engine.deliver.load import Loaded
from engine.deliver.openings import in_its_window, opening_on
from engine.deliver.pace import follow_edit
from engine.deliver.places import MICRO_BATCH
from engine.deliver.warm_up import rooms_today, today
from engine.pauses import Pauses, pauses_now
from engine.schedule.timing import first_instant
from engine.schema import sends
from engine.vocabulary import Reason, SendState, Stream

MIDNIGHT = time(0)
# At what a person has paused, or a mail that no relay takes; whoever mends that does not leave it waiting so long.
LOOK_AGAIN = timedelta(minutes=10)
MARKETING_FIRST = timedelta(minutes=1)  # for so long nothing that somebody waits for finds out how a relay is
CANDIDATES = MICRO_BATCH  # mails of which one finds out how something is: the first that no cap, limit or suppression stops


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Why a mail does not go now, and when it may come again."""

    reason: Reason
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Around:
    """What stands in the way at this moment. `rooms`: of relays that are being warmed up."""

    now: datetime
    pauses: Pauses
    troubles: Mapping[Key, Trouble]
    rooms: Mapping[str, int]

    @property
    def is_clear(self) -> bool:
        """As nearly always."""
        return not (self.pauses.held or self.troubles or self.rooms)


@dataclass(slots=True)
class Ways:
    """{send id: its relay}, and those that are held back. `probing`: what is in trouble, and the mails of which
    one is to find out."""

    relays: dict[int, str] = field(default_factory=dict)
    held: dict[int, Held] = field(default_factory=dict)
    probing: dict[tuple[Kind, Key], list[int]] = field(default_factory=dict)
    taken: Counter[str] = field(default_factory=Counter)
    in_trouble: frozenset[Key] = frozenset()
    rooms: Mapping[str, int] = field(default_factory=dict)  # of relays that are being warmed up, before this batch

    def drop_other_than(self, relay: str) -> dict[int, str]:
        """{send id: its relay} of those that go through another."""
        others = {send_id: name for send_id, name in self.relays.items() if name != relay}
        self.relays = {send_id: name for send_id, name in self.relays.items() if name == relay}
        self.probing = {what: [each for each in ids if each not in others] for what, ids in self.probing.items()}
        return others


def find_ways(tx: Tx, batch: Sequence[Loaded], policy: Policy) -> Ways:
    """Nothing is written yet, but warm-ups are locked. Those in shadow need no relay."""
    around = look_around(tx, batch, policy)
    ways = Ways(in_trouble=frozenset(around.troubles), rooms=around.rooms)
    for send in batch:
        if around.is_clear and send.relays and send.reason != Reason.RELAY_AWAY and not send.is_shadow:
            ways.relays[send.send_id] = send.relays[0]
        elif (why := stopped(send, around)) is not None:
            ways.held[send.send_id] = why
        elif not send.is_shadow:
            find_way(send, policy, around, ways)
    return ways


def find_way(send: Loaded, policy: Policy, around: Around, ways: Ways) -> None:
    found = way_of(send, policy, around, ways)
    if isinstance(found, Held):
        ways.held[send.send_id] = found
        return
    ways.relays[send.send_id] = found
    ways.taken[found] += 1
    for kind, key in ((RELAYS, (found,)), (ROUTES, (found, send.domain))):
        if is_given_up(key, around):
            ways.probing.setdefault((kind, key), []).append(send.send_id)


def look_around(tx: Tx, batch: Sequence[Loaded], policy: Policy) -> Around:
    pauses = pauses_now(tx)
    return Around(tx.now, pauses, troubles(tx, {send.domain for send in batch}), rooms_today(tx, policy))


def stopped(send: Loaded, around: Around) -> Held | None:
    """By a person. The passages of a paused cadence are made to stand still, but not all in one moment."""
    if not is_stopped(send, around.pauses):
        return None
    return Held(reason=Reason.PAUSED, due_at=around.now + LOOK_AGAIN)


def is_stopped(send: Loaded, pauses: Pauses) -> bool:
    """Through whatever relay."""
    return pauses.stops(send.stream, cadence=send.cadence, domain=send.domain)


def way_of(send: Loaded, policy: Policy, around: Around, ways: Ways) -> str | Held:
    """The first relay that is open to it, else what holds it back the shortest. Marketing does not go round a provider that turns
    its relay away, however that relay is itself: it would only spoil the name of the next one.
    """
    shut = []
    for name in sorted(send.relays, key=lambda name: is_doubtful(name, send, around)):
        turned_away = route_held(name, send, around, ways)
        if turned_away is not None and send.stream == Stream.MARKETING:
            return turned_away
        why = relay_held(name, send, policy, around, ways) or turned_away
        if why is None:
            return name
        shut.append(why)
    soon = LOOK_AGAIN if send.stream == Stream.MARKETING else PROBE_TAKES  # another process may know one
    never = Held(reason=Reason.NO_RELAY, due_at=around.now + soon)
    return min(shut, key=lambda held: held.due_at, default=never)


def is_doubtful(name: str, send: Loaded, around: Around) -> bool:
    """It failed this very mail, or something that somebody waits for would be its probe although marketing may yet be it."""
    failed_it = send.reason == Reason.RELAY_AWAY and send.relay == name
    return failed_it or (send.stream != Stream.MARKETING and is_left_to_marketing(name, around))


def is_left_to_marketing(name: str, around: Around) -> bool:
    """For a while; a relay that carries no marketing would else never be asked again where another takes its mails."""
    trouble = around.troubles.get((name,))
    return trouble is not None and trouble.until is not None and around.now < trouble.until + MARKETING_FIRST


def relay_held(name: str, send: Loaded, policy: Policy, around: Around, ways: Ways) -> Held | None:
    if around.pauses.stops_relay(name):
        return Held(reason=Reason.PAUSED, due_at=around.now + LOOK_AGAIN)
    trouble = around.troubles.get((name,))
    if trouble is not None and not may_try(trouble, RELAYS, (name,), around, ways):
        return Held(reason=Reason.RELAY_AWAY, due_at=after(trouble, send, around.now))
    room = around.rooms.get(name)
    if room is not None and send.stream == Stream.MARKETING and ways.taken[name] >= room:
        return Held(reason=Reason.WARM_UP, due_at=on_the_next_day(send, policy, around))
    return None


def route_held(name: str, send: Loaded, around: Around, ways: Ways) -> Held | None:
    """By the recipient's domain, as far as this relay brings it mail."""
    route = name, send.domain
    trouble = around.troubles.get(route)
    if trouble is None or may_try(trouble, ROUTES, route, around, ways):
        return None
    return Held(reason=Reason.DOMAIN_PAUSED, due_at=after(trouble, send, around.now))


def on_the_next_day(send: Loaded, policy: Policy, around: Around) -> datetime:
    """When the workspace's next day has begun, by which relays count; where the reader lives it may have begun long before."""
    tomorrow = today(around.now, policy) + timedelta(days=1)
    return in_its_window(send, max(first_instant(tomorrow, MIDNIGHT, ZoneInfo(policy.zone)), opening_on(tomorrow, send)))


def may_try(trouble: Trouble, kind: Kind, key: Key, around: Around, ways: Ways) -> bool:
    if trouble.until is None:
        return True
    return trouble.until <= around.now and len(ways.probing.get((kind, key), ())) < CANDIDATES


def is_given_up(key: Key, around: Around) -> bool:
    trouble = around.troubles.get(key)
    return trouble is not None and trouble.until is not None


def after(trouble: Trouble, send: Loaded, now: datetime) -> datetime:
    """As long after it may be tried again as this one came after it was given up; what somebody waits for, at once."""
    assert trouble.until is not None
    if trouble.until <= now:  # others are about to find out
        return now + PROBE_TAKES
    came = now - trouble.tried_at if trouble.tried_at is not None else timedelta(0)
    return trouble.until if send.stream != Stream.MARKETING else trouble.until + came


def choose_probes(now: datetime, ways: Ways, able: Sequence[int]) -> dict[int, Held]:
    """Of the candidates for each probe the first of `able` is left, since a server that gives no answer swallows what it is asked
    with; the other candidates are held back.
    """
    behind: dict[int, Held] = {}
    for (kind, key), send_ids in in_order(ways):
        going = [send_id for send_id in able if send_id in send_ids and send_id not in behind]
        ways.probing[kind, key] = going[:1]
        behind.update(dict.fromkeys(going[1:], held_behind(kind, now)))
    return behind


def begin_probes(tx: Tx, ways: Ways, going: set[int]) -> dict[int, Held]:
    """Of all workers one finds out; these mails of ours are held back where that is another."""
    lost: dict[int, Held] = {}
    for (kind, key), send_ids in in_order(ways):
        ours = [send_id for send_id in send_ids if send_id in going and send_id not in lost]
        if ours and not may_probe(tx, kind, key):
            lost.update(dict.fromkeys(ours, held_behind(kind, tx.now)))
    return lost


def in_order(ways: Ways) -> list[tuple[tuple[Kind, Key], list[int]]]:
    """Routes before relays, each by their keys, as all lock them."""
    return sorted(ways.probing.items(), key=lambda item: (item[0][0].called, item[0][1]))


def held_behind(kind: Kind, now: datetime) -> Held:
    """While another finds out."""
    return Held(reason=kind.reason, due_at=now + PROBE_TAKES)


def look_anew(tx: Tx, *reasons: Reason) -> None:
    """What waits for these is judged anew: there may be another relay now, or more room."""
    waiting = (in_state(sends, SendState.READY), sends.c.reason.in_(reasons), sends.c.due_at > tx.now)
    tx.run(sa.update(sends).where(*waiting).values(due_at=tx.now))


def lay_out_anew(tx: Tx, before: Policy, after: Policy) -> None:
    """Relays or limits are others now: what waited for the old ones is judged by the new."""
    if before.relays != after.relays:
        look_anew(tx, Reason.NO_RELAY, Reason.WARM_UP)
    if before.limits != after.limits:
        look_anew(tx, Reason.PACED)
        follow_edit(tx, before, after)
