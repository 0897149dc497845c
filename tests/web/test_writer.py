"""The way into the inbox: what comes at the same time shares one write."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from bridge.ports import Sample
from tests.web.conftest import Receiving


def test_many_requests_at_once_share_writes_and_rings(receiver: Receiving, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("inlet", "writer"):
        monkeypatch.setattr(f"bridge.web.{module}.STORE_WITHIN", 10)  # or the journal takes what waits
    samples = [receiver.sample("alertmanager") for _ in range(60)]
    receiver.post("alertmanager")  # the connections to store and broker are there
    client = receiver.keyspace.client
    client.config_resetstat()
    client.client_pause(1000, all=False)  # the first write waits so long, and what comes meanwhile goes together
    statuses = asyncio.run(post_all(receiver, samples))

    assert statuses == {202}
    calls = client.info("commandstats")
    assert calls["cmdstat_xadd"]["calls"] == 60
    assert calls["cmdstat_set"]["calls"] < 30, "each write ends with one look at whether to ring"


async def post_all(receiver: Receiving, samples: list[Sample]) -> set[int]:
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(limits=limits, timeout=20, trust_env=False) as client:
        url = f"{receiver.url}/hooks/alertmanager"
        answers = await asyncio.gather(*(client.post(url, content=s.body, headers=s.headers) for s in samples))
    return {answer.status_code for answer in answers}


def test_the_bell_is_rung_once_for_many(receiver: Receiving) -> None:
    receiver.post("alertmanager")
    receiver.keyspace.client.set(receiver.keyspace.key("rung:"), "1")  # on a slow machine, the second is over
    for _ in range(4):
        receiver.post("alertmanager")

    queued = receiver.keyspace.client.keys("*celery*bridge*")
    assert [receiver.keyspace.client.llen(key) for key in queued if receiver.keyspace.client.type(key) == b"list"] == [
        1
    ]
