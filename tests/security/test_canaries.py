"""Canaries: secrets of the config and of alerts, sent through every path; then everything that came out is searched."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from traceback import format_exception
from typing import Any

import httpx
import pytest
import redis
from click.testing import CliRunner, Result
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from bridge import wiring
from bridge.cli import main
from bridge.domain.alert import Status
from bridge.settings import ConfigError
from bridge.sources.sentry import SIGNATURE, signature
from tests.e2e.bridge_processes import Processes, processes, until
from tests.sandbox_server import running

ROOT = Path(__file__).parents[2]
SENTRY, BEARER, BASIC, PATH = "canary-sentry-4f1c", "canary-bearer-4f1c", "canary-basic-4f1c", "canary-path-secret-4f1c"
SLACK, HOOK, JIRA, API = "xoxb-canary-4f1c", "T0/B0/canaryhook4f1c", "canary-jira-4f1c", "canary-api-token-4f1c" * 2
PULSE = "canary-pulse-4f1c"
FLOWN = "canary-flown-4f1c4f1c"
PING = "canary-ping-key-4f1c"
CONFIGURED = (SENTRY, BEARER, BASIC, PATH, SLACK, HOOK, JIRA, API, PULSE, FLOWN, PING)
WRONG = "canary-wrong-proof-4f1c"
PRIVATE = {
    "password": "hunter2-canary-4f1c",
    "mail": "kim.canary@example.com",
    "card": "4111 1111 1111 1111",
    "aws": "AKIACANARY4F1C000000",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ",
    "github": "ghp_canary4f1ccanary4f1ccanary4f1c",
    "header": "canary-authorization-4f1c",
    "ip": "203.0.113.77",
}
"""What an application wrote into its errors by mistake."""
TEXT = (
    f"login failed: password={PRIVATE['password']} for {PRIVATE['mail']} with card {PRIVATE['card']} "
    f"from {PRIVATE['ip']}, key {PRIVATE['aws']} {PRIVATE['jwt']} {PRIVATE['github']} "
    f"Authorization: Bearer {PRIVATE['header']}"
)
URL = f"https://user:{PRIVATE['password']}@x.example/?token={PRIVATE['github']}&mail={PRIVATE['mail']}"
CONFIG = f"""
sources:
  sentry: {{{{kind: sentry, client_secret: {SENTRY}}}}}
  alertmanager: {{{{kind: alertmanager, bearer_token: {BEARER}}}}}
  basic: {{{{kind: alertmanager, basic_auth: {{{{username: prom, password: {BASIC}}}}}}}}}
  hidden: {{{{kind: alertmanager, path_secret: {PATH}}}}}
destinations:
  oncall: {{{{kind: slack, token: {SLACK}, channel: C0ONCALL, api_url: "{{url}}/slack/"}}}}
  hook: {{{{kind: slack, webhook_url: "{{url}}/services/{HOOK}"}}}}
  tickets: {{{{kind: jira, url: "{{url}}", user: bot@corp.example, token: {JIRA}, project: OPS}}}}
