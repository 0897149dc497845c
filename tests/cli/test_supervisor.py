"""The supervisor with real processes: order, restarts, output, and nothing left behind."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from bridge.cli import guard
from bridge.cli.child import Backoff, Child
from bridge.cli.prefix import LONGEST, Prefixed
from bridge.cli.supervisor import Supervisor
from tests.e2e import bridge_processes

SLEEPER = ("sleep", "1000")
FAMILY = ("sh", "-c", "sleep 1000 & sleep 1000 & wait")
STUBBORN = ("sh", "-c", "trap '' TERM; echo deaf; while true; do sleep 0.1; done")
READY = re.compile(r"^(\S+) +\* ready after .* \(pid (\d+)\)$", re.MULTILINE)


until = partial(bridge_processes.until, what="it comes to be")


class Apart:
    """A supervisor in a process of its own, as an operator runs it."""

    def __init__(self, log: Path, children: dict[str, tuple[str, ...]], options: str) -> None:
        self._log = log
        lines = [f"Child({name!r}, {argv!r})" for name, argv in children.items()]
        script = "import sys\nfrom bridge.cli.supervisor import *\n"
        script += f"sys.exit(Supervisor([{', '.join(lines)}], {options}).run())"
        with log.open("w") as out:
            self.process = subprocess.Popen([sys.executable, "-c", script], stderr=out, start_new_session=True)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def groups(self, count: int) -> dict[str, int]:
        until(lambda: len(READY.findall(self.log)) >= count)
        return {name: int(pid) for name, pid in READY.findall(self.log)}

    def says(self, words: str) -> None:
        until(lambda: words in self.log)


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Callable[..., Apart]]:
    started: list[Apart] = []

    def start(options: str = "", **children: tuple[str, ...]) -> Apart:
        started.append(Apart(tmp_path / "log", children, options))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


@contextmanager
def running(supervisor: Supervisor) -> Iterator[None]:
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        yield
    finally:
        supervisor.stop()
        thread.join(120)


# --- starting ----------------------------------------------------------------------------------------------


def test_children_start_once_those_they_need_are_ready(tmp_path: Path) -> None:
    flag, out = tmp_path / "flag", io.StringIO()
    slow = ("sh", "-c", f"sleep 0.3; touch {flag}; sleep 1000")
    children = [
        Child("web", ("sh", "-c", f"test -e {flag} && echo found it; sleep 1000"), after=("store",)),
        Child("store", slow, ready=flag.exists),
    ]
    with running(Supervisor(children, out)):
        until(lambda: "found it" in out.getvalue())

    assert out.getvalue().index("store * ready") < out.getvalue().index("web   | found it")


def test_what_follows_runs_once_when_all_are_ready() -> None:
    calls: list[str] = []
    out = io.StringIO()
    brief = Child("brief", ("sleep", "0.2"))
    with running(Supervisor([brief], out, on_ready=lambda: calls.append("demo"))):
        until(lambda: out.getvalue().count("ready") >= 2)

    assert calls == ["demo"]


def test_a_child_gets_its_own_environment_beside_the_given_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIVEN", "given")
    out = io.StringIO()
    with running(Supervisor([Child("web", ("sh", "-c", "echo $GIVEN $OWN; sleep 9"), env={"OWN": "own"})], out)):
        until(lambda: "web | given own" in out.getvalue())


@pytest.mark.parametrize(
    "children",
    [
        [Child("a", SLEEPER), Child("a", SLEEPER)],
        [Child("a", SLEEPER, after=("b",))],
        [Child("a", SLEEPER, after=("b",)), Child("b", SLEEPER, after=("a",))],
    ],
)
def test_children_that_can_never_start_are_refused(children: list[Child]) -> None:
    with pytest.raises(ValueError, match="children"):
        Supervisor(children)


# --- starting again ----------------------------------------------------------------------------------------


def test_a_child_that_dies_is_started_again_and_said_so_with_growing_waits() -> None:
    out = io.StringIO()
    with running(Supervisor([Child("web", ("sh", "-c", "exit 3"))], out)):
        until(lambda: "again in 2 s" in out.getvalue())

    waits = re.findall(r"web \* ended with exit code 3 after \S+ s; starting again in (\S+) s", out.getvalue())
    assert waits == ["0.5", "1", "2"]


def test_a_killed_child_is_named_with_its_signal_and_lives_again(apart: Callable[..., Apart]) -> None:
    bridge = apart(web=SLEEPER)
    first = bridge.groups(1)["web"]
    os.kill(first, signal.SIGKILL)
    bridge.says("killed by SIGKILL after")

    assert bridge.groups(2)["web"] != first


def test_what_a_dead_child_left_behind_is_gone_before_it_starts_again(apart: Callable[..., Apart]) -> None:
    bridge = apart(web=FAMILY)
    first = bridge.groups(1)["web"]
    os.kill(first, signal.SIGKILL)
    bridge.says("starting again")

    until(lambda: not guard.lives(first))


def test_a_program_that_is_not_there_is_named() -> None:
    out = io.StringIO()
    with running(Supervisor([Child("web", ("no-such-program",))], out)):
        until(lambda: "starting again" in out.getvalue())

    assert "web | cannot start no-such-program: No such file or directory" in out.getvalue()
    assert "ended with exit code 127" in out.getvalue()


def test_the_wait_grows_to_ten_seconds_and_begins_anew_after_a_long_life() -> None:
    backoff = Backoff()

    assert [backoff.after(0) for _ in range(6)] == [0.5, 1, 2, 4, 8, 10]
    assert backoff.after(29) == 10
    assert [backoff.after(30), backoff.after(0)] == [0.5, 1]


# --- ending ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_every_process_and_its_children(apart: Callable[..., Apart], number: int) -> None:
    bridge = apart(store=SLEEPER, web=FAMILY, worker=FAMILY)
    groups = bridge.groups(3)
    bridge.process.send_signal(number)

    assert bridge.process.wait(120) == 0
    assert not [name for name, group in groups.items() if guard.lives(group)]


def test_what_others_need_ends_after_them() -> None:
    out = io.StringIO()
    ends = "trap 'echo ends; exit' TERM; echo listens; while true; do sleep 0.02; done"
    children = [Child(name, ("sh", "-c", ends), after=after) for name, after in (("store", ()), ("web", ("store",)))]
    all_ready = threading.Event()
    with running(Supervisor(children, out, on_ready=all_ready.set)):
        assert all_ready.wait(120)
        until(lambda: out.getvalue().count("| listens") == 2)

    assert re.findall(r"(\S+) +\| ends", out.getvalue()) == ["web", "store"]


def test_a_child_that_does_not_listen_is_killed_after_the_grace(apart: Callable[..., Apart]) -> None:
    bridge = apart("grace=0.3", web=STUBBORN)
    group = bridge.groups(1)["web"]
    bridge.says("web | deaf")
    bridge.process.terminate()

    assert bridge.process.wait(120) == 1
    assert "web * did not end within 0.3 s; killed" in bridge.log
    until(lambda: not guard.lives(group))


def test_a_second_ctrl_c_kills_at_once_but_a_second_term_waits(apart: Callable[..., Apart]) -> None:
    bridge = apart("grace=1000", web=STUBBORN)
    group = bridge.groups(1)["web"]
    bridge.says("web | deaf")
    bridge.process.terminate()
    bridge.says("SIGTERM: ending")
    bridge.process.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        bridge.process.wait(0.5)
    bridge.process.send_signal(signal.SIGINT)

    assert bridge.process.wait(120) == 1
    until(lambda: not guard.lives(group))


def test_nothing_is_left_when_the_supervisor_is_killed(apart: Callable[..., Apart]) -> None:
    bridge = apart("grace=0.3", store=SLEEPER, web=FAMILY, worker=STUBBORN)
    groups = bridge.groups(3)
    bridge.says("worker | deaf")
    bridge.process.kill()

    until(lambda: not any(guard.lives(group) for group in groups.values()))


def test_nothing_is_left_even_when_the_guard_was_killed_before(apart: Callable[..., Apart]) -> None:
    bridge = apart("grace=0.3", web=FAMILY)
    group = bridge.groups(1)["web"]
    first = guards_of(bridge.process.pid)
    os.kill(first[0], signal.SIGKILL)
    until(lambda: guards_of(bridge.process.pid) not in ([], first))
    bridge.process.kill()

    until(lambda: not guard.lives(group))


def test_the_guard_leaves_alone_what_has_ended_by_itself() -> None:
    reads, writes = os.pipe()
    other = subprocess.Popen(SLEEPER, start_new_session=True)
    os.write(writes, f"+{other.pid}\n-{other.pid}\n".encode())
    os.close(writes)
    subprocess.run([sys.executable, guard.__file__, "watch", str(reads), "1"], pass_fds=[reads], check=True)
    os.close(reads)

    assert other.poll() is None
    other.kill()
    other.wait()


def guards_of(supervisor: int) -> list[int]:
    listing = subprocess.run(["ps", "-wweo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in listing.splitlines()[1:]]
    return [int(pid) for pid, parent, args in rows if int(parent) == supervisor and "guard.py watch" in args]


# --- output ------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_each_line_carries_its_name_however_it_is_cut() -> None:
    out = io.StringIO()
    lines = Prefixed(out, ["web", "worker"])
    lines.feed("web", b"one\ntw")
    lines.feed("worker", "größe\r\n".encode())
    lines.feed("web", b"o\n")
    lines.feed("web", b"no end")
    lines.end("web")

    assert out.getvalue() == "web    | one\nworker | größe\nweb    | two\nweb    | no end\n"


def test_a_line_without_an_end_is_passed_on_in_pieces() -> None:
    out = io.StringIO()
    Prefixed(out, ["web"]).feed("web", b"x" * (LONGEST + 1))

    assert out.getvalue() == f"web | {'x' * LONGEST}\n"


def test_colour_is_for_terminals_and_not_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    plain, coloured, asked_not = io.StringIO(), Terminal(), Terminal()
    Prefixed(plain, ["web"]).say("web", "hi")
    Prefixed(coloured, ["web"]).say("web", "hi")
    monkeypatch.setenv("NO_COLOR", "1")
    Prefixed(asked_not, ["web"]).say("web", "hi")

    assert plain.getvalue() == asked_not.getvalue() == "web * hi\n"
    assert coloured.getvalue() == "\x1b[36mweb\x1b[0m * hi\n"


def test_a_terminal_that_is_gone_does_not_end_the_children(tmp_path: Path) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    flag = tmp_path / "flag"
    with suppress(BrokenPipeError), os.fdopen(writes, "w") as out:
        chatty = Child("web", ("sh", "-c", f"echo one; sleep 0.3; echo two && touch {flag}; sleep 1000"))
        with running(Supervisor([chatty], out)):
            until(flag.exists)


def test_what_the_out_stream_cannot_spell_is_replaced() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    Prefixed(out, ["web"]).feed("web", "größe\n".encode())

    assert raw.getvalue() == b"web | gr??e\n"
