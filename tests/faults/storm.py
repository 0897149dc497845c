"""The faults, each with how it is begun and undone; the dice decide which, where and for how long."""

from __future__ import annotations

import os
import random
import resource
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import redis

from bridge.sandbox import faults as vendor
from bridge.sandbox.jira.rules import RefusedByJira
from bridge.sandbox.slack_workspace import No
from tests.faults.network import Cable, Mode, some_latency
from tests.faults.stand import LEASE, SETTLE, Part, Stand

CHANNEL = "C0ONCALL"
SLACK = ("chat.postMessage", "chat.postMessage", "chat.update", "conversations.history", "conversations.replies")
JIRA = ("createIssue", "createIssue", "addComment", "transition", "getTransitions", "getIssue", "search", "editIssue")
CREATES = ("chat.postMessage", "createIssue", "addComment")
"""Elsewhere a page of HTML means a login page: the destination is left alone for a minute."""
LATE = 1.5
"""Seconds by which a vendor does late what it was asked for: less than the sinks wait before they look (`settle`)."""
CALL_WITHIN = 3.0
"""Seconds in which a vendor has to be called for a fault set for its next call: it passes as real ones do, or faults
would pile up at a destination that is left alone because of them."""
TRIES = 3
OUTSIDE = {
    "the vendor does it and cuts the connection": 22,
    "the vendor cuts the connection and does nothing": 6,
    "the vendor does it and answers 5xx": 12,
    "the vendor answers 5xx and does nothing": 8,
    "429, Retry-After in seconds": 5,
    "429, Retry-After as a date": 5,
    "the vendor is slow": 5,
    "the vendor hangs past the time-out": 3,
    "the vendor answers with a page of HTML": 4,
    "the vendor is down for a while": 2,
    "a message deleted by a person": 3,
    "an issue moved to another project": 3,
    "the channel archived for a moment": 1,
    "the project gone for a moment": 1,
    "a required field appears for a moment": 1,
    "the network to the vendors cut": 2,
    "answers of the vendors lost": 3,
    "a token refused, then fixed": 0,
}
"""What vendors, people there and the way to them do, and how often as compared with others."""
INSIDE = {
    "kill -9 of a worker": 5,
    "kill -9 of a worker's child": 3,
    "kill -9 of a receiver": 4,
    "SIGTERM of a worker": 4,
    "SIGTERM of a receiver": 3,
    "a worker paused past its lease": 5,
    "kill -9 of the store": 3,
    "the store silent": 3,
    "the store full": 2,
    "the store read-only": 2,
    "the store's disk full": 1,
    "the broker's queues flushed": 5,
    "the network to the store cut": 4,
    "the network to the store silent": 3,
    "the network to the store slow": 4,
    "answers of the store lost": 4,
    "the network to a receiver cut": 2,
    "answers of a receiver lost": 4,
}
"""What happens to the bridge's own processes, its store and its network."""
WEIGHTS = OUTSIDE | INSIDE
RARE = "a token refused, then fixed"
"""It stops its destination for a minute, in which hardly anything else happens there: so only now and then."""
RARELY = (100, 500)


def mixed(seed: int, faults: int) -> list[str]:
    """Return the faults of a run: as the dice fall."""
    names = random.Random(seed).choices(list(WEIGHTS), list(WEIGHTS.values()), k=faults)
    return [RARE if number in RARELY else name for number, name in enumerate(names)]


def one_of_each(seed: int, kinds: Iterable[str]) -> list[str]:
    """Return every fault once, but for the one that takes a minute."""
    names = sorted(set(kinds) - {RARE})
    return random.Random(seed).sample(names, k=len(names))


