"""The journal: what it says is kept is kept, whatever becomes of process, disk or file."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bridge.store.journal import Full, Journal
from bridge.store.segment import HEAD_BYTES, Entry, frame, new_mark, scan

MARK = new_mark()
ENTRIES = st.lists(st.builds(Entry, st.text(max_size=20), st.binary(max_size=200)), max_size=12)


def named(*names: str) -> list[Entry]:
    return [Entry(trace=name, body=name.encode() * 10) for name in names]


def drained(journal: Journal, at_once: int = 1000) -> list[str]:
    """Take everything out; returns the traces in order."""
    traces: list[str] = []
    while batch := journal.peek(at_once, 1 << 30):
        traces += [entry.trace for entry in batch]
        journal.drop(len(batch))
    return traces


def files(root: Path) -> list[Path]:
    return sorted(root.rglob("*.seg"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(root: Path) -> Iterator[Journal]:
    made = Journal(root)
    yield made
    made.close()


# --- framing -----------------------------------------------------------------------------------------------


@given(ENTRIES)
def test_what_is_framed_is_read(entries: list[Entry]) -> None:
    found = scan(MARK, b"".join(frame(MARK, entry) for entry in entries))

    assert found.entries == entries
    assert not found.damaged
    assert found.torn is None


@given(ENTRIES, st.data())
def test_every_record_is_read_as_it_was_or_its_place_is_reported(entries: list[Entry], data: st.DataObject) -> None:
    records = [frame(MARK, entry) for entry in entries]
    whole = bytearray(b"".join(records))
    flips = data.draw(st.lists(st.tuples(st.integers(0, max(len(whole) - 1, 0)), st.integers(0, 7)), max_size=4))
    for at, bit in flips if whole else []:
        whole[at] ^= 1 << bit
    kept = data.draw(st.integers(0, len(whole)))
    found = scan(MARK, bytes(whole[:kept]))

    holes = [*found.damaged, *([found.torn] if found.torn else [])]
    reported = {at for hole in holes for at in range(hole.start, hole.start + hole.size)}
    left, start = list(found.entries), 0
    for entry, record in zip(entries, records, strict=True):
        place = range(start, min(start + len(record), kept))
        start += len(record)
        if left and left[0] == entry and not reported.intersection(place) and len(place) == len(record):
            left.pop(0)
        else:
            assert set(place) <= reported, "neither read nor reported"
    assert not left, "nothing is read that was never written"


@given(ENTRIES.filter(bool), st.data())
def test_a_single_flipped_bit_costs_a_single_record(entries: list[Entry], data: st.DataObject) -> None:
    whole = bytearray(b"".join(frame(MARK, entry) for entry in entries))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    found = scan(MARK, bytes(whole))

    assert len(found.entries) == len(entries) - 1
    assert len(found.damaged) + bool(found.torn) == 1


def test_a_payload_cannot_pose_as_a_record_of_another_journal() -> None:
    forged = frame(new_mark(), Entry("forged", b"x"))
    record = bytearray(frame(MARK, Entry("real", forged)))
    record[-1] ^= 1

    assert scan(MARK, bytes(record)).entries == []


# --- keeping and giving back -------------------------------------------------------------------------------


def test_what_is_appended_comes_back_in_order_and_then_the_file_is_gone(journal: Journal, root: Path) -> None:
    journal.append(named("a", "b"))
    journal.append(named("c"))
    assert (journal.records, len(files(root))) == (3, 1)
    assert files(root)[0].stat().st_size == journal.size

    assert drained(journal, at_once=2) == ["a", "b", "c"]
    assert (journal.records, journal.size, files(root)) == (0, 0, [])


def test_a_file_stays_until_all_of_it_is_acknowledged(journal: Journal, root: Path) -> None:
    journal.append(named("a", "b", "c"))
    journal.drop(len(journal.peek(2, 1 << 20)))

    assert len(files(root)) == 1
    assert [entry.trace for entry in journal.peek(9, 1 << 20)] == ["c"]


def test_what_comes_while_it_is_given_back_goes_to_the_end(journal: Journal) -> None:
    journal.append(named("a", "b"))
    journal.drop(len(journal.peek(1, 1 << 20)))
    journal.append(named("c"))

    assert drained(journal) == ["b", "c"]


def test_a_batch_is_bounded_in_bytes_but_never_empty(journal: Journal) -> None:
    journal.append([Entry("big", b"x" * 5000), Entry("small", b"x"), Entry("small too", b"x")])

    assert [entry.trace for entry in journal.peek(9, 100)] == ["big"]
    journal.drop(1)
    assert [entry.trace for entry in journal.peek(9, 100)] == ["small", "small too"]


def test_many_files_are_begun_and_given_back_in_order(root: Path) -> None:
    journal = Journal(root, segment=64)
    names = [f"{number}" for number in range(20)]
    for name in names:
        journal.append(named(name))

    assert len(files(root)) > 5
    assert drained(journal, at_once=3) == names
    journal.close()


def test_only_its_owner_can_read_it(journal: Journal, root: Path) -> None:
    journal.append(named("a"))

    for path in (root, *root.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_an_empty_journal_leaves_nothing_behind(root: Path) -> None:
    journal = Journal(root)
    journal.append(named("a"))
    drained(journal)
    journal.close()

    assert list(root.iterdir()) == []


# --- when it can't be kept ---------------------------------------------------------------------------------


def test_at_its_limit_it_refuses_and_takes_again_when_there_is_room(root: Path) -> None:
    journal = Journal(root, max_size=200)
    journal.append(named("a" * 5))
    with pytest.raises(Full, match=r"receiver\.journal\.max_size"):
        journal.append(named("b" * 20))
    assert drained(journal) == ["aaaaa"]

    journal.append(named("c"))
    assert drained(journal) == ["c"]
    journal.close()


def test_what_a_full_disk_refused_is_not_given_back_later(root: Path) -> None:
    """In a process of its own: RLIMIT_FSIZE makes a write stop in the middle, as a full disk does."""
    program = f"""
