"""Prometheus Alertmanager, from Debian's package or any `alertmanager` on the PATH."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime

import msgspec

from bench.payloads import alertmanager_alert, http
from bench.peers import Absent
from bench.ports import free_port
from bench.stage import TESTED, Program, Stage, listens, wait_for

NAME = "Alertmanager"
CONFIG = """
global: {{resolve_timeout: 1h}}
route:
  receiver: slack
  group_by: ['...']
  group_wait: {wait}
  group_interval: {interval}
  repeat_interval: 4h
receivers:
  - name: slack
    {receiver}
"""
SLACK = """slack_configs:
      - api_url: http://127.0.0.1:{port}/hook
        channel: '#oncall'
        send_resolved: false
        title: '{{{{ .CommonAnnotations.summary }}}}'
        text: '{{{{ .CommonAnnotations.description }}}}'
"""


def start(
    stage: Stage, *, slack: int | None = None, cores: set[int] = TESTED, interval: str = "5m", wait: str = "0s"
) -> tuple[Program, int]:
    """Start it, with or without Slack to call, each alert in a group of its own; raises Absent."""
    binary = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if binary is None:
        raise Absent("Alertmanager is not installed (Debian: apt install prometheus-alertmanager)")
    port = free_port()
    config = stage.folder / f"alertmanager-{port}.yml"
    receiver = SLACK.format(port=slack) if slack else ""
    config.write_text(CONFIG.format(receiver=receiver, interval=interval, wait=wait))
    os.environ["GOMAXPROCS"] = str(len(cores))
    argv = [
        *(binary, f"--config.file={config}", f"--storage.path={stage.folder / f'am-{port}'}", "--log.level=error"),
        *(f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="),
    ]
    program = stage.start("alertmanager", argv, cores)
    wait_for(lambda: listens(port), program)
    return program, port


def request(number: int, alerts: int = 1) -> bytes:
    """Return a request as Prometheus would post it to Alertmanager's API, with so many alerts."""
    every = [alertmanager_alert(number * alerts + index) for index in range(alerts)]
    for one in every:
        del one["status"], one["fingerprint"], one["endsAt"]
        one["startsAt"] = datetime.now(UTC).isoformat()
    return http("/api/v2/alerts", {"content-type": "application/json"}, msgspec.json.encode(every))
