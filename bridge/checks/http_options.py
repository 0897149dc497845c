"""What an operator sets for an HTTP check."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Annotated, Literal, Self
from urllib.parse import parse_qsl, urlsplit

import re2
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from bridge.checks.json_path import JsonPath
from bridge.checks.spoken import LONG, SHORT, spoken
from bridge.checks.status import Ranges, Statuses
from bridge.checks.target import Host, Positive, Roots, TargetOptions, check_place
from bridge.settings import Careful, Options, Secret

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OWN = frozenset({"traceparent", "content-length", "transfer-encoding", "connection"})
HARMLESS = frozenset({"accept", "accept-language", "cache-control", "content-type", "host", "origin", "user-agent"})
"""Headers whose values are no secrets: they may be shown when a target sends them back."""
FOLLOWED = 5


def _url(text: str) -> str:
    import httpx  # here: only a config with such checks needs it

    try:
        url = httpx.URL(text.strip())
        sound = url.scheme in ("http", "https") and bool(url.host) and url.port != 0
    except (httpx.InvalidURL, UnicodeError):
        sound = False
    if not sound:
        raise ValueError("is no address of the web: write https://host or http://host:port/path")
    if url.userinfo:
        raise ValueError("has a user in it: write basic_auth: {username, password} instead")
    return str(url.copy_with(fragment=None))


def _header(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f'"{name}" is no name of a header')
    if name.lower() in _OWN:
        raise ValueError(f"{name} is set by the bridge: remove it")
    return name


def _header_value(value: Secret) -> Secret:
    if not _VALUE.fullmatch(value.get_secret_value()):
        raise ValueError("has characters that a header can't carry: write printable Latin-1 in one line")
    return value


def _pattern(text: str) -> str:
    compiled(text)
    return text


def compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern of RE2, which answers in linear time; raises ValueError for what it does not take."""
    options = re2.Options()
    options.log_errors = False
    try:
        found: re.Pattern[str] = re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0] if error.args else error
        why = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        raise ValueError(f'"{pattern}" is not a regular expression that RE2 takes ({why})') from None
    return found


def _count(value: object) -> object:
    return {True: FOLLOWED, False: 0}[value] if isinstance(value, bool) else value


def _scalar(value: object) -> object:
    if isinstance(value, dict | list):
        shape = "map" if isinstance(value, dict) else "list"
        raise ValueError(f"has to be a text, a number, true or false, and not a {shape}: look deeper, as in status.db")  # noqa: TRY004 - pydantic collects ValueErrors
    return value


Scalar = Annotated[bool | int | float | str | None, BeforeValidator(_scalar)]


class CheckAuth(Options):
    """HTTP basic auth."""

    username: Annotated[str, Field(pattern="^[^:]*$")]
    password: Secret


class HttpOptions(TargetOptions):
    """What an operator sets for a check of this kind."""

    url: Annotated[str, AfterValidator(_url)] = Field(examples=["https://shop.example.com/health"])
    """http or https; a query is sent but never shown."""
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    """How it is asked for."""
    headers: dict[Annotated[str, AfterValidator(_header)], Annotated[Secret, AfterValidator(_header_value)]] = Field(
        default={}
    )
    """Sent along, and never shown."""
    basic_auth: CheckAuth | None = None
    """Sent as Authorization."""
    bearer_token: Annotated[Secret, AfterValidator(_header_value)] | None = None
    """Sent as Authorization."""
    body: Annotated[Secret | None, Careful] = None
    """Sent along, and never shown."""
    status: Statuses | None = None
    """Expected statuses: 200, 2xx, 200-299 or a list; 200-299 if left out, 200-399 with `redirects: 0`."""
    contains: Annotated[str, Field(min_length=1)] | None = None
    """A text that has to be in the body."""
    not_contains: Annotated[str, Field(min_length=1)] | None = None
    """A text that must not be in the body."""
    matches: Annotated[str, AfterValidator(_pattern)] | None = None
    """A regular expression (RE2) that has to match somewhere in the body."""
    json_: dict[JsonPath, Scalar] = Field(default={}, alias="json")
    """Values that have to be in the JSON body, by their path, as in `status.db[0].ok: true`."""
    redirects: Annotated[int, BeforeValidator(_count), Field(ge=0, le=20)] = FOLLOWED
    """How many redirects are followed at the most; 0 or false: none."""
    expires_within: Positive | None = None
    """A certificate that is valid for less than this is a fault."""
    verify_tls: bool = True
    """Whether the certificate has to be trusted and to be for this host."""
    ca: Roots = None
    """Certificates in PEM, trusted instead of the system's."""
    server_name: Host | None = None
    """The name in the certificate, where it is not the host of the url."""

    @property
    def expected_statuses(self) -> Ranges:
        """What `status` says, or its default."""
        return self.status or (((200, 299),) if self.redirects else ((200, 399),))

    @model_validator(mode="after")
    def _sound(self) -> Self:
        import httpx

        check_place(httpx.URL(self.url).host, allow_private=self.allow_private)
        given = ["authorization" in (name.lower() for name in self.headers), self.basic_auth, self.bearer_token]
        if sum(map(bool, given)) > 1:
            raise ValueError("Authorization is set twice: keep one of basic_auth, bearer_token and the header")
        if self.method == "HEAD" and (self.contains or self.not_contains or self.matches or self.json_):
            raise ValueError("an answer to HEAD has no body to look at: use GET, or remove what is said of the body")
        return self

    def sent(self) -> dict[str, str]:
        """Return the headers that the operator wants to be sent."""
        headers = {name: value.get_secret_value() for name, value in self.headers.items()}
        if self.bearer_token is not None:
            headers["Authorization"] = f"Bearer {self.bearer_token.get_secret_value()}"
        if self.basic_auth is not None:
            pair = f"{self.basic_auth.username}:{self.basic_auth.password.get_secret_value()}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        return headers

    def hidden(self) -> tuple[str, ...]:
        """Return what must not be shown when the target sends it back, the longest first."""
        values = [value for name, value in self.sent().items() if name.lower() not in HARMLESS]
        values += [word for value in values for word in value.split(" ")]
        values += [self.basic_auth.password.get_secret_value()] if self.basic_auth else []
        values += spoken(self.body.get_secret_value()) if self.body else []
        query = urlsplit(self.url).query
        values += [query, *(value for _, value in parse_qsl(query) if len(value) >= LONG)]
        return tuple(
            sorted({value for value in values if len(value) >= SHORT} - {"Bearer", "Basic"}, key=len, reverse=True)
        )
