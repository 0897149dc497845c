"""The code in docs/extending.md works: it is taken from the page, registered as the page says, and run."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import redis
from starlette.applications import Starlette
from starlette.requests import Request as WebRequest
from starlette.responses import Response
from starlette.routing import Route as WebRoute

from bridge import wiring
from bridge.domain.alert import Alert, Status
from bridge.enrich.links import LINKS
from bridge.pipeline.deliver import deliver
from bridge.pipeline.ingest import ingest
from bridge.pipeline.parts import Parts
from bridge.pipeline.receive import receive
from bridge.ports import Level, Request, Unverified
from bridge.sinks import SINKS
from bridge.sources import SOURCES
from bridge.store.deadletters import DeadLetters
from bridge.store.deliveries import Deliveries
from tests.sandbox_server import running

PAGE = (Path(__file__).parent.parent / "docs" / "extending.md").read_text()
NOW = datetime(2026, 7, 1, tzinfo=UTC)
CONFIG = """
sources: {{uptime: {{kind: pinger, secret: s3cret}}}}
destinations: {{pager: {{kind: pagerette, url: "{url}", token: t0ken}}}}
links: [{{label: Trace, kind: viewer, url: "https://viewer.example.com"}}]
"""


def block(path: str) -> str:
    """Return the code that the page shows for a file."""
    found = re.search(rf"^`{re.escape(path)}`:\n\n```python\n(.*?)```$", PAGE, re.DOTALL | re.MULTILINE)
    assert found, f"the page shows no {path}"
    return found[1]


def line(path: str) -> str:
    """Return the line that the page adds to a registry."""
    found = re.search(rf"^The line in `{re.escape(path)}`:\n\n```python\n(.*?)```$", PAGE, re.DOTALL | re.MULTILINE)
    assert found, f"the page has no line for {path}"
    return found[1]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Make a module of a block of the page, under the name that its path gives it."""

    def make(path: str) -> ModuleType:
        name = path.removesuffix(".py").replace("/", ".")
        made = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, made)
        exec(compile(block(path), path, "exec"), made.__dict__)
        return made

    return make


