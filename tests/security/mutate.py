"""Requests as a stranger, a broken sender or a hostile payload would make them: real ones, changed by their grammar."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

NASTY_TEXTS = (
    "", " ", "\x00", "a\x00b", "\u202egnp.exe", "\u2066x\u2069", "\x1b[2J\x1b]0;pwned\x07", "\r\nX-Injected: 1",
    "\n" * 50,
    "<!channel> <!here> <@U123> <https://evil.example|https://bank.example>", "&lt;!here&gt;", "```\n```", "`", "*_~",
    "{noformat}\nh1. x\n{noformat}", "{color:red}[~admin] !http://x/a.png! |a||b|",
    "{html}<script>alert(1)</script>{html}",
    "</pre><script>alert(1)</script><img src=x onerror=alert(1)>", "\"><svg/onload=alert(1)>", "' OR 1=1 --",
    '" OR project = SEC ORDER BY key', '"} |= `x` or {job="', "fields @message | filter 1=1 | limit 10000 #",
    "{{7*7}} {% for x in range(10) %}{{x}}{% endfor %}", "${jndi:ldap://x/a}", "%n%s%x", "../../../../etc/passwd",
    "javascript:alert(1)", "data:text/html;base64,PHNjcmlwdD4=", "https://sentry.io@evil.example/",
    "http://[::1]:6379/",
    "https://xn--pple-43d.com/", "https://аpple.com/", "file:///etc/passwd", "http://169.254.169.254/latest/meta-data",
    "password=hunter2 token: abc", "Bearer " + "a" * 40, "4111 1111 1111 1111", "kim@example.com",
    "-----BEGIN PRIVATE KEY-----",
    'password=\\"' + "\\" * 300, "password=[;" * 40, "trace_id=" * 30, "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
    "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999-23:59", "2026-02-30T00:00:00Z",
    "9" * 400, "-1", "1e999", "NaN", "null", "[]", "{}", "a" * 5000, "한글" * 300, "👩‍👩‍👧‍👦" * 200, "\ufeff",
    "\ufffe\uffff",
    "firing", "resolved", "ALARM", "OK", "critical", "created", "triggered",
)  # fmt: skip
NASTY_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 0.1, -0.0, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**30, 1e308, 1e-320, 1e11,
    [], {}, [[]], [None], {"": ""}, [{}] * 50, {"a": {"b": {"c": {}}}}, "", "x",
)  # fmt: skip
RAW_TOKENS = (
    b"1e400", b"-1e400", b"9" * 5000, b"0." + b"3" * 5000, b"NaN", b"Infinity", b"-Infinity", b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'"\\u0000"', b'"\xff\xfe"', b'"\xed\xa0\x80"', b"01", b"+1", b"'x'", b"undefined", b"[" * 2000 + b"]" * 2000,
    b'{"a":' * 1500 + b"1" + b"}" * 1500, b"[" * 60000, b'"unterminated', b"/* c */ 1", b"1 2", b'{"a":1,"a":{"b":2}}',
    b"\xef\xbb\xbf1", b"\x00", b"truefalse", b'"\\x41"', b"[1,]", b'{"a":1,}',
)  # fmt: skip
_MARK = "\x1amark\x1a"
_MARK_JSON = json.dumps(_MARK).encode()


def nodes(tree: Any, limit: int = 400) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON tree, up to a limit."""
    found: list[tuple[Any, Any]] = []
    stack = [tree]
    while stack and len(found) < limit:
        node = stack.pop()
        items = (
            list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
        )
        for key, value in items:
            found.append((node, key))
            stack.append(value)
    return found


