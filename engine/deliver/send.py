"""The pipeline: from claimed sends to recorded outcomes.

    load → begin → write → for each batch: mark → fly → record

Before: the dispatcher claimed what was due, or `engine.advance` made sends that it holds. After: the ledger says what became of
each. The mark is committed before a word is said to a server, and nothing is said that was not marked.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from itertools import chain
from time import sleep

from engine import crash
from engine.claim import SEND, Claim, begin, put_back, set_aside
from engine.compiler.plan import Policy
from engine.database import Foretold, Tx
from engine.deliver.batch import Batch, load
from engine.deliver.counted import count_flown, count_marked, count_stopped
from engine.deliver.failover import taken_again
from engine.deliver.flights import Ready, write_flights
from engine.deliver.fly import fly
from engine.deliver.gate import Marked, mark
from engine.deliver.kept import keep_messages
from engine.deliver.late import judged, record_judged
from engine.deliver.load import Loaded
from engine.deliver.places import MARKETING_BATCH, Places
from engine.deliver.record import record_held, record_outcomes, record_shadows, record_stopped
from engine.deliver.rivals import IN_FORCE
from engine.deliver.trouble import Flown
from engine.deliver.wire import NotBegun
from engine.metrics import in_phase
from engine.pauses import NOW_AND_LOCKED
from engine.persist import AWAY, is_nobodys_fault, persist
from engine.render.artifact import Artifact
from engine.render.children import PAUSE, NotRendering
from engine.runtime import Runtime
from engine.versions import NEWEST, Live
from engine.vocabulary import Reason, Stream

MOST_WRITTEN = 32 * 1024 * 1024  # bytes of files in messages that wait for their turn


def deliver(runtime: Runtime, claims: Sequence[Claim]) -> None:
    """Deliver claimed sends. A stale claim is dropped in silence: somebody else has it."""
    with runtime.database.read() as tx:
        batch = load(tx, runtime.places, claims)
    batch = take_over(runtime, batch)
    with given_back(runtime, [(send.send_id, send.epoch) for send in batch.sends]):
        deliver_batch(runtime, batch)


def deliver_begun(runtime: Runtime, begun: Sequence[Batch]) -> None:
    """Deliver sends that this worker already holds, under the newest of the rules by which they were loaded."""
    if not begun:
        return
    sends = [send for batch in begun for send in batch.sends]
    artifacts = {key: made for batch in begun for key, made in batch.artifacts.items()}
    with given_back(runtime, [(send.send_id, send.epoch) for send in sends]):
        deliver_batch(runtime, Batch(live=begun[-1].live, sends=sends, artifacts=artifacts))


def take_over(runtime: Runtime, batch: Batch) -> Batch:
    """Begin what is still to be written, so that a mail that ends its worker is noticed. One that is written already harms
    nobody: its mark takes it over, which spares somebody who waits for it a commit.
    """
    unwritten = [(send.send_id, send.epoch) for send in batch.sends if not send.stored]
    if not unwritten:
        return batch
    with runtime.database.write() as tx:
        begun = begin(tx, SEND, unwritten, worker_id=runtime.worker_id)
    return replace(batch, sends=[send for send in batch.sends if send.stored or send.send_id in begun])


@contextmanager
def given_back(runtime: Runtime, held: Sequence[Claim]) -> Iterator[None]:
    """When delivering fails, those not yet marked are opened again for another try.

    Where nothing can be rendered at all, or it is the machine that fails, no row is at fault: they stay due.
    """
    try:
        yield
    except NotRendering:
        persist(runtime.database, lambda tx: put_back(tx, SEND, held))
        sleep(PAUSE)
    except Exception as error:
        again = put_back if is_nobodys_fault(error) else set_aside
        persist(runtime.database, lambda tx: again(tx, SEND, held))
        raise


def deliver_batch(runtime: Runtime, batch: Batch) -> None:
    if not batch.sends:
        return
    crash.point("send-begun")
    for all_at_once in within_memory(in_time(runtime, batch.sends)):
        for some in runtime.precedence.bits(all_at_once):
            while some:
                some = deliver_some(runtime, batch.live, some, batch.artifacts)


def within_memory(sends: Sequence[Loaded]) -> Iterator[list[Loaded]]:
    """As many at once as may lie written side by side: what is marked together, or less where there are large files with them."""
    some: list[Loaded] = []
    size = 0
    for send in sends:
        size += send.size_of_files
        if some and (size > MOST_WRITTEN or len(some) == evenly(len(sends), MARKETING_BATCH)):
            yield some
            some, size = [], send.size_of_files
        some.append(send)
    yield some


def deliver_some(runtime: Runtime, live: Live, sends: Sequence[Loaded], artifacts: Mapping[str, Artifact]) -> list[Loaded]:
    """Those that are still to be delivered: while one template holds everybody up, the mails of others go first."""
    with turn_of(runtime, sends[0]), in_phase("write"):
        written = write_flights(runtime, live, sends, artifacts)
    drop(runtime, written.unsendable)
    batches = list(batches_of(written.ready, runtime.places))
    for at, batch in enumerate(batches):
        with place_for(runtime, batch):
            if not runtime.has_lease():
                give_back(runtime, [*(one.send for one in chain.from_iterable(batches[at:])), *written.later])
                return []
            marked, through = mark_batch(runtime, live.policy, batch)
            flown = fly(runtime, marked, through)
            record(runtime, flown)
            end_there(runtime, marked)
            moved = [on_its_way(one, relay) for one in batch if (relay := marked.elsewhere.get(one.send.send_id)) is not None]
            batches.extend(batches_of(moved, runtime.places))
        if again := taken_again(runtime, flown):
            deliver(runtime, again)
    return written.later


def turn_of(runtime: Runtime, send: Loaded) -> AbstractContextManager[None]:
    """Nurture comes after what somebody waits for."""
    return runtime.precedence.turn() if send.stream == Stream.MARKETING else nullcontext()


def place_for(runtime: Runtime, batch: Sequence[Ready]) -> AbstractContextManager[None]:
    """Nurture waits for room, and lets pass what somebody waits for before it takes any."""
    if batch[0].send.stream != Stream.MARKETING:
        return nullcontext()
    runtime.precedence.let_pass()
    return runtime.places.held(batch[0].flight.relay, len(batch))


def in_time(runtime: Runtime, sends: Sequence[Loaded]) -> list[Loaded]:
    """What waited for its turn is judged once more; those that may go now. The others have their reason."""
    some = [verdict for verdict in map(judged, sends) if verdict is not None]
    if not some:
        return list(sends)
    with runtime.database.write() as tx:
        gone = record_judged(tx, some)
    return [send for send in sends if send.send_id not in gone]


def drop(runtime: Runtime, stopped: Sequence[tuple[Loaded, Reason]]) -> None:
    if stopped:
        with runtime.database.write() as tx:
            record_stopped(tx, stopped)
        count_stopped(stopped)


def batches_of(ready: Sequence[Ready], places: Places) -> Iterator[list[Ready]]:
    """What somebody waits for first and one by one; then marketing by relay, no address twice in a batch, so that caps see each
    mail.
    """
    marketing = []
    for one in ready:
        if one.send.stream == Stream.MARKETING:
            marketing.append(one)
        else:
            yield [one]
    while marketing:
        batch: dict[str, Ready] = {}
        relay = marketing[0].flight.relay
        theirs = [one for one in marketing if one.flight.relay == relay]
        most = evenly(len(theirs), places.batch_for(relay))
        for one in theirs:
            if len(batch) < most:
                batch.setdefault(one.send.address_key, one)
        yield list(batch.values())
        taken = {one.send.send_id for one in batch.values()}
        marketing = [one for one in marketing if one.send.send_id not in taken]


def evenly(mails: int, most: int) -> int:
    """How many of them go together, where `most` may. While a small rest flies, a full batch is not written down in time."""
    return -(-mails // -(-mails // most))


def mark_batch(runtime: Runtime, policy: Policy, batch: Sequence[Ready]) -> tuple[Marked, list[Ready]]:
    """What the gate said, and those that may fly, committed as attempting.

    Where nobody can say whether the mark was committed, it is taken back: nothing has been said to a server.
    """
    crash.point("before-mark")
    try:
        with in_phase("mark"), runtime.database.write(*asked_by_mark(batch)) as tx:
            marked, flying = mark_those_through(tx, runtime, policy, batch)
            at = tx.now
    except AWAY:
        taken_back = [Flown(send=one.send, outcome=NotBegun(reply="the database was away")) for one in batch]
        persist(runtime.database, lambda tx: record_outcomes(tx, taken_back))
        raise
    crash.point("after-mark")
    if flying:
        runtime.note_marked(flying[-1].send.send_id, at)
    count_marked(marked)
    return marked, flying


def asked_by_mark(batch: Sequence[Ready]) -> tuple[Foretold, ...]:
    return (NOW_AND_LOCKED, IN_FORCE) if batch[0].send.stream == Stream.MARKETING else (NOW_AND_LOCKED,)


def end_there(runtime: Runtime, marked: Marked) -> None:
    """What ends at the gate. Not in its transaction, which holds mails: whoever ends them locks their passages first."""
    drop(runtime, marked.over)
    if marked.shadows:
        with runtime.database.write() as tx:
            record_shadows(tx, marked.shadows, runtime.worker_id)


def mark_those_through(tx: Tx, runtime: Runtime, policy: Policy, batch: Sequence[Ready]) -> tuple[Marked, list[Ready]]:
    marked = mark(tx, [one.send for one in batch], policy, runtime.worker_id, room_at=room_at(runtime, batch))
    record_held(tx, marked.held)
    through = {send.send_id for send in marked.through}
    flying = [on_its_way(one, marked.relays[one.send.send_id]) for one in batch if one.send.send_id in through]
    store_bytes(tx, flying)
    return marked, flying


def room_at(runtime: Runtime, batch: Sequence[Ready]) -> str | None:
    """The relay at which they hold room, and so through which they may go."""
    first = batch[0]
    return first.flight.relay if first.send.stream == Stream.MARKETING and runtime.places.are_apart else None


def on_its_way(one: Ready, relay: str) -> Ready:
    return one if relay == one.flight.relay else replace(one, flight=replace(one.flight, relay=relay))


def store_bytes(tx: Tx, flying: Sequence[Ready]) -> None:
    """Keep what may have to be sent once more byte for byte."""
    unkept = [one for one in flying if one.send.stream != Stream.MARKETING and one.send.stored is None]
    keep_messages(tx, [(one.send.send_id, one.flight.message) for one in unkept])


def record(runtime: Runtime, flown: Sequence[Flown]) -> None:
    if not flown:
        return
    crash.point("before-record")
    with in_phase("record"):
        try:
            write_down(runtime, flown)
        except Exception:
            if len(flown) == 1:
                raise
            write_down_singly(runtime, flown)
    crash.point("after-record")


def write_down(runtime: Runtime, flown: Sequence[Flown]) -> None:
    recorded_at = persist(runtime.database, lambda tx: record_outcomes(tx, flown), *asked_by_record(flown))
    count_flown(flown, recorded_at)


def write_down_singly(runtime: Runtime, flown: Sequence[Flown]) -> None:
    """One that cannot be written down, by a fault of ours, takes no other with it. Raises what it failed of."""
    failed: Exception | None = None
    for one in flown:
        try:
            write_down(runtime, [one])
        except Exception as error:
            failed = error
    if failed is not None:
        raise failed


def asked_by_record(flown: Sequence[Flown]) -> tuple[Foretold, ...]:
    """Passages go on by the rules."""
    return (NEWEST,) if any(one.send.touch_id is not None for one in flown) else ()


def give_back(runtime: Runtime, rest: Sequence[Loaded]) -> None:
    """Our lease runs out: open again what was not marked."""
    with runtime.database.write() as tx:
        put_back(tx, SEND, [(send.send_id, send.epoch) for send in rest])
