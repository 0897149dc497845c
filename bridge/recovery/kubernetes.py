"""A rollout restart of a Kubernetes workload, as `kubectl rollout restart` does it: by an annotation of its pods.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/deployment-v1/ (patch)
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterable
from datetime import UTC
from pathlib import Path
from typing import Annotated, ClassVar, Self

import msgspec
from pydantic import AfterValidator, Field, model_validator

from bridge.domain.incident import Incident
from bridge.domain.words import clip
from bridge.enrich.links.language import PLAIN
from bridge.enrich.links.template import Template, Written
from bridge.ports import Attempt, Finding, Level, Refused, Unsure
from bridge.recovery import http
from bridge.recovery.named import DNS_LABEL, DNS_NAME, chosen, held, named
from bridge.settings import Options, Secret, WebAddress

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its service account: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/"""
MESSAGE = 160
NAMESPACE, WORKLOAD = "a name of a namespace", "a name of a workload"
KINDS = ("deployment", "statefulset", "daemonset")
_Workload = Annotated[Template, Written(PLAIN), AfterValidator(held(DNS_NAME, WORKLOAD))]


def _sound_token(token: Secret) -> Secret:
    if not re.fullmatch(r"[!-~]+", token.get_secret_value()):
        raise ValueError("is no token: write it in one line, without spaces")
    return token


class KubernetesOptions(Options):
    """What an operator sets for an action of this kind; the cluster is the worker's own unless `api_url` is set."""

    namespace: Annotated[Template, Written(PLAIN), AfterValidator(held(DNS_LABEL, NAMESPACE))] = Field(
        examples=["shop"]
    )
    """May be a template: {{ labels.namespace }}."""
    deployment: _Workload | None = Field(default=None, examples=["api"])
    """Its name; may be a template: {{ labels.deployment }}."""
    statefulset: _Workload | None = None
    """Instead of a deployment."""
    daemonset: _Workload | None = None
    """Instead of a deployment."""
    api_url: WebAddress | None = None
    """Of the cluster's API; by default that of the cluster in which the worker runs."""
    token: Annotated[Secret, AfterValidator(_sound_token)] | None = None
    """Of a service account; with `api_url` only. In a cluster the worker's own is read anew for each call."""
    ca_file: str | None = None
    """Certificates that prove the API; by default the pod's, or with `api_url` the machine's."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(list(self.workloads())) != 1:
            raise ValueError(f"name one workload: write one of {', '.join(KINDS)}")
        if self.api_url and self.token is None:
            raise ValueError("api_url needs a token: write token or token_file")
        if self.token and not self.api_url:
            raise ValueError("token goes with api_url: write where the cluster's API is, or leave both out in a pod")
        return self

    def workloads(self) -> Iterable[tuple[str, Template]]:
        """Yield the kinds of workloads that are named, with their names."""
        for kind in KINDS:
            template: Template | None = getattr(self, kind)
            if template is not None:
                yield kind, template


class Kubernetes:
    """Restarts the pods of a workload as its update strategy has it."""

    Options: ClassVar[type[Options]] = KubernetesOptions

    def __init__(self, name: str, options: KubernetesOptions) -> None:
        self._options = options
        self._kind, self._workload = next(iter(options.workloads()))

    def target(self, incident: Incident) -> str:
        """Return the workload's kind, namespace and name."""
        return f"{self._kind} {'/'.join(self._names(incident))}"

    def plan(self, incident: Incident) -> str:
        """Return that it would be restarted."""
        return f"restart {self.target(incident)}"

    def act(self, attempt: Attempt) -> str:
        """Annotate its pods; the same run asked for again changes nothing."""
        namespace, name = self._names(attempt.incident)
        restarted = attempt.at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        notes = {"kubectl.kubernetes.io/restartedAt": restarted, "alert-bridge/recovery": attempt.key}
        answer = self._patch(namespace, name, notes)
        if _is_paused(answer):
            return f"annotated {self._kind} {namespace}/{name}, but its rollout is paused: nothing restarts until then"
        return f"restarted {self._kind} {namespace}/{name} (rolling)"

    def examine(self) -> Iterable[Finding]:
        """Try it as a dry run of the API's own, which asks for the permission and changes nothing."""
        options = self._options
        if chosen(options.namespace) or chosen(self._workload):
            yield Finding(Level.OK, f"restarts the {self._kind} that the incident names (not tried)")
            return
        namespace, name = options.namespace.source, self._workload.source
        try:
            self._patch(namespace, name, {"alert-bridge/recovery": "doctor"}, query="&dryRun=All")
        except (Refused, Unsure) as problem:
            do = f"see that the worker's service account may patch {self._kind}s in {namespace}: docs/recovery.md"
            yield Finding(Level.FAIL, f"could not restart {self._kind} {namespace}/{name}: {problem}", do)
        else:
            yield Finding(Level.OK, f"may restart {self._kind} {namespace}/{name}")

    def _names(self, incident: Incident) -> tuple[str, str]:
        namespace = named(self._options.namespace, incident, DNS_LABEL, NAMESPACE)
        return namespace, named(self._workload, incident, DNS_NAME, WORKLOAD)

    def _patch(self, namespace: str, name: str, annotations: dict[str, str], query: str = "") -> http.Answer:
        path = f"/apis/apps/v1/namespaces/{namespace}/{self._kind}s/{name}?fieldManager=alert-bridge{query}"
        body = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
        headers = {
            "Authorization": f"Bearer {self._token()}",
            "Content-Type": "application/strategic-merge-patch+json",
            "Accept": "application/json",
            "User-Agent": "alert-bridge",
        }
        url = self._options.api_url or _own_cluster()
        answer = http.call("PATCH", url + path, headers, msgspec.json.encode(body), trust=self._trust())
        http.judge(answer, "the Kubernetes API", _message(answer))
        return answer

    def _token(self) -> str:
        if self._options.token is not None:
            return self._options.token.get_secret_value()
        try:
            return (ACCOUNT / "token").read_text().strip()  # read anew: it is replaced within the hour
        except OSError as error:
            raise Refused(f"no service account ({error.strerror}): set api_url and token outside a cluster") from error

    def _trust(self) -> ssl.SSLContext:
        ca = self._options.ca_file or (None if self._options.api_url else str(ACCOUNT / "ca.crt"))
        try:
            return ssl.create_default_context(cafile=ca)
        except OSError as error:
            raise Refused(f"can't use the certificates in {ca} ({error.strerror or error})") from error


class _Spec(msgspec.Struct):
    paused: bool = False


class _Said(msgspec.Struct):
    message: str = ""
    spec: _Spec = msgspec.field(default_factory=_Spec)


def _said(answer: http.Answer) -> _Said:
    try:
        return msgspec.json.decode(answer.body, type=_Said)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Said()


def _message(answer: http.Answer) -> str:
    return clip(" ".join(_said(answer).message.split()), MESSAGE)


def _is_paused(answer: http.Answer) -> bool:
    return _said(answer).spec.paused


def _own_cluster() -> str:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise Refused("this worker runs in no cluster: set api_url and token")
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
