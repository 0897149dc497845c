"""Throw changed requests at the whole receiver: `python -m tests.security.fuzz --inputs 1000000`.

The application is called as uvicorn calls it, with a real store behind. No input may raise, be answered 5xx or
anything the API does not promise, be stored with a canary in it, or come out live in Slack or Jira.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, TextIO

import msgspec
from starlette.applications import Starlette

from bridge import logs, wiring
from bridge.enrich.links import Links
from bridge.settings import Settings
from bridge.store import embedded
from bridge.store.inbox import Inbox
from bridge.store.keyspace import Keyspace
from bridge.web import serve
from bridge.web.app import application
from tests.security.corpus import Corpus, Sent, config
from tests.security.shown import check, incident_of
from tests.sources.sns_world import local_sns

ALLOWED = {200, 202, 400, 401, 404, 405, 413}
"""Of /hooks/; elsewhere also 307, which leads from /metrics/ to /metrics."""
AT_ONCE = 32
PER_ROUND = 2000
"""Inputs between two looks at what was stored."""


class Finding(Exception):
    """An input that the receiver should have answered otherwise."""


async def ask(app: Starlette, sent: Sent, random: Random) -> int:
    """Return the status of the answer; raises Finding, or whatever the application lets through."""
    cuts = sorted(random.randint(0, len(sent.body)) for _ in range(random.choice([0, 0, 0, 2])))
    parts = [sent.body[i:j] for i, j in zip([0, *cuts], [*cuts, len(sent.body)], strict=True)]
    answer: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not parts:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: dict[str, Any]) -> None:
        answer.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": sent.method,
        "scheme": "http",
        "path": sent.path,
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": sent.headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8080),
    }
    began = time.thread_time()  # of the loop: not of a busy machine
    await app(scope, receive, send)  # type: ignore[arg-type]  # dicts
    if time.thread_time() - began > 60:
        raise Finding("it took more than a minute")
    return judged(answer, sent)


def judged(answer: list[dict[str, Any]], sent: Sent) -> int:
    """Return the status; raises Finding for an answer that the API does not know."""
    status: int = answer[0]["status"]
    body = b"".join(part.get("body", b"") for part in answer[1:])
    if status not in ALLOWED and not (status == 307 and not sent.path.startswith("/hooks/")):
        raise Finding(f"answered {status}: {body[:300]!r}")
    if (b"content-type", b"application/json") in answer[0]["headers"]:
        msgspec.json.decode(body)
    for name, value in answer[0]["headers"]:
        if b"\n" in value or b"\r" in value:
            raise Finding(f"a header with a line break: {name!r}")
    return status


def look(keyspace: Keyspace, links: Links, counts: Counter[str]) -> None:
    """Render what lies in the inbox, everywhere, and empty the store."""
    inbox = Inbox(keyspace)
    while taken := inbox.take(500)[1]:
        by_problem: dict[str, list[Any]] = {}
        for one in taken:
            for alert in one.alerts:
                if alert.carriers:
                    raise Finding("carriers were stored")
                by_problem.setdefault(alert.fingerprint, []).append(alert)
        for alerts in by_problem.values():
            for shown in {0, len(alerts) - 1}:
                if incident := incident_of(alerts[: shown + 1]):
                    check(incident, links)
                    counts["rendered"] += 1
    keyspace.client.flushall()


@contextmanager
def store(folder: Path) -> Iterator[str]:
    """A store that need not outlive the run."""
    argv = [*embedded.server_argv(embedded.find_server(), folder), "--appendonly", "no"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, start_new_session=True) as server:
        try:
            assert embedded.ping(embedded.url(folder), timedelta(seconds=10)), "the store did not start"
            yield embedded.url(folder)
        finally:
            server.terminate()


async def throw(settings: Settings, corpus: Corpus, args: argparse.Namespace, out: TextIO) -> int:
    """Throw the inputs; returns how many findings there were."""
    made = serve.receiver(settings)
    app, counts, findings = application(made), Counter[str](), 0
    until = time.monotonic() + args.seconds
    began = time.monotonic()

    async def one(number: int) -> None:
        nonlocal findings
        random = Random(f"{args.seed}-{number}")
        sent = corpus.request(random)
        try:
            counts[str(await ask(app, sent, random))] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            findings += 1
            trace = "".join(traceback.format_exception(error)[-6:])
            print(f"--only {number}: {sent.method} {sent.path}\n{sent.headers}\n{sent.body[:600]!r}\n{trace}", file=out)

    numbers = [args.only] if args.only is not None else range(args.start, args.start + args.inputs)
    async with app.router.lifespan_context(app):
        for at in range(0, len(numbers), PER_ROUND):
            part = list(numbers[at : at + PER_ROUND])
            for i in range(0, len(part), AT_ONCE):
                await asyncio.gather(*map(one, part[i : i + AT_ONCE]))
            try:
                await asyncio.to_thread(look, made.keyspace, made.parts.links, counts)
            except (Finding, AssertionError, msgspec.MsgspecError, ValueError, TypeError) as error:
                findings += 1
                print(f"rendering, inputs {part[0]} to {part[-1]}:", *traceback.format_exception(error)[-4:], file=out)
                made.keyspace.client.flushall()
            if args.verbose:
                print(
                    f"{at + len(part)} in {time.monotonic() - began:.0f} s, findings {findings}: {dict(counts)}",
                    file=out,
                )
            if time.monotonic() > until or findings > 20:
                break
    done = sum(counts.values()) - counts["rendered"]
    print(f"seed {args.seed}: {done} inputs, {findings} findings; {dict(sorted(counts.items()))}", file=out)
    return findings


def main() -> None:
    """Run, and end with 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so many")
    parser.add_argument("--seed", default=str(int(time.time())))
    parser.add_argument("--start", type=int, default=0, help="number of the first input")
    parser.add_argument("--only", type=int, help="repeat one input of a seed")
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()
    out = sys.stdout
    with tempfile.TemporaryDirectory() as name, local_sns() as world, Path(os.devnull).open("w") as nowhere:
        folder = Path(name)
        (folder / "bridge.yaml").write_text(config(world.host))
        with store(folder / "data") as url:
            environ = {"ALERT_BRIDGE_CONFIG": str(folder / "bridge.yaml"), "REDIS_URL": url, "ALERT_BRIDGE_DATA": name}
            settings = wiring.load(environ)
            sys.stderr = nowhere  # log lines are rendered, and read by nobody
            logs.set_up("info", "json")
            corpus = Corpus(wiring.sources(settings), world.url)
            sys.exit(1 if asyncio.run(throw(settings, corpus, args, out)) else 0)


if __name__ == "__main__":
    main()
