"""Behind Sentinel: the primary dies, its replica takes over, and the bridge goes on by itself."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.bridge_processes import until
from tests.scaling.servers import servers, watched
from tests.scaling.stand import stand

BEFORE = ["Before1", "Before2", "Before3"]
MEANWHILE = ["While1", "While2", "While3"]


def test_a_replica_takes_over_and_nothing_is_lost_and_nothing_told_twice(tmp_path: Path) -> None:
    with servers(tmp_path) as made:
        store = watched(made)
        with stand(tmp_path, store.url) as bridge:
            assert [bridge.fire(name).status_code for name in BEFORE] == [202] * 3
            until(lambda: bridge.settled() == 3, "the first are told, and that is stored")
            with made.client(store.primary) as primary:
                assert primary.wait(1, 2000) == 1, "the replica has all of it"

            made.kill(store.primary)
            assert [bridge.fire(name).status_code for name in MEANWHILE] == [202] * 3, "the journal takes them"
            until(lambda: bridge.settled() == 6, "the replica took over")
            assert [bridge.resolve(name).status_code for name in BEFORE] == [202] * 3
            until(lambda: all("Resolved" in bridge.told(name)[0] for name in BEFORE), "it knows what it told")

            assert [len(bridge.told(name)) for name in BEFORE + MEANWHILE] == [1] * 6
            assert "journal_replayed" in bridge.world.bridge.log("receiver")