receiver: {{{{api_token: {API}}}}}
canary: {{{{to: [oncall], secret: {FLOWN}}}}}
heartbeats: {{{{backup: {{{{key: {PING}, period: 1h}}}}}}}}
self_watch: {{{{heartbeat_url: "{{url}}/ping/{PULSE}"}}}}
log: {{{{level: debug, format: json}}}}
"""


class Vendor:
    """A vendor on a bad day: an error, a refused message, a refused token, a login page, and again.

    Whatever it says, it repeats how it was asked: path and credential.
    """

    def __init__(self) -> None:
        self._calls = 0

    async def answer(self, request: Request) -> Response:
        """Answer any call."""
        self._calls += 1
        asked = f"{request.headers.get('authorization', '')}@{request.url.path}".replace(" ", "_")
        asked += asked.rpartition("_")[2]
        match self._calls % 4:
            case 0:
                return HTMLResponse("<html>log in</html>", 200)
            case 1:
                return JSONResponse(
                    {"ok": False, "error": f"invalid_blocks_{asked}", "errorMessages": [f"no: {asked}"]}, 400
                )
            case 2:
                return JSONResponse({"ok": False, "error": "invalid_auth", "errorMessages": [f"who: {asked}"]}, 401)
        return HTMLResponse("<h1>oops</h1>", 500)


def payload(front: dict[str, Any]) -> bytes:
    """A group of Alertmanager with a canary in every place."""
    alert = front["alerts"][0]
    alert["annotations"] |= {
        "summary": TEXT,
        "description": TEXT,
        "runbook_url": URL,
        "note": TEXT,
        "api_key": PRIVATE["github"],
    }
    alert["labels"] |= {"path": TEXT, "db_password": PRIVATE["password"], "instance": PRIVATE["mail"]}
    alert["generatorURL"] = URL
    return json.dumps(front).encode()


def event() -> bytes:
    """An event of Sentry with a canary in every place, also in those that are not read."""
    frame = {"filename": TEXT, "function": TEXT, "lineno": 1, "vars": {"token": PRIVATE["header"]}, "in_app": True}
    raised = {"type": "Error", "value": TEXT, "stacktrace": {"frames": [frame]}}
    seen = {
        "event_id": "1e5a9b7c60d84f32b1c4e8a05d97f236",
        "issue_id": "1",
        "web_url": URL,
        "title": TEXT,
        "message": TEXT,
        "culprit": TEXT,
        "exception": {"values": [raised]},
        "user": {"email": PRIVATE["mail"], "ip_address": PRIVATE["ip"]},
        "request": {
            "headers": [["Authorization", f"Bearer {PRIVATE['header']}"], ["traceparent", TEXT]],
            "cookies": TEXT,
        },
        "tags": [["user.email", PRIVATE["mail"]], ["api_key", PRIVATE["github"]], ["path", TEXT]],
        "extra": {"password": PRIVATE["password"]},
    }
    return json.dumps({"action": "triggered", "data": {"event": seen}}).encode()


@dataclass
class Aviary:
    """Where canaries were let in, and all that came out."""

    bridge: Processes
    folder: Path

    def post(self, path: str, body: bytes, **headers: str) -> httpx.Response:
        answers: list[httpx.Response] = []

        def answered() -> bool:  # a busy machine may cost a 503
            url = f"{self.bridge.url}/hooks/{path}"
            answers.append(httpx.post(url, content=body, headers=headers, timeout=60, trust_env=False))
            return answers[-1].status_code != 503

        until(answered, "it is answered")
        return answers[-1]

    def get(self, path: str) -> str:
        headers = {"authorization": f"Bearer {API}"} if path.startswith("/api") else {}
        return httpx.get(self.bridge.url + path, headers=headers, timeout=20, trust_env=False).text

    def run(self, *words: str) -> str:
        """What a command says."""
        environ = {"ALERT_BRIDGE_CONFIG": str(self.folder / "bridge.yaml"), "REDIS_URL": self.bridge.redis_url}
        return said_by(command(words, self.bridge.environ | environ))

    def store(self) -> Iterator[bytes]:
        """Every key and value of the store, Celery's queues included."""
        with redis.Redis.from_url(self.bridge.redis_url) as client:
            for key in client.scan_iter():
                yield key
                match client.type(key):
                    case b"string":
                        yield client.get(key) or b""
                    case b"hash":
                        yield from (part for pair in client.hgetall(key).items() for part in pair)
                    case b"list":
                        yield from client.lrange(key, 0, -1)
                    case b"set":
                        yield from client.smembers(key)
                    case b"zset":
                        yield from client.zrange(key, 0, -1)
                    case b"stream":
                        yield from (
                            part for _, fields in client.xrange(key) for pair in fields.items() for part in pair
                        )

    def files(self) -> Iterator[bytes]:
        """Every file that the bridge wrote: logs, the store's, the journal; the config is the operator's."""
        for path in self.folder.rglob("*"):
            if path.is_file() and path.name != "bridge.yaml":
                yield path.read_bytes()


def command(words: Sequence[str], environ: Mapping[str, str]) -> Result:
    return CliRunner(env=environ).invoke(main, words)


