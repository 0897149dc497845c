"""ECS and Auto Scaling, against a real server that speaks their calls; the signature is worked out a second time."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from bridge.pipeline import fence
from bridge.ports import Level, Refused, Unsure
from bridge.recovery import aws
from bridge.recovery.autoscaling import Autoscaling, AutoscalingOptions
from bridge.recovery.aws import Aws
from bridge.recovery.ecs import Ecs, EcsOptions
from tests.conftest import free_port
from tests.recovery.other_side import Asked, OtherSide, attempt, listening

KEY_ID, KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
REGION = "ap-northeast-2"
INSTANCE = "i-0123456789abcdef0"
DEPLOYED = {"service": {"serviceName": "checkout", "deployments": [{"id": "ecs-svc/1"}, {"id": "ecs-svc/0"}]}}
CALLER = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:sts::123456789012:assumed-role/bridge/worker</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>"""
SET = b'<SetInstanceHealthResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"/>'


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def amazon() -> Iterator[OtherSide]:
    with listening() as server:
        yield server


def ecs(url: str, cluster: str = "prod", service: str = "checkout") -> Ecs:
    return Ecs("restart", EcsOptions(region=REGION, endpoint_url=url, cluster=cluster, service=service))


def autoscaling(url: str, instance: str = "{{ labels.instance_id }}", **more: object) -> Autoscaling:
    return Autoscaling("replace", AutoscalingOptions(region=REGION, endpoint_url=url, instance=instance, **more))


def answer(status: int, body: object) -> tuple[int, dict[str, str], bytes]:
    return status, {}, body if isinstance(body, bytes) else json.dumps(body).encode()


