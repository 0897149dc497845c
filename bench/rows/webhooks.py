"""Accepted webhooks per second and receiver core, by kind of sender, against a bare ASGI program."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec
import redis
from cryptography.hazmat.primitives.asymmetric import rsa

from bench import payloads
from bench.row import Row, Series, ratio_row
from bench.stage import OTHERS, RUNS, NotReady, Program, Stage, empty
from bridge.sandbox.sns import new_key, self_signed

SECONDS, CONNECTIONS, DISTINCT = 1.5, 32, 256
FLOOR = "bare ASGI: read, HMAC, XADD"


class Kind(NamedTuple):
    """One kind of request."""

    what: str
    requests: list[bytes]
    alerts: int
    """In each request."""
    least: float | None
    """The ratio aimed at."""


def measure(stage: Stage) -> Iterator[Row]:
    """Yield a row for each kind of request."""
    client, key = stage.store(), new_key()
    with client, _certificate(stage.vendors_port, key):
        for kind in _kinds(stage, key):
            yield _row(stage, client, kind)


def _kinds(stage: Stage, key: rsa.RSAPrivateKey) -> list[Kind]:
    every = range(DISTINCT)
    return [
        Kind("Sentry issue alert, 15 kB, accepted", [payloads.sentry(i) for i in every], 1, 0.5),
        Kind("Alertmanager, 1 alert, accepted", [payloads.alertmanager(i) for i in every], 1, 0.5),
        Kind(
            "SNS CloudWatch alarm, certificate cached, accepted", payloads.alarms(stage.vendors, key, DISTINCT), 1, 0.5
        ),
        Kind(
            "Alertmanager, 100 alerts in one request, accepted",
            [payloads.alertmanager(i, 100) for i in every],
            100,
            None,
        ),
    ]


def _row(stage: Stage, client: redis.Redis, kind: Kind) -> Row:
    ours, floor = Series(), Series()
    bridge, port = stage.receiver()
    load(stage, bridge, port, kind.requests, kind.alerts, seconds=0.5)
    bare, bare_port = stage.bare_receiver(_kept(client))
    for _ in range(RUNS):
        for series, program, where in ((ours, bridge, port), (floor, bare, bare_port)):
            empty(client)
            series.add(*load(stage, program, where, kind.requests, kind.alerts))
    empty(client)
    bridge.end()
    bare.end()
    return ratio_row(kind.what, "alerts/s", ours, floor, FLOOR, kind.least)


def _kept(client: redis.Redis) -> int:
    """Return how many bytes the bridge stored of the last request."""
    entries: Any = client.xrevrange("{ab}:inbox", count=1)
    ((_, fields),) = entries
    return len(fields[b"a"])


def load(
    stage: Stage, program: Program, port: int, requests: list[bytes], alerts: int, seconds: float = SECONDS
) -> tuple[float, float]:
    """Return alerts per second, and CPU microseconds of the program per alert."""
    file = stage.folder / "requests"
    file.write_bytes(msgspec.msgpack.encode(requests))
    before = program.cpu()
    argv = ("bench.programs.load", str(port), str(seconds), str(CONNECTIONS), str(file))
    result: dict[str, float] = msgspec.json.decode(stage.output(*argv, cores=OTHERS))
    if result["refused"] > result["answered"] / 100:
        raise NotReady(f"{result} of {program.log.name}:\n{program.log.read_text()[-2000:]}")
    count = result["answered"] * alerts
    return count / result["seconds"], (program.cpu() - before) / count * 1e6


@contextmanager
def _certificate(port: int, key: rsa.RSAPrivateKey) -> Iterator[None]:
    """Serve the certificate that SNS's signatures are checked with."""
    pem = self_signed(key)

    class Certificate(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(pem)))
            self.end_headers()
            self.wfile.write(pem)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Certificate) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()
