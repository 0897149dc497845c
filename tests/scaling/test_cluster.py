"""On a Cluster: one hash tag keeps all keys on one server, which is found, and found again when they move."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.bridge_processes import until
from tests.scaling.servers import cluster, servers
from tests.scaling.stand import stand

FIRST = ["Here1", "Here2", "Here3"]
THEN = ["There1", "There2", "There3"]


def test_store_and_broker_follow_their_keys_from_one_server_to_another(tmp_path: Path) -> None:
    with servers(tmp_path) as made:
        store = cluster(made)
        with stand(tmp_path, store.url) as bridge:
            assert [bridge.fire(name).status_code for name in FIRST] == [202] * 3
            until(lambda: bridge.settled(*FIRST), "the first are told, and that is stored")

            assert store.move() >= 5
            assert [bridge.fire(name).status_code for name in THEN] == [202] * 3
            until(lambda: bridge.settled(*THEN), "the others are told")

            assert [len(bridge.told(name)) for name in FIRST + THEN] == [1] * 6
            assert store.keys(store.owner) == store.keys(store.others[1]) == 0
            assert store.keys(store.others[0]) >= 5
