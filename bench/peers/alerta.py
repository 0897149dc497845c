"""Alerta with gunicorn and a PostgreSQL of its own, as its documentation says (`make peers` installs the first)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

from bench.payloads import LABELS, http
from bench.peers import Absent
from bench.ports import free_port
from bench.stage import CORES, Program, Stage, listens, wait_for

NAME = "Alerta, 2 processes, PostgreSQL"
PEERS = Path(sys.prefix) / "alerta"
SETTINGS = 'SECRET_KEY = "bench"\nAUTH_REQUIRED = False\nDATABASE_URL = "{url}"\nPLUGINS = ["reject"]\n'
ONE = "from alerta import create_app; create_app()"


def start(stage: Stage) -> tuple[Program, int]:
    """Start both on all cores; raises Absent."""
    gunicorn = PEERS / "bin" / "gunicorn"
    if not gunicorn.exists():
        raise Absent("Alerta is not installed (make peers)")
    port, settings = free_port(), stage.folder / "alertad.conf"
    settings.write_text(SETTINGS.format(url=_database(stage)))
    os.environ["ALERTA_SVR_CONF_FILE"] = str(settings)
    # two workers that start at once on an empty database race on CREATE TYPE: the schema is made first
    subprocess.run([PEERS / "bin" / "python", "-c", ONE], check=True, capture_output=True, cwd=stage.folder)
    argv = [str(gunicorn), "-w", "2", "--bind", f"127.0.0.1:{port}", "--log-level", "warning", "alerta:create_app()"]
    program = stage.start("alerta", argv, set(CORES))
    wait_for(lambda: listens(port), program)
    return program, port


def request(number: int) -> bytes:
    """Return one alert as a monitor would post it to Alerta's API."""
    body = {
        "resource": f"10.0.0.1:{number}",
        "event": "HighErrorRate",
        "environment": "Production",
        "severity": "critical",
        "service": [LABELS["service"]],
        "group": "Web",
        "value": "7.42%",
        "text": f"checkout-api answers more than 5% of requests with 5xx [{number}]",
        "attributes": {"runbook": "https://runbooks.example.com/HighErrorRate"},
    }
    return http("/alert", {"content-type": "application/json"}, msgspec.json.encode(body))


def _database(stage: Stage) -> str:
    """Start PostgreSQL with what initdb sets (every commit synced); returns its address. Raises Absent."""
    initdb = shutil.which("initdb") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), "")
    if not initdb:
        raise Absent("PostgreSQL is not installed (Debian: apt install postgresql)")
    home, port, user = stage.folder / "pg", free_port(), []
    home.mkdir()
    if os.geteuid() == 0:  # which PostgreSQL refuses
        shutil.chown(home, "postgres", "postgres")
        stage.folder.chmod(0o755)
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    made = [*user, initdb, "-D", str(home), "-A", "trust", "-U", "alerta", "--no-instructions"]
    subprocess.run(made, check=True, capture_output=True, cwd=home)
    argv = [*user, str(Path(initdb).with_name("postgres")), "-D", str(home), "-p", str(port), "-k", str(home)]
    program = stage.start("postgres", argv, set(CORES))
    wait_for(lambda: listens(port), program)
    return f"postgresql://alerta@127.0.0.1:{port}/postgres"
