"""From the journal to SQL: each once, whatever stops in between."""

import errno
import os
import resource
import shutil
from datetime import timedelta
from time import monotonic, sleep

import pytest
from sqlalchemy.exc import OperationalError

from engine.tokens import NOBODY
from tests.webhooks.place import Place
from webhooks.entries import Fetched, OptedOut, line_of, new_key
from webhooks.journal import Journal, JournalError, segments
from webhooks.receiver import Receiver
from webhooks.sources import left_behind


def opt_out(place: Place, send_id: int) -> OptedOut:
    return OptedOut(key=new_key(), at=place.clock.now(), send_id=send_id, address_key=NOBODY, scope="topic")


def fetched(place: Place, send_id: int) -> Fetched:
    return Fetched(
        key=new_key(),
        at=place.clock.now(),
        send_id=send_id,
        link_table_id=1,
        link=None,
        method="GET",
        agent="Firefox",
        prefetch=False,
    )


def test_a_drain_that_is_repeated_from_any_byte_records_each_line_once(place: Place):
    elsewhere = Journal(place.workspace / "elsewhere")
    send_id = place.send()
    for _ in range(5):
        elsewhere.append(line_of(opt_out(place, send_id)))
    whole = (elsewhere.folder / "00000001.lines").read_bytes()
    seen = []

    for cut in (*range(0, len(whole), 11), len(whole)):
        torn = place.receiver.journal.folder.parent / f"gone-{cut}"
        torn.mkdir()
        (torn / "00000001.lines").write_bytes(whole[:cut])
        place.receiver.drainer.take_over()
        seen.append(len(place.drain()))

    assert seen == sorted(seen)
    assert seen[-1] == 5
    assert place.receiver.drainer.standing().waiting == 0


def test_a_lost_position_costs_time_and_nothing_else(place: Place):
    send_id = place.send()
    place.receiver.keep(opt_out(place, send_id))
    copy = place.workspace / "copy"
    shutil.copytree(place.receiver.journal.folder, copy)
    place.drain()

    shutil.copytree(copy, place.receiver.journal.folder.parent / "restored")
    place.receiver.drainer.take_over()

    assert len(place.drain()) == 1


def test_where_its_position_cannot_be_written_what_is_stored_is_removed_and_all_else_goes_on(place: Place):
    """On a full disk, say, which gets room by that alone."""
    send_id = place.send()
    other = Journal(place.receiver.journal.folder.parent)
    for _ in range(600):
        other.append(line_of(opt_out(place, send_id)))
    other.close()
    place.receiver.drainer.take_over()
    for folder in (place.receiver.journal.folder, other.folder):
        (folder / "position.new").mkdir()
    place.receiver.keep(opt_out(place, send_id))

    rounds = [place.receiver.drainer.drain() for _ in range(3)]
    for folder in (place.receiver.journal.folder, other.folder):
        (folder / "position.new").rmdir()

    assert rounds == [500, 101, 0]
    assert len(place.events()) == 601
    assert segments(other.folder) == []


def test_a_journal_that_somebody_deletes_takes_nothing_for_kept_that_is_not_and_is_made_anew(place: Place):
    place.receiver.keep(opt_out(place, place.send()))
    shutil.rmtree(place.receiver.journal.folder.parent)

    with pytest.raises(JournalError, match="its file was deleted"):
        place.receiver.keep(opt_out(place, place.send()))
    was_sound = place.receiver.journal.is_sound
    place.receiver.keep(opt_out(place, place.send()))

    assert (was_sound, place.receiver.journal.is_sound) == (False, True)
    assert len(place.drain()) == 1
    assert left_behind(place.receiver.journal.folder.parent, []) == [], "it is locked as the first one was"


def test_a_process_that_can_open_no_file_says_so_once_and_works_off_the_journal_when_it_can(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "webhooks")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    place.receiver.keep(opt_out(place, place.send()))

    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    place.receiver.drainer.start()
    sleep(0.5)  # for three tries
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    patience = monotonic() + 10
    while not place.events() and monotonic() < patience:
        sleep(0.02)
    place.receiver.drainer.stop()

    assert [event.type for event in place.events()] == ["unsubscribed"]
    assert [(record.getMessage(), record.exc_info) for record in caplog.records if record.name == "webhooks.drainer"] == [
        (f"the journal could not be worked off; it is tried again: {os.strerror(errno.EMFILE)}", None),
        ("no longer so: the journal could not be worked off; it is tried again", None),
    ]


def test_opt_outs_do_not_wait_behind_clicks(place: Place):
    send_id = place.send()
    place.receiver.keep(fetched(place, send_id))
    place.receiver.keep(opt_out(place, send_id))

    assert [event.type for event in place.drain()] == ["unsubscribed"]
    assert [event.type for event in place.settle()] == ["unsubscribed", "opened"]


def test_a_clock_that_was_set_back_holds_nothing_up(place: Place):
    place.receiver.keep(fetched(place, place.send()))
    place.clock.instant -= timedelta(days=1)

    assert len(place.drain()) == 1


def test_while_the_database_is_away_everything_waits(place: Place):
    send_id = place.send()
    place.receiver.keep(opt_out(place, send_id))
    with place.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE events RENAME TO away")

    with pytest.raises(OperationalError):
        place.receiver.drainer.drain()
    with place.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO events")

    assert len(place.drain()) == 1


@pytest.mark.both_databases
def test_one_line_that_cannot_be_stored_does_not_hold_up_the_others(place: Place):
    send_id = place.send()
    place.receiver.keep(opt_out(place, send_id))
    place.receiver.journal.append(b'{"kind":"from a later version"}')
    place.receiver.journal.append(line_of(opt_out(place, 2**70)))
    place.receiver.keep(opt_out(place, send_id))

    assert len(place.drain()) == 2
    assert (place.receiver.journal.folder.parent / "rejected.lines").read_bytes().count(b"\n") == 2
    assert place.receiver.drainer.standing().waiting == 0


def test_the_thread_drains_by_itself_and_leaves_nothing_behind(place: Place):
    place.receiver.start()

    place.receiver.keep(opt_out(place, place.send()))

    wait_for(lambda: len(place.events()) == 1)
    place.receiver.close()
    assert not place.receiver.journal.folder.exists()
    place.open()


def test_a_drained_journal_keeps_nothing_personal(place: Place):
    place.receiver.keep(opt_out(place, place.send()))
    place.drain()

    place.receiver.drainer._tidy()

    assert segments(place.receiver.journal.folder) == []
    assert place.receiver.journal.size == 0
    place.receiver.keep(opt_out(place, place.send()))
    assert len(place.drain()) == 2


def test_two_live_processes_leave_each_others_folders_alone(place: Place):
    send_id = place.send()
    other = Receiver(place.runtime, clock=place.clock)
    other.keep(opt_out(place, send_id))

    place.receiver.drainer.take_over()

    assert place.drain() == []
    other.journal.close()
    place.receiver.drainer.take_over()
    assert len(place.drain()) == 1


@pytest.mark.both_databases
def test_the_same_entry_recorded_by_two_processes_is_one_event(place: Place):
    entry = opt_out(place, place.send())
    other = Receiver(place.runtime, clock=place.clock)
    for receiver in (place.receiver, other):
        receiver.keep(entry)
        receiver.drainer.drain()

    assert len(place.events()) == 1
    other.close()


def wait_for(happened: object, seconds: float = 10) -> None:
    deadline = monotonic() + seconds
    while not happened():  # type: ignore[operator]
        assert monotonic() < deadline, "it did not happen in time"
        sleep(0.02)