class Storm:
    """Injects faults into a stand; each `strike` returns once the fault is over and undone."""

    def __init__(self, stand: Stand, seed: str) -> None:
        self._stand = stand
        self._seed = seed
        self._own = threading.local()
        self._busy: set[object] = set()
        self._lock = threading.Lock()
        self.struck: Counter[str] = Counter()
        self.deleted: set[str] = set()
        """Roots that a person deleted, by ts."""

    @property
    def _dice(self) -> random.Random:
        """Each strike's own, so that the same seed throws the same whatever happens at the same time."""
        dice: random.Random = self._own.dice
        return dice

    def strike(self, number: int, name: str) -> None:
        """Let one fault happen, and undo it."""
        self._own.dice = random.Random(f"{self._seed}-{number}")
        acts = self._vendor() | self._people() | self._processes() | self._store() | self._network()
        if any(acts[name]() for _ in range(TRIES)):
            with self._lock:
                self.struck[name] += 1

    # --- vendors ---------------------------------------------------------------------------------------------

    def _vendor(self) -> dict[str, Callable[[], bool]]:
        dice = self._dice

        def with_fault(
            make: Callable[[str], vendor.Fault], calls: tuple[str, ...] = SLACK + JIRA
        ) -> Callable[[], bool]:
            return lambda: self._meets(make(dice.choice(calls)))

        def status() -> int:
            return dice.choice((500, 502, 503, 504))

        return {
            "the vendor does it and cuts the connection": with_fault(lambda at: vendor.drop(at)),
            "the vendor cuts the connection and does nothing": with_fault(lambda at: vendor.drop(at, applied=False)),
            "the vendor does it and answers 5xx": with_fault(
                lambda at: vendor.server_error(at, status(), applied=True)
            ),
            "the vendor answers 5xx and does nothing": with_fault(lambda at: vendor.server_error(at, status())),
            "429, Retry-After in seconds": with_fault(lambda at: vendor.rate_limit(at, 1)),
            "429, Retry-After as a date": with_fault(lambda at: vendor.rate_limit(at, 2, as_date=True)),
            "the vendor is slow": with_fault(
                lambda at: vendor.delay(at, dice.uniform(0.2, LATE), applied=dice.random() < 0.5)
            ),
            "the vendor hangs past the time-out": with_fault(lambda at: vendor.delay(at, 9.0)),
            "the vendor answers with a page of HTML": with_fault(
                lambda at: vendor.html(at, dice.choice((200, 502)), applied=dice.random() < 0.5), CREATES
            ),
            "the vendor is down for a while": lambda: self._down(vendor.server_error("*", status(), times=0)),
            RARE: self._token,
        }

    def _meets(self, fault: vendor.Fault) -> bool:
        """Set a fault for a call; returns whether the call came."""
        faults, until = self._stand.sandbox.faults, time.monotonic() + CALL_WITHIN
        faults.add(fault)
        while time.monotonic() < until and any(one is fault for one in faults.left()):
            time.sleep(0.1)
        return not faults.take_back(fault)

    def _down(self, fault: vendor.Fault) -> bool:
        faults = self._stand.sandbox.faults
        with self._only("vendors"):
            faults.add(fault)
            time.sleep(self._dice.uniform(1.0, 6.0))
            faults.take_back(fault)
        return True

    def _token(self) -> bool:
        slack, jira = self._stand.sandbox.slack, self._stand.sandbox.jira
        with self._only("token"):
            if self._dice.random() < 0.5:
                slack.token, right = "revoked", slack.token
                time.sleep(1.5)
                slack.token = right
            else:
                jira.accounts, known = {}, jira.accounts
                time.sleep(1.5)
                jira.accounts = known
        return True

    # --- people ----------------------------------------------------------------------------------------------

    def _people(self) -> dict[str, Callable[[], bool]]:
        return {
            "a message deleted by a person": self._delete,
            "an issue moved to another project": self._move,
            "the channel archived for a moment": self._archive,
            "the project gone for a moment": self._close_project,
            "a required field appears for a moment": self._require,
        }

    def _delete(self) -> bool:
        workspace = self._stand.sandbox.slack.workspace
        roots = [root for root in workspace.messages(CHANNEL) if not root.deleted]
        if not roots:
            return False
        ts = self._dice.choice(roots).ts
        with suppress(No):
            workspace.delete(CHANNEL, ts)
        self.deleted.add(ts)
        return True

    def _move(self) -> bool:
        state = self._stand.sandbox.jira.state
        with state.lock, suppress(RefusedByJira):
            keys = [issue.key for issue in state.held.issues if issue.project == "OPS"]
            if keys:
                state.move(self._dice.choice(keys), "ARCHIVE")
                return True
        return False

    def _archive(self) -> bool:
        channel = self._stand.sandbox.slack.workspace.channels[CHANNEL]
        with self._only("channel"):
            channel.is_archived = True
            time.sleep(self._dice.uniform(0.2, 1.0))
            channel.is_archived = False
        return True

    def _close_project(self) -> bool:
        state = self._stand.sandbox.jira.state
        with self._only("project"):
            state.projects, all_ = ("ARCHIVE",), state.projects
            time.sleep(self._dice.uniform(0.2, 1.0))
            state.projects = all_
        return True

    def _require(self) -> bool:
        required = self._stand.sandbox.jira.state.required
        with self._only("screen"):
            required["customfield_10042"] = "Customer"
            time.sleep(self._dice.uniform(0.2, 1.0))
            del required["customfield_10042"]
        return True

    # --- processes -------------------------------------------------------------------------------------------

    def _processes(self) -> dict[str, Callable[[], bool]]:
        def signalled(kind: str, number: signal.Signals) -> Callable[[], bool]:
            return lambda: self._with_part(kind, lambda part: self._stand.send(part, number))

        return {
            "kill -9 of a worker": signalled("worker", signal.SIGKILL),
            "kill -9 of a worker's child": self._kill_child,
            "kill -9 of a receiver": signalled("receiver", signal.SIGKILL),
            "SIGTERM of a worker": signalled("worker", signal.SIGTERM),
            "SIGTERM of a receiver": signalled("receiver", signal.SIGTERM),
            "a worker paused past its lease": lambda: self._with_part("worker", self._pause),
        }

    def _kill_child(self) -> bool:
        """Kill one of the processes that a worker has working; it makes another."""
        children = [child for part in self._stand.named("worker") if part.runs for child in sorted(part.children)]
        if not children:
            return False
        with suppress(ProcessLookupError):
            os.kill(self._dice.choice(children), signal.SIGKILL)
        return True

    def _pause(self, part: Part) -> None:
        """Stop it until another took over, sometimes until that one has looked and acted."""
        self._stand.send(part, signal.SIGSTOP)
        time.sleep(LEASE + self._dice.choice((1.0, SETTLE + 2.0)))
        self._stand.send(part, signal.SIGCONT)

    def _with_part(self, kind: str, act: Callable[[Part], None]) -> bool:
        """Act on one of a kind that runs, and wait until it runs (again); another kind of fault leaves it alone."""
        running = [part for part in self._stand.named(kind) if part.runs]
        if not running:
            return False
        part = self._dice.choice(running)
        with self._only(part.name):
            starts = part.starts
            act(part)
            until = time.monotonic() + 30
            while time.monotonic() < until and part.process is not None and not (part.starts > starts and part.runs):
                if part.starts == starts and part.runs and act == self._pause:
                    break
                time.sleep(0.1)
        return True

    # --- the store -------------------------------------------------------------------------------------------

    def _store(self) -> dict[str, Callable[[], bool]]:
        return {
            "kill -9 of the store": lambda: self._with_store(self._kill_store),
            "the store silent": lambda: self._with_store(self._stop_store),
            "the store full": lambda: self._with_store(self._fill_store),
            "the store read-only": lambda: self._with_store(self._freeze_store),
            "the store's disk full": lambda: self._with_store(self._fill_disk),
            "the broker's queues flushed": self._flush,
        }

    def _with_store(self, act: Callable[[Part], None]) -> bool:
        part = self._stand.parts["store"]
        with self._only("store"):
            act(part)
            while not self._store_answers():
                time.sleep(0.1)
            time.sleep(1.0)  # some time to breathe between two of these
        return True

    def _kill_store(self, part: Part) -> None:
        part.held = True
        self._stand.send(part, signal.SIGKILL)
        time.sleep(self._dice.uniform(0.0, 2.0))
        part.held = False

    def _stop_store(self, part: Part) -> None:
        self._stand.send(part, signal.SIGSTOP)
        time.sleep(self._dice.uniform(0.3, 3.0))
        self._stand.send(part, signal.SIGCONT)

    def _fill_store(self, _: Part) -> None:
        with self._client() as client:
            known = client.config_get("maxmemory")["maxmemory"]  # type: ignore[index]  # not awaited
            client.config_set("maxmemory", "1mb")
            time.sleep(self._dice.uniform(0.5, 2.0))
            client.config_set("maxmemory", known)

    def _freeze_store(self, _: Part) -> None:
        with self._client() as client:
            client.config_set("min-replicas-to-write", 1)
            time.sleep(self._dice.uniform(0.5, 2.0))
            client.config_set("min-replicas-to-write", 0)

    def _fill_disk(self, part: Part) -> None:
        """Let no file of the store's grow further: it ends, and is started again with room."""
        assert part.process is not None
        largest = max(path.stat().st_size for path in (self._stand.folder / "data").rglob("*.aof"))
        resource.prlimit(part.process.pid, resource.RLIMIT_FSIZE, (largest + 2000, largest + 2000))
        until = time.monotonic() + 5
        starts = part.starts
        while part.starts == starts and time.monotonic() < until:
            time.sleep(0.1)
        if part.starts == starts:
            self._stand.send(part, signal.SIGKILL)

    def _flush(self) -> bool:
        """Take away all that Celery keeps, and nothing else."""
        with suppress(redis.RedisError), self._client() as client:
            keys = list(client.scan_iter("{ab}:celery:*", count=1000))
            if keys:
                client.delete(*keys)
                return True
        return False

    def _store_answers(self) -> bool:
        try:
            with self._client() as client:
                return bool(client.set("storm", "1"))
        except redis.RedisError:
            return False

    def _client(self) -> redis.Redis:
        return redis.Redis.from_url(self._stand.store_url, socket_timeout=1, retry=None)

    # --- the network -----------------------------------------------------------------------------------------

    def _network(self) -> dict[str, Callable[[], bool]]:
        some, vendors = self._cable_to_store, lambda: self._stand.vendor

        def front() -> Cable:
            return self._dice.choice(self._stand.fronts)

        return {
            "the network to the store cut": lambda: self._bend(some(), Mode.CUT, 0.3, 2.0),
            "the network to the store silent": lambda: self._bend(some(), Mode.SILENT, 0.5, 2.5),
            "the network to the store slow": lambda: self._bend(some(), Mode.SLOW, 0.5, 3.0),
            "answers of the store lost": lambda: self._bend(some(), Mode.DEAF, 0.1, 0.5),
            "the network to a receiver cut": lambda: self._bend(front(), Mode.CUT, 0.3, 2.0),
            "answers of a receiver lost": lambda: self._bend(front(), Mode.DEAF, 0.1, 0.6),
            "the network to the vendors cut": lambda: self._bend(vendors(), Mode.CUT, 0.3, 1.5),
            "answers of the vendors lost": lambda: self._bend(vendors(), Mode.DEAF, 0.05, 0.3),
        }

    def _cable_to_store(self) -> Cable:
        cables = [part.cable for part in self._stand.parts.values() if part.cable is not None]
        return self._dice.choice(cables)

    def _bend(self, cable: Cable, mode: Mode, least: float, most: float) -> bool:
        with self._only(cable.port):
            cable.turn(mode, some_latency(self._dice))
            time.sleep(self._dice.uniform(least, most))
            cable.turn(Mode.PASS)
        return True

    @contextmanager
    def _only(self, place: object) -> Iterator[None]:
        """Wait until nothing else strikes the same place."""
        while True:
            with self._lock:
                if place not in self._busy:
                    self._busy.add(place)
                    break
            time.sleep(0.05)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(place)
