"""The journal keeps what it took, whatever happens in between."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event, Thread
from time import sleep

import pytest

from webhooks.backlog import Backlog
from webhooks.journal import Journal, JournalError, segments, take_lock


def payloads(backlog: Backlog, current: int | None = None) -> list[bytes | None]:
    return [line.payload for line in backlog.read_more(current=lambda: current)]


def test_what_was_appended_is_read_in_order(tmp_path: Path):
    journal = Journal(tmp_path)

    for n in range(20):
        journal.append(b"%d" % n)

    assert payloads(Backlog(journal.folder)) == [b"%d" % n for n in range(20)]


def test_many_threads_share_one_fsync_and_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    journal = Journal(tmp_path)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(file))
    start = Barrier(16)

    def append_some(who: int) -> None:
        start.wait()
        for n in range(50):
            journal.append(b"%d-%d" % (who, n))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(append_some, range(16)))

    assert sorted(map(bytes, filter(None, payloads(Backlog(journal.folder))))) == sorted(
        b"%d-%d" % (who, n) for who in range(16) for n in range(50)
    )
    assert len(synced) <= 16 * 50 + 2


def test_the_first_line_of_a_segment_is_read_whenever_it_comes(tmp_path: Path):
    """A segment that comes while the folder is looked through was taken for one that is through, and removed."""
    read = [read_while_it_is_appended(Journal(tmp_path), begins_after=round_ % 7 / 1000) for round_ in range(40)]

    assert read == [[b"stop"]] * 40


def read_while_it_is_appended(journal: Journal, *, begins_after: float) -> list[bytes | None]:
    backlog, read, is_kept = Backlog(journal.folder), [], Event()

    def drain() -> None:
        lines = backlog.read_more(current=lambda: journal.current)
        read.extend(line.payload for line in lines)
        backlog.done({(line.segment, line.start) for line in lines})

    def go_on_draining() -> None:
        while not is_kept.is_set():
            drain()

    thread = Thread(target=go_on_draining)
    thread.start()
    sleep(begins_after)
    journal.append(b"stop")
    is_kept.set()
    thread.join()
    drain()
    return read


def test_a_torn_line_at_any_byte_loses_that_line_alone(tmp_path: Path):
    journal = Journal(tmp_path)
    lines = [b'{"n":%d}' % n for n in range(4)]
    for line in lines:
        journal.append(line)
    journal.close()
    path = journal.folder / "00000001.lines"
    whole = path.read_bytes()

    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        assert payloads(Backlog(journal.folder)) == lines[: whole[:cut].count(b"\n")]


def test_a_flipped_bit_is_a_broken_line_and_the_rest_is_read(tmp_path: Path):
    journal = Journal(tmp_path)
    for n in range(3):
        journal.append(b"line %d" % n)
    path = journal.folder / "00000001.lines"
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 4

    path.write_bytes(whole)

    assert payloads(Backlog(journal.folder)) == [b"line 0", None, b"line 2"]


def test_a_line_that_is_still_being_written_is_read_when_it_is_whole(tmp_path: Path):
    journal = Journal(tmp_path)
    journal.append(b"first")
    path = journal.folder / "00000001.lines"
    whole = path.read_bytes()
    backlog = Backlog(journal.folder)

    path.write_bytes(whole + whole[:5])
    assert payloads(backlog, current=1) == [b"first"]
    path.write_bytes(whole + whole)
    assert payloads(backlog, current=1) == [b"first"]


def test_segments_turn_over_and_go_when_they_are_done(tmp_path: Path):
    journal = Journal(tmp_path, segment_bytes=100)
    for n in range(30):
        journal.append(b"x%02d" % n)
    backlog = Backlog(journal.folder)
    before = len(segments(journal.folder))

    lines = backlog.read_more(current=lambda: journal.current)
    removed = backlog.done({(line.segment, line.start) for line in lines})

    assert before > 3
    assert [line.payload for line in lines] == [b"x%02d" % n for n in range(30)]
    assert segments(journal.folder) == [journal.current]
    assert removed > 0


def test_a_segment_stays_while_one_of_its_lines_waits(tmp_path: Path):
    journal = Journal(tmp_path, segment_bytes=1)
    for n in range(3):
        journal.append(b"%d" % n)
    backlog = Backlog(journal.folder)
    first, second, third = backlog.read_more(current=lambda: journal.current)

    backlog.done({(second.segment, second.start), (third.segment, third.start)})

    assert first.segment in segments(journal.folder)
    assert backlog.position == (first.segment, first.start)
    assert payloads(Backlog(journal.folder)) == [b"0", b"2"]


def test_reading_goes_on_where_it_was_done(tmp_path: Path):
    journal = Journal(tmp_path)
    for n in range(5):
        journal.append(b"%d" % n)
    backlog = Backlog(journal.folder)
    lines = backlog.read_more(current=lambda: 1)

    backlog.done({(line.segment, line.start) for line in lines[:3]})

    assert payloads(Backlog(journal.folder), current=1) == [b"3", b"4"]


def test_a_disk_that_fails_is_an_error_and_then_a_new_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    journal = Journal(tmp_path)
    journal.append(b"kept")

    def fail(_file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        for _ in range(3):
            with pytest.raises(JournalError, match="No space left"):
                journal.append(b"not kept")
        assert not journal.is_sound
    journal.append(b"kept again")

    read = payloads(Backlog(journal.folder))
    assert journal.is_sound
    assert [read[0], read[-1]] == [b"kept", b"kept again"]
    assert len(segments(journal.folder)) == 2


def test_a_full_journal_still_takes_what_must_not_be_lost(tmp_path: Path):
    journal = Journal(tmp_path, most_bytes=50)
    journal.append(b"x" * 30)

    with pytest.raises(JournalError, match="full"):
        journal.append(b"a click")
    journal.append(b"an opt-out", essential=True)

    assert payloads(Backlog(journal.folder))[-1] == b"an opt-out"


def test_two_processes_never_hold_one_folder(tmp_path: Path):
    journal = Journal(tmp_path)

    with pytest.raises(OSError):
        take_lock(journal.folder)
    journal.close()
    os.close(take_lock(journal.folder))


def test_only_this_user_can_read_it(tmp_path: Path):
    journal = Journal(tmp_path / "private" / "journal")
    journal.append(b"x")

    assert (journal.folder.stat().st_mode & 0o777) == 0o700
    assert ((journal.folder / "00000001.lines").stat().st_mode & 0o777) == 0o600
