"""The encodings that consoles put into their addresses: percent, rison, JSURL, CloudWatch's `$25`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

Tree = str | int | bool | None | Sequence["Tree"] | Mapping[str, "Tree"]
"""What a console keeps in its address."""

_RISON_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-/~]*")
_RISON_RAW = "~!*()-_.,:@$'/"
_JSURL_RAW = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")


def percent(text: str) -> str:
    """Return the text with all but `A-Za-z0-9_.-~` percent-encoded as UTF-8 (a space is `%20`)."""
    return quote(text, safe="", errors="replace")


def compact_json(tree: Tree) -> str:
    """Return JSON without spaces, in the order given, with characters beyond ASCII as they are."""
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False)


def rison(tree: Tree) -> str:
    """Return Kibana's notation of a value, percent-encoded for the fragment of an address.

    https://github.com/Nanonid/rison
    """
    return quote(rison_text(tree), safe=_RISON_RAW, errors="replace")


def rison_text(tree: Tree) -> str:
    """Return Kibana's notation of a value, not yet percent-encoded; keys are sorted."""
    match tree:
        case None | True | False:
            return {None: "!n", True: "!t", False: "!f"}[tree]
        case int():
            return str(tree)
        case str():
            return _rison_string(tree)
        case Mapping():
            return "(" + ",".join(f"{_rison_string(k)}:{rison_text(v)}" for k, v in sorted(tree.items())) + ")"
        case _:
            return "!(" + ",".join(map(rison_text, tree)) + ")"


def _rison_string(text: str) -> str:
    if _RISON_ID.fullmatch(text):
        return text
    return "'" + text.replace("!", "!!").replace("'", "!'") + "'"


def jsurl(tree: Tree) -> str:
    """Return a value as CloudWatch Logs Insights keeps it (JSURL, version 1); needs no percent-encoding.

    https://github.com/Sage/jsurl, release 0.1; the form of later commits is another one.
    """
    match tree:
        case None | True | False:
            return {None: "~null", True: "~true", False: "~false"}[tree]
        case int():
            return f"~{tree}"
        case str():
            return "~'" + _jsurl_text(tree)
        case Mapping():
            return "~(" + "~".join(_jsurl_text(k) + jsurl(v) for k, v in tree.items()) + ")"
        case _:
            return "~(" + ("".join(map(jsurl, tree)) or "~") + ")"


def _jsurl_text(text: str) -> str:
    """Return the text by UTF-16 code units: safe ones as they are, else `*hh` or `**hhhh`."""
    raw = text.encode("utf-16-be", "surrogatepass")
    return "".join(map(_jsurl_unit, (int.from_bytes(raw[i : i + 2]) for i in range(0, len(raw), 2))))


def _jsurl_unit(unit: int) -> str:
    if unit < 128 and chr(unit) in _JSURL_RAW:
        return chr(unit)
    return f"*{unit:02x}" if unit < 256 else f"**{unit:04x}"


def dollar(text: str) -> str:
    """Return the text as CloudWatch's log pages keep it: percent-encoded twice, with `$` for `%`."""
    return percent(percent(text)).replace("%", "$")
