"""The bell: what it says to Celery, and that a broker which refuses costs nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
import redis
import structlog

from bridge.bell import CeleryBell, celery_app
from bridge.message import DELIVER, INGEST
from tests.conftest import free_port

PREFIX = "{bell}:"
Lines = list[dict[str, object]]


@pytest.fixture
def bell(store: str) -> CeleryBell:
    """A bell on the tests' store."""
    return CeleryBell(celery_app(store, PREFIX))


def queued(client: redis.Redis) -> list[dict[str, object]]:
    """Return the messages in the bell's queue, oldest first."""
    (queue,) = [key for key in client.keys(f"{PREFIX}celery:*") if client.type(key) == b"list"]
    return [json.loads(message) for message in reversed(client.lrange(queue, 0, -1))]


def test_a_ring_is_the_name_of_a_task_and_at_most_a_destination(bell: CeleryBell, redis_client: redis.Redis) -> None:
    bell.ingest()
    bell.deliver("oncall")
    messages = queued(redis_client)

    assert [m["headers"]["task"] for m in messages] == [INGEST, DELIVER]  # type: ignore[index]  # as Celery writes it
    assert {m["content-type"] for m in messages} == {"application/json"}
    assert all(len(json.dumps(m)) < 1500 for m in messages)


def test_nothing_is_left_that_celery_would_have_to_remember(bell: CeleryBell, redis_client: redis.Redis) -> None:
    for _ in range(10):
        bell.ingest()

    assert not [key for key in redis_client.keys("*") if b"celery-task-meta" in key]
    assert all(key.startswith(PREFIX.encode()) for key in redis_client.keys("*"))


@pytest.mark.parametrize("ring", [CeleryBell.ingest, lambda bell: bell.deliver("oncall")])
def test_a_broker_that_refuses_is_logged_and_never_raised(ring: Callable[[CeleryBell], None]) -> None:
    bell = CeleryBell(celery_app(f"redis://:s3cret-password@127.0.0.1:{free_port()}/0", PREFIX))
    with structlog.testing.capture_logs() as lines:
        began = time.monotonic()
        ring(bell)
        took = time.monotonic() - began

    assert took < 15
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("bell_lost", "warning")
    assert line["do"] == "nothing: the sweep rings within a second"
    assert "s3cret" not in str(line)


def test_it_rings_again_once_the_broker_is_back(redis_client: redis.Redis, store: str) -> None:
    bell = CeleryBell(celery_app(store, PREFIX))
    bell.ingest()
    redis_client.client_kill_filter(_type="normal", skipme=True)
    with structlog.testing.capture_logs():
        bell.ingest()
        bell.ingest()

    assert len(queued(redis_client)) >= 2


def test_only_json_without_results_and_late_acknowledgement() -> None:
    conf = celery_app("redis://127.0.0.1/0", PREFIX).conf

    assert conf.accept_content == ["json"]
    assert conf.task_serializer == "json"
    assert conf.result_backend is None
    assert conf.task_ignore_result
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.worker_prefetch_multiplier == 1
    assert conf.broker_transport_options["global_keyprefix"] == f"{PREFIX}celery:"


@pytest.mark.parametrize(
    ("broker", "options"),
    [
        ("amqp://guest@127.0.0.1/", {"write_timeout": 5}),
        ("amqps://bridge@rabbit.example.com/bridge", {"write_timeout": 5}),
        ("sqs://", {"queue_name_prefix": "bell-", "visibility_timeout": 60, "wait_time_seconds": 10}),
        ("rediss://127.0.0.1/0", {"global_keyprefix": f"{PREFIX}celery:", "ack_emulation": False}),
        ("redis+sentinel://127.0.0.1:1/mymaster", {"global_keyprefix": f"{PREFIX}celery:", "socket_timeout": 2}),
        ("redis+cluster://127.0.0.1:1", {"global_keyprefix": f"{PREFIX}celery:", "socket_timeout": 2}),
        ("filesystem://", {}),
    ],
)
def test_each_broker_gets_its_own_options(broker: str, options: dict[str, object]) -> None:
    given = celery_app(broker, PREFIX).conf.broker_transport_options

    assert given.items() >= options.items()
    assert bool(given) == bool(options)
    assert ("global_keyprefix" in given) == ("redis" in broker)


def test_several_servers_are_reached_through_the_one_that_takes_writes() -> None:
    plain = celery_app("redis+sentinel://:s3cret@127.0.0.1:1/mymaster/2", PREFIX).conf
    encrypted = celery_app("rediss+cluster://127.0.0.1:1", PREFIX).conf
    private = celery_app("rediss+cluster://127.0.0.1:1?ssl_ca_certs=/etc/ca.pem", PREFIX).conf

    assert plain.broker_transport == "bridge.broker:Transport"
    assert (plain.broker_url, plain.broker_use_ssl) == ("redis://:s3cret@store/2", False)
    assert encrypted.broker_use_ssl == {"ssl_cert_reqs": "required"}
    assert private.broker_use_ssl == {"ssl_ca_certs": "/etc/ca.pem"}


def test_a_worker_looks_for_a_broker_that_is_gone_every_other_second() -> None:
    """Celery's own wait grows to 30 s: so long a bridge would stand still after its store is back."""

    class Enough(Exception):
        pass

    waits: list[float] = []

    def failed(_: Exception, interval: float) -> None:
        waits.append(interval)
        if len(waits) == 3:
            raise Enough

    connection = celery_app(f"redis://127.0.0.1:{free_port()}/0", PREFIX).connection_for_read()
    with pytest.raises(Enough):
        connection.ensure_connection(failed, None)
    assert waits == [0.5, 1.0, 1.5]
