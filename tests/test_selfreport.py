"""The bridge's own errors arrive at Sentry scrubbed, and never in a circle."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridge.bell import celery_app
from bridge.message import DELIVER, QUEUE
from tests.e2e.bridge_processes import processes, until
from tests.sandbox_server import running

SECRET = "xoxb-1234567890-abcdefghijklmnop"
CONFIG = """
sources: {alertmanager: {kind: alertmanager, bearer_token: alertmanager-token}}
destinations: {oncall: {kind: slack, token: xoxb-1, channel: C0ONCALL, api_url: "http://127.0.0.1:1/"}}
"""


@dataclass
class SentryServer:
    """Takes what an SDK sends, as Sentry's envelope endpoint does."""

    url: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def dsn(self) -> str:
        """Return what an SDK is given."""
        return self.url.replace("http://", "http://0123456789abcdef0123456789abcdef@") + "/1"

    async def take(self, request: Request) -> Response:
        """Keep the events of an envelope (develop.sentry.dev/sdk/data-model/envelopes)."""
        body = await request.body()
        lines = (gzip.decompress(body) if request.headers.get("content-encoding") == "gzip" else body).splitlines()
        for header, payload in zip(lines[1::2], lines[2::2], strict=False):
            if json.loads(header)["type"] == "event":
                self.events.append(json.loads(payload))
        return JSONResponse({})


@pytest.fixture
def sentry() -> Iterator[SentryServer]:
    """A Sentry to report to."""
    server = SentryServer()
    with running(Starlette(routes=[Route("/api/1/envelope/", server.take, methods=["POST"])])) as url:
        server.url = url
        yield server


def reported(sentry: SentryServer, *lines: str) -> list[dict[str, Any]]:
    """Run some lines in a process that reports its errors, and return what arrived."""
    head = [
        "import sys, logging, sentry_sdk",
        "from bridge.selfreport import set_up, working_on",
        "from bridge.enrich.scrub import Scrubber, ScrubOptions",
        "set_up(sys.argv[1], Scrubber(ScrubOptions()).scrub_json)",
    ]
    script = "\n".join([*head, *lines, "sentry_sdk.flush(10)"])
    subprocess.run([sys.executable, "-c", script, sentry.dsn], check=True, timeout=300)
    return sentry.events


def test_an_error_in_a_task_arrives_with_its_place_and_without_what_is_secret(
    sentry: SentryServer, tmp_path: Path
) -> None:
    with processes(tmp_path, CONFIG, {"SENTRY_DSN": sentry.dsn}) as bridge:
        app = celery_app(bridge.redis_url, "{ab}:")
        app.send_task(DELIVER, args=["oncall", f"Authorization: Bearer {SECRET}"], queue=QUEUE)  # one too many
        until(lambda: bool(sentry.events), "it is reported")
        app.close()

    event = sentry.events[0]
    assert event["exception"]["values"][-1]["type"] == "TypeError"
    assert event["transaction"] == DELIVER
    assert event["tags"]["alert_bridge"] == "true"
    assert event["release"].startswith("alert-bridge@")
    assert SECRET not in json.dumps(event)
    assert "alertmanager-token" not in json.dumps(event)
    told = [one.get("logentry", one.get("exception")) for one in sentry.events]
    assert len(told) == 1, f"once, not {told}"


def test_secrets_in_an_error_and_in_variables_around_it_are_not_sent(sentry: SentryServer) -> None:
    (event,) = reported(
        sentry,
        "def fail(token):",
        "    unlike_any_secret = 'local-variable'",
        f"    raise RuntimeError('no luck with Authorization: Bearer {SECRET}')",
        "try: fail('argument-of-it')",
        "except RuntimeError: sentry_sdk.capture_exception()",
    )
    sent = json.dumps(event)

    assert "no luck" in sent
    for hidden in (SECRET, "local-variable", "argument-of-it"):
        assert hidden not in sent
    assert not [frame for frame in event["exception"]["values"][0]["stacktrace"]["frames"] if "vars" in frame]
    assert not event.get("breadcrumbs", {}).get("values")


def test_what_a_library_logs_over_an_outage_is_no_error_of_the_bridge(sentry: SentryServer) -> None:
    assert reported(sentry, "logging.getLogger('celery').error('Cannot connect to the store')") == []


def test_an_event_that_was_scrubbed_keeps_what_makes_it_useful(sentry: SentryServer) -> None:
    (event,) = reported(sentry, "sentry_sdk.capture_message('plain')")

    assert len(event["event_id"]) == 32
    assert event["message"] == "plain"
    assert event["platform"] == "python"


WRONG = (
    "    raise RuntimeError('while telling')",
    "    sentry_sdk.capture_message('while telling')",
    "    logging.getLogger('library').error('while telling')",
    "    raise ValueError('outer') from RuntimeError('while telling')",
)


def over_a_problem_of_its_own(number: int) -> list[str]:
    return [
        "try:",
        "  with working_on({'service': 'checkout'}, {'alert_bridge': 'true'}):",
        WRONG[number],
        "except Exception as error:",
        "  try: raise KeyError('wrapped') from error",
        "  except KeyError: sentry_sdk.capture_exception()",
        f"sentry_sdk.capture_message('afterwards {number}')",
    ]


def test_what_goes_wrong_over_a_problem_of_the_bridges_own_is_not_reported(sentry: SentryServer) -> None:
    events = reported(sentry, *(line for number in range(len(WRONG)) for line in over_a_problem_of_its_own(number)))

    assert [event.get("message") for event in events] == [f"afterwards {number}" for number in range(len(WRONG))]


@pytest.mark.parametrize(("labels", "count"), [({"alert_bridge": "true"}, 0), ({"team": "shop"}, 1)])
def test_a_delivery_that_breaks_is_reported_unless_it_tells_of_the_bridge_itself(
    sentry: SentryServer, store: str, redis_client: redis.Redis, labels: dict[str, str], count: int
) -> None:
    events = reported(
        sentry,
        "import redis",
        "from tests.pipeline.desk import Desk",
        "from tests.pipeline.test_unforeseen import Clumsy",
        "from tests.strategies import alert",
        f"client = redis.Redis.from_url({store!r})",
        f"Desk(client, [Clumsy('clumsy')]).hear(alert(labels={labels!r}))",
    )

    assert [event["exception"]["values"][-1]["type"] for event in events] == ["KeyError"] * count


def test_what_goes_wrong_over_any_other_problem_is_reported(sentry: SentryServer) -> None:
    events = reported(
        sentry,
        "try:",
        "  with working_on({'service': 'checkout'}, {}): raise RuntimeError('over theirs')",
        "except RuntimeError: sentry_sdk.capture_exception()",
    )

    assert [event["exception"]["values"][-1]["value"] for event in events] == ["over theirs"]
