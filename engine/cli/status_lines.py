"""How things stand, in lines for a person: figures first, then each thing that somebody should look at, with what to do.

Before: `engine.cli.status` has looked. After: it prints them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.cli.catch_up import in_words, in_words_of_hold
from engine.cli.options import counted
from engine.processes.glance import Glance
from engine.processes.standing import MOST_COUNTED, Standing, Waiting, Working
from engine.processes.tally import Rates
from engine.processes.totals import Totals
from engine.processes.ways import DomainStanding, RelayStanding, RelayState
from engine.settings import MAIN, url_setting
from engine.vocabulary import Reason

ON_LANE = {
    "reaction": "reaction",
    "transactional": "awaited mail",
    "touch": "step",
    "marketing": "marketing mail",
    "post": "post",
}
PUT_OFF: dict[str, str] = {  # by its reason
    Reason.TEMPORARY: "to be tried again",
    Reason.RELAY_AWAY: "until a mail server is well",
    Reason.NO_RELAY: "until a mail server has its address",
    Reason.DOMAIN_PAUSED: "until a provider has us again",
    Reason.PACED: "for their turn at a provider",
    Reason.WARM_UP: "for room in a warm-up",
    Reason.CAP: "for room under a cap",
    Reason.OUTRANKED: "behind another mail to the same person",
    Reason.WINDOW: "for their window",
    Reason.CATCH_UP: "for their turn after an outage",
    Reason.PAUSED: "by a person",
    Reason.UNKNOWN_ONCE: "to be sent once more",
}
NOTICEABLE = timedelta(seconds=5)  # what is due for less long is only on its way
LATE = timedelta(minutes=5)
A_WHILE = timedelta(minutes=1)  # for what somebody waits for


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """`broker_answers`: None where there is none between processes. `totals` may be a minute old."""

    glance: Glance
    totals: Totals
    broker_answers: bool | None


def lines_of(found: Status) -> Iterator[str]:
    yield from figures(found)
    yield from (f"LOOK: {line}" for line in to_look_at(found))


def figures(found: Status) -> Iterator[str]:
    now, all_there_is = found.glance.standing.now, found.totals
    yield f"going out   {rates_in_words(found.glance.rates)}"
    yield f"due now     {', '.join(due_in_words(lane, waiting, now) for lane, waiting in found.glance.standing.lanes.items())}"
    if found.glance.standing.attempting:
        yield f"in flight   {in_flight_in_words(found)}"
    for relay in found.glance.relays:
        yield f"relay       {relay_in_words(relay)}{' (no address)' * (relay.name in found.glance.without_address)}"
    yield from (f"domain      {domain_in_words(domain)}" for domain in found.glance.domains)
    yield f"leads       {all_there_is.leads:,}, {counted(all_there_is.suppressions, 'suppression')}"
    yield f"passages    {listed(all_there_is.passages)}"
    yield f"mail        {listed(all_there_is.mail)}"
    if all_there_is.waiting:
        yield f"put off     {listed({PUT_OFF.get(why, why): mails for why, mails in all_there_is.waiting.items()})}"
    if all_there_is.posts:
        yield f"posts       {listed(all_there_is.posts)}"
    following = all_there_is.next_touch_at
    yield f"next touch  {following:%Y-%m-%d %H:%M} UTC" if following else "next touch  none is planned"
    yield f"hand-offs   {listed(all_there_is.handoffs)}"
    yield from processes(found.glance.standing)


def rates_in_words(lately: Rates) -> str:
    today = f" ({listed(lately.today)})" if len(lately.today) > 1 else ""
    minute, hour, day = (sum(each.values()) for each in (lately.minute, lately.hour, lately.today))
    return f"{minute:,} in the last whole minute, {hour:,} in the last hour, {day:,} today{today}"


def due_in_words(lane: str, waiting: Waiting, now: datetime) -> str:
    rows = f"{MOST_COUNTED:,} or more {ON_LANE[lane]}s" if waiting.rows >= MOST_COUNTED else counted(waiting.rows, ON_LANE[lane])
    late = waiting.late_by(now)
    return rows if late < NOTICEABLE else f"{rows} (since {spoken(late)})"


def in_flight_in_words(found: Status) -> str:
    mails, busiest = counted(found.glance.standing.attempting, "mail"), found.totals.busiest
    if busiest is None or (late := found.glance.standing.now - busiest.since) < NOTICEABLE:
        return mails
    return f"{mails}, {busiest.mails:,} of them to {busiest.domain}, the first since {spoken(late)}"


def relay_in_words(relay: RelayStanding) -> str:
    today = f"{relay.today:,} today" + (f" of {relay.allowed_today:,} (warm-up)" if relay.allowed_today is not None else "")
    since = f" since {moment(relay.since)}" if relay.since else ""
    if relay.state == RelayState.WELL:
        return f"{relay.name}: well, {today}"
    until = f", next try {instant(relay.next_try_at)}" if relay.next_try_at else ""
    because = f" ({relay.why})" if relay.why else ""
    return f"{relay.name}: {relay.state}{since}{until}{because}, {today}"


def domain_in_words(domain: DomainStanding) -> str:
    since = f" since {moment(domain.since)}" if domain.since else ""
    return (
        f"{domain.domain}: left alone by {domain.relay}{since}, until {instant(domain.paused_until)} ({domain.why or 'no words'})"
    )


def processes(now: Standing) -> Iterator[str]:
    if not now.working:
        yield "processes   none is running: `handraiser up` starts one"
    for one in now.working:
        lease = round((one.lease_until - now.now).total_seconds())
        ops = f", {one.ops}" if one.ops else ""
        yield f"process     {one.kind} ({one.host}, {one.pid}) since {moment(one.since)}, lease for {lease} s{ops}"


def to_look_at(found: Status) -> Iterator[str]:
    if found.broker_answers is False:
        yield "the broker that HANDRAISER_BROKER_URL names takes no jobs: workers look for due rows themselves until it does"
    yield from found.glance.held_back
    if found.glance.hold:
        yield in_words_of_hold(found.glance.hold)
    if found.glance.catch_up:
        yield f"{in_words(found.glance.catch_up)} See `handraiser catch-up`."
    yield from of_mail(found)
    yield from of_people(found)


def of_mail(found: Status) -> Iterator[str]:
    now, all_there_is = found.glance.standing, found.totals
    if now.working and not found.glance.held_back and not found.glance.hold:
        for lane, waiting in now.lanes.items():
            if (late := waiting.late_by(now.now)) > LATE:
                yield f"{ON_LANE[lane]}s are due since {spoken(late)} and not begun: see “late” in docs/operating.md"
    if now.awaited_put_off.late_by(now.now) > A_WHILE:
        put_off, since = counted(now.awaited_put_off.rows, "mail"), spoken(now.awaited_put_off.late_by(now.now))
        yield f"{put_off} that somebody waits for may not go yet, the first since {since}: `handraiser explain LEAD` tells why"
    resting = [relay for relay in found.glance.relays if relay.state == RelayState.LEFT_ALONE]
    for relay in resting:
        yield left_alone(relay, all_there_is.waiting.get(Reason.RELAY_AWAY, 0) if len(resting) == 1 else 0)
    for name, processes in found.glance.without_address.items():
        yield unaddressed(name, processes)
    if found.glance.capturing:
        yield (
            f"{named(found.glance.capturing)} has no {url_setting(MAIN)} and keeps in its local outbox what it takes of the mail "
            "that others send for real: stop it, set that, and look into its .handraiser/outbox for what did not go"
        )
    if now.unknown:
        yield (
            f"{counted(now.unknown, 'mail')} of which nobody knows whether they arrived, {now.unknown_lately:,} of the last day: "
            "`handraiser sends --state unknown`"
        )
    if now.set_aside:
        aside = ", ".join(counted(number, noun) for noun, number in now.set_aside.items())
        yield f"tried three times and set aside: {aside}: `handraiser set-aside` tells which, and lets them try again"
    if all_there_is.came_late or all_there_is.not_sent:
        fate = f"{all_there_is.came_late:,} went out all the same, {all_there_is.not_sent:,} did not"
        yield f"mail that somebody waited for was later than its `valid_for:` allows, in the last week: {fate}"
    if all_there_is.given_up:
        given_up = counted(all_there_is.given_up, "mail")
        yield f"{given_up} of the last week could not go for days and were given up: see “too old” in docs/operating.md"
    if all_there_is.unwritten:
        unwritten = counted(all_there_is.unwritten, "mail")
        yield f"{unwritten} of the last week could not be written, since a template failed: the log names the email and says why"


def unaddressed(relay: str, processes: Sequence[Working]) -> str:
    return (
        f"the relay {relay} has no address in {named(processes)}, so mail that only it takes waits: set "
        f"{url_setting(relay)} there and start it anew, or take the relay out of relays.yaml"
    )


def named(processes: Sequence[Working]) -> str:
    return ", ".join(f"{one.kind} ({one.host}, {one.pid})" for one in processes)


def left_alone(relay: RelayStanding, mails: int) -> str:
    """`mails`: so many wait for it; 0: none do, or nobody knows for which of several."""
    waiting = f" ({counted(mails, 'mail')} put off until a mail server is well)" if mails else ""
    next_try = f"at {instant(relay.next_try_at)}" if relay.next_try_at else "soon"
    at_once = f"when it is mended, `handraiser resume relay {relay.name}` tries it at once"
    return f"the relay {relay.name} is left alone{waiting}; it is tried by itself, {next_try}; {at_once}"


def of_people(found: Status) -> Iterator[str]:
    if found.totals.handoffs_late:
        yield f"{found.totals.handoffs_late:,} raised hands were not answered in time: `handraiser handoffs`"
    if found.totals.tasks_late:
        yield f"{found.totals.tasks_late:,} tasks of reps are overdue: `handraiser tasks`"


def listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.items()) or "none"


def moment(instant: datetime | None) -> str:
    return f"{instant:%a %d %b %H:%M} UTC" if instant else "soon"


def instant(at: datetime) -> str:
    """To the second: rests begin with half a minute."""
    return f"{at:%a %d %b %H:%M:%S} UTC"


def spoken(span: timedelta) -> str:
    """`41 s`, `5 min`, `3 h`, `2 days`."""
    seconds = int(span.total_seconds())
    for size, unit in ((172_800, "days"), (7_200, "h"), (120, "min")):
        if seconds >= size:
            return f"{seconds // {'days': 86_400, 'h': 3_600, 'min': 60}[unit]} {unit}"
    return f"{seconds} s"