def said_by(ran: Result) -> str:
    """Everything a terminal shows, also of an error that nobody expected."""
    ended = ran.exception is None or isinstance(ran.exception, SystemExit)
    return ran.output if ended else ran.output + "".join(format_exception(ran.exception))


@contextmanager
def aviary(folder: Path) -> Iterator[Aviary]:
    routes = [Route("/{path:path}", Vendor().answer, methods=["GET", "POST", "PUT", "DELETE"])]
    with (
        running(Starlette(routes=routes)) as url,
        processes(folder, CONFIG.format(url=url), {"ALERT_BRIDGE_DATA": str(folder / "data")}) as bridge,
    ):
        yield Aviary(bridge, folder)


def test_no_canary_flies(tmp_path: Path) -> None:
    with aviary(tmp_path) as made:
        let_in(made)
        until(lambda: made.bridge.log("worker").count("delivery_") >= 6, "deliveries fail in all ways")
        said = {
            name: made.run(*words)
            for name, words in {
                "check-config": ("check-config",),
                "doctor": ("doctor",),
                "incidents": ("incidents", "-o", "json"),
                "heartbeats": ("heartbeats", "-o", "json"),
                "heartbeat": ("heartbeats", "backup", "-o", "json"),
                "dead letters": ("dead-letters", "list", "-o", "json"),
            }.items()
        }
        names = [one["name"] for one in json.loads(made.get("/api/dead-letters"))["dead_letters"]]
        said |= {f"letter {name}": made.run("dead-letters", "show", name) for name in names}
        said |= {
            path: made.get(path) for path in ("/metrics", "/readyz?full", "/api/incidents?all=1", "/api/dead-letters")
        }
        said |= {f"api {name}": made.get(f"/api/dead-letters/{name}") for name in names}
        said |= {f"log of {name}": made.bridge.log(name) for name in ("receiver", "worker", "store")}
        kept = b"\n".join(made.store())
        written = b"\n".join(made.files())

    assert names, "what can't be parsed is kept"
    assert b"login failed" in kept, "alerts are kept"
    for canary in (*CONFIGURED, WRONG, *PRIVATE.values()):
        assert [name for name, text in said.items() if canary in text] == [], canary
        assert canary.encode() not in kept, f"{canary} in the store"
        assert canary.encode() not in written, f"{canary} in a file"


def let_in(made: Aviary) -> None:
    """Send canaries: proven, unproven, unparseable, misdirected."""
    settings = wiring.load(
        {"ALERT_BRIDGE_CONFIG": str(made.folder / "bridge.yaml"), "REDIS_URL": made.bridge.redis_url}
    )
    sources = wiring.sources(settings)
    group = json.loads(sources["alertmanager"].sample(Status.FIRING, datetime.now(UTC)).body)
    bearer = f"Bearer {BEARER}"
    assert made.post("alertmanager", payload(group), authorization=bearer).status_code == 202
    body = event()
    proof = {"sentry-hook-resource": "event_alert", SIGNATURE: signature(SENTRY.encode(), body).decode()}
    assert made.post("sentry", body, **proof).status_code == 202
    for broken in (
        b'{"version":"4","alerts":[{"status":"' + TEXT.encode() + b'"}]}',
        b'{"version":"' + TEXT.encode() + b'","alerts":[]}',
        TEXT.encode(),
        b'{"version":"4","alerts":[{"password":"' + PRIVATE["password"].encode() + b'"}]}',
    ):
        assert made.post("alertmanager", broken, authorization=bearer).status_code == 400
    assert made.post("alertmanager", b"{}", authorization=f"Bearer {WRONG}").status_code == 401
    assert made.post("sentry", b"{}", **{SIGNATURE: WRONG}).status_code == 401
    assert made.post(f"hidden/{WRONG}", b"{}").status_code == 401
    assert made.post(f"hidden/{PATH}", b"{").status_code == 400
    assert made.post(f"nobody/{PATH}", b"{}").status_code == 404
    for path in (PING, f"{PING}/fail", f"{PING}/nonsense", f"{PING}?rid={WRONG}", f"{PING}{WRONG}", f"{WRONG}/{PING}"):
        answer = httpx.post(f"{made.bridge.url}/ping/{path}", content=f"{PING} {TEXT}".encode(), timeout=20)
        assert answer.status_code in (200, 400, 404)
        assert "4f1c" not in answer.text
    assert made.post("sentry?token=" + WRONG, b"{}").status_code == 401


