"""What an operator starts: Procfile, image, compose file, Prometheus and Alertmanager, Makefile."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import redis
import yaml

from bridge.cli import COMMANDS
from bridge.store.keyspace import PREFIX

ROOT = Path(__file__).parent.parent
SCRIPTS = Path(sysconfig.get_path("scripts"))


def load(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return load("docker-compose.yml")


def procfile() -> dict[str, list[str]]:
    lines = (ROOT / "Procfile").read_text().splitlines()
    return {name: shlex.split(command) for name, _, command in (line.partition(":") for line in lines)}


# --- processes ---------------------------------------------------------------------------------------------


def test_the_procfile_names_the_two_kinds_of_process_and_nothing_else() -> None:
    assert list(procfile()) == ["web", "worker"]


@pytest.mark.parametrize("name", ["web", "worker"])
def test_the_procfile_names_commands_that_exist(name: str) -> None:
    assert (SCRIPTS / procfile()[name][0]).exists()


def test_the_procfile_names_a_subcommand_and_a_module_that_exist() -> None:
    assert procfile()["web"][1] in COMMANDS
    assert find_spec(procfile()["worker"][procfile()["worker"].index("-A") + 1])


def test_compose_and_procfile_start_the_same_commands(compose: dict[str, Any]) -> None:
    assert {name: compose["services"][name]["command"] for name in ("web", "worker")} == procfile()


# --- compose -----------------------------------------------------------------------------------------------


def test_the_compose_file_keeps_to_the_compose_schema() -> None:
    check = [SCRIPTS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_every_part_of_the_bridge_has_a_health_check_and_is_started_again(compose: dict[str, Any]) -> None:
    for name in ("web", "worker", "store"):
        part = compose["services"][name]
        assert part["restart"] == "unless-stopped"
        assert part["healthcheck"]["test"]


def test_the_bridge_waits_for_a_healthy_store(compose: dict[str, Any]) -> None:
    for name in ("web", "worker"):
        assert compose["services"][name]["depends_on"]["store"]["condition"] == "service_healthy"


def test_the_store_of_the_compose_file_is_durable_and_never_evicts(compose: dict[str, Any]) -> None:
    words = compose["services"]["store"]["command"][1:]
    options = dict(zip(words[::2], words[1::2], strict=True))

    assert (options["--appendonly"], options["--appendfsync"], options["--save"]) == ("yes", "always", "")
    assert options["--maxmemory-policy"] == "noeviction"
    assert options["--maxmemory"].endswith(":-512mb}")


def test_only_the_receiver_is_reachable_and_only_from_this_host_unless_told_otherwise(compose: dict[str, Any]) -> None:
    ports = {name: part.get("ports", []) for name, part in compose["services"].items() if "profiles" not in part}

    assert ports["worker"] == ports["store"] == []
    assert ports["web"] == ["${BIND:-127.0.0.1}:${PORT:-8080}:8080"]


def test_monitoring_is_a_profile_of_its_own(compose: dict[str, Any]) -> None:
    profiles = {name: part.get("profiles") for name, part in compose["services"].items()}

    assert {name for name, profile in profiles.items() if profile == ["monitoring"]} == {"prometheus", "alertmanager"}


def test_no_secret_stands_in_what_is_shipped() -> None:
    shipped = ["docker-compose.yml", "Dockerfile", "config/alertmanager.yml", "config/prometheus.yml"]
    given = re.compile(r"(?i)(?:token|secret|password)\"?[ \t]*[:=][ \t]*[\"']?[a-z0-9]")

    assert not [name for name in shipped if given.search((ROOT / name).read_text())]


# --- health checks, run for real ---------------------------------------------------------------------------


class Ready(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class NotReady(Ready):
    status = 503


@pytest.fixture(params=[(Ready, 0), (NotReady, 1)], ids=["ready", "not-ready"])
def receiver(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    kind, expected = request.param
    with HTTPServer(("127.0.0.1", 0), kind) as server:
        Thread(target=server.serve_forever).start()
        yield server.server_port, expected
        server.shutdown()


def run_python(code: str, **env: str) -> int:
    argv = [sys.executable, "-c", code]
    return subprocess.run(argv, env={**os.environ, **env}, stderr=subprocess.DEVNULL, check=False).returncode


def test_the_health_check_of_the_receiver_tells_ready_from_not(
    compose: dict[str, Any], receiver: tuple[int, int]
) -> None:
    port, expected = receiver
    code = compose["services"]["web"]["healthcheck"]["test"][-1]

    assert run_python(code.replace(":8080", f":{port}")) == expected


def test_the_health_check_of_the_image_tells_ready_from_not(receiver: tuple[int, int]) -> None:
    port, expected = receiver
    found = re.search(r"HEALTHCHECK .*CMD (\[.*\])", (ROOT / "Dockerfile").read_text())

    assert found
    assert run_python(yaml.safe_load(found[1])[-1], PORT=str(port)) == expected


@pytest.mark.parametrize(("age", "expected"), [(-3600, 0), (60, 1), (None, 1)])
def test_the_health_check_of_the_worker_tells_whether_work_is_looked_for(
    compose: dict[str, Any], store: str, redis_client: redis.Redis, age: int | None, expected: int
) -> None:
    if age is not None:
        redis_client.set(PREFIX + "swept", int((time.time() - age) * 1000))
    code = compose["services"]["worker"]["healthcheck"]["test"][-1]

    assert run_python(code, REDIS_URL=store) == expected


# --- image -------------------------------------------------------------------------------------------------


def test_the_image_is_pinned_unprivileged_and_stops_on_term() -> None:
    text = (ROOT / "Dockerfile").read_text()
    last = text[text.rindex("\nFROM ") :]

    assert "-c constraints.txt" in text
    assert re.search(r"^USER [1-9]\d*$", last, re.MULTILINE)
    assert "\nSTOPSIGNAL SIGTERM\n" in last
    assert last.rstrip().endswith('CMD ["alert-bridge", "serve"]')


def test_the_image_is_built_of_files_that_are_there_and_that_docker_may_see() -> None:
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    seen = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert names == seen
    assert all((ROOT / name).exists() for name in names)


# --- Prometheus and Alertmanager ---------------------------------------------------------------------------


def test_alertmanager_posts_to_the_bridge_with_the_token_compose_gives_it(compose: dict[str, Any]) -> None:
    config = load("config/alertmanager.yml")
    receivers = {receiver["name"]: receiver for receiver in config["receivers"]}
    [webhook] = receivers[config["route"]["receiver"]]["webhook_configs"]

    assert webhook["url"] == "http://web:8080/hooks/alertmanager"
    assert webhook["send_resolved"] is True
    [secret] = compose["services"]["alertmanager"]["secrets"]
    assert webhook["http_config"]["authorization"]["credentials_file"] == f"/run/secrets/{secret}"
    assert compose["secrets"][secret] == {"environment": "ALERTMANAGER_TOKEN"}
    assert {route["receiver"] for route in config["route"]["routes"]} <= receivers.keys()


def test_prometheus_watches_the_receivers_and_reads_the_rules(compose: dict[str, Any]) -> None:
    config = load("config/prometheus.yml")
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}

    assert jobs["bridge"]["dns_sd_configs"][0]["names"] == ["web"]
    assert "metrics_path" not in jobs["bridge"]
    mounted = [line.split(":")[1] for line in compose["services"]["prometheus"]["volumes"]]
    assert all(f"/etc/prometheus/{name}" in mounted for name in config["rule_files"])


def test_every_rule_says_how_bad_it_is_and_what_to_do() -> None:
    [group] = load("config/alert-rules.yml")["groups"]
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in ("critical", "error", "warning")
        assert rule["for"]
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]


def test_the_rules_ask_only_for_metrics_the_bridge_has() -> None:
    source = "".join(path.read_text() for path in (ROOT / "bridge/web").glob("*.py"))
    exported = set(re.findall(r'"(alert_bridge_\w+)"', source))
    asked = set(re.findall(r"\balert_bridge_\w+", (ROOT / "config/alert-rules.yml").read_text()))

    assert {name.removesuffix("_total") for name in asked} <= exported


# --- Makefile ----------------------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", *words], cwd=checkout, env=env, capture_output=True, text=True, check=False)


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_make_help_lists_what_the_readme_promises(checkout: Path) -> None:
    listed = re.findall(r"make (\S+)", make(checkout, "help").stdout)

    assert {"install", "run", "test", "bench", "faults", "clean"} <= set(listed)


def test_an_old_python_is_named_with_the_way_out(checkout: Path, tmp_path: Path) -> None:
    old = program(tmp_path / "old", 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac')
    done = make(checkout, "install", f"PYTHON={old}")

    assert done.returncode == 2
    assert f"Python 3.11 or newer is needed; tried {old} (Python 3.9.2)." in done.stderr
    assert "make install PYTHON=" in done.stderr


def test_a_python_without_venv_is_named_with_the_way_out(checkout: Path, tmp_path: Path) -> None:
    bare = program(tmp_path / "bare", 'case "$*" in *ensurepip*) exit 1;; esac')
    done = make(checkout, "install", f"PYTHON={bare}")

    assert done.returncode == 2
    assert "apt install python3-venv" in done.stderr


def test_installing_twice_does_nothing_the_second_time(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv/.installed").touch()

    assert "Nothing to be done" in make(checkout, "install").stdout


def test_ci_runs_make_test() -> None:
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert (ROOT / ".ci/run").read_text().rstrip().endswith("make test")
