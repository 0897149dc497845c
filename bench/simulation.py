"""`python -m bench.simulation`: what so much load needs, and where it waits, reckoned from measured costs.

Webhooks come at random (exponential gaps) and are served first come, first served by as many processes as there are,
each alert at its measured cost; what is told then waits for its Slack channel, which takes one message a second. It is
no measurement: it says what the measured numbers mean for a hundred times the load.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

BUSY = 0.7
"""How busy a process may be: beyond it waits grow steeply, and a burst finds no room."""


@dataclass(frozen=True)
class Costs:
    """Seconds of one core for each alert; where they come from: docs/scaling.md."""

    receiver: float = 140e-6
    """Sentry, 15 kB; Alertmanager takes half of it."""
    ingest: float = 28e-6
    delivery: float = 600e-6
    """Of a worker; the vendor's answer time is no cost: a worker waits for eight at once."""
    store_alert: float = 36e-6
    """Inbox and commit of a repeat."""
    store_delivery: float = 120e-6
    """What an alert that is told costs more: a new incident, its delivery, the rings."""


@dataclass(frozen=True)
class Load:
    """What comes in, and where it goes."""

    alerts: float
    """A second."""
    told: float = 0.0005
    """Share of the alerts that make a message or an edit: the others are counted, and shown with the next one."""
    channels: int = 1
    per_second: float = 1.0
    """Messages one channel takes; Slack's limit."""


@dataclass(frozen=True)
class Needed:
    """Processes, and the share of the store's one core."""

    receivers: int
    workers: int
    store: float
    channels: float
    """The share of what all channels together take."""


@dataclass(frozen=True)
class Waited:
    """What arrivals met at one place: seconds, and how many waited at most."""

    mean: float
    p99: float
    longest_queue: int


def needed(load: Load, costs: Costs) -> Needed:
    """Return what a load needs, each process at most BUSY."""
    told = load.alerts * load.told
    receivers = load.alerts * costs.receiver
    workers = load.alerts * costs.ingest + told * costs.delivery
    store = load.alerts * costs.store_alert + told * costs.store_delivery
    return Needed(_whole(receivers), _whole(workers), store, told / (load.channels * load.per_second))


def _whole(cores: float) -> int:
    """Return how many that takes, none busier than BUSY."""
    return max(1, math.ceil(cores / BUSY - 1e-9))


def queue(arrivals: Sequence[float], cost: float, servers: int) -> tuple[Waited, list[float]]:
    """Serve arrivals in order by so many servers; returns the waits, and when each was done."""
    free = [0.0] * servers
    waits, ends, waiting, longest = [], [], deque[float](), 0
    for at in arrivals:
        begins = max(at, heapq.heappop(free))
        heapq.heappush(free, begins + cost)
        waits.append(begins - at)
        ends.append(begins + cost)
        waiting.append(begins)
        while waiting and waiting[0] <= at:
            waiting.popleft()
        longest = max(longest, len(waiting))
    return Waited(sum(waits) / len(waits), sorted(waits)[int(len(waits) * 0.99)], longest), ends


def arrivals(per_second: float, count: int, chance: random.Random) -> Iterator[float]:
    """Yield when so many alerts come, at random."""
    at = 0.0
    for _ in range(count):
        at += chance.expovariate(per_second)
        yield at


def simulate(load: Load, costs: Costs, count: int = 50_000, seed: int = 7) -> dict[str, Waited]:
    """Return what `count` alerts wait for: a receiver, a worker, the store, a channel."""
    chance, need, found = random.Random(seed), needed(load, costs), {}
    at: Sequence[float] = list(arrivals(load.alerts, count, chance))
    found["receiver"], at = queue(at, costs.receiver, need.receivers)
    found["store"], at = queue(sorted(at), costs.store_alert + load.told * costs.store_delivery, 1)
    found["worker"], at = queue(at, costs.ingest, need.workers)
    told = [end for end in sorted(at) if chance.random() < load.told]
    found["channel"], _ = queue(told or [0.0], 1 / load.per_second, load.channels)
    return found


HEAD = """\
| alerts/s | told/s | receivers | workers | store, of one core | p99 of waiting: receiver, store, worker | Slack |
|---:|---:|---:|---:|---:|---|---|"""


def table(loads: Sequence[Load], costs: Costs) -> str:
    """Return a Markdown table, a row for each load."""
    return "\n".join([HEAD, *(_row(load, costs) for load in loads)])


def _row(load: Load, costs: Costs) -> str:
    need, waited = needed(load, costs), simulate(load, costs)
    waits = ", ".join(f"{waited[place].p99 * 1000:.1f} ms" for place in ("receiver", "store", "worker"))
    if need.store > 1:
        more = load.alerts * (1 - 1 / need.store)
        waits = f"the store is {need.store:.1f} times too small: {more:,.0f} a second more wait"
    cells = [f"{load.alerts:,.0f}", f"{load.alerts * load.told:,.1f}", str(need.receivers), str(need.workers)]
    cells += [f"{need.store:.0%}", waits, _slack(load, need, waited)]
    return f"| {' | '.join(cells)} |"


def _slack(load: Load, need: Needed, waited: dict[str, Waited]) -> str:
    told = load.alerts * load.told
    if need.channels <= 1:
        return f"{need.channels:.0%} of what it takes, at most {waited['channel'].longest_queue} waiting"
    more = (told - load.channels * load.per_second) * 60
    return f"{more:,.0f} a minute more wait, or {_whole(told / load.per_second)} channels"


def main() -> None:
    """Print 1 ×, 10 × and 100 × of a load."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]  # it stands above
    costs = Costs()
    for name, value in vars(costs).items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=float, default=value * 1e6, help=f"µs ({value * 1e6:.0f})"
        )
    parser.add_argument("--alerts", type=float, default=1000, help="alerts a second at 1 × (1000)")
    parser.add_argument("--told", type=float, default=Load.told, help=f"share of them that is told ({Load.told})")
    parser.add_argument("--channels", type=int, default=1, help="Slack channels that share it")
    given = parser.parse_args()
    costs = Costs(**{name: getattr(given, name) / 1e6 for name in vars(costs)})
    one = Load(given.alerts, given.told, given.channels)
    print(table([replace(one, alerts=given.alerts * times) for times in (1, 10, 100)], costs))


if __name__ == "__main__":
    main()
