"""Settings become running parts."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from bridge import wiring
from bridge.bell import CeleryBell
from bridge.domain.alert import Severity
from bridge.enrich.links import LINKS
from bridge.settings import ConfigError, Settings
from bridge.sinks import SINKS
from bridge.sources import SOURCES
from bridge.sources.sentry import Sentry
from bridge.store.deadletters import LetterLimit
from bridge.store.doorbell import Doorbell

CONFIG = """
timezone: Asia/Seoul
incidents: {reopen_within: 2h, retention: 3d, repeat_every: 5s, remember_for: 36h}
dead_letters: {deliveries: 7, requests: 5, bytes: 2MiB}
redis: {prefix: "team{x}:"}
sources:
  web: {kind: sentry, client_secret: secret-one}
  mobile: {kind: sentry, client_secret: secret-two}
destinations:
  oncall: {kind: slack, token: xoxb-1, channel: C0ONCALL, min_severity: error, for: 5m}
routes: [{to: [oncall]}]
"""
JIRA = """  tickets: {kind: jira, url: "https://jira.example.com", user: bot@example.com, token: t0ken, project: OPS}
"""
STORE = {"REDIS_URL": "redis://127.0.0.1:1/0"}


def load(tmp_path: Path, text: str = CONFIG, environ: dict[str, str] = STORE) -> Settings:
    path = tmp_path / "bridge.yaml"
    path.write_text(text)
    return wiring.load({"ALERT_BRIDGE_CONFIG": str(path), **environ})


def test_everything_registered_can_be_configured() -> None:
    kinds = wiring.kinds()

    assert list(kinds.sources) == list(SOURCES)
    assert list(kinds.destinations) == list(SINKS)
    assert list(kinds.links) == list(LINKS)


def test_several_sources_of_a_kind_have_their_own_names(tmp_path: Path) -> None:
    sources = wiring.sources(load(tmp_path))

    assert list(sources) == ["web", "mobile"]
    assert all(isinstance(source, Sentry) for source in sources.values())
    assert sources["web"] is not sources["mobile"]


def test_what_the_config_says_reaches_the_pipeline(tmp_path: Path) -> None:
    settings = load(tmp_path)
    parts = wiring.parts(settings, wiring.celery(settings))

    assert list(parts.sinks) == ["oncall"]
    assert (parts.thresholds["oncall"].min_severity, parts.thresholds["oncall"].for_) == (
        Severity.ERROR,
        timedelta(minutes=5),
    )
    assert parts.reopen_within == timedelta(hours=2)
    assert parts.repeat_every == timedelta(seconds=5)
    assert [route.to for route in parts.routes] == [("oncall",)]
    assert parts.incidents._half == timedelta(hours=18)
    assert parts.deliveries._letters == 7
    assert wiring.letter_limit(settings) == LetterLimit(requests=5, bytes=2 << 20)


def test_store_and_broker_keep_to_the_prefix(tmp_path: Path) -> None:
    settings = load(tmp_path)

    assert wiring.keyspace(settings).key("inbox") == "team{x}:inbox"
    assert wiring.celery(settings).conf.broker_transport_options["global_keyprefix"] == "team{x}:celery:"


def test_the_broker_is_the_store_unless_there_is_another(tmp_path: Path) -> None:
    own = load(tmp_path, CONFIG + "broker_url: amqp://bridge@127.0.0.1//\n")

    assert wiring.celery(load(tmp_path)).conf.broker_url == STORE["REDIS_URL"]
    assert wiring.celery(own).conf.broker_url == "amqp://bridge@127.0.0.1//"


def test_it_rings_past_celery_where_the_queue_lies_in_the_store(tmp_path: Path) -> None:
    same = load(tmp_path, CONFIG + f"broker_url: {STORE['REDIS_URL']}\n")
    own = load(tmp_path, CONFIG + "broker_url: amqp://bridge@127.0.0.1//\n")

    assert [type(wiring.parts(one).bell) for one in (load(tmp_path), same, own)] == [Doorbell, Doorbell, CeleryBell]


def test_a_socket_is_named_as_celery_names_it(tmp_path: Path) -> None:
    settings = load(tmp_path, environ={"REDIS_URL": "unix:///run/store.sock"})

    assert wiring.celery(settings).conf.broker_url == "redis+socket:///run/store.sock"


def test_without_a_store_it_is_said_where_one_comes_from(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"set REDIS_URL .* `alert-bridge up`"):
        wiring.keyspace(load(tmp_path, environ={}))


def test_no_secret_shows_in_what_was_built(tmp_path: Path) -> None:
    settings = load(tmp_path, environ={"REDIS_URL": "redis://:hidden-password@127.0.0.1:1/0"})
    shown = repr(settings) + repr(wiring.sources(settings)) + repr(wiring.sinks(settings))

    assert not [secret for secret in ("secret-one", "xoxb-1", "hidden-password") if secret in shown]


LOADED = """
import sys
from bridge import wiring
from bridge.web import serve
made = serve.receiver(wiring.load())
lists = lambda: print(",".join(sorted(name for name in sys.modules if name.count(".") < 2)))
lists()
wiring.prepare(made.parts.sinks.values())
lists()
"""


def test_a_receiver_loads_nothing_that_speaks_to_vendors_and_a_worker_all_of_it_at_its_start(tmp_path: Path) -> None:
    config = tmp_path / "bridge.yaml"
    config.write_text(CONFIG.replace("routes:", JIRA + "routes:"))
    environ = {"ALERT_BRIDGE_CONFIG": str(config), "ALERT_BRIDGE_DATA": str(tmp_path), **STORE}
    asked = subprocess.run(
        [sys.executable, "-c", LOADED], env=os.environ | environ, capture_output=True, text=True, check=True
    )
    receiver, worker = (set(line.split(",")) for line in asked.stdout.split())

    vendors = {"slack_sdk", "jira", "requests"}
    assert not {"celery", "kombu"} & receiver, "the queue lies in the store, and so the store rings"
    assert not vendors & receiver
    assert "cryptography.hazmat" not in receiver, "no SNS is heard, no certificate read"
    assert not {"httpx", "sentry_sdk", "botocore", "hypothesis", "pytest"} & receiver
    assert vendors <= worker
