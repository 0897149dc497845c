"""Behind Sentinel: another server takes over, planned or not, and the bridge goes on by itself."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.e2e.bridge_processes import until
from tests.scaling.servers import SERVICE, Watched, catch_up, servers, watched
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
    """Send alerts; all are accepted."""
    assert {bridge.fire(name).status_code for name in names} == {202}


def test_a_planned_switch_while_alerts_flow_loses_nothing_and_tells_nothing_twice(
    store: Watched, bridge: Stand
) -> None:
    """As docs/scaling.md says it: the old primary holds writes back, so none can come after the replica's last one."""
    names = [f"Switched{number:02}" for number in range(30)]
    old, new = store.now()
    fire(bridge, *names[:10])
    with store.servers.client(old) as primary:
        primary.client_pause(60_000, all=False)
        catch_up(primary)
        with store.servers.client(store.sentinel, "") as sentinel:
            sentinel.execute_command("SENTINEL", "FAILOVER", SERVICE)
        fire(bridge, *names[10:])
        with store.servers.client(new) as promoted:
            until(lambda: promoted.info("replication")["role"] == "master", "it takes writes")
        until(lambda: bridge.settled(*names), "all are told")
        primary.client_unpause()  # only then it can be told that it is a replica

    assert store.now() == (new, old)
    assert [len(bridge.told(name)) for name in names] == [1] * 30


def test_a_primary_that_only_falls_silent_is_left_by_all_connections(store: Watched, bridge: Stand) -> None:
    """As when its machine vanishes: nothing is reset, and who waits for an answer would wait for ever."""
    silent, _ = store.now()
    try:
        with store.watchful():
            store.servers.signal(silent, signal.SIGSTOP)
            fire(bridge, "Silent1", "Silent2")
        until(lambda: bridge.settled("Silent1", "Silent2"), "the replica took over")
    finally:
        store.servers.signal(silent, signal.SIGCONT)

    assert store.now()[1] == silent
    assert [len(bridge.told(name)) for name in ("Silent1", "Silent2")] == [1] * 2


def test_a_replica_takes_over_and_nothing_is_lost_and_nothing_told_twice(store: Watched, bridge: Stand) -> None:
    before, meanwhile = ["Before1", "Before2"], ["Meanwhile1", "Meanwhile2"]
    fire(bridge, *before)
    until(lambda: bridge.settled(*before), "the first are told, and that is stored")
    primary, _ = store.now()

    with store.watchful():
        store.servers.kill(primary)
        fire(bridge, *meanwhile)
    until(lambda: bridge.settled(*meanwhile), "the replica took over")
    fire(bridge, *before)
    until(lambda: bridge.settled(*before), "a repeat finds the incident that it belongs to")

    assert [len(bridge.told(name)) for name in before + meanwhile] == [1] * 4
    assert "journal_replayed" in bridge.world.bridge.log("receiver")
