"""A Jira site, spoken to through the `jira` package: its retries, sleeps and log off, its errors made outcomes."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec
from jira import JIRA, JIRAError
from requests import ReadTimeout, RequestException, Response
from requests.exceptions import ConnectTimeout, SSLError, TooManyRedirects
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from bridge.domain.words import clip
from bridge.ports import Outcome, Rejected, RetryAt, Unknown
from bridge.sinks.outcome import AUTH_RETRY, from_status

TIMEOUT = (3.0, 8.0)
"""Seconds to connect, seconds between two bytes of an answer."""
UNREACHABLE = timedelta(seconds=15)
PASSING = timedelta(seconds=5)
CHECK = ": check url, DNS, proxy and certificate"
"""Ends the reason when Jira can't be reached."""


class Refusal(Rejected):
    """Jira said no to what was sent. `fields` are its words by field, `general` the ones about none."""

    def __init__(self, reason: str, status: int, fields: dict[str, str], *, general: bool) -> None:
        super().__init__(reason)
        self.status = status
        self.fields = fields
        self.general = general


class Named(msgspec.Struct, frozen=True):
    """A priority, resolution, issue type, …: compared by id or, ignoring case, by name."""

    id: str = ""
    name: str = ""

    def answers_to(self, word: str) -> bool:
        """Return True if the word from the config means this."""
        return word == self.id or _folded(word) == _folded(self.name)


def by_id_or_name(word: str) -> dict[str, str]:
    """Return how a field's value is named in a request: digits are an id."""
    return {"id": word} if word.isdigit() else {"name": word}


class Category(msgspec.Struct, frozen=True):
    """A status category: key is new, indeterminate, done or undefined, in every language."""

    key: str = "undefined"


class StatusField(msgspec.Struct, frozen=True, rename="camel"):
    """A status of a workflow."""

    name: str = ""
    status_category: Category = Category()


class IssueFields(msgspec.Struct, frozen=True):
    """What the bridge reads of an issue."""

    status: StatusField = StatusField()
    resolution: Named | None = None
    priority: Named | None = None
    description: str | None = None


class Issue(msgspec.Struct, frozen=True):
    """An issue as it stands in Jira."""

    id: str
    key: str
    fields: IssueFields = IssueFields()

    @property
    def done(self) -> bool:
        """True when its status is of the category done."""
        return self.fields.status.status_category.key == "done"


class Site:
    """One Jira site. Nothing is sent before the first call; safe to use from several threads."""

    def __init__(self, url: str, user: str | None, token: str) -> None:
        self.url = url.rstrip("/")
        self._user = user
        self._token = token
        self._idle: deque[JIRA] = deque()

    @contextmanager
    def asking(self, doing: str, *, idempotent: bool) -> Iterator[JIRA]:
        """Lend a client for one call; what goes wrong comes out as RetryAt, Unknown or Refusal.

        `doing` ("creating the issue") begins the reason. A client serves one thread at a time: a requests session
        is not made for more. Errors are raised without their cause, whose text holds headers and cookies.
        """
        client = self._idle.pop() if self._idle else self._client()
        try:
            yield client
        except JIRAError as error:
            raise _from_answer(error, doing, idempotent=idempotent) from None
        except RequestException as error:
            raise _from_transport(error, doing, idempotent=idempotent) from None
        except (ValueError, KeyError, msgspec.MsgspecError):
            raise _not_jira(doing, idempotent=idempotent) from None
        finally:
            self._idle.append(client)

    def get(self, doing: str, path: str, **params: str) -> Any:
        """Return the decoded answer of a GET below `/rest/api/2/`."""
        return self.answer(doing, path, **params).json()

    def answer(self, doing: str, path: str, **params: str) -> Response:
        """Return the answer of a GET below `/rest/api/2/`, sure to be JSON."""
        with self.asking(doing, idempotent=True) as client:
            response = client._session.get(client._get_url(path), params=params)
            response.json()
            return response

    def send(self, doing: str, method: str, path: str, body: Mapping[str, object]) -> None:
        """Make an idempotent change below `/rest/api/2/` for which the package has no call that does only this."""
        with self.asking(doing, idempotent=True) as client:
            client._session.request(method, client._get_url(path), data=msgspec.json.encode(body))

    def _client(self) -> JIRA:
        """Return a client that neither sleeps, retries nor follows: a redirect turns a POST into a GET."""
        client = JIRA(
            self.url,
            options={"headers": {"Accept-Language": "en", "User-Agent": "alert-bridge"}},
            basic_auth=(self._user, self._token) if self._user else None,
            token_auth=None if self._user else self._token,
            get_server_info=False,
            max_retries=0,
            timeout=TIMEOUT,
            logging=False,
        )
        client._session.max_redirects = 0
        return client


