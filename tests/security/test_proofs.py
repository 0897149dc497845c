"""Who proves nothing learns nothing, and breaks nothing: odd proofs are 401, never an error of ours."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest

from bridge.domain.alert import Status
from bridge.ports import Request, Sample, Source, Unverified
from tests.security.conftest import TOKEN, Front
from tests.security.corpus import BASIC, BEARER, PATH_SECRET, SENTRY_SECRET

ODD = {
    "empty": b"",
    "not ASCII": "é".encode(),
    "Latin-1": b"\xe9\xff",
    "upper hex": b"A" * 64,
    "wrong hex": b"0" * 64,
    "GitHub's way": b"sha256=" + b"0" * 64,
    "10 kB": b"a" * 10_000,
    "comma": b"a, b",
    "bearer alone": b"Bearer",
    "bearer, not ASCII": b"Bearer \xc3\xa9",
    "basic, not base64": b"Basic ====",
    "basic, not ASCII": b"Basic \xe9",
    "basic, no colon": b"Basic YQ==",
    "other scheme": f"Token {BEARER}".encode(),
}
HEADER = {"sentry": "sentry-hook-signature", "alertmanager": "authorization", "basic": "authorization"}


def sample(front: Front, source: str) -> Sample:
    return front.sources[source].sample(Status.FIRING, datetime.now(UTC))


def post(front: Front, source: str, body: bytes, headers: list[tuple[str, bytes]], secret: str = "") -> httpx.Response:
    path = f"/hooks/{source}/{secret}" if secret else f"/hooks/{source}"
    return front.client.post(path, content=body, headers=headers)


def others(given: Sample, name: str) -> list[tuple[str, bytes]]:
    """The headers of a genuine request but the one that proves it."""
    return [(key, value.encode()) for key, value in given.headers.items() if key != name]


@pytest.mark.parametrize("source", HEADER)
def test_an_odd_proof_is_answered_401(front: Front, source: str) -> None:
    given = sample(front, source)
    for what, odd in ODD.items():
        answer = post(front, source, given.body, [*others(given, HEADER[source]), (HEADER[source], odd)])
        assert answer.status_code == 401, what
        assert answer.json() == {"error": "the request does not prove its sender"}


@pytest.mark.parametrize("source", HEADER)
def test_of_two_proofs_the_first_counts(front: Front, source: str) -> None:
    given, name = sample(front, source), HEADER[source]
    right = (name, given.headers[name].encode())

    assert post(front, source, given.body, [*others(given, name), (name, b"wrong"), right]).status_code == 401
    assert post(front, source, given.body, [*others(given, name), right, (name, b"wrong")]).status_code == 202


@pytest.mark.parametrize("source", ["secret-path", "raw"])
def test_an_odd_path_secret_is_answered_401(front: Front, source: str) -> None:
    given = sample(front, source)
    headers = [(key, value.encode()) for key, value in given.headers.items()]

    for secret in ("", "x", "%C3%A9", "%FF", PATH_SECRET + "x", PATH_SECRET[:-1], PATH_SECRET.upper()):
        assert post(front, source, given.body, headers, secret).status_code == 401, secret
    assert post(front, source, given.body, headers, PATH_SECRET).status_code == 202


def test_whatever_is_wrong_with_a_proof_the_answer_is_the_same(front: Front) -> None:
    bodies = set()
    for source in front.sources:
        for headers in ([], [("authorization", b"Bearer x")], [("sentry-hook-signature", b"0" * 64)]):
            answer = post(front, source, b"{}", headers)
            bodies.add((answer.status_code, answer.content))

    assert bodies == {(401, b'{"error": "the request does not prove its sender"}')}


SECRETS = {
    "sentry": SENTRY_SECRET.encode(),
    "alertmanager": BEARER.encode(),
    "basic": BASIC.encode(),
    "secret-path": PATH_SECRET.encode(),
    "raw": PATH_SECRET.encode(),
}


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_are_compared_as_bytes_in_constant_time(
    front: Front, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[object, object]] = []
    compare = spied(compared)
    monkeypatch.setattr("hmac.compare_digest", compare)
    source = front.sources[name]
    given = source.sample(Status.FIRING, datetime.now(UTC))
    right = Request(
        headers=given.headers, body=given.body, received_at=datetime.now(UTC), path_secret=given.path_secret
    )
    source.verify(right)
    refused(source, Request(headers=dict.fromkeys(given.headers, "é"), body=b"", received_at=datetime.now(UTC)))

    assert compared, "nothing was compared with hmac.compare_digest"
    assert all(isinstance(one, bytes) for pair in compared for one in pair)
    if name != "sentry":  # whose secret signs, and is itself never compared
        assert SECRETS[name] in {pair[1] for pair in compared} | {pair[0] for pair in compared}


def spied(compared: list[tuple[object, object]]) -> Callable[[bytes, bytes], bool]:
    original = hmac.compare_digest

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return original(a, b)

    return compare


def refused(source: Source, request: Request) -> None:
    with pytest.raises(Unverified):
        source.verify(request)


def test_all_secrets_are_tried_so_that_the_time_does_not_tell_which_one_held(monkeypatch: pytest.MonkeyPatch) -> None:
    from bridge.sources.alertmanager import Alertmanager, AlertmanagerOptions
    from bridge.sources.sentry import Sentry, SentryOptions

    two: list[Source] = [
        Sentry("s", SentryOptions.model_validate({"client_secret": "a", "previous_client_secret": "b"})),
        Alertmanager("a", AlertmanagerOptions.model_validate({"bearer_token": "a", "previous_bearer_token": "b"})),
    ]
    for source in two:
        compared: list[tuple[object, object]] = []
        with monkeypatch.context() as patch:
            patch.setattr("hmac.compare_digest", spied(compared))
            given = source.sample(Status.FIRING, datetime.now(UTC))
            source.verify(Request(headers=given.headers, body=given.body, received_at=datetime.now(UTC)))
        assert len(compared) == 2


def test_nothing_of_the_api_is_told_without_its_token(front: Front) -> None:
    for odd in [*ODD.values(), TOKEN.encode(), b"Bearer " + TOKEN.encode() + b"x", b"Basic " + TOKEN.encode()]:
        answer = httpx.get(f"{front.url}/api/incidents", headers=[("authorization", odd)], trust_env=False)
        assert answer.status_code == 401
    answer = httpx.get(f"{front.url}/api/incidents", headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False)
    assert answer.status_code == 200
