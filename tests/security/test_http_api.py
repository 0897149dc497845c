"""The HTTP API keeps to the document that is published, whatever is sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import BaseRoute, Mount, Route

from bridge.web.openapi import document, text
from tests.security.conftest import PING_KEY, TOKEN, Front
from tests.security.mutate import HEADER_NAMES, HEADER_VALUES, NASTY_TEXTS

PUBLISHED = Path(__file__).parents[2] / "docs" / "openapi.json"
Operation = tuple[str, str, dict[str, Any]]


def operations() -> list[Operation]:
    """Method, path and description of every operation."""
    paths: Any = document()["paths"]
    return [(method.upper(), path, what) for path, methods in paths.items() for method, what in methods.items()]


def refs(part: Any) -> Iterator[str]:
    """Every reference in a document."""
    if isinstance(part, dict):
        yield from (value for key, value in part.items() if key == "$ref")
    for one in part.values() if isinstance(part, dict) else part if isinstance(part, list) else []:
        yield from refs(one)


def routed(routes: Iterable[BaseRoute], before: str = "") -> Iterator[tuple[str, str]]:
    """Method and path of every route, those of mounts included."""
    for route in routes:
        if isinstance(route, Mount):
            yield from routed(route.routes or [], before + route.path)
        elif isinstance(route, Route):
            yield from ((method, before + route.path) for method in (route.methods or set()) - {"HEAD"})


def test_the_published_document_is_current() -> None:
    assert PUBLISHED.read_text() == text(), "run: .venv/bin/python -m bridge.web.openapi > docs/openapi.json"


def test_every_reference_in_it_leads_somewhere() -> None:
    known: Any = document()["components"]

    assert {ref.removeprefix("#/components/schemas/") for ref in refs(document())} <= set(known["schemas"])


def test_it_knows_every_route_and_no_other(front: Front) -> None:
    documented = {(method, path) for method, path, _ in operations()}
    hooks = {("POST", "/hooks/{source}"), ("POST", "/hooks/{source}/{path_secret}")}  # not of the framework
    hooks |= {(method, path) for method in ("GET", "POST") for path in ("/ping/{key}", "/ping/{key}/{what}")}

    assert set(routed(front.app.routes)) | hooks == documented


TEXTS = st.one_of(st.sampled_from(NASTY_TEXTS), st.text(max_size=80))
NAMES = st.one_of(
    TEXTS, st.sampled_from(["sentry", "alertmanager", "basic", "cloudwatch", "raw", "f" * 24 + "-1", PING_KEY, "255"])
)
VALUES = st.one_of(st.sampled_from(HEADER_VALUES), st.binary(max_size=80), st.just(f"Bearer {TOKEN}".encode()))
HEADERS = st.lists(st.tuples(st.sampled_from(HEADER_NAMES), VALUES), max_size=5)
FRAMING = ("content-length", "transfer-encoding", "expect")
"""Headers whose lies are about where a request ends: tests/security/test_slow_senders.py has those."""


@pytest.mark.parametrize(
    ("method", "path", "what"), operations(), ids=lambda part: part if isinstance(part, str) else ""
)
def test_whatever_is_sent_the_answer_is_one_of_the_document(
    front: Front, method: str, path: str, what: dict[str, Any]
) -> None:
    client = front.client

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(names=st.lists(NAMES, min_size=2, max_size=2), query=TEXTS, headers=HEADERS, body=st.binary(max_size=300))
    def ask(names: list[str], query: str, headers: list[tuple[str, bytes]], body: bytes) -> None:
        given = [(n, v) for n, v in headers if n not in FRAMING and sendable(v)]
        params = {"limit": query, "all": query}
        try:
            request = client.build_request(method, filled(path, names), params=params, headers=given, content=body)
        except httpx.InvalidURL:
            return  # nothing that a client could send
        judge(client.send(request), what)

    ask()


def sendable(value: bytes) -> bool:
    """Whether a client may put it into a header."""
    return all(c >= 0x20 and c != 0x7F for c in value) and value == value.strip()


def filled(path: str, names: list[str]) -> str:
    """The path with its parameters filled in; "." and ".." would be another path."""
    for name in names:
        segment = httpx.URL("http://x").copy_with(raw_path=b"/" + quoted(name)).raw_path[1:].decode()
        head, brace, tail = path.partition("{")
        path = head + segment + tail.partition("}")[2] if brace else path
    return path


def quoted(name: str) -> bytes:
    """Every byte of a name but letters and digits as %XX."""
    data = name.encode("utf-8", "replace") or b"x"
    return b"".join(bytes([c]) if bytes([c]).isalnum() else b"%%%02X" % c for c in data)


def judge(answer: httpx.Response, what: dict[str, Any]) -> None:
    """Status and form of an answer are among those that the document names."""
    status = str(answer.status_code)
    assert status in what["responses"], f"{answer.request.method} {answer.request.url}: {status} {answer.text[:200]}"
    assert not status.startswith("5"), answer.text[:200]
    kind = answer.headers["content-type"].partition(";")[0]
    assert kind in what["responses"][status]["content"]
    if kind == "application/json":
        json.loads(answer.text)
