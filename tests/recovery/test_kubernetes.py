"""The rollout restart, against a real server with TLS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.ports import Level, Refused, Unsure
from bridge.recovery import kubernetes
from bridge.recovery.kubernetes import Kubernetes, KubernetesOptions
from bridge.settings import Secret
from tests.checks import certificates
from tests.recovery.other_side import KEY, OtherSide, attempt, listening

TOKEN = "sa-token-1"
NOW = datetime.now(UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a pod finds of its service account."""
    account = tmp_path / "serviceaccount"
    account.mkdir()
    (account / "token").write_text(TOKEN + "\n")
    (account / "ca.crt").write_text(certificates.pem(certificates.authority()))
    return account


@pytest.fixture
def cluster(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OtherSide]:
    """A cluster's API, in which this process seems to run."""
    leaf = certificates.made("127.0.0.1", NOW - certificates.DAY, NOW + certificates.DAY)
    with listening(certificates.serving(leaf, "127.0.0.1", tmp_path)) as server:
        monkeypatch.setattr(kubernetes, "ACCOUNT", folder)
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.server_port))
        yield server


def rollout(**options: object) -> Kubernetes:
    given = {"namespace": "shop", "deployment": "checkout"} | options
    return Kubernetes("restart", KubernetesOptions(**{k: v for k, v in given.items() if v}))  # type: ignore[arg-type]


def test_in_a_cluster_a_deployment_is_restarted_as_kubectl_does_it(cluster: OtherSide) -> None:
    said = rollout().act(attempt())

    (asked,) = cluster.asked
    assert said == "restarted deployment shop/checkout (rolling)"
    assert (asked.method, asked.path) == (
        "PATCH",
        "/apis/apps/v1/namespaces/shop/deployments/checkout?fieldManager=alert-bridge",
    )
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["content-type"] == "application/strategic-merge-patch+json"
    annotations = json.loads(asked.body)["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {
        "kubectl.kubernetes.io/restartedAt": "2026-11-21T05:05:00Z",
        "alert-bridge/recovery": KEY,
    }


def test_the_same_run_asked_for_again_is_the_same_patch(cluster: OtherSide) -> None:
    rollout().act(attempt())
    rollout().act(attempt())

    first, second = cluster.asked
    assert first.body == second.body


def test_the_token_is_read_anew_for_each_call(cluster: OtherSide, folder: Path) -> None:
    action = rollout()
    action.act(attempt())
    (folder / "token").write_text("sa-token-2")
    action.act(attempt())

    assert [one.headers["authorization"] for one in cluster.asked] == [f"Bearer {TOKEN}", "Bearer sa-token-2"]


@pytest.mark.parametrize("kind", ["statefulset", "daemonset"])
def test_other_workloads_are_restarted_too(cluster: OtherSide, kind: str) -> None:
    rollout(deployment=None, **{kind: "{{ labels.workload }}"}).act(attempt(labels={"workload": "db.main-0"}))

    assert f"/{kind}s/db.main-0?" in cluster.asked[0].path


def test_a_paused_rollout_is_told_of(cluster: OtherSide) -> None:
    cluster.answers = [(200, {}, b'{"spec": {"paused": true, "replicas": 2}}')]

    assert "its rollout is paused" in rollout().act(attempt())


@pytest.mark.parametrize(
    ("status", "problem"),
    [(403, Refused), (404, Refused), (409, Refused), (429, Refused), (500, Unsure), (504, Unsure)],
)
def test_what_the_api_answers_is_told_in_its_words(cluster: OtherSide, status: int, problem: type[Exception]) -> None:
    said = {"kind": "Status", "message": 'deployments.apps "checkout" is\nforbidden', "code": status}
    cluster.answers = [(status, {}, json.dumps(said).encode())]

    with pytest.raises(problem, match=f'answered {status}: deployments.apps "checkout" is forbidden'):
        rollout().act(attempt())


def test_an_api_that_can_not_prove_itself_gets_no_token(cluster: OtherSide, folder: Path) -> None:
    other = certificates.made("Other CA", NOW - certificates.DAY, NOW + certificates.DAY, by="Other CA")
    (folder / "ca.crt").write_text(certificates.pem(other))

    with pytest.raises(Refused, match="can't be reached"):
        rollout().act(attempt())
    assert not cluster.asked


def test_outside_a_cluster_address_token_and_certificates_are_given(cluster: OtherSide, folder: Path) -> None:
    ca = str(folder / "ca.crt")
    rollout(api_url=cluster.url, token=Secret("given"), ca_file=ca).act(attempt())
    assert cluster.asked[0].headers["authorization"] == "Bearer given"

    with pytest.raises(Refused, match="can't use the certificates"):
        rollout(api_url=cluster.url, token=Secret("given"), ca_file="/nowhere").act(attempt())


def test_without_a_cluster_it_is_said_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(kubernetes, "ACCOUNT", tmp_path)

    with pytest.raises(Refused, match="set api_url and token"):
        rollout().act(attempt())


@pytest.mark.parametrize(
    "name", ["../../secrets/x", "Checkout", "a" * 254, "x?dryRun=All", "x/scale", "-x", "", "체크아웃", "x\ny"]
)
def test_a_label_that_is_no_workload_is_refused_and_nothing_is_sent(cluster: OtherSide, name: str) -> None:
    action = rollout(deployment="{{ labels.deployment }}")
    run = attempt(labels={"deployment": name})

    for ask in (lambda: action.target(run.incident), lambda: action.act(run)):
        with pytest.raises(Refused):
            ask()
    assert not cluster.asked


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"deployment": None}, "name one workload"),
        ({"statefulset": "db"}, "name one workload"),
        ({"namespace": "Shop"}, "is not a name of a namespace"),
        ({"deployment": "a/b"}, "is not a name of a workload"),
        ({"api_url": "https://k8s.example.com"}, "needs a token"),
        ({"token": Secret("x")}, "goes with api_url"),
        ({"api_url": "https://k8s.example.com", "token": Secret("two\nlines")}, "is no token"),
    ],
)
def test_what_can_not_work_is_refused_when_the_config_is_read(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        rollout(**options)


def test_doctor_asks_the_api_without_changing_anything(cluster: OtherSide) -> None:
    cluster.answers = [(200, {}, b"{}"), (403, {}, b'{"message": "forbidden"}')]
    action = rollout()

    found = [finding for _ in range(2) for finding in action.examine()]

    assert [one.level for one in found] == [Level.OK, Level.FAIL]
    assert all(one.path.endswith("&dryRun=All") for one in cluster.asked)
    assert [one.level for one in rollout(deployment="{{ service }}").examine()] == [Level.OK]
    assert len(cluster.asked) == 2