def words(response: Response | None) -> tuple[list[str], dict[str, str]]:
    """Return what Jira says in an error: its general messages, and its messages by field."""
    if response is None:
        return [], {}
    try:
        body = response.json()
    except ValueError:
        return [clip(" ".join(re.sub(r"<[^>]*>", " ", response.text[:5000]).split()), 200)], {}
    if not isinstance(body, dict):
        return [], {}
    general = body.get("errorMessages") or [body.get(k) for k in ("message", "errorMessage") if body.get(k)]
    fields = body.get("errors")
    return [str(m) for m in general], {str(k): str(v) for k, v in fields.items()} if isinstance(fields, dict) else {}


def _from_answer(error: JIRAError, doing: str, *, idempotent: bool) -> Outcome:
    response = error.response
    if response is None or not error.status_code:
        return _not_jira(doing, idempotent=idempotent)
    general, fields = words(response)
    said = clip("; ".join([*general, *(f"{name}: {text}" for name, text in fields.items())]), 400)
    reason = f"{doing}: Jira answered {response.status_code}{_hint(response, fields)}: {said or 'nothing more'}"
    status = 401 if "AUTHENTICATED_FAILED" in response.headers.get("X-Seraph-LoginReason", "") else response.status_code
    outcome = from_status(status, response.headers, reason, _answered_at(response), idempotent=idempotent)
    if isinstance(outcome, Rejected):
        return Refusal(reason, status, fields, general=bool(general))
    if isinstance(outcome, RetryAt) and response.headers.get("RateLimit-Reason") == "jira-per-issue-on-write":
        outcome.blocked = False
    return outcome


def _hint(response: Response, fields: dict[str, str]) -> str:
    """Return what the operator should do about an answer, in brackets."""
    if "CAPTCHA" in response.headers.get("X-Authentication-Denied-Reason", ""):
        return " (CAPTCHA: log in to Jira once in a browser as this account, or use a personal access token)"
    hints = {
        401: " (check user and token; a token may have expired)",
        403: " (the account lacks a permission: run `alert-bridge doctor`)",
        404: " (it does not exist or the account can't see it: run `alert-bridge doctor`)",
        410: " (set the flavour of this destination to cloud)",
    }
    if "project" in fields or "issuetype" in fields:
        return " (check project and issue_type: run `alert-bridge doctor`)"
    return hints.get(response.status_code, "")


def _from_transport(error: RequestException, doing: str, *, idempotent: bool) -> Outcome:
    if isinstance(error, TooManyRedirects):
        where = error.response.headers.get("Location", "elsewhere") if error.response is not None else "elsewhere"
        reason = f"{doing}: redirected to {clip(where, 100)}: set url to Jira's final address, without a login page"
        return RetryAt(reason, after=AUTH_RETRY, blocked=True)
    if _unsent(error):
        reason = f"{doing}: can't connect ({_short(error)}){CHECK}"
        return RetryAt(reason, after=UNREACHABLE, blocked=True)
    what = "no answer within 8 s" if isinstance(error, ReadTimeout) else f"cut off ({type(error).__name__})"
    if isinstance(error, ValueError):
        return _not_jira(doing, idempotent=idempotent)
    return RetryAt(f"{doing}: {what}", after=PASSING) if idempotent else Unknown(f"{doing}: {what}")


def _unsent(error: RequestException) -> bool:
    """Return True when the request certainly never reached Jira."""
    if isinstance(error, ConnectTimeout):
        return True
    inner = error.args[0] if error.args else None
    cause = inner.reason if isinstance(inner, MaxRetryError) else None
    if isinstance(error, SSLError):
        return "CERTIFICATE_VERIFY_FAILED" in str(error)
    return isinstance(cause, NewConnectionError | ConnectTimeoutError)


def _short(error: RequestException) -> str:
    return "certificate not trusted" if isinstance(error, SSLError) else type(error).__name__


def _not_jira(doing: str, *, idempotent: bool) -> Outcome:
    reason = f"{doing}: the answer is not Jira's JSON: check url, and that no login page stands before it"
    return RetryAt(reason, after=AUTH_RETRY, blocked=True) if idempotent else Unknown(reason)


def _answered_at(response: Response) -> datetime:
    """Return the answer's own Date, by which a Retry-After date is to be read, whatever our clock says."""
    try:
        at = parsedate_to_datetime(response.headers["Date"])
    except (KeyError, ValueError, TypeError):
        return datetime.now(UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _folded(word: str) -> str:
    return word.strip().replace("\u2019", "'").casefold()
