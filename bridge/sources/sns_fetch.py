"""What the SNS proof may fetch, and fetching it: certificates and subscription confirmations.

The only source module that calls out. The rule for hosts is the one of AWS's own validators for PHP and
JavaScript, with the region of the topic added.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from bridge.ports import Unverified

if TYPE_CHECKING:
    import httpx

    from bridge.sources.sns_key import Certificate

FETCH_SECONDS = 3.0
CERTIFICATE_LIMIT = 64 * 1024
_AWS = r"https://sns\.(?P<region>[a-zA-Z0-9-]{3,})\.amazonaws\.com(?:\.cn)?(?::443)?"
_PATH = r"(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*"


class CertificateUnavailable(OSError):
    """The signing certificate could not be fetched: nothing is known about the sender; answer 503, SNS retries."""


def is_loopback(host: str) -> bool:
    """Return True for `localhost` and loopback addresses, with or without a port."""
    name = host.removeprefix("[").split("]")[0] if host.startswith("[") else host.split(":")[0]
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


class Hosts:
    """Which addresses may be asked for certificates and confirmations.

    AWS's own SNS hosts of the topic's region, https and port 443 only; and `extra` ("host" or "host:port",
    compared as they are written), where any path will do and plain http if the host is loopback. One pattern
    over the whole text: no second parser that could read the same address another way.
    """

    def __init__(self, extra: Iterable[str] = ()) -> None:
        own = "|".join(("http(?:s)?://" if is_loopback(h) else "https://") + re.escape(h) for h in extra)
        start = rf"(?:{_AWS}|(?:{own or '(?!)'}){_PATH})"
        self._certificate = re.compile(rf"{start}/[A-Za-z0-9._-]+\.pem", re.ASCII)
        self._confirmation = re.compile(rf"{start}/\?(?P<query>[A-Za-z0-9%&=:._~-]+)", re.ASCII)

    def may_sign(self, url: str, region: str) -> bool:
        """Return True when a SigningCertURL may be fetched for a topic of that region."""
        match = self._certificate.fullmatch(url)
        return match is not None and match["region"] in (None, region)

    def may_confirm(self, url: str, region: str, topic_arn: str, token: str) -> bool:
        """Return True when a SubscribeURL confirms that topic's subscription with that token, and nothing else."""
        match = self._confirmation.fullmatch(url)
        if match is None or match["region"] not in (None, region):
            return False
        asked = sorted(parse_qsl(match["query"], keep_blank_values=True))
        own = [("Action", "ConfirmSubscription"), ("Token", token), ("TopicArn", topic_arn)]
        return bool(token) and asked == own


@contextmanager
def _get(url: str) -> Iterator[httpx.Response]:
    import httpx  # here, not above: it is needed a few times in a process' life, and is slow to import

    with (
        httpx.Client(follow_redirects=False, timeout=FETCH_SECONDS / 2, trust_env=False) as client,
        client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as answer,
    ):
        yield answer


def confirm(url: str) -> None:
    """Visit a SubscribeURL that `Hosts.may_confirm` allowed; raises OSError to be retried."""
    import httpx

    try:
        with _get(url) as answer:
            status = answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(
            f"SNS did not answer the confirmation ({type(error).__name__}); it will be asked again"
        ) from error
    if status != 200:
        raise OSError(f"SNS answered {status} to the confirmation; it will be asked again")


def _fetch(url: str) -> bytes:
    import httpx

    try:
        with _get(url) as answer:
            if answer.is_redirect:
                raise Unverified(f"the certificate's address redirects ({answer.status_code}), which is not followed")
            if answer.status_code != 200:
                raise CertificateUnavailable(f"{url} answered {answer.status_code}; SNS will deliver again")
            return _read(answer, time.monotonic() + FETCH_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CertificateUnavailable(
            f"can't fetch {url} ({type(error).__name__}: {error}): let this host reach it; SNS will deliver again"
        ) from error


def _read(answer: httpx.Response, deadline: float) -> bytes:
    body = b""
    for chunk in answer.iter_raw():
        body += chunk
        if len(body) > CERTIFICATE_LIMIT:
            raise Unverified(f"the certificate is larger than {CERTIFICATE_LIMIT} bytes")
        if time.monotonic() > deadline:
            raise CertificateUnavailable(f"the certificate took longer than {FETCH_SECONDS:g} s to arrive")
    return body


class Certificates:
    """Certificates by address, the newest `limit` of them. AWS rotates them by address, so none goes stale."""

    def __init__(self, limit: int = 16) -> None:
        self._limit = limit
        self._known: dict[str, Certificate] = {}
        self._fetching = Lock()

    def __contains__(self, url: str) -> bool:
        return url in self._known

    def get(self, url: str) -> Certificate:
        """Return a certificate, fetched if it is new; one at a time, so that a flood of forgeries fetches slowly.

        Raises CertificateUnavailable when it can't be had within a few seconds, Unverified when it is none.
        """
        known = self._known.get(url)
        if known is not None:
            return known
        from bridge.sources.sns_key import read_certificate  # here, not above: only who hears SNS needs it

        if not self._fetching.acquire(timeout=FETCH_SECONDS):
            raise CertificateUnavailable("another certificate is still being fetched; SNS will deliver again")
        try:
            if url not in self._known:
                self._keep(url, read_certificate(_fetch(url)))
            return self._known[url]
        finally:
            self._fetching.release()

    def _keep(self, url: str, certificate: Certificate) -> None:
        while len(self._known) >= self._limit:
            del self._known[next(iter(self._known))]
        self._known[url] = certificate
