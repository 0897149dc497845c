"""Real servers that hold one store: a primary with its replica and a Sentinel, or a Cluster of three primaries."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import redis

from bridge.store import embedded
from tests.conftest import free_port
from tests.e2e.bridge_processes import until

SERVICE = "mymaster"
PASSWORD = "store-password"
LOCAL = ("--bind", "127.0.0.1", "--save", "", "--repl-diskless-sync-delay", "0")
SENTINEL = f"""bind 127.0.0.1
protected-mode no
sentinel monitor {SERVICE} 127.0.0.1 {{primary}} 1
sentinel auth-pass {SERVICE} {PASSWORD}
sentinel down-after-milliseconds {SERVICE} 60000
sentinel failover-timeout {SERVICE} 60000
"""
"""A busy machine makes no server seem down: a test says when the Sentinel is to look for one that is."""
SHARE = 5462
"""Slots that one of three primaries has."""

QUICK = ("info-period", "100", "publish-period", "100", "ask-period", "100")
"""Milliseconds instead of seconds, for a Sentinel to know of the replica soon, and of its promotion."""


@dataclass
class Servers:
    """Servers on ports of the loopback; each can be killed, paused and looked into."""

    folder: Path
    running: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, *options: str, password: str = PASSWORD, port: int = 0) -> int:
        """Start a server, or one on its old port again; returns its port."""
        port = port or free_port()
        home = self.folder / str(port)
        home.mkdir(exist_ok=True)
        secret = ("--requirepass", password, "--masterauth", password) if password else ()
        argv = [str(embedded.find_server()), *options, "--port", str(port), "--dir", str(home), *secret]
        with (home / "log").open("ab") as log:
            self.running[port] = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
        with self.client(port, password) as client:
            until(lambda: answers(client), f"a server answers\n{(home / 'log').read_text()}")
        return port

    def client(self, port: int, password: str = PASSWORD) -> redis.Redis:
        """Return a client of one server."""
        return redis.Redis(port=port, password=password or None, socket_timeout=30, retry=None)

    def signal(self, port: int, number: int) -> None:
        """Send a server a signal: SIGSTOP, and it is there but silent."""
        self.running[port].send_signal(number)

    def kill(self, port: int) -> None:
        """End a server as a power loss would."""
        process = self.running.pop(port)
        process.kill()
        process.wait(10)


def catch_up(primary: redis.Redis) -> None:
    """Wait until the one replica has all that the primary has now; it goes on writing, so that is asked once."""
    needed = primary.info("replication")["master_repl_offset"]

    def has_it() -> bool:
        found = primary.info("replication").get("slave0", {})
        return bool(found.get("state") == "online" and found["offset"] >= needed)

    until(has_it, "the replica has all of it")


def answers(client: redis.Redis) -> bool:
    """Return whether a server answers."""
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Yield a place to start servers in; ends them afterwards."""
    made = Servers(folder)
    try:
        yield made
    finally:
        for port in list(made.running):
            made.kill(port)


@dataclass
class Watched:
    """A primary, its replica, and the Sentinel that watches them; two would have to agree, which takes seconds."""

    servers: Servers
    primary: int
    replica: int
    sentinel: int

    @property
    def url(self) -> str:
        """The bridge's address of them all; the first Sentinel it names is gone."""
        return f"redis+sentinel://:{PASSWORD}@127.0.0.1:1,127.0.0.1:{self.sentinel}/{SERVICE}"

    @contextmanager
    def watchful(self) -> Iterator[None]:
        """Have the Sentinel put the replica in the place of a primary that is silent for half a second."""
        _, replica = self.now()
        with self.servers.client(self.sentinel, "") as sentinel, self.servers.client(replica) as client:
            sentinel.execute_command("SENTINEL", "SET", SERVICE, "down-after-milliseconds", "500")
            yield
            until(lambda: client.info("replication")["role"] == "master", "the replica takes over")
            sentinel.execute_command("SENTINEL", "SET", SERVICE, "down-after-milliseconds", "60000")

    def now(self) -> tuple[int, int]:
        """Return the ports of the primary of this moment and of its replica, which has all of it."""
        with self.servers.client(self.sentinel, "") as sentinel:
            primary = sentinel.info("sentinel")["master0"]["address"]
        port = int(str(primary).rpartition(":")[2])
        other = self.primary if port == self.replica else self.replica
        with self.servers.client(port) as client, self.servers.client(other) as follower:
            until(lambda: follower.info("replication").get("master_port") == port, "the other one follows it")
            catch_up(client)
        return port, other


