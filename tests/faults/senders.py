"""The senders: threads that post what happens, each retrying as its kind does, and the ledger of what was answered."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

from bridge.domain.alert import Alert, Status
from tests.faults.stories import Problem, Said, Voice, life

PATIENCE = {"alertmanager": 60.0, "cloudwatch": 20.0, "sentry": 0.0}
"""Seconds a sender goes on trying: Alertmanager for long, SNS three times 20 s apart (here sooner), Sentry never."""
TIMEOUT = {"alertmanager": 10.0, "cloudwatch": 15.0, "sentry": 1.0}
ACCEPTED = ("200", "202")
LIVES = 60
"""Problems that one sender has on its mind at the same time, at the most: few where there is little to say."""
GROUP = 4
"""Alerts in one request of Alertmanager, at the most."""


@dataclass
class Ledger:
    """What was said, and what of it was accepted (answered 2xx) or may have been (no answer, 5xx)."""

    accepted: dict[str, dict[str, Alert]] = field(default_factory=dict)
    """By fingerprint, by event id."""
    perhaps: dict[str, dict[str, Alert]] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    alerts: int = 0
    took: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, said: Said, answer: str, seconds: float, *, first: bool) -> None:
        """Note what was answered to a request."""
        with self.lock:
            self.answers[answer] += 1
            self.took.append(seconds)
            self.alerts += len(said.alerts) * first
            book = self.accepted if answer in ACCEPTED else self.perhaps
            for alert in said.alerts:
                book.setdefault(alert.fingerprint, {})[alert.event_id] = alert

    @property
    def problems(self) -> set[str]:
        """Fingerprints of all that was accepted."""
        return set(self.accepted)


class Sender(threading.Thread):
    """One sender: some problems at a time, one request after the other."""

    def __init__(self, seed: str, voice: Voice, urls: list[str], ledger: Ledger, alerts: int, seconds: float) -> None:
        super().__init__(name=f"sender-{seed}", daemon=True)
        self._dice = random.Random(seed)
        self._voice = voice
        self._urls = urls
        self._ledger = ledger
        self._alerts = alerts
        self._gap = seconds / alerts
        self._first = int(seed.rpartition("-")[2]) * 1_000_000
        self._made = 0
        self._later: list[tuple[Said, float]] = []
        """Refused requests, and until when they are tried again."""
        self._next = 0.0
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Post until everything is said."""
        try:
            with httpx.Client(trust_env=False) as self._client:
                self._tell_all()
        except BaseException as error:  # noqa: BLE001 - told by the run, which would otherwise count on too little
            self.failure = error

    def _tell_all(self) -> None:
        began, said = time.monotonic(), 0
        lives: list[tuple[list[Problem], list[str]]] = []
        last: dict[int, Said] = {}
        while said < self._alerts:
            while len(lives) < min(LIVES, self._alerts // 20):
                problems = self._problems()
                lives.append((problems, list(life(self._dice, self._dice.randint(2, 8)))))
            index = self._dice.randrange(len(lives))
            problems, steps = lives[index]
            request = self._request(problems, steps.pop(0), last)
            if not steps:
                lives.pop(index)
            said += len(request.alerts)
            self._post(request)
            self._retry()
            time.sleep(max(0.0, began + said * self._gap - time.monotonic()))
        while self._later:
            self._retry()
            time.sleep(0.05)

    def _problems(self) -> list[Problem]:
        source = self._dice.choices(("alertmanager", "sentry", "cloudwatch"), (2, 2, 1))[0]
        many = self._dice.randint(1, GROUP) if source == "alertmanager" else 1
        self._made += many
        return [Problem(source, self._first + self._made - n, severity=self._dice.randrange(3)) for n in range(many)]

    def _request(self, problems: list[Problem], step: str, last: dict[int, Said]) -> Said:
        key = problems[0].number
        if step == "same":
            return last[key]
        if step == "worse":
            problems[0].severity = (problems[0].severity + 1) % 3
        status = Status.RESOLVED if step == "resolve" else Status.FIRING
        if problems[0].source == "alertmanager":
            request = self._voice.say_all([(problem, status) for problem in problems])
        else:
            request = self._voice.say(problems[0], status)
        for problem in problems:
            problem.open = status is Status.FIRING
        last[key] = request
        return request

    def _post(self, request: Said) -> None:
        """Say something new; a group of Alertmanager's waits until it is taken, as its notifications do."""
        until = time.monotonic() + PATIENCE[request.source]
        taken = self._ask(request, first=True)
        while not taken and request.source == "alertmanager" and time.monotonic() < until:
            time.sleep(0.3)
            taken = self._ask(request)
        if not taken and time.monotonic() < until:
            self._later.append((request, until))

    def _retry(self) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 0.5
        waiting, self._later = self._later, []
        for request, until in waiting:
            if not self._ask(request) and time.monotonic() < until:
                self._later.append((request, until))

    def _ask(self, request: Said, *, first: bool = False) -> bool:
        """Post a request once; returns whether it was accepted."""
        began = time.monotonic()
        url = f"{self._dice.choice(self._urls)}/hooks/{request.source}"
        wait = TIMEOUT[request.source]
        try:
            response = self._client.post(url, headers=request.headers, content=request.body, timeout=wait)
            answer = str(response.status_code)
        except httpx.ConnectError:
            answer = "not reached"
        except httpx.HTTPError:
            answer = "no answer"
        self._ledger.write(request, answer, time.monotonic() - began, first=first)
        return answer in ACCEPTED
