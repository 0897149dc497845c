"""One row of the report: what was measured, of the bridge and of the floor, in the same run."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

TINY = 1e-9
"""Stands for nothing: of two that lost nothing neither is better."""


@dataclass
class Series:
    """The runs of one program."""

    values: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    """CPU microseconds of the measured process per alert, by run; empty where CPU is not the question."""

    def add(self, value: float, cpu_us: float | None = None) -> None:
        """Note one run."""
        self.values.append(value)
        if cpu_us is not None:
            self.cpu_us.append(cpu_us)

    @property
    def median(self) -> float:
        """The run in the middle."""
        return median(self.values)


@dataclass
class Row:
    """What was measured; `more_is_better` is False for times and sizes."""

    what: str
    unit: str
    ours: Series
    floor: Series
    floor_name: str
    aim: str
    """As the table says it: "≥ 0.5"."""
    met: bool | None = None
    """None where nothing is aimed at."""
    more_is_better: bool = True
    note: str = ""

    @property
    def ratio(self) -> float:
        """How near to the floor: 1 is as good, 2 is twice as good."""
        ours, floor = (max(series.median, TINY) for series in (self.ours, self.floor))
        return ours / floor if self.more_is_better else floor / ours

    @property
    def cpu_ratio(self) -> float | None:
        """The same by CPU time for each alert, which neighbours on the machine sway less; None if not measured."""
        if not (self.ours.cpu_us and self.floor.cpu_us):
            return None
        return median(self.floor.cpu_us) / median(self.ours.cpu_us)


def ratio_row(what: str, unit: str, ours: Series, floor: Series, floor_name: str, least: float | None) -> Row:
    """Return a row whose aim is a least ratio, or nothing."""
    row = Row(what, unit, ours, floor, floor_name, f"≥ {least:g} of the floor" if least else "—")
    row.met = row.ratio >= least if least else None
    return row


def limit_row(what: str, unit: str, ours: Series, floor: Series, floor_name: str, most: float, aim: str) -> Row:
    """Return a row whose aim is a largest value of ours."""
    row = Row(what, unit, ours, floor, floor_name, aim, more_is_better=False)
    row.met = ours.median <= most
    return row
