"""Values that give themselves away by their shape: tokens, keys, card numbers, addresses.

Candidates are found with RE2 in one linear pass, whatever the text; a short verdict in Python then tells real ones
from look-alikes.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import re2

from bridge.settings import Options

Span = tuple[int, int]


class Shapes(Options):
    """Which shapes are taken out of texts; each can be switched off."""

    private_key: bool = True
    """PEM and PGP private keys."""
    url_userinfo: bool = True
    """The `user:password@` of an address."""
    bearer: bool = True
    """What follows `Bearer` or `Basic`."""
    jwt: bool = True
    aws_key: bool = True
    """AWS access key ids: `AKIA…`, `ASIA…`."""
    slack_token: bool = True
    """`xoxb-…`, `xapp-…` and incoming webhook addresses."""
    api_token: bool = True
    """Tokens with a vendor's prefix: GitHub, GitLab, Stripe, Google, npm, PyPI, Atlassian, Sentry, SendGrid."""
    card: bool = True
    """Card numbers: 13 to 19 digits, a card scheme's first digits, a right check digit (Luhn)."""
    email: bool = True
    ip: bool = True
    """IP addresses, IPv4 and IPv6."""
    keep_private_ip: bool = True
    """Leave the addresses of private networks, loopback and link-local: `instance: 10.0.4.17:9090` names a machine."""


Verdict = Callable[[str, int, int], Span | None]
"""(text, start, end) of a candidate → what is to be taken out, or None when it only looks like one."""


class Shape(NamedTuple):
    """One shape: what it is called in `[redacted …]`, what finds candidates, what decides."""

    word: str
    pattern: str
    """RE2; group 1, where there is one, is what is to be taken out."""
    hint: str
    """RE2, matched without case: a short text without which there can be no candidate."""
    verdict: Verdict | None = None

    def compiled(self) -> Callable[[str], Iterator[Span]]:
        """Return a search that yields the spans to take out, in order."""
        finditer, verdict = re2.compile(self.pattern).finditer, self.verdict

        def search(text: str) -> Iterator[Span]:
            for match in finditer(text):
                start, end = match.span(match.lastindex or 0)
                span = verdict(text, start, end) if verdict else (start, end)
                if span:
                    yield span

        return search


_WORD = re.compile(r"[A-Za-z]?[a-z]{0,19}[.:,]?")


def _bearer(text: str, start: int, end: int) -> Span | None:
    """Leave plain words: "Bearer authentication failed"."""
    return None if _WORD.fullmatch(text, start, end) else (start, end)


_PORT_AND_PATH = re.compile(r"[^\s/:@]*:\d{1,5}/")


def _userinfo(text: str, start: int, end: int) -> Span | None:
    """Leave host, port and path of addresses with an @ further on, and what is redacted already."""
    if _PORT_AND_PATH.match(text, start, end) or text[start:end] == "[redacted]":
        return None
    return start, end


_SCHEMES = re.compile(r"4|5[0-9]|3[0-9]|6[0-9]|2(?:2[2-9]|[3-6]|7[01]|720)")
_TRACING_ID = re.compile(r"""(?:trace|span|parent)[-_.]?id["'\\\s:=]{1,8}$""", re.IGNORECASE)


def luhn(digits: str) -> bool:
    """Return True when the last digit is the check digit of the others (ISO/IEC 7812-1)."""
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def _card(text: str, start: int, end: int) -> Span | None:
    digits = text[start:end].replace(" ", "").replace("-", "")
    grouped = end - start > len(digits)
    if not _SCHEMES.match(digits) or not (luhn(digits) or (grouped and luhn(digits[:16]))):
        return None
    joined = text[end : end + 1] in (".", "-") and text[end + 1 : end + 2].isalnum()
    joined = joined or (text[start - 1 : start] in (".", "-") and text[start - 2 : start - 1].isalnum())
    return None if joined or _TRACING_ID.search(text, max(0, start - 24), start) else (start, end)


_NOBODY = frozenset({"git", "celery"})
_UNITS = (".service", ".timer", ".socket", ".mount", ".target", ".slice", ".scope", ".path", ".device")
_NUMBERED = re.compile(r"v?\d+\.\d")


def _email(text: str, start: int, end: int) -> Span | None:
    """Leave git@github.com, systemd's backup@db.service and package@1.2.0."""
    local, _, domain = text[start:end].replace("%40", "@").rpartition("@")
    if local.lower() in _NOBODY or domain.lower().endswith(_UNITS) or _NUMBERED.match(domain):
        return None
    return start, end


_VERSION = re.compile(r"(?:\bv|\b(?:version|ver|release|rev|build)\W{0,3}|(?<![\w.-])[A-Za-z][\w-]*/)$", re.IGNORECASE)
_AFTER_IP = re.compile(r"\w|\.\d|-[A-Za-z]")
_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/32", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.168.0.0/16", "255.255.255.255/32", "::/127", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip


