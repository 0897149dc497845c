"""The floor of checks: asyncio alone asks each target at its slot, over a new connection; judges and keeps nothing."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec


async def _look(port: int, name: str) -> None:
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(f"GET /{name} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                await reader.read()
            finally:
                writer.close()


async def _run(port: int, slots: list[tuple[str, int, int]]) -> None:
    """Ask (name, interval ms, phase ms) again and again, until killed."""
    now = time.time() * 1000
    due = sorted((now - (now - phase) % every + every, name, every) for name, every, phase in slots)
    under_way = set()
    print("waiting", flush=True)
    while True:
        at, name, every = due.pop(0)
        await asyncio.sleep(at / 1000 - time.time())
        task = asyncio.create_task(_look(port, name))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        due.append((at + every, name, every))


if __name__ == "__main__":
    asyncio.run(_run(int(sys.argv[1]), msgspec.json.decode(Path(sys.argv[2]).read_bytes())))
