"""`python -m bench.profile`: flame graphs of a receiver under load and of a worker in a storm, into bench/results.

With py-spy (`make peers` installs it); on Linux it may look at others' processes as root, or where
kernel.yama.ptrace_scope is 0.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from bench import payloads
from bench.peers.flask_celery import PEERS
from bench.rows.storm import ALL, counts, slack
from bench.stage import ONCALL_ONLY, OTHERS, Program, Stage

RESULTS = Path(__file__).parent / "results"
SPY = PEERS / "bin" / "py-spy"
SECONDS, COUNT = 8, 12_000


def main() -> int:
    """Write both pictures."""
    if not SPY.exists():
        print("py-spy is not installed: make peers", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="bridge-bench-") as folder:
        stage = Stage(Path(folder), ONCALL_ONLY)
        try:
            _receiver(stage)
            _worker(stage)
        finally:
            stage.close()
    return 0


def _receiver(stage: Stage) -> None:
    """Sentry, Alertmanager, in turn."""
    stage.store()
    receiver, port = stage.receiver()
    file = stage.folder / "mixed"
    mixed = [make(n) for n in range(128) for make in (payloads.sentry, payloads.alertmanager)]
    file.write_bytes(msgspec.msgpack.encode(mixed))
    load = stage.python("load", "bench.programs.load", str(port), str(SECONDS + 2), "32", str(file), cores=OTHERS)
    _record(receiver, "receiver", SECONDS)
    load.process.wait(30)


def _worker(stage: Stage) -> None:
    """New incidents, each told by a message."""
    with stage.another() as own:
        slack(own, own.vendors_port)
        own.store(ALL)
        _, port = own.receiver(ALL)
        worker = own.worker(ALL)
        file = own.folder / "storm"
        file.write_bytes(msgspec.msgpack.encode([payloads.alertmanager(n) for n in range(COUNT)]))
        own.python("load", "bench.programs.load", str(port), "60", "8", str(file), "once", cores=ALL)
        own.until(lambda: counts(own.vendors_port).told > 0, 30)
        _record(worker, "worker", SECONDS)


def _record(program: Program, name: str, seconds: int) -> None:
    argv = [SPY, "record", "--pid", str(program.process.pid), "--duration", str(seconds), "--rate", "200"]
    subprocess.run([*argv, "--threads", "--output", RESULTS / f"{name}.svg"], check=True, capture_output=True)
    print(f"written: {RESULTS / name}.svg", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
