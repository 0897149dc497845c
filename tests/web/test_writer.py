"""The way into the inbox: what comes at the same time shares one write."""

from __future__ import annotations

import asyncio

import httpx

from bridge.ports import Sample
from tests.e2e.bridge_processes import until
from tests.web.conftest import Receiving


def test_many_requests_at_once_share_writes_and_rings(receiver: Receiving) -> None:
    samples = [receiver.sample("alertmanager") for _ in range(60)]
    receiver.post("alertmanager")  # the connections to store and broker are there
    client = receiver.keyspace.client
    client.config_resetstat()
    client.client_pause(2000, all=False)  # the first write waits so long, and what comes meanwhile goes together
    statuses = asyncio.run(post_all(receiver, samples))

    assert statuses == {202}
    calls = client.info("commandstats")
    assert calls["cmdstat_xadd"]["calls"] == 60
    assert calls["cmdstat_set"]["calls"] < 50, "each write ends with one look at whether to ring"


async def post_all(receiver: Receiving, samples: list[Sample]) -> set[int]:
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(limits=limits, timeout=60, trust_env=False) as client:
        url = f"{receiver.url}/hooks/alertmanager"
        answers = await asyncio.gather(*(client.post(url, content=s.body, headers=s.headers) for s in samples))
    return {answer.status_code for answer in answers}


def test_the_bell_is_rung_once_for_many(receiver: Receiving) -> None:
    def rung() -> list[int]:
        client = receiver.keyspace.client
        return [client.llen(key) for key in client.keys("*celery*bridge*") if client.type(key) == b"list"]

    receiver.post("alertmanager")
    receiver.keyspace.client.set(receiver.keyspace.key("rung:"), "1")  # on a slow machine, the second is over
    until(lambda: rung() == [1], "the answer came first, then the bell")
    for _ in range(4):
        receiver.post("alertmanager")

    assert rung() == [1]