import resource, sys
from pathlib import Path
from tests.store.test_journal import Journal, named
journal = Journal(Path({str(root)!r}))
journal.append(named("kept"))
resource.setrlimit(resource.RLIMIT_FSIZE, (journal.size + 20, resource.RLIM_INFINITY))
try:
    journal.append(named("refused"))
except OSError as error:
    print("refused:", error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
journal.append(named("kept too"))
import os; os._exit(9)  # no tidying up: as kill -9 leaves it
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert ended.stdout.startswith("refused:"), ended

    journal = Journal(root)
    with capture_logs() as lines:
        assert journal.adopt() == 2
        assert drained(journal) == ["kept", "kept too"]
    assert lines == [], "the half record was cut off"
    journal.close()


class Disk:
    """Stands in for fdatasync(2): fails as often as it is told."""

    def __init__(self) -> None:
        self.fail = 0

    def __call__(self, descriptor: int) -> None:
        if self.fail:
            self.fail -= 1
            raise OSError(errno.EIO, "Input/output error")
        os.fsync(descriptor)


def test_after_a_failed_sync_the_file_is_never_written_again(root: Path) -> None:
    disk = Disk()
    journal = Journal(root, sync=disk)
    journal.append(named("kept"))
    disk.fail = 1
    with pytest.raises(OSError, match="Input/output"):
        journal.append(named("refused"))
    journal.append(named("kept too"))

    assert len(files(root)) == 2
    assert drained(journal) == ["kept", "kept too"]
    journal.close()


def test_a_folder_that_can_not_be_made_is_tried_again_at_the_next_need(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("in the way")
    journal = Journal(tmp_path / "journal")
    with pytest.raises(OSError, match=r"exists|Not a directory"):
        journal.append(named("a"))
    (tmp_path / "journal").unlink()

    journal.append(named("b"))
    assert drained(journal) == ["b"]
    journal.close()


def test_a_write_is_synced_once_for_many(root: Path) -> None:
    synced: list[int] = []
    journal = Journal(root, sync=synced.append)
    journal.append(named(*(f"{number}" for number in range(500))))

    assert len(synced) == 1
    journal.close()


# --- what a dead receiver left -----------------------------------------------------------------------------


def left_behind(root: Path, *names: str, spoil: Callable[[Path], None] = lambda _: None) -> None:
    """Leave a journal as a killed receiver does."""
    journal = Journal(root)
    journal.append(named(*names))
    (path,) = [path for path in files(root) if path.parent == journal._folder]
    journal.close()
    spoil(path)


def test_the_next_one_adopts_what_a_dead_one_left(root: Path) -> None:
    left_behind(root, "a", "b")
    journal = Journal(root)
    journal.open()

    assert journal.adopt() == 2
    journal.append(named("c"))
    assert journal.records == 3
    assert drained(journal) == ["a", "b", "c"]
    assert [path.name for path in root.iterdir()] == [journal._folder.name if journal._folder else ""]
    journal.close()


def test_the_living_are_left_alone(journal: Journal, root: Path) -> None:
    journal.append(named("mine"))
    other = Journal(root)

    assert other.adopt() == 0
    assert drained(journal) == ["mine"]
    other.close()


def test_two_that_start_share_what_is_left_and_neither_takes_it_twice(root: Path) -> None:
    for name in ("a", "b", "c"):
        left_behind(root, name)
    first, second = Journal(root), Journal(root)
    first.open()
    second.open()

    assert first.adopt() + second.adopt() == 3
    assert sorted(drained(first) + drained(second)) == ["a", "b", "c"]
    first.close()
    second.close()


def test_what_was_adopted_and_not_acknowledged_goes_to_the_next(root: Path) -> None:
    left_behind(root, "a", "b")
    journal = Journal(root)
    journal.adopt()
    journal.peek(1, 1 << 20)
    journal.close()

    third = Journal(root)
    third.adopt()
    assert drained(third) == ["a", "b"]
    third.close()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 5)


def flip_first(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[HEAD_BYTES + 3] ^= 4
    path.write_bytes(data)


def test_a_torn_tail_is_ignored_and_said(root: Path) -> None:
    left_behind(root, "a", "b", spoil=cut)
    journal = Journal(root)
    journal.adopt()
    with capture_logs() as lines:
        assert drained(journal) == ["a"]

    assert [line["event"] for line in lines] == ["journal_torn"]
    assert journal.damaged == 0
    journal.close()


def test_a_damaged_record_costs_itself_only_and_is_said(root: Path) -> None:
    left_behind(root, "a", "b", "c", spoil=flip_first)
    journal = Journal(root)
    with capture_logs() as lines:
        assert journal.adopt() == 2
        assert drained(journal) == ["b", "c"]

    assert [(line["event"], line["at"]) for line in lines] == [("journal_damaged", 0)]
    assert journal.damaged == 1
    journal.close()


def test_a_file_without_a_single_whole_record_is_said_and_removed(root: Path) -> None:
    left_behind(root, "a", spoil=flip_first)
    journal = Journal(root)
    journal.adopt()
    assert journal.pending
    with capture_logs() as lines:
        assert drained(journal) == []

    assert [line["event"] for line in lines] == ["journal_torn"]
    assert files(root) == []
    journal.close()


def test_something_of_a_persons_in_a_folder_stays(root: Path) -> None:
    left_behind(root, "a")
    note = files(root)[0].parent / "note.txt"
    note.write_text("why is this here?")
    journal = Journal(root)
    journal.adopt()
    assert drained(journal) == ["a"]
    journal.close()

    assert note.exists()


def test_the_size_limit_counts_what_was_adopted(root: Path) -> None:
    left_behind(root, "a" * 50)
    journal = Journal(root, max_size=400)
    journal.adopt()
    with pytest.raises(Full):
        journal.append(named("b"))
    journal.close()


def test_files_stay_open_no_longer_than_needed(root: Path) -> None:
    before = open_files()
    for number in range(20):
        left_behind(root, f"{number}")
    journal = Journal(root)
    journal.adopt()
    drained(journal)
    journal.close()

    assert open_files() == before


def open_files() -> int:
    """How many descriptors this process has; 0 where that can't be seen."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0
