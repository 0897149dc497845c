"""One run: senders post, faults strike, and in the end the truth is looked at."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import redis

from bridge.store.deadletters import DeadLetters
from bridge.store.keyspace import Keyspace
from tests.faults.network import Mode
from tests.faults.senders import Ledger, Sender
from tests.faults.stand import TOPIC, Stand, stand
from tests.faults.stories import Voice
from tests.faults.storm import Storm
from tests.faults.truth import Findings, examine, wait_for_rest

SENDERS = 4
AT_ONCE = 16
"""Faults under way at the same time."""


@dataclass
class Result:
    """What happened in a run."""

    seed: int
    storm: Storm
    ledger: Ledger
    findings: Findings
    unrest: dict[str, int]
    outside: dict[str, int]
    seconds: float
    failures: list[str] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Whether nothing was found wrong."""
        return not (self.findings.wrong or self.unrest or self.failures)


def run(folder: Path, seed: int, faults: Sequence[str], alerts: int, gap: float, enough: int = 0) -> Result:
    """Let faults strike, on the average `gap` seconds apart, while so many alerts are sent.

    Some may not find what they are to strike; with `enough`, it ends when so many have.
    """
    began = time.monotonic()
    with stand(folder) as made:
        ledger = Ledger()
        storm = Storm(made, str(seed))
        voice = Voice(made.sources, made.sandbox.sns, TOPIC)
        seconds = max((enough or len(faults)) * gap, 3.0)
        senders = [
            Sender(f"{seed}-{n}", voice, made.receivers, ledger, alerts // SENDERS, seconds) for n in range(SENDERS)
        ]
        for sender in senders:
            sender.start()
        failures = _rage(storm, seed, faults, gap, enough)
        for sender in senders:
            sender.join(120)
            failures += [f"a sender failed: {sender.failure!r}"] if sender.failure or sender.is_alive() else []
        _calm(made)
        unrest = wait_for_rest(made, 300, lambda: _replay(made))
        findings = examine(made, ledger, storm.deleted)
        outside = _outside(made)
    return Result(seed, storm, ledger, findings, unrest, outside, time.monotonic() - began, failures)


def _rage(storm: Storm, seed: int, faults: Sequence[str], gap: float, enough: int) -> list[str]:
    dice = random.Random(seed)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fault") as pool:
        strikes = []
        for number, name in enumerate(faults):
            if enough and sum(storm.struck.values()) >= enough:
                break
            strikes.append(pool.submit(storm.strike, number, name))
            time.sleep(dice.uniform(0.0, 2 * gap))
    return [f"a fault failed: {error!r}" for strike in strikes if (error := strike.exception())]


def _calm(made: Stand) -> None:
    """Take all faults out, and wait until everything runs."""
    made.sandbox.faults.clear()
    for cable in made.cables:
        cable.turn(Mode.PASS)
    until = time.monotonic() + 60
    while not made.ready() and time.monotonic() < until:
        time.sleep(0.2)


def _replay(made: Stand) -> None:
    """Do what a person would: replay what was rejected, now that its cause is gone."""
    with redis.Redis.from_url(made.store_url) as client:
        letters = DeadLetters(Keyspace(client))
        for letter in letters.all():
            if letter.destination and letter.replayed is None:
                letters.replay(letter, datetime.now(UTC))


def _outside(made: Stand) -> dict[str, int]:
    roots = made.sandbox.slack.messages()
    issues = made.sandbox.jira.issues
    return {
        "messages": len([root for root in roots if not root.deleted]),
        "thread entries": sum(len(root.replies) for root in roots),
        "issues": len(issues),
        "comments": sum(len(issue.comments) for issue in issues),
    }


def said(result: Result) -> str:
    """Return what was found wrong, a few of each kind; empty when all is well."""
    wrong = [f"{what}: {len(some)}, such as {some[:5]}" for what, some in result.findings.wrong.items()]
    unrest = [f"still under way: {result.unrest}"] if result.unrest else []
    return "\n".join([*wrong, *unrest, *result.failures])


def table(result: Result) -> str:
    """Return what happened, to be read and to be put into docs/reliability.md."""
    ledger, wrong = result.ledger, result.findings.wrong
    took = sorted(ledger.took) or [0.0]
    lines = [f"seed {result.seed}, {result.seconds:.0f} s", "", "| fault | times |", "|---|---:|"]
    lines += [f"| {name} | {times} |" for name, times in sorted(result.storm.struck.items(), key=lambda one: -one[1])]
    lines += [f"| **all** | **{sum(result.storm.struck.values()):,}** |", "", "| sent | |", "|---|---:|"]
    lines += [f"| alerts | {ledger.alerts:,} |"]
    lines += [f"| requests answered {answer} | {times:,} |" for answer, times in ledger.answers.most_common()]
    lines += [f"| time to answer, median / 99 % / longest | {_ms(took, 0.5)} / {_ms(took, 0.99)} / {_ms(took, 1.0)} |"]
    lines += [f"| problems | {len(ledger.problems):,} |", "", "| outside, in the end | |", "|---|---:|"]
    lines += [f"| {name} | {number:,} |" for name, number in result.outside.items()]
    lines += ["", "| what has to hold | looked at | wrong |", "|---|---:|---:|"]
    lines += [f"| {what} | {n:,} | {len(wrong.get(what, []))} |" for what, n in sorted(result.findings.seen.items())]
    lines += [f"| nothing is under way any more | 1 | {len(result.unrest)} |"]
    return "\n".join(lines)


def _ms(took: list[float], share: float) -> str:
    return f"{took[min(len(took) - 1, int(len(took) * share))] * 1000:.0f} ms"
