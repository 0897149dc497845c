"""The outgoing heartbeat: a real server hears it while the path is proven, and only then."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from queue import Empty

import msgspec
import pytest
import redis
from celery import Celery
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route as WebRoute

from bridge import dial
from bridge.bell import CeleryBell, celery_app
from bridge.dial import call
from bridge.domain.alert import Severity
from bridge.message import INGEST, QUEUE
from bridge.pipeline import selfwatch
from bridge.pipeline.concerns import Concern
from bridge.pipeline.ingest import ingest
from bridge.pipeline.parts import Parts
from bridge.pipeline.pulse import withheld
from bridge.pipeline.sweep import sweep
from bridge.ports import RetryAt
from bridge.store.proof import Proof, Proofs
from bridge.store.vitals import Vital
from tests.conftest import free_port
from tests.pipeline.desk import Board, Desk
from tests.sandbox_server import running
from tests.strategies import alert

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass
class Other:
    """The other side: counts, and answers as it is told."""

    status: int = 200
    heard: list[str] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        """Count a request."""
        self.heard.append(f"{request.method} {request.url.path}")
        return RedirectResponse("/elsewhere") if self.status == 307 else Response(status_code=self.status)


@dataclass
class Path:
    """A bridge whose worker can be absent, and the other side."""

    desk: Desk
    parts: Parts
    other: Other
    client: redis.Redis

    def minute(self, *, served: bool = True) -> int:
        """Let a minute pass, with a worker on the queue or without; returns how many heartbeats came."""
        before = len(self.other.heard)
        for key, name in (("proof", "proven"), ("proof", "heard"), ("pulse", "sent")):
            if at := self.client.hget(f"{{ab}}:{key}", name):
                self.client.hset(f"{{ab}}:{key}", name, int(at) - 61_000)  # type: ignore[arg-type]  # bytes
        for _ in range(2):
            self.client.delete("{ab}:proving", "{ab}:sweep", "{ab}:looked")
            sweep(self.parts)
            if served:
                ingest(self.parts)
            selfwatch.watch(self.parts)
        return len(self.other.heard) - before

    def said(self) -> str:
        """Return why it is withheld."""
        assert self.parts.vitals is not None
        return self.parts.vitals.read([]).pulse.withheld


@pytest.fixture
def path(redis_client: redis.Redis) -> Iterator[Path]:
    other = Other()
    desk = Desk(redis_client, [Board("oncall"), Board("tickets")])
    with running(Starlette(routes=[WebRoute("/{path:path}", other.answer, methods=["GET", "HEAD", "POST"])])) as url:
        parts = replace(
            desk.parts,
            proofs=Proofs(desk.keys),
            pulse=partial(call, "GET", f"{url}/ping/key"),
            listeners={"self": selfwatch.heed},
        )
        yield Path(desk, parts, other, redis_client)


def test_it_is_sent_about_once_a_minute_while_entries_go_through_the_inbox(path: Path) -> None:
    assert path.minute() == 1
    path.client.delete("{ab}:looked")
    selfwatch.watch(path.parts)
    assert path.other.heard == ["GET /ping/key"], "not again at once"
    assert path.minute() == 1


def test_it_stops_when_nobody_hears_the_bell_and_goes_on_when_somebody_does(path: Path) -> None:
    assert path.minute() == 1
    assert path.minute(served=False) == 0
    assert path.minute(served=False) == 0
    assert len(path.parts.inbox) == 1, "one entry of its own is enough"
    assert path.minute() == 1


def test_it_is_withheld_while_nobody_serves_the_queue_that_takes_every_bell(path: Path, store: str) -> None:
    app = celery_app(store, "{ab}:")
    path.parts = replace(path.parts, bell=CeleryBell(app))
    assert path.minute(served=False) + path.minute(served=False) == 0
    assert path.said() == "nothing was seen to go through the inbox in the last minute"

    assert serve(app, path.parts) > 0, "the bells lie in the queue"
    path.client.delete("{ab}:proving", "{ab}:sweep", "{ab}:looked")
    sweep(path.parts)
    selfwatch.watch(path.parts)
    assert path.other.heard == ["GET /ping/key"]
    assert path.minute(served=False) == 0, "what was proven a minute ago proves nothing now"


def test_it_is_withheld_while_the_broker_is_cut_off(path: Path) -> None:
    cut_off = CeleryBell(celery_app(f"redis://127.0.0.1:{free_port()}/0", "{ab}:"))
    path.parts = replace(path.parts, bell=cut_off)
    assert path.minute(served=False) + path.minute(served=False) == 0
    assert path.said() == "nothing was seen to go through the inbox in the last minute"
    assert len(path.parts.inbox) == 1


def serve(app: Celery, parts: Parts) -> int:
    """Do what the bells in the queue ask for, as a worker would; returns how many there were."""
    served = 0
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue(QUEUE)
        with contextlib.suppress(Empty):
            while message := queue.get_nowait():
                message.ack()
                served += 1
                if message.headers["task"] == INGEST:
                    ingest(parts)
        queue.close()
    return served


def test_it_stops_while_a_destination_is_blocked(path: Path) -> None:
    path.desk.boards["oncall"].answers.append(RetryAt("token_revoked", after=MINUTE, blocked=True))
    path.desk.hear(alert(0, at=datetime.now(UTC)))
    assert path.minute() == 0
    path.desk.wake("oncall")
    assert path.minute() == 1


def test_when_the_other_side_refuses_it_is_tried_again_at_the_next_look(path: Path) -> None:
    path.other.status = 503
    assert path.minute() == 1
    path.other.status = 200
    path.client.delete("{ab}:looked")
    selfwatch.watch(path.parts)
    assert len(path.other.heard) == 2


def test_an_entry_that_was_read_but_not_done_proves_nothing(redis_client: redis.Redis) -> None:
    desk = Desk(redis_client, [Board("oncall")])
    proofs, vitals = Proofs(desk.keys), desk.parts.vitals
    assert vitals is not None
    proofs.ask(desk.parts.inbox)
    proofs.heard(NOW)
    proofs.ask(desk.parts.inbox)
    assert vitals.read([]).proof.proven is None

    redis_client.delete("{ab}:inbox")
    proofs.ask(desk.parts.inbox)
    assert vitals.read([]).proof.proven == NOW
    assert vitals.read([]).proof.heard is None, "of the next one"


def test_an_entry_that_somebody_threw_away_proves_nothing_and_the_next_one_comes(redis_client: redis.Redis) -> None:
    desk = Desk(redis_client, [Board("oncall")])
    proofs, vitals = Proofs(desk.keys), desk.parts.vitals
    assert vitals is not None
    proofs.ask(desk.parts.inbox)
    redis_client.delete("{ab}:inbox")
    proofs.ask(desk.parts.inbox)
    assert vitals.read([]).proof.proven is None
    assert len(desk.parts.inbox) == 1


def test_what_withholds_it() -> None:
    vital = Vital(now=NOW, blocked={}, letters=0, oldest=None, swept=NOW, proof=Proof(proven=NOW - MINUTE))
    warning = Concern(kind="dead-letters", severity=Severity.WARNING, title="", summary="")
    critical = Concern(kind="blocked", destination="oncall", severity=Severity.CRITICAL, title="", summary="")
    change = msgspec.structs.replace
    assert withheld(vital, {"a": warning}) == ""
    assert withheld(vital, {"a": warning, "b": critical}) == "critical: blocked:oncall"
    assert "inbox" in withheld(change(vital, proof=Proof()), {})
    assert "inbox" in withheld(change(vital, proof=Proof(proven=NOW - MINUTE - timedelta(seconds=1))), {})
    assert "sweeps" in withheld(change(vital, swept=None), {})
    assert "sweeps" in withheld(change(vital, swept=NOW - 2 * MINUTE), {})


# --- the call itself ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "said"), [(200, ""), (204, ""), (307, "it answered 307"), (404, "it answered 404")])
def test_a_call_says_why_it_failed_and_follows_no_redirect(path: Path, status: int, said: str) -> None:
    path.other.status = status
    assert path.parts.pulse is not None
    assert path.parts.pulse() == said
    assert len(path.other.heard) == 1


def test_an_answer_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "WHOLE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_drips, args=(server,), daemon=True).start()
        assert call("GET", f"http://127.0.0.1:{server.getsockname()[1]}/") == "no answer within 0.5 s"


def _drips(server: socket.socket) -> None:
    asked, _ = server.accept()
    with asked, contextlib.suppress(OSError):
        asked.sendall(b"HTTP/1.1 200 OK\r\n")
        for _ in range(200):  # ten seconds: nearly for ever
            time.sleep(0.05)
            asked.sendall(b"a: b\r\n")


def test_a_call_that_fails_does_not_name_the_address() -> None:
    assert call("GET", f"http://127.0.0.1:{free_port()}/s3cret") == "no connection (ConnectError)"
    assert "s3cret" not in call("GET", "http://nobody.invalid/s3cret")
