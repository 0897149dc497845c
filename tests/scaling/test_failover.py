"""Behind Sentinel: another server takes over, planned or not, and the bridge goes on by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.bridge_processes import until
from tests.scaling.servers import SERVICE, Watched, servers, watched
from tests.scaling.stand import Stand, stand


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A primary, its replica and a Sentinel."""
    with servers(tmp_path_factory.mktemp("servers")) as made:
        yield watched(made)


@pytest.fixture(scope="module")
def bridge(store: Watched, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A bridge on them."""
    with stand(tmp_path_factory.mktemp("bridge"), store.url) as made:
        yield made


def fire(bridge: Stand, *names: str) -> None:
    assert {bridge.fire(name).status_code for name in names} == {202}


def test_a_planned_switch_while_alerts_flow_loses_nothing_and_tells_nothing_twice(
    store: Watched, bridge: Stand
) -> None:
    """The old primary lives on as a replica: it lets go of who waits at it, and answers writes with READONLY."""
    names = [f"Switched{number:02}" for number in range(30)]
    old, new = store.now()
    fire(bridge, *names[:10])
    with store.servers.client(store.sentinel, "") as sentinel:
        sentinel.execute_command("SENTINEL", "FAILOVER", SERVICE)
    fire(bridge, *names[10:])
    with store.servers.client(new) as promoted:
        until(lambda: promoted.info("replication")["role"] == "master", "it takes writes")
    until(lambda: bridge.settled() >= 30, "all are told")

    assert store.now() == (new, old)
    assert [len(bridge.told(name)) for name in names] == [1] * 30


def test_a_replica_takes_over_and_nothing_is_lost_and_nothing_told_twice(store: Watched, bridge: Stand) -> None:
    before, meanwhile, settled = ["Before1", "Before2"], ["Meanwhile1", "Meanwhile2"], bridge.settled()
    fire(bridge, *before)
    until(lambda: bridge.settled() == settled + 2, "the first are told, and that is stored")
    primary, _ = store.now()

    store.servers.kill(primary)
    fire(bridge, *meanwhile)
    until(lambda: bridge.settled() == settled + 4, "the replica took over")
    assert {bridge.resolve(name).status_code for name in before} == {202}
    until(lambda: all("Resolved" in bridge.told(name)[0] for name in before), "it knows what it told")

    assert [len(bridge.told(name)) for name in before + meanwhile] == [1] * 4
    assert "journal_replayed" in bridge.world.bridge.log("receiver")
