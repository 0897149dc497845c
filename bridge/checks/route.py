"""The requests of one look: the first one, and where redirects lead."""

from __future__ import annotations

import httpx

from bridge.checks.exchange import Answer
from bridge.checks.http_options import HttpOptions

_TO_GET = (301, 302, 303)
_DEFAULT = {"http": 80, "https": 443}


def shown(url: httpx.URL) -> str:
    """Return an address for people: without user and query, which may be secret."""
    plain = url.copy_with(query=None, fragment=None, username=None, password=None)
    return f"{plain}?…" if url.query else str(plain)


COOKIES, COOKIE_LIMIT = 50, 4096
"""So many of one answer are kept, each up to so many characters, as browsers do: thousands take a second to read."""


class Route:
    """What is asked for, hop by hop."""

    def __init__(self, options: HttpOptions) -> None:
        self._url = httpx.URL(options.url)
        self._method = options.method
        self._headers = options.sent()
        self._body = options.body.get_secret_value().encode() if options.body else b""
        self.target = shown(self._url)

    def first(self, own: dict[str, str]) -> httpx.Request:
        """Return the first request, with the operator's headers over the bridge's `own`."""
        headers = httpx.Headers({"Accept": "*/*", "Accept-Encoding": "identity", **own})
        for name, value in self._headers.items():
            headers.pop(name, None)
            headers.update({name.encode(): value.encode("latin-1")})
        headers["Connection"] = "close"
        return httpx.Request(self._method, self._url, headers=headers, content=self._body or None)

    def following(self, request: httpx.Request, answer: Answer) -> httpx.Request | None:
        """Return the request that a redirect asks for, None for any other answer, and for what isn't followed.

        The operator's headers and body go to the same host only (or to https on it).
        """
        place = _place(request, answer)
        if place is None:
            return None
        method, headers, body = request.method, request.headers.copy(), request.content
        if answer.status == 303 or (answer.status in _TO_GET and method == "POST"):
            method, body = ("HEAD" if method == "HEAD" else "GET"), b""
        if not _same(request.url, place):
            if body:
                return None
            headers = httpx.Headers({name: headers[name] for name in _OWN if name in headers})
        for name in ("host", "content-length", *(() if body else ("content-type",))):
            headers.pop(name, None)
        return _with_cookies(httpx.Request(method, place, headers=headers, content=body or None), request, answer)


_OWN = ("accept", "accept-encoding", "traceparent", "user-agent", "connection")


def _place(request: httpx.Request, answer: Answer) -> httpx.URL | None:
    if answer.status not in (301, 302, 303, 307, 308) or "location" not in answer.headers:
        return None
    try:
        place = request.url.join(answer.headers["location"])
        sound = place.scheme in _DEFAULT and bool(place.host) and not place.userinfo
    except (httpx.InvalidURL, ValueError):
        return None
    return place if sound else None


def _same(one: httpx.URL, other: httpx.URL) -> bool:
    if one.host != other.host:
        return False
    ports = [url.port or _DEFAULT[url.scheme] for url in (one, other)]
    return (one.scheme == other.scheme and ports[0] == ports[1]) or (other.scheme == "https" and ports == [80, 443])


def _with_cookies(request: httpx.Request, before: httpx.Request, answer: Answer) -> httpx.Request:
    """Return the request with what the target set on the way: some redirect for ever without it."""
    if "set-cookie" not in answer.headers and "cookies" not in before.extensions:
        return request
    cookies = before.extensions.get("cookies") or httpx.Cookies()
    given = [text for text in answer.headers.get_list("set-cookie") if len(text) <= COOKIE_LIMIT][:COOKIES]
    headers = [("set-cookie", text) for text in given]
    cookies.extract_cookies(httpx.Response(answer.status, headers=headers, request=before))
    cookies.set_cookie_header(request)
    request.extensions["cookies"] = cookies
    return request
