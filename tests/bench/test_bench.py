"""The bench itself: that its report renders and that a floor runs. How fast anything is, is never asserted."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import httpx

from bench import payloads, report
from bench.row import Row, Series, limit_row, ratio_row
from bench.stage import Stage


def rows() -> list[Row]:
    ours, floor = Series(), Series()
    for value, cpu in ((900.0, 100.0), (1000.0, 90.0), (1100.0, 95.0)):
        ours.add(value, cpu)
        floor.add(value * 2, cpu / 2)
    time = limit_row("time <to> Slack", "ms", Series([4.0]), Series([1.0]), "bare", 5.0, "< 5 ms")
    return [ratio_row("webhooks", "alerts/s", ours, floor, "bare", 0.6), time]


def test_the_report_says_median_spread_ratio_and_cpu() -> None:
    text = report.markdown(rows(), 12.3)

    assert "| webhooks | 1,000 (900–1,100) alerts/s | 2,000 (1,800–2,200) alerts/s [1] | 0.50 | ≥ 0.6" in text
    assert "✗ | 95.0 · 47.5 | 0.50 |" in text
    assert "| time <to> Slack | 4 ms | 1 ms [1] | 0.25 | < 5 ms ✓ | — | — |" in text
    assert "\n1. bare\n" in text


def test_the_picture_is_a_picture() -> None:
    bars = ET.fromstring(report.svg(rows())).findall("{http://www.w3.org/2000/svg}rect")

    assert len(bars) == 3


def test_the_floor_takes_a_request_and_nothing_is_left_running(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    try:
        with stage.store() as client:
            program, port = stage.bare_receiver(10)
            answer = httpx.post(f"http://127.0.0.1:{port}/", content=payloads.sentry_body(1), trust_env=False)

            assert answer.status_code == 202
            assert client.xrange("floor")[0][1] == {b"a": b'{"action":'}
    finally:
        stage.close()

    assert program.process.poll() is not None