def signed_by(asked: Asked, secret: str) -> str:
    """Return the signature that a request has to carry: SigV4, worked out by hand.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    found = re.search(r"Credential=[^/]+/(\S+), SignedHeaders=(\S+),", asked.headers["authorization"])
    assert found is not None
    scope, names = found[1], found[2]
    headers = "".join(f"{name}:{asked.headers[name]}\n" for name in names.split(";"))
    body = hashlib.sha256(asked.body).hexdigest()
    request = f"{asked.method}\n{asked.path}\n\n{headers}\n{names}\n{body}"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{asked.headers['x-amz-date']}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def test_ecs_is_asked_once_for_a_new_deployment_signed(amazon: OtherSide) -> None:
    amazon.answers = [answer(200, DEPLOYED)]

    said = ecs(amazon.url).act(attempt())

    (asked,) = amazon.asked
    assert said == "began a new deployment of ECS service prod/checkout (ecs-svc/1)"
    assert asked.headers["x-amz-target"].endswith(".UpdateService")
    assert json.loads(asked.body) == {"cluster": "prod", "service": "checkout", "forceNewDeployment": True}
    assert f"/{REGION}/ecs/aws4_request" in asked.headers["authorization"]
    assert asked.headers["authorization"].endswith(f"Signature={signed_by(asked, KEY)}")
    assert not asked.headers["authorization"].endswith(f"Signature={signed_by(asked, KEY + 'x')}")


def test_an_instance_of_the_incident_is_set_unhealthy(amazon: OtherSide) -> None:
    amazon.answers = [answer(200, SET)]
    action = autoscaling(amazon.url, respect_grace_period=False)
    run = attempt(labels={"instance_id": INSTANCE})

    said = action.act(run)

    (asked,) = amazon.asked
    assert said == f"set instance {INSTANCE} Unhealthy, so that its Auto Scaling group replaces it"
    assert action.plan(run.incident) == said
    form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
    assert form["Action"] == "SetInstanceHealth"
    assert (form["InstanceId"], form["HealthStatus"]) == (INSTANCE, "Unhealthy")
    assert form["ShouldRespectGracePeriod"] == "false"
    assert asked.headers["authorization"].endswith(f"Signature={signed_by(asked, KEY)}")


@pytest.mark.parametrize(
    ("status", "kind", "problem"),
    [
        (400, "AccessDeniedException", Refused),
        (400, "ThrottlingException", Refused),
        (400, "ServiceNotFoundException", Refused),
        (500, "ServerException", Unsure),
        (503, "ServiceUnavailable", Unsure),
    ],
)
def test_an_answer_is_refused_or_unsure_in_awss_own_words(
    amazon: OtherSide, status: int, kind: str, problem: type[Exception]
) -> None:
    amazon.answers = [answer(status, {"__type": kind, "message": "no\nway"})]

    with pytest.raises(problem, match=f"AWS answered {status} {kind}: no way"):
        ecs(amazon.url).act(attempt())
    assert len(amazon.asked) == 1, "botocore repeats nothing by itself"


def test_what_is_cut_off_may_have_been_done_and_what_was_never_sent_was_not(
    amazon: OtherSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = ecs(amazon.url)
    amazon.rude = True
    with pytest.raises(Unsure, match="no answer from AWS"):
        action.act(attempt())
    assert len(amazon.asked) == 1

    with fence.fenced(fence.clock() - 1), pytest.raises(Refused, match="paused"):
        action.act(attempt())
    assert len(amazon.asked) == 1

    with pytest.raises(Refused, match="no answer from AWS"):
        ecs(f"http://127.0.0.1:{free_port()}").act(attempt())

    amazon.rude = False
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(Refused, match="credentials"):
        ecs(amazon.url).act(attempt())
    assert len(amazon.asked) == 1


def test_an_answer_that_is_none_leaves_it_open(amazon: OtherSide) -> None:
    amazon.answers = [answer(200, b"<html>")]

    with pytest.raises(Unsure, match="no answer from AWS"):
        autoscaling(amazon.url, INSTANCE).act(attempt())


@pytest.mark.parametrize(
    "instance", ["i-0123", "i-0123456789ABCDEF0", f"{INSTANCE}&Action=TerminateInstances", "*", f"{INSTANCE}\nx"]
)
def test_a_label_that_is_no_instance_is_refused_and_nothing_is_sent(amazon: OtherSide, instance: str) -> None:
    action = autoscaling(amazon.url)
    run = attempt(labels={"instance_id": instance})

    for ask in (lambda: action.target(run.incident), lambda: action.act(run)):
        with pytest.raises(Refused, match="not an id of an EC2 instance"):
            ask()
    assert not amazon.asked


def test_a_label_that_is_missing_is_refused(amazon: OtherSide) -> None:
    with pytest.raises(Refused, match="does not say which id of an EC2 instance"):
        autoscaling(amazon.url).target(attempt().incident)


@pytest.mark.parametrize("option", [{"cluster": "prod/../x"}, {"service": "arn:aws:ecs:x"}, {"service": ""}])
def test_a_name_that_is_written_out_is_checked_when_the_config_is_read(option: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="is not a name of an ECS"):
        ecs("https://ecs.example.com", **option)


def test_without_botocore_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "find_spec", lambda _: None)

    with pytest.raises(ValidationError, match=re.escape("pip install 'alert-bridge[aws]'")):
        ecs("https://ecs.example.com")


def test_botocore_is_not_loaded_before_it_is_used() -> None:
    code = "import sys, bridge.recovery; print('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_doctor_sees_whose_credentials_there_are_and_whether_the_service_is_there(amazon: OtherSide) -> None:
    there = {"services": [{"serviceName": "checkout"}], "failures": []}
    gone = {"services": [], "failures": [{"reason": "MISSING"}]}
    denied = {"__type": "AccessDeniedException", "message": "not you"}
    action = ecs(amazon.url)

    amazon.answers = [answer(200, CALLER), answer(200, there), answer(200, CALLER), answer(200, gone)]
    amazon.answers += [answer(200, CALLER), answer(400, denied), answer(403, b"<x/>")]
    found = [[one.level for one in action.examine()] for _ in range(4)]

    assert found == [[Level.OK, Level.OK], [Level.OK, Level.FAIL], [Level.OK, Level.WARN], [Level.FAIL]]
    assert not [one for one in amazon.asked if b"forceNewDeployment" in one.body]
    amazon.answers = [answer(200, CALLER)]
    assert [one.what for one in autoscaling(amazon.url).examine()] == [
        "AWS knows the worker as arn:aws:sts::123456789012:assumed-role/bridge/worker"
    ]


def test_a_client_is_made_once(amazon: OtherSide) -> None:
    amazon.answers = [answer(200, CALLER)]
    known = Aws(EcsOptions(region=REGION, endpoint_url=amazon.url, cluster="c", service="s"))

    known.who()
    made = dict(known._clients)
    known.who()

    assert known._clients == made