def watched(made: Servers) -> Watched:
    """Start a primary, a replica that has all of it, and a Sentinel that knows of both."""
    primary = made.start(*LOCAL, *embedded.DURABLE)
    replica = made.start(*LOCAL, *embedded.DURABLE, "--replicaof", "127.0.0.1", str(primary))
    with made.client(replica) as client:
        until(lambda: client.info("replication")["master_link_status"] == "up", "the replica is in step")
    config = made.folder / "sentinel.conf"
    config.write_text(SENTINEL.format(primary=primary))
    sentinel = made.start(str(config), "--sentinel", password="")
    with made.client(sentinel, "") as client:
        client.execute_command("SENTINEL", "DEBUG", *QUICK)
        until(lambda: client.info("sentinel")["master0"]["slaves"] == 1, "the Sentinel knows of the replica")
    return Watched(made, primary, replica, sentinel)


@dataclass
class Cluster:
    """Three primaries, and which of them has a prefix's keys."""

    servers: Servers
    ports: list[int]
    slot: int

    @property
    def owner(self) -> int:
        """The one that had the keys in the beginning."""
        return self.ports[self.slot // SHARE]

    @property
    def others(self) -> list[int]:
        """Those that had not."""
        return [port for port in self.ports if port != self.owner]

    @property
    def url(self) -> str:
        """The bridge's address of them all; it names only those that do not have its keys."""
        return f"redis+cluster://:{PASSWORD}@" + ",".join(f"127.0.0.1:{port}" for port in self.others)

    def keys(self, port: int) -> int:
        """Return how many keys a server has."""
        with self.servers.client(port) as client:
            return int(client.dbsize())

    def move(self) -> int:
        """Move the keys to another server, one after the other, while they are used; returns how many there were."""
        source, target = self.servers.client(self.owner), self.servers.client(self.others[0])
        names = {client: client.execute_command("CLUSTER", "MYID") for client in (source, target)}
        target.execute_command("CLUSTER", "SETSLOT", self.slot, "IMPORTING", names[source])
        source.execute_command("CLUSTER", "SETSLOT", self.slot, "MIGRATING", names[target])
        moved = 0
        while keys := source.execute_command("CLUSTER", "GETKEYSINSLOT", self.slot, 10):
            to = ("MIGRATE", "127.0.0.1", self.others[0], "", 0, 5000, "AUTH", PASSWORD, "KEYS")
            source.execute_command(*to, *keys)
            moved += len(keys)
        for client in (target, source):
            client.execute_command("CLUSTER", "SETSLOT", self.slot, "NODE", names[target])
            client.close()
        return moved


def cluster(made: Servers, prefix: str = "{ab}:") -> Cluster:
    """Start a Cluster of three primaries."""
    buses = [free_port() for _ in range(3)]
    own = (*LOCAL, *embedded.DURABLE, "--cluster-enabled", "yes", "--cluster-port")
    ports = [made.start(*own, str(bus)) for bus in buses]
    with made.client(ports[0]) as first:
        for port, bus in zip(ports[1:], buses[1:], strict=True):
            first.execute_command("CLUSTER", "MEET", "127.0.0.1", port, bus)
        slot = int(first.execute_command("CLUSTER", "KEYSLOT", prefix))
    for port, begin in zip(ports, range(0, 16384, SHARE), strict=True):
        with made.client(port) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", begin, min(begin + SHARE - 1, 16383))
    for port in ports:
        with made.client(port) as client:
            until(partial(_whole, client), "the Cluster is whole")
    return Cluster(made, ports, slot)


def _whole(client: redis.Redis) -> bool:
    info = client.execute_command("CLUSTER", "INFO")
    return b"cluster_state:ok" in info and b"cluster_known_nodes:3" in info
