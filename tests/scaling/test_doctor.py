"""`doctor` about several servers, and about a broker that is not the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.bell import celery_app
from bridge.bell import examine as examine_broker
from bridge.store import embedded
from bridge.store.examine import examine
from bridge.store.keyspace import Keyspace, connect
from tests.scaling.servers import PASSWORD, servers, watched


def found(url: str) -> list[str]:
    with connect(url) as client:
        return [f"{one.level} {one.what}" for one in examine(Keyspace(client))]


def test_what_a_failover_can_cost_is_said_with_the_setting_that_helps(tmp_path: Path) -> None:
    with servers(tmp_path) as made:
        store = watched(made)
        assert "warn 1 replica; a fail-over can cost what was written last" in found(store.url)

        with made.client(store.primary) as primary:
            primary.config_set("min-replicas-to-write", 1)
        assert any(line.startswith("ok 1 replica; without one in step the store refuses") for line in found(store.url))

        replica = found(f"redis://:{PASSWORD}@127.0.0.1:{store.replica}")
        assert "fail this server is a replica and takes no writes" in replica


@pytest.mark.parametrize(
    ("broker", "what"),
    [
        ("amqp://127.0.0.1:1//", "the broker does not answer: [Errno 111]"),
        ("redis+sentinel://127.0.0.1:1/mymaster", "the broker does not answer: no sentinel knows"),
        ("foo://host", "no such broker: No such transport: foo"),
        ("sqs://", "the broker's library is missing: boto3 is not installed"),
    ],
)
def test_a_broker_that_is_of_no_use_is_told_of(broker: str, what: str) -> None:
    (only,) = examine_broker(celery_app(broker, "{ab}:"))

    assert only.level == "fail"
    assert only.what.startswith(what)
    assert only.do


def test_a_broker_that_answers_is_named_without_its_password(tmp_path: Path) -> None:
    with servers(tmp_path) as made:
        port = made.start(*embedded.DURABLE)
        (only,) = examine_broker(celery_app(f"redis://:{PASSWORD}@127.0.0.1:{port}/0", "{ab}:"))

    assert (only.level, only.what) == ("ok", f"the broker answers: redis://:**@127.0.0.1:{port}/0")
