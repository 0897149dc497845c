"""The local journal: where the receiver keeps what it accepted while the store can't take it.

Append-only files, synced before anything is promised, in one folder for each receiver process under
`journal` in the data directory. What a dead receiver left is adopted by the next one that starts there.
Everything here blocks: to be called from one thread.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from bridge.store.segment import SUFFIX, Entry, Scan, frame, new_mark, scan

SEGMENT = 8 << 20
"""Bytes after which a new file is begun; a file is deleted as a whole, and read as a whole."""
LOCK = "lock"

log = structlog.get_logger(__name__)
Sync = Callable[[int], None]
fdatasync: Sync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class Full(OSError):
    """The journal has reached its size limit."""


class _File:
    """One segment on disk."""

    def __init__(self, path: Path, size: int = 0, records: int = 0) -> None:
        self.path = path
        self.size = size
        """Bytes that are surely on the disk; what is beyond was never promised."""
        self.records = records

    def read(self) -> Scan:
        """Return what it holds; raises OSError."""
        mark = bytes.fromhex(self.path.stem.rpartition("-")[2])
        with self.path.open("rb") as file:
            return scan(mark, file.read(self.size))


class Journal:
    """One receiver's journal, together with those it adopted."""

    def __init__(
        self, root: Path, *, max_size: int = 256 << 20, segment: int = SEGMENT, sync: Sync = fdatasync
    ) -> None:
        self.root = root
        self.max_size = max_size
        self.records = 0
        """Not yet in the store."""
        self.size = 0
        """Bytes on the disk; falls when a file has gone to the store as a whole."""
        self.damaged = 0
        """Places at which something was unreadable, so far."""
        self.adopted: list[str] = []
        """Names of the folders that were taken over from dead receivers, so far."""
        self._segment, self._sync = segment, sync
        self._mark, self._number = new_mark(), 0
        self._folder: Path | None = None
        self._locks: dict[Path, int] = {}
        self._sealed: deque[_File] = deque()
        self._live: _File | None = None
        self._descriptor = -1
        self._loaded: deque[Entry] = deque()
        """What is left of the first sealed file."""

    def open(self) -> None:
        """Make a folder of one's own, unless there is one; raises OSError when that is not possible."""
        if self._folder is not None:
            return
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        while self._folder is None:
            folder = self.root / f"receiver-{os.getpid()}-{secrets.token_hex(4)}"
            folder.mkdir(mode=0o700)
            if self._lock(folder):  # else a receiver that just looks for orphans has taken it for one
                self._folder = folder
        _sync_folder(self.root)

    @property
    def name(self) -> str:
        """Name of its own folder; empty as long as it has none."""
        return self._folder.name if self._folder else ""

    @property
    def pending(self) -> bool:
        """Whether there is anything to replay."""
        return bool(self._sealed or self._live)

    # --- keeping -------------------------------------------------------------------------------------------

    def append(self, entries: Iterable[Entry]) -> None:
        """Return when all of the entries are on the disk; raises OSError, and then none of them is promised."""
        self.open()
        records = [frame(self._mark, entry) for entry in entries]
        data = b"".join(records)
        if self.size + len(data) > self.max_size:
            raise Full(f"the journal holds {self.size} of at most {self.max_size} bytes (receiver.journal.max_size)")
        file = self._live or self._begin()
        try:
            _write(self._descriptor, data)
            self._sync(self._descriptor)
        except OSError:
            self._abandon(file)
            raise
        file.size += len(data)
        file.records += len(records)
        self.size += len(data)
        self.records += len(records)
        if file.size >= self._segment:
            self._seal()

    def _begin(self) -> _File:
        assert self._folder is not None, "open() made it"  # noqa: S101 - for the type checker
        self._number += 1
        file = _File(self._folder / f"{self._number:010}-{self._mark.hex()}{SUFFIX}")
        self._descriptor = os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._live = file
        try:
            _sync_folder(self._folder)
        except OSError:
            self._abandon(file)
            raise
        return file

    def _abandon(self, file: _File) -> None:
        """Never write again to a file whose last write failed: what a failed sync left there is unknown."""
        with suppress(
            OSError
        ):  # what can't be cut off is replayed at the worst: a duplicate of the sender's repetition
            os.ftruncate(self._descriptor, file.size)
        self._seal()

    def _seal(self) -> None:
        if self._live is None:
            return
        with suppress(OSError):
            os.close(self._descriptor)
        file, self._live, self._descriptor = self._live, None, -1
        if file.records:
            self._sealed.append(file)
            return
        with suppress(OSError):
            file.path.unlink()

    # --- giving back ---------------------------------------------------------------------------------------

    def peek(self, count: int, size: int) -> list[Entry]:
        """Return the oldest entries, at least one if there is any, else up to so many and so many bytes."""
        while not self._loaded and (self._sealed or self._live):
            if not self._sealed:
                self._seal()
            elif not self._load(self._sealed[0]):
                self._forget(delete=True)
        batch: list[Entry] = []
        for entry in self._loaded:
            size -= len(entry.body)
            if len(batch) == count or (batch and size < 0):
                break
            batch.append(entry)
        return batch

    def drop(self, count: int) -> None:
        """Forget the oldest entries: they are in the store. A file goes once all of it is."""
        for _ in range(count):
            self._loaded.popleft()
        self.records -= count
        if count and not self._loaded:
            self._forget(delete=True)

    def _load(self, file: _File) -> bool:
        """Read a file into memory; returns whether there is anything in it."""
        try:
            found = file.read()
        except OSError as error:
            _unreadable(file.path, error)
            self._forget(delete=False)
            return True  # nothing loaded, nothing to delete
        self._complain(file, found)
        self._loaded.extend(found.entries)
        return bool(found.entries)

    def _complain(self, file: _File, found: Scan) -> None:
        for hole in found.damaged:
            self.damaged += 1
            log.error("journal_damaged", file=str(file.path), at=hole.start, bytes=hole.size, lost="a record or more")
        if found.torn:
            log.warning(
                "journal_torn",
                file=str(file.path),
                at=found.torn.start,
                bytes=found.torn.size,
                why="a crash while it was written, before it was answered; or its last record is damaged",
            )
        self.records += len(found.entries) - file.records
        file.records = len(found.entries)

    def _forget(self, *, delete: bool) -> None:
        file = self._sealed.popleft()
        self.size -= file.size
        if not delete:
            self.records -= file.records
            return
        with suppress(OSError):  # replayed once more at the next start, as duplicates
            file.path.unlink()
        folder = file.path.parent
        if folder != self._folder and not _segments(folder):
            self._remove(folder)

    # --- folders -------------------------------------------------------------------------------------------

    def adopt(self) -> int:
        """Take over what dead receivers left under the same root; returns how many records that is."""
        before = self.records
        for folder in sorted(self.root.glob("receiver-*")):
            try:
                if folder not in self._locks and self._lock(folder):
                    self._take_over(folder)
            except OSError as error:
                _unreadable(folder, error)
        return self.records - before

    def _take_over(self, folder: Path) -> None:
        self.adopted.append(folder.name)
        for path in _segments(folder):
            try:
                file = _File(path, path.stat().st_size)
                file.records = len(file.read().entries)
            except (OSError, ValueError) as error:
                _unreadable(path, error)
                continue
            self._sealed.append(file)
            self.size += file.size
            self.records += file.records
        if not _segments(folder):
            self._remove(folder)

    def _lock(self, folder: Path) -> bool:
        """Hold a folder for oneself; False if another process does, or has just removed it."""
        try:
            descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            return False
        held = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = os.fstat(descriptor).st_ino == (folder / LOCK).stat().st_ino
        except (BlockingIOError, FileNotFoundError):
            return False
        finally:
            if not held:
                os.close(descriptor)
        if held:
            self._locks[folder] = descriptor
        return held

    def _remove(self, folder: Path) -> None:
        with suppress(OSError):  # not empty: something of a person's
            (folder / LOCK).unlink()
            folder.rmdir()
        os.close(self._locks.pop(folder))

    def close(self) -> None:
        """Let go of everything; what is not in the store yet stays for the next receiver."""
        self._seal()
        for folder in list(self._locks):
            if _segments(folder):
                os.close(self._locks.pop(folder))
            else:
                self._remove(folder)
        self._folder = None


def _segments(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob(f"*{SUFFIX}"))


def _unreadable(path: Path, error: Exception) -> None:
    log.error("journal_unreadable", path=str(path), error=str(error), do="let the receiver read it, and start it again")


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _sync_folder(folder: Path) -> None:
    """A new name is on the disk only when its folder is (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
