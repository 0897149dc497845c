"""A real Alertmanager tells the bridge the same as the example payloads do; skipped where none is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.conftest import free_port
from tests.e2e.bridge_processes import until
from tests.e2e.conftest import World
from tests.e2e.test_one_problem import shown

BINARY = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
CONFIG = """
route: {{receiver: bridge, group_by: [alertname], group_wait: 0s, group_interval: 1s}}
receivers:
  - name: bridge
    webhook_configs:
      - url: {url}/hooks/alertmanager
        send_resolved: true
        http_config: {{authorization: {{credentials: alertmanager-token}}}}
"""

pytestmark = pytest.mark.skipif(BINARY is None, reason="no Alertmanager here: apt-get install prometheus-alertmanager")


@pytest.fixture
def alertmanager(world: World, tmp_path: Path) -> Iterator[str]:
    """A real Alertmanager that posts to the bridge; yields its address."""
    config = tmp_path / "alertmanager.yml"
    config.write_text(CONFIG.format(url=world.bridge.url))
    port = free_port()
    argv = [str(BINARY), f"--config.file={config}", f"--storage.path={tmp_path}", "--cluster.listen-address="]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*argv, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _ready(url), "Alertmanager is ready")
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_real_alertmanager_opens_and_resolves(world: World, alertmanager: str) -> None:
    began = datetime.now(UTC)
    alert = {
        "labels": {
            "alertname": "RealDiskFull",
            "severity": "critical",
            "service": "주문-api",
            "instance": "10.0.4.17:9100",
        },
        "annotations": {"summary": "디스크가 4시간 안에 가득 찹니다", "trace_id": "0af7651916cd43dd8448eb211c80319c"},
        "startsAt": began.isoformat(),
        "generatorURL": "https://prometheus.example.com/graph?g0.expr=up",
    }
    assert httpx.post(f"{alertmanager}/api/v2/alerts", json=[alert]).status_code == 200

    def messages() -> list[str]:
        return [shown(m) for m in world.sandbox.slack.messages() if "디스크가" in shown(m)]

    def issues() -> list[str]:
        return [i.status for i in world.sandbox.jira.issues if "디스크가" in i.fields["summary"]]

    until(lambda: len(messages()) == 1, "the message is there")
    assert "jaeger.example.com/trace/0af7651916cd43dd8448eb211c80319c" in messages()[0]
    assert "주문-api" in messages()[0]
    until(lambda: issues() == ["To Do"], "the issue is there")

    alert["endsAt"] = max(began + timedelta(milliseconds=1), datetime.now(UTC)).isoformat()
    assert httpx.post(f"{alertmanager}/api/v2/alerts", json=[alert]).status_code == 200
    until(lambda: "Resolved" in messages()[0], "the message says resolved")
    until(lambda: issues() == ["Done"], "the issue is closed")
    assert len(messages()) == 1
