"""/healthz, /readyz and /metrics, while the store is there and while it is gone."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge import wiring
from bridge.store import embedded
from bridge.store.deadletters import DeadLetters
from bridge.store.deliveries import Letter
from bridge.web import serve
from bridge.web.app import application
from tests.e2e.bridge_processes import until
from tests.sandbox_server import running
from tests.test_docs import first_column
from tests.web.conftest import CONFIG, Receiving

SOON = timedelta(seconds=10)


def metrics(receiver: Receiving) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return every sample by its name and the values of its labels."""
    answer = receiver.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(answer.text)
    return {(s.name, tuple(s.labels.values())): s.value for family in families for s in family.samples}


def test_metrics_count_what_this_receiver_answered_and_show_what_waits(receiver: Receiving) -> None:
    for _ in range(3):
        receiver.post("alertmanager")
    receiver.send("sentry", b"{}", {})
    receiver.send("anything-at-all", b"{}", {})
    found = metrics(receiver)

    assert found["alert_bridge_webhooks_total", ("alertmanager", "202")] == 3
    assert found["alert_bridge_webhooks_total", ("sentry", "401")] == 1
    assert found["alert_bridge_webhooks_total", ("", "404")] == 1, "what strangers ask for is no label"
    assert found["alert_bridge_inbox_requests", ()] == 3
    assert found["alert_bridge_dead_letters", ()] == 0
    assert found["alert_bridge_due", ("oncall",)] == 0


def test_every_metric_is_in_the_table_of_its_page(receiver: Receiving) -> None:
    receiver.post("alertmanager")
    shown = {line.split()[2] for line in receiver.get("/metrics").text.splitlines() if line.startswith("# TYPE")}

    assert shown == first_column("### Metrics")


def test_metrics_show_how_the_checks_are_and_whether_anybody_runs_them(receiver: Receiving) -> None:
    keys = receiver.keyspace
    now = time.time() * 1000
    keys.client.zadd(keys.key("checks:due"), {"shop": now - 90_000, "api": now + 5_000})
    keys.client.sadd(keys.key("checks:down"), "shop")
    keys.client.hset(keys.key("counts"), mapping={"check:ok": 7, "check:timeout": 2, "checks_late_ms": 1500})
    found = metrics(receiver)

    assert found["alert_bridge_checks", ("up",)] == found["alert_bridge_checks", ("down",)] == 1
    assert 90 <= found["alert_bridge_checks_overdue_seconds", ()] < 180
    assert found["alert_bridge_check_runs_total", ("ok",)] == 7
    assert found["alert_bridge_check_runs_total", ("timeout",)] == 2
    assert found["alert_bridge_check_lateness_seconds_total", ()] == 1.5
    assert found["alert_bridge_concern", ("checks", "")] == 1
    details = receiver.get("/readyz?full").json()["bridge"]["checks"]
    assert details["number"] == 2
    assert details["down"] == 1
    assert details["overdue_seconds"] > 80


def test_metrics_show_what_workers_did(receiver: Receiving) -> None:
    keys = receiver.keyspace
    counts = {"change:opened": 2, "delivery:oncall:done": 5, "delivery:oncall:retry": 1, "ingested": 2}
    keys.client.hset(keys.key("counts"), mapping=counts)
    keys.client.set(keys.key("swept"), int((time.time() - 7) * 1000))
    DeadLetters(keys).put(Letter(id="x", reason="y", at=datetime.now(UTC)))
    found = metrics(receiver)

    assert found["alert_bridge_changes_total", ("opened",)] == 2
    assert found["alert_bridge_deliveries_total", ("oncall", "done")] == 5
    assert found["alert_bridge_deliveries_total", ("oncall", "retry")] == 1
    assert found["alert_bridge_dead_letters", ()] == 1
    assert 7 <= found["alert_bridge_sweep_age_seconds", ()] < 60


def test_a_receiver_with_a_store_is_alive_and_ready(receiver: Receiving) -> None:
    assert receiver.get("/healthz").text == "ok\n"
    assert receiver.get("/readyz").json() == {"ready": True}


@pytest.mark.parametrize("path", ["/", "/favicon.ico", "/healthz/x"])
def test_there_is_nothing_else(receiver: Receiving, path: str) -> None:
    assert receiver.get(path).status_code == 404


# --- a store of its own, to take away ----------------------------------------------------------------------


@pytest.fixture
def store_of_its_own(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts a store that may be killed; the data stays."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        argv = embedded.server_argv(embedded.find_server(), tmp_path)
        started.append(subprocess.Popen(argv, stdout=subprocess.DEVNULL))
        assert embedded.ping(embedded.url(tmp_path), SOON)
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()


def test_without_its_store_it_is_alive_but_not_ready_until_the_store_is_back(
    tmp_path: Path, store_of_its_own: Callable[[], subprocess.Popen[bytes]]
) -> None:
    store = store_of_its_own()
    config = tmp_path / "bridge.yaml"
    config.write_text(CONFIG.format(topic="arn:aws:sns:eu-central-1:210987654321:pages", host="127.0.0.1:1"))
    environ = {
        "ALERT_BRIDGE_CONFIG": str(config),
        "REDIS_URL": embedded.url(tmp_path),
        "ALERT_BRIDGE_DATA": str(tmp_path),
    }
    made = serve.receiver(wiring.load(environ))
    with running(application(made), lifespan="on") as url:
        assert httpx.get(f"{url}/readyz").status_code == 200
        store.kill()
        store.wait()
        until(lambda: httpx.get(f"{url}/readyz").status_code == 503, "not ready")

        began = time.monotonic()
        answer = httpx.get(f"{url}/readyz")
        assert answer.json()["why"] == "the store does not answer: the receiver's log has the reason (store_down)"
        assert time.monotonic() - began < 15
        assert httpx.get(f"{url}/healthz").status_code == 200
        assert "alert_bridge_store_up 0.0" in httpx.get(f"{url}/metrics").text

        store_of_its_own()
        until(lambda: httpx.get(f"{url}/readyz").status_code == 200, "ready again")
        assert "alert_bridge_store_up 1.0" in httpx.get(f"{url}/metrics").text
