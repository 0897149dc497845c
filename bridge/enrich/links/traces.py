"""Traces in systems that show them under a plain address: Jaeger, Zipkin, Sentry, Kibana APM."""

from __future__ import annotations

from typing import Literal

from bridge.enrich.links.encoding import percent
from bridge.enrich.links.options import BaseUrl, LinkOptions
from bridge.enrich.links.problem import Problem, iso, seconds


class Jaeger(LinkOptions):
    """A trace in Jaeger: `<url>/trace/<id>`; a `--query.base-path` belongs to the url."""

    kind: Literal["jaeger"]
    url: BaseUrl

    def build(self, problem: Problem) -> str | None:
        return f"{self.url}/trace/{problem.trace_id}" if problem.trace_id else None


class Zipkin(LinkOptions):
    """A trace in Zipkin: `<url>/zipkin/traces/<id>`; the url may end with /zipkin."""

    kind: Literal["zipkin"]
    url: BaseUrl

    def build(self, problem: Problem) -> str | None:
        base = self.url.removesuffix("/zipkin")
        return f"{base}/zipkin/traces/{problem.trace_id}" if problem.trace_id else None


class SentryTrace(LinkOptions):
    """A trace in Sentry, around the time of firing (seconds).

    For sentry.io write `https://<organization>.sentry.io`; for a self-hosted Sentry its url and `organization`.
    """

    kind: Literal["sentry_trace"]
    url: BaseUrl
    organization: str = ""

    def build(self, problem: Problem) -> str | None:
        if not problem.trace_id:
            return None
        base = f"{self.url}/organizations/{percent(self.organization)}" if self.organization else self.url
        return f"{base}/explore/traces/trace/{problem.trace_id}/?timestamp={seconds(problem.fired_at)}"


class KibanaApm(LinkOptions):
    """A trace in Elastic APM, by the address that Kibana keeps for links from outside.

    Route `/link-to/trace/{traceId}` of Kibana's APM plugin, with rangeFrom and rangeTo.
    """

    kind: Literal["kibana_apm"]
    url: BaseUrl
    space: str = ""

    def build(self, problem: Problem) -> str | None:
        if not problem.trace_id:
            return None
        space = f"/s/{percent(self.space)}" if self.space else ""
        window = f"rangeFrom={percent(iso(problem.start))}&rangeTo={percent(iso(problem.end))}"
        return f"{self.url}{space}/app/apm/link-to/trace/{problem.trace_id}?{window}"