def changed(tree: Any, random: Random) -> bytes:
    """A JSON document like the given one, with one to four changes that keep to its grammar, or not."""
    tree = json.loads(json.dumps(tree))
    raw: list[bytes] = []
    for _ in range(random.randint(1, 4)):
        places = nodes(tree)
        if not places:
            break
        container, key = random.choice(places)
        random.choice(_CHANGES)(container, key, random, raw)
    text = json.dumps(tree, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")
    for token in raw:
        text = text.replace(_MARK_JSON, token, 1)
    return text


def _text(container: Any, key: Any, random: Random, _: list[bytes]) -> None:
    container[key] = random.choice(NASTY_TEXTS)


def _value(container: Any, key: Any, random: Random, _: list[bytes]) -> None:
    container[key] = deepcopy(random.choice(NASTY_VALUES))


def _token(container: Any, key: Any, random: Random, raw: list[bytes]) -> None:
    container[key] = _MARK
    raw.append(random.choice(RAW_TOKENS))


def _remove(container: Any, key: Any, random: Random, _: list[bytes]) -> None:
    if isinstance(container, dict) or key < len(container):
        del container[key]


def _rename(container: Any, key: Any, random: Random, _: list[bytes]) -> None:
    if isinstance(container, dict):
        container[random.choice(NASTY_TEXTS)[:60]] = container.pop(key)


def _swap(container: Any, key: Any, random: Random, _: list[bytes]) -> None:
    other = random.choice(list(container) if isinstance(container, dict) else range(len(container)))
    container[key], container[other] = container[other], container[key]


def _wrap(container: Any, key: Any, random: Random, _: list[bytes]) -> None:
    value = container[key]
    container[key] = random.choice([[value], {"x": value}, [deepcopy(value) for _ in range(30)], json.dumps(value)])


def _grow(container: Any, key: Any, random: Random, _: list[bytes]) -> None:
    value = container[key]
    if isinstance(value, dict):
        value.update({f"k{n}": random.choice(NASTY_TEXTS) for n in range(random.choice([1, 30, 300]))})
    elif isinstance(value, str):
        container[key] = (value * random.choice([2, 20, 200]))[:100_000]
    elif isinstance(value, list):
        container[key] = [deepcopy(one) for one in value * random.choice([2, 20])][:2000]


def _insert(container: Any, key: Any, random: Random, _: list[bytes]) -> None:
    value = container[key]
    if isinstance(value, str):
        at = random.randint(0, len(value))
        container[key] = value[:at] + random.choice(NASTY_TEXTS) + value[at:]


Edit = Callable[[Any, Any, Random, list[bytes]], None]
_CHANGES: tuple[Edit, ...] = (_text, _text, _value, _token, _remove, _rename, _swap, _wrap, _grow, _insert, _insert)


def damaged(body: bytes, random: Random) -> bytes:
    """The bytes with some of them changed, cut off or repeated."""
    data = bytearray(body)
    for _ in range(random.randint(1, 6)):
        at = random.randrange(len(data)) if data else 0
        match random.randrange(5):
            case 0 if data:
                data[at] ^= 1 << random.randrange(8)
            case 1:
                del data[at:]
            case 2:
                data[at:at] = random.randbytes(random.randint(1, 8))
            case 3:
                data[at:at] = data[at : at + 40] * random.choice([2, 20])
            case _:
                data[at:at] = random.choice(RAW_TOKENS)[:4000]
    return bytes(data)


HEADER_NAMES = (
    "authorization", "sentry-hook-signature", "sentry-hook-resource", "sentry-hook-timestamp", "idempotency-key",
    "x-amz-sns-rawdelivery", "x-amz-sns-topic-arn", "x-amz-sns-message-id", "content-length", "content-encoding",
    "content-type", "traceparent", "x-trace-id", "x-forwarded-for", "transfer-encoding", "expect", "x-real-ip",
    "a" * 300,
)  # fmt: skip
HEADER_VALUES = (
    b"", b" ", b"\xe9", b"\xff" * 20, b"a" * 10_000, b"Bearer", b"Bearer ", b"Bearer \xc3\xa9", b"bearer x",
    b"Basic ====",
    b"Basic \xe9", b"Basic YTpi", b"sha256=" + b"0" * 64, b"0" * 64, b"F" * 64, b"gzip", b"gzip, gzip", b"br",
    b"identity",
    b"-1", b"1_000", b"9" * 5000, b"99999999999", b"1e3", b"0x10", "١٢٣".encode(), b"true", b"TRUE", b"00-" + b"0" * 32,
    b"issue", b"event_alert", b"metric_alert", b"error", b"comment", b"installation", b"../x", b"1700000000",
    b"\x80\x81",
    b"arn:aws:sns:eu-central-1:210987654321:pages", b"arn:aws:sns:us-east-1:000000000000:other",
)  # fmt: skip
PATHS = (
    "/", "/hooks", "/hooks/", "/hooks//", "/hooks/sentry/", "/hooks/sentry/x", "/hooks/nobody", "/hooks/\x00",
    "/hooks/\ufffd",
    "/hooks/" + "a" * 3000, "/hooks/../metrics", "/hooks/sentry/../../x", "/hooks/\x1b[31m", "/hooks/a\nb",
    "/healthz", "/readyz",
    "/metrics", "/metrics/", "/openapi.json", "/favicon.ico", "//hooks/sentry", "/HOOKS/sentry", "/hooks/Sentry",
    "/hooks/%2e%2e",
)  # fmt: skip
METHODS = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "BREW")


def encoded(body: bytes, random: Random) -> tuple[bytes, dict[str, str]]:
    """The body, sometimes gzipped: whole, cut off, nested, as a bomb."""
    match random.randrange(40):
        case 0:
            return gzip.compress(body, 1), {"content-encoding": "gzip"}
        case 1:
            return gzip.compress(body, 1)[: random.randint(0, 40)], {"content-encoding": "gzip"}
        case 2:
            return gzip.compress(gzip.compress(body, 1), 1), {"content-encoding": random.choice(["gzip", "gzip, gzip"])}
        case 3:
            return body, {"content-encoding": random.choice(["gzip", "br", "deflate", "\xe9"])}
        case 4 if random.random() < 0.05:
            return gzip.compress(b"\x00" * (8 << 20), 9), {"content-encoding": "gzip"}
    return body, {}