@pytest.fixture
def extended(module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    """The registries, with the page's lines in them."""
    pinger = module("bridge/sources/pinger.py")
    pagerette = module("bridge/sinks/pagerette.py")
    viewer = module("bridge/enrich/links/viewer.py")
    for path, name, registry, made in (
        ("bridge/sources/__init__.py", "SOURCES", SOURCES, pinger),
        ("bridge/sinks/__init__.py", "SINKS", SINKS, pagerette),
        ("bridge/enrich/links/__init__.py", "LINKS", LINKS, viewer),
    ):
        longer: dict[str, Any] = {}
        exec(line(path), {name: longer, **vars(made)})
        for kind, adapter in longer.items():
            monkeypatch.setitem(registry, kind, adapter)  # type: ignore[arg-type]  # of three types


@dataclass
class Vendor:
    """The pager's server: what it was asked, and what it answers."""

    url: str = ""
    status: int = 200
    calls: list[tuple[str, str, str, Any]] = field(default_factory=list)

    async def answer(self, request: WebRequest) -> Response:
        """Answer one call."""
        body = await request.body()
        token = request.headers["authorization"]
        self.calls.append((request.method, request.url.path, token, json.loads(body) if body else None))
        return Response(status_code=self.status)


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    """A pager to call."""
    server = Vendor()
    with running(Starlette(routes=[WebRoute("/{path:path}", server.answer, methods=["GET", "PUT"])])) as url:
        server.url = url
        yield server


class Quiet:
    """A bell nobody hears: the test looks itself."""

    def ingest(self) -> None: ...

    def deliver(self, destination: str) -> None: ...


@dataclass
class Extended:
    """A bridge with the page's source, sink and link."""

    parts: Parts
    hear: Callable[[Status, datetime], None]


@pytest.fixture
def bridge(extended: None, vendor: Vendor, store: str, redis_client: redis.Redis, tmp_path: Path) -> Extended:
    """The bridge, on an empty store."""
    path = tmp_path / "bridge.yaml"
    path.write_text(CONFIG.format(url=vendor.url))
    settings = wiring.load({"ALERT_BRIDGE_CONFIG": str(path), "REDIS_URL": store})
    source, scrubber = wiring.sources(settings)["uptime"], wiring.scrubber(settings)
    made = wiring.parts(settings, wiring.celery(settings))
    parts = Parts(**{**vars(made), "bell": Quiet()})

    def hear(status: Status, at: datetime) -> None:
        sample = source.sample(status, at)
        alerts = receive(source, scrubber, Request(headers=sample.headers, body=sample.body, received_at=at))
        assert isinstance(alerts, list)
        parts.inbox.put(alerts)
        ingest(parts)
        deliver(parts, "pager")

    return Extended(parts, hear)


def test_an_alert_of_the_new_source_opens_and_closes_a_page_of_the_new_sink(bridge: Extended, vendor: Vendor) -> None:
    bridge.hear(Status.FIRING, NOW)
    bridge.hear(Status.FIRING, NOW + timedelta(minutes=1))
    bridge.hear(Status.RESOLVED, NOW + timedelta(minutes=2))

    assert [(method, token) for method, _, token, _ in vendor.calls] == [("PUT", "Bearer t0ken")] * 2
    assert [body["state"] for *_, body in vendor.calls] == ["open", "closed"]
    assert vendor.calls[0][3]["text"] == "shop is down"
    assert len({path for _, path, *_ in vendor.calls}) == 1


@pytest.mark.parametrize("status", [500, 429, 401])
def test_what_the_vendor_cannot_do_now_is_due_again(bridge: Extended, vendor: Vendor, status: int) -> None:
    vendor.status = status
    bridge.hear(Status.FIRING, NOW)

    assert Deliveries(bridge.parts.deliveries._keys).due("pager") == 1
    assert DeadLetters(bridge.parts.deliveries._keys).all() == []


def test_what_the_vendor_never_takes_is_a_dead_letter(bridge: Extended, vendor: Vendor) -> None:
    vendor.status = 422
    bridge.hear(Status.FIRING, NOW)

    (letter,) = DeadLetters(bridge.parts.deliveries._keys).all()
    assert letter.reason.startswith("Pagerette answered 422 to PUT")


def test_doctor_tells_a_right_token_from_a_wrong_one(bridge: Extended, vendor: Vendor) -> None:
    right = list(bridge.parts.sinks["pager"].examine())
    vendor.status = 401
    wrong = list(bridge.parts.sinks["pager"].examine())

    assert [one.level for one in (*right, *wrong)] == [Level.OK, Level.FAIL]


def test_the_new_link_is_built(bridge: Extended) -> None:
    trace_id = "5b8efff798038103d269b633813fc60c"
    alert = Alert(
        source="checks", fingerprint="f" * 24, event_id="1", status=Status.FIRING, severity="critical", at=NOW,
        title="shop is down", service="a/b", trace_id=trace_id,
    )  # type: ignore[arg-type]  # fmt: skip
    bridge.parts.inbox.put([alert])
    ingest(bridge.parts)
    record = bridge.parts.incidents.find("f" * 24)
    assert record is not None

    (link,) = bridge.parts.links.build(record.incident, NOW)
    assert link.url == f"https://viewer.example.com/a%2Fb/{trace_id}"


def test_the_tests_that_the_page_shows_hold(module: Callable[[str], ModuleType]) -> None:
    module("bridge/sources/pinger.py")
    shown = module("tests/sources/test_pinger.py")
    tests = {name: test for name, test in vars(shown).items() if name.startswith("test_")}

    assert len(tests) == 3
    for test in tests.values():
        for arguments in _cases(test):
            test(*arguments)


def _cases(test: Callable[..., None]) -> list[tuple[object, ...]]:
    marks = getattr(test, "pytestmark", [])
    assert len(inspect.signature(test).parameters) == len(marks)
    return [(case,) for mark in marks for case in mark.args[1]] or [()]


def test_a_forgery_is_refused_before_it_is_read(bridge: Extended) -> None:
    source = SOURCES["pinger"]("checks", SOURCES["pinger"].Options.model_validate({"secret": "s3cret"}))

    with pytest.raises(Unverified):
        source.verify(Request(headers={}, body=b"{", received_at=NOW))