def _ip(keep_private: bool) -> Verdict:  # noqa: FBT001
    """Leave versions (v1.2.3.4, Chrome/1.2.3.4), object ids, clock times and, if wanted, private addresses."""

    def verdict(text: str, start: int, end: int) -> Span | None:
        end = start + len(text[start:end].rstrip(":."))
        before = text[start - 1 : start]
        if before.isalnum() or before in ("_", ".") or (before == ":" and ":" in text[start:end]):
            return None
        if _AFTER_IP.match(text, end) or _VERSION.search(text, max(0, start - 32), start):
            return None
        try:
            address = ipaddress.ip_address(text[start:end])
        except ValueError:
            return None
        private = keep_private and any(address in network for network in _PRIVATE)
        return None if private else (start, end)

    return verdict


# The first number of an address outside 10.x and 127.x, so that most private addresses don't even hint.
_PUBLIC_HINT = r"\b(?:[1-9]|1[1-9]|[2-9]\d|1[013-9]\d|12[0-689]|2[0-5]\d)\.\d{1,3}\.\d{1,3}\.\d"


def shapes(on: Shapes) -> tuple[Shape, ...]:
    """Return the shapes that are switched on, in the order in which they are taken out."""
    every = (_KEYS | {"ip": _ip_shape(on.keep_private_ip)}).items()
    return tuple(shape for name, shape in every if getattr(on, name))


def _ip_shape(keep_private: bool) -> Shape:  # noqa: FBT001
    first = "[23][0-9a-fA-F]{3}" if keep_private else "[23f][0-9a-fA-F]{3}|:"
    pattern = rf"\d{{1,3}}(?:\.\d{{1,3}}){{3}}|(?:{first}):[0-9a-fA-F:.]{{2,45}}"
    hint = _PUBLIC_HINT if keep_private else r"\d\.\d{1,3}\.\d{1,3}\.\d"
    return Shape("ip", pattern, rf"{hint}|(?:{first}):[0-9a-f:]{{2}}", _ip(keep_private))


_KEYS = {
    "private_key": Shape(
        "private key",
        r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|\z)",
        "-----begin",
    ),
    "url_userinfo": Shape(
        "",
        r"""[A-Za-z][A-Za-z0-9+.\-]*://([^\s/?#"'<>\\]+|[^\s/?#@:"'<>\\]*:[^\s?#@"'<>\\]+)@""",
        "://[^ \n]*@",
        _userinfo,
    ),
    "bearer": Shape("", r"(?i)\b(?:bearer|basic)\s+([A-Za-z0-9._~+/=\-]{4,})", r"\b(?:bearer|basic)\s", _bearer),
    "jwt": Shape("jwt", r"\beyJ[\w\-]{8,}(?:\.[\w\-]*){1,4}", "eyj"),
    "aws_key": Shape("aws key", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b", "akia|asia|abia|acca"),
    "slack_token": Shape(
        "slack token",
        r"\b(?:xox[a-z](?:\.xox[a-z])?|xapp)-[\w\-]{8,}|\bhooks\.slack\.com/((?:services|workflows|triggers)/[\w/\-]+)",
        r"xox[a-z][-.]|xapp-|hooks\.slack",
    ),
    "api_token": Shape(
        "token",
        r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w\-]{15,}|[srp]k_(?:live|test)_\w{10,}|sk-[\w\-]{20,}"
        r"|AIza[\w\-]{35}|npm_\w{30,}|pypi-[\w\-]{16,}|sntry[su]_[\w+/=\-]{20,}|ATATT[\w=\-]{20,}"
        r"|SG\.[\w\-]{16,}\.[\w\-]{16,})",
        r"gh[pousr]_|github_pat_|glpat-|[srp]k_(?:live|test)_|\bsk-|aiza|npm_|pypi-|sntry[su]_|atatt|\bsg\.",
    ),
    "card": Shape(
        "card",
        r"\b(?:\d{13,19}|\d{4}(?:[ \-]\d{4}){3}(?:[ \-]\d{3})?|\d{4}[ \-]\d{6}[ \-]\d{4,5})\b",
        r"\d{13}|\d{4}[ -]\d{4}[ -]\d{4}|\d{4}[ -]\d{6}[ -]\d{4}",
        _card,
    ),
    "email": Shape(
        "email",
        r"[\pL\pN._%+\-]+(?:@|%40)[\pL\pN\-]+(?:\.[\pL\pN\-]+)*\.\pL{2,}",
        r"[^\s](?:@|%40)\S+\.[^\s\d]",  # not in shop@2.14.1, as releases are written
        _email,
    ),
}  # fmt: skip
