"""Calls to AWS through botocore, which knows the credentials of environment, container and machine, and how to sign.

botocore is an extra, `pip install 'alert-bridge[aws]'`, and is imported when it is first used: 31 MB that only those
need who restart things at AWS.
"""

from __future__ import annotations

from importlib.util import find_spec
from threading import Lock
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from bridge.domain.words import clip
from bridge.ports import Finding, Level, Refused, RetryAt, Unsure
from bridge.settings import Options, WebAddress

WITHIN = 10
"""Seconds for an answer; three for the connection."""
MESSAGE = 160
MISSING = "needs botocore: pip install 'alert-bridge[aws]'"
_NEVER_SENT = (
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ParamValidationError",
    "ProfileNotFound", "InvalidConfigError", "ConfigParseError", "EndpointConnectionError", "ConnectTimeoutError",
    "ProxyConnectionError", "TokenRetrievalError", "UnauthorizedSSOTokenError",
)  # fmt: skip
"""Errors of botocore that come before anything is sent."""

Json = dict[str, Any]


class AwsOptions(Options):
    """What every action at AWS takes. Credentials are AWS's own business: environment, task role, instance role."""

    region: Annotated[str, Field(pattern=r"^[a-z]{2,4}(-[a-z]+)+-\d$", examples=["ap-northeast-2"])]
    """As in ap-northeast-2."""
    endpoint_url: WebAddress | None = None
    """Of an emulator or a VPC endpoint; by default AWS's own."""

    @model_validator(mode="after")
    def _installed(self) -> Self:
        if find_spec("botocore") is None:
            raise ValueError(MISSING)
        return self


class Aws:
    """Clients of one action's services, each made when it is first used."""

    def __init__(self, options: AwsOptions) -> None:
        self._options = options
        self._lock = Lock()
        self._clients: dict[str, Any] = {}

    def call(self, service: str, operation: str, /, **parameters: object) -> Json:
        """Make one call, once; raises Refused or Unsure with AWS's own words."""
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        try:
            answer: Json = getattr(self._client(service), operation)(**parameters)
        except ClientError as error:
            raise _answered(error.response) from error
        except (BotoCoreError, ResponseParserError) as error:
            raise _unanswered(error) from error
        return answer

    def who(self) -> Finding:
        """Return whose credentials are used; changes nothing, and takes no permission."""
        try:
            arn = self.call("sts", "get_caller_identity")["Arn"]
        except (Refused, Unsure) as problem:
            do = "see that the worker has AWS credentials: environment, task role or instance role"
            return Finding(Level.FAIL, f"no AWS credentials that work: {problem}", do)
        return Finding(Level.OK, f"AWS knows the worker as {arn}")

    def _client(self, service: str) -> Any:
        from botocore.config import Config
        from botocore.session import Session

        with self._lock:
            if service not in self._clients:
                config = Config(
                    connect_timeout=3, read_timeout=WITHIN, retries={"total_max_attempts": 1, "mode": "standard"}
                )
                self._clients[service] = Session().create_client(
                    service,
                    region_name=self._options.region,
                    endpoint_url=self._options.endpoint_url,
                    config=config,
                )
            return self._clients[service]


def _answered(response: Json) -> Refused | Unsure:
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    error = response.get("Error", {})
    said = " ".join(str(error.get("Message", "")).split())
    reason = f"AWS answered {status} {error.get('Code', '')}: {clip(said, MESSAGE)}"
    return Refused(reason) if 300 <= status < 500 and status != 408 else Unsure(reason)


def _unanswered(error: Exception) -> Refused | Unsure:
    cause = getattr(error, "kwargs", {}).get("error")
    if isinstance(cause, RetryAt):  # the fence: this worker was paused
        return Refused(cause.reason)
    reason = f"no answer from AWS: {clip(' '.join(str(error).split()), MESSAGE)}"
    untrusted = type(error).__name__ == "SSLError" and "CERTIFICATE_VERIFY_FAILED" in str(error)
    return Refused(reason) if untrusted or type(error).__name__ in _NEVER_SENT else Unsure(reason)