# --- where there is no way out but an exception ------------------------------------------------------------


def test_an_object_that_holds_a_secret_does_not_show_it(tmp_path: Path) -> None:
    file = tmp_path / "bridge.yaml"
    file.write_text(CONFIG.format(url="http://127.0.0.1:1"))
    address = "redis://:canary-redis-4f1c@127.0.0.1:1/0"
    settings = wiring.load({"ALERT_BRIDGE_CONFIG": str(file), "REDIS_URL": address})
    parts = [settings, *wiring.sources(settings).values(), *wiring.sinks(settings).values()]
    texts = "".join(f"{part!r}{part!s}" for part in parts)

    for canary in (*CONFIGURED, "canary-redis-4f1c"):
        assert canary not in texts


def test_a_store_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    file = tmp_path / "bridge.yaml"
    file.write_text(CONFIG.format(url="http://127.0.0.1:1"))
    environ = {
        "ALERT_BRIDGE_CONFIG": str(file),
        "REDIS_URL": "redis://worker:canary-redis-4f1c@127.0.0.1:1/0",
        "ALERT_BRIDGE_DATA": str(tmp_path),
    }
    for words in (["doctor"], ["incidents"], ["dead-letters", "list"], ["send-test", "sentry"]):
        ran = command(words, environ)
        assert ran.exit_code != 0
        assert "canary" not in said_by(ran), words


@pytest.mark.parametrize(
    "mistake",
    [
        "sources: {s: {kind: sentry, client_secret: [canary-4f1c]}}",
        "sources: {s: {kind: sentry, client_secret: {a: canary-4f1c}}}",
        "sources: {a: {kind: alertmanager, bearer_token: canary-4f1c, basic_auth: {username: u, password: x}}}",
        "sources: {a: {kind: alertmanager, basic_auth: {username: 'a:b', password: canary-4f1c}}}",
        "sources: {a: {kind: cloudwatch, topic_arns: [], path_secret: canary-4f1c}}",
        "destinations: {d: {kind: slack, token: canary-4f1c}}",
        "destinations: {d: {kind: slack, webhook_url: 'canary-4f1c'}}",
        "destinations: {d: {kind: jira, url: 'https://x:canary-4f1c@j.example', token: t, project: OPS}}",
        "redis: {url: 'http://:canary-4f1c@x'}",
        "broker_url: canary-4f1c",
        "receiver: {api_token: canary-4f1c}",
        "heartbeats: {a: {key: canary-4f1c/, period: 1h}, b: {key: [canary-4f1c], period: 1h}}",
        "sentry_dsn: [canary-4f1c]",
        "self_watch: {heartbeat_url: canary-4f1c}",
        "canary: {to: [oncall], secret: canary-4f1c}",
        "self_watch: {heartbeat_url: 'http://[canary-4f1c'}",
    ],
)
def test_a_mistake_in_the_config_is_told_without_the_secret(tmp_path: Path, mistake: str) -> None:
    file = tmp_path / "bridge.yaml"
    file.write_text(mistake + "\n")
    with pytest.raises(ConfigError) as caught:
        wiring.load({"ALERT_BRIDGE_CONFIG": str(file)})
    assert "canary-4f1c" not in f"{caught.value}{caught.value!r}"


def test_a_secret_of_the_wrong_form_is_not_repeated_in_the_error() -> None:
    kinds = wiring.kinds()
    every = [*kinds.sources.values(), *kinds.destinations.values(), *kinds.links.values(), kinds.scrub]
    seen = 0
    for options in every:
        secrets = [name for name, field in options.model_fields.items() if "SecretStr" in str(field.annotation)]
        seen += len(secrets)
        with pytest.raises(ValidationError) as caught:
            options.model_validate({name: ["canary-4f1c"] for name in secrets} | {"surplus": "canary-4f1c"})
        assert "canary-4f1c" not in str(caught.value), options
    assert seen > 4
