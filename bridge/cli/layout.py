"""A table laid out in the columns there are: the widest texts shortened, what has no room on a second line."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from bridge.cli.screen import cut, width, wrapped

GAP = "  "
INDENT = "    "
"""Before what has no room on a row's first line."""
FLOOR = 20
"""No column is made narrower."""
WIDEST = 100
"""No text of a list is wider, however much room there is."""

Table = Sequence[Sequence[str]]


def natural(table: Table) -> list[int]:
    """Return how wide each column would like to be."""
    return [max(map(width, column)) for column in zip(*table, strict=True)]


def whole(widths: Sequence[int], room: int | None) -> bool:
    """Return whether columns of these widths have room beside each other."""
    return room is None or sum(widths) + len(GAP) * (len(widths) - 1) <= room


def listed(table: Table, room: int | None, fixed: Collection[int]) -> Iterator[str]:
    """Yield the lines of a list; a name or an id (`fixed`) is never shortened, for it is what people copy."""
    wanted = [size if i in fixed else min(size, WIDEST) for i, size in enumerate(natural(table))]
    floors = [size if i in fixed else min(size, FLOOR) for i, size in enumerate(wanted)]
    groups = _packed(floors, room)
    widths = _shrunk(wanted, floors, groups, room)
    for row in table:
        for number, group in enumerate(groups):
            cells = [_padded(cut(row[i], widths[i]), widths[i]) for i in group]
            if line := GAP.join(cells).rstrip():
                yield INDENT * (number > 0) + line


def told(table: Table, room: int | None) -> Iterator[str]:
    """Yield the lines of a table about one thing: nothing is left out, and the last column goes on below itself."""
    widths = natural(table)
    before = sum(widths[:-1]) + len(GAP) * (len(widths) - 1)
    left = widths[-1] if whole(widths, room) or room is None else max(FLOOR, room - before)
    for row in table:
        first, *more = wrapped(row[-1], left)
        cells = [_padded(cell, size) for cell, size in zip(row[:-1], widths, strict=False)]
        yield GAP.join([*cells, first]).rstrip()
        yield from (" " * before + line for line in more)


def _packed(floors: Sequence[int], room: int | None) -> list[list[int]]:
    """Return which columns share a line, in their order."""
    groups: list[list[int]] = [[]]
    for i in range(len(floors)):
        if groups[-1] and not whole([floors[n] for n in [*groups[-1], i]], _left(room, len(groups))):
            groups.append([])
        groups[-1].append(i)
    return groups


def _shrunk(
    wanted: Sequence[int], floors: Sequence[int], groups: Sequence[Sequence[int]], room: int | None
) -> list[int]:
    """Return widths with which each line fits, taken from the widest first."""
    widths = list(wanted)
    for number, group in enumerate(groups, 1):
        while not whole([widths[i] for i in group], _left(room, number)):
            widest = max(group, key=lambda i: widths[i] if widths[i] > floors[i] else 0)
            if widths[widest] <= floors[widest]:
                break
            widths[widest] -= 1
    return widths


def _left(room: int | None, line: int) -> int | None:
    return room if room is None or line == 1 else room - len(INDENT)


def _padded(text: str, columns: int) -> str:
    return text + " " * (columns - width(text))
