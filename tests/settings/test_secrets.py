"""Variables, files of secrets, and what must never show."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.settings import Settings
from tests.settings.configs import ENVIRON, SMALL, problems, settings, warnings, with_small

SENTRY = """\
    sources:
      sentry:
        kind: sentry
        {}
    destinations:
      oncall: {{kind: slack, token: "${{TOKEN}}", channel: C0ONCALL}}
    """


def sentry_secret(found: Settings) -> str:
    secret: str = found.sources["sentry"].options.client_secret.get_secret_value()  # type: ignore[attr-defined]  # Sentry's
    return secret


def sentry(*lines: str) -> str:
    return SENTRY.format("\n        ".join(lines))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${SECRET}", ENVIRON["SECRET"]),
        ('"${SECRET}"', ENVIRON["SECRET"]),
        ("${NO_SUCH:-fallback}", "fallback"),
        ("${EMPTY:-fallback}", "fallback"),
        ("a-${SECRET}-${TOKEN}", f"a-{ENVIRON['SECRET']}-{ENVIRON['TOKEN']}"),
        ("'$${SECRET}'", "${SECRET}"),
        ("${NUMBER}", "0123"),
        ("${NESTED}", "${SECRET}"),
        ("$SECRET", "$SECRET"),
        ("'${NO_SUCH:-a:-b $x}'", "a:-b $x"),
    ],
)
def test_variables_are_put_in(written: str, value: str) -> None:
    environ = ENVIRON | {"EMPTY": "", "NUMBER": "0123", "NESTED": "${SECRET}"}
    assert sentry_secret(settings(sentry(f"client_secret: {written}"), environ)) == value


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "${NO_SUCH}",
            "4:20  sources.sentry.client_secret: the environment variable NO_SUCH is not set: set it, or write",
        ),
        ("${}", '"${}" is no variable: write ${NAME} or ${NAME:-default}, or $${ for a plain ${'),
        ("${a b}", '"${a b}" is no variable'),
        ("${SECRET", '"${SECRET" is no variable'),
        ("${SECRET-x}", '"${SECRET-x}" is no variable'),
        ("${EMPTY}", "is missing, because it is taken from EMPTY, which is empty: set that"),
    ],
)
def test_a_variable_that_cannot_be_put_in_is_the_only_thing_said_of_its_value(written: str, said: str) -> None:
    found = problems(sentry(f"client_secret: {written}"), ENVIRON | {"EMPTY": ""})
    assert len(found) == 1
    assert said in found[0]


def test_a_variable_that_is_not_set_is_told_with_what_may_stand_in_for_it() -> None:
    text = """\
        x-slack: &slack {kind: slack, token: "${NO_TOKEN}", channel: "${NO_ID}"}
        sources:
          sentry: {kind: sentry, client_secret: "${SECRET}"}
        destinations:
          a: *slack
          b: {<<: *slack, for: 5m}
        log: {level: "${NO_LEVEL}"}
        """
    assert problems(text, ENVIRON) == [
        "1:38  destinations.a.token: the environment variable NO_TOKEN is not set: set it, or write token_file",
        "1:62  x-slack.channel: the environment variable NO_ID is not set: set it, or write ${NO_ID:-default}",
        "7:14  log.level: the environment variable NO_LEVEL is not set: set it, or write ${NO_LEVEL:-default}",
    ]


def test_numbers_and_truth_values_may_come_from_variables() -> None:
    environ = ENVIRON | {"COUNT": "3", "IP": "false", "SIZE": "2MiB"}
    found = settings(
        with_small("scrub: {ip: '${IP}'}\nreceiver: {max_body: '${SIZE}'}").replace(
            "C0ONCALL}", "C0ONCALL, min_count: '${COUNT}'}"
        ),
        environ,
    )
    assert found.destinations["oncall"].threshold.min_count == 3
    assert found.receiver.max_body == 2 << 20
    assert found.scrub.ip is False  # type: ignore[attr-defined]  # the scrubber's own option


def test_what_becomes_empty_is_as_if_it_were_not_written() -> None:
    found = settings(with_small("public_url: ${NO_SUCH:-}\nroutes: [{to: [oncall, '${NO_SUCH:-}']}]\n"))
    assert found.public_url == ""
    assert found.routes[0].to == ("oncall",)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_may_be_read_from_a_file_beside_the_config(tmp_path: Path, ending: str) -> None:
    (tmp_path / "secret").write_text(f" from a file {ending}", newline="")
    found = settings(sentry("client_secret_file: secret"), path=tmp_path / "bridge.yaml")
    assert sentry_secret(found) == " from a file "
    assert found.warnings == ()


def test_a_secret_that_is_optional_or_nested_may_be_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("from-a-file")
    text = SMALL.replace(
        '{kind: sentry, client_secret: "${SECRET}"}',
        "{kind: alertmanager, basic_auth: {username: a, password_file: '${DIR}/pw'}, path_secret_file: '${NO:-}'}",
    )
    found = settings(text, ENVIRON | {"DIR": str(tmp_path)}).sources["sentry"].options
    assert found.basic_auth.password.get_secret_value() == "from-a-file"  # type: ignore[attr-defined]  # Alertmanager's
    assert found.path_secret is None  # type: ignore[attr-defined]  # Alertmanager's


def test_a_secret_of_the_general_sections_may_be_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("redis://:pw@host\n")
    found = settings(with_small("redis: {url_file: url}\n"), path=tmp_path / "bridge.yaml")
    assert found.redis_url is not None
    assert found.redis_url.get_secret_value() == "redis://:pw@host"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["client_secret_file: missing"], 'missing" (No such file or directory): check the path and who may read it'),
        (["client_secret_file: ."], "(Is a directory): check the path and who may read it"),
        (["client_secret_file: [x]"], "4:25  sources.sentry.client_secret_file: has to be the path of a file"),
        (["client_secret_file: empty"], 'empty" is empty: write the secret into it'),
        (["client_secret_file: binary"], "(it is no UTF-8 text)"),
        (["client_secret_file: huge"], 'huge" is too large'),
        (['client_secret_file: "a\\0b"'], "client_secret_file: can't read the secret"),
        (["client_secret: ${SECRET}", "client_secret_file: full"], "client_secret and client_secret_file are both set"),
    ],
)
def test_a_file_that_gives_no_secret_is_the_only_thing_said(tmp_path: Path, lines: list[str], said: str) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "full").write_text("x")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "huge").write_text("x" * 100_000)
    path = tmp_path / "bridge.yaml"
    found = problems(sentry(*lines), path=path)
    assert len(found) == 1
    assert said in found[0]


def test_secrets_show_in_no_message_and_in_no_repr(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hunter2-in-a-file")
    text = """\
        sources:
          sentry: {kind: sentry, client_secret: "${SECRET}", unknown: "hunter2-at-the-wrong-key"}
          cloud: {kind: cloudwatch, topic_arns: ["${TOKEN}"], path_secret: hunter2-short}
          am: {kind: alertmanager, basic_auth: {username: 5, password: hunter2-in-clear}, path_secret: [hunter2]}
        destinations:
          oncall: {kind: slack, token_file: token, channel: hunter2-in-clear, api_url: "${TOKEN}"}
        redis: {url: "hunter2://host"}
        """
    path = tmp_path / "bridge.yaml"
    said = "\n".join(problems(text, ENVIRON, path))
    assert "hunter2" not in said
    assert ENVIRON["TOKEN"] not in said
    assert ENVIRON["SECRET"] not in said
    assert '"•••" is not a channel ID' in said
    sound = settings(with_small("").replace('"${TOKEN}"', "hunter2-in-clear"))
    assert "hunter2" not in repr(sound)
    assert ENVIRON["SECRET"] not in repr(sound)


def test_a_secret_written_in_clear_is_warned_of_but_not_shown() -> None:
    assert warnings(sentry("client_secret: hunter2")) == [
        "4:20  sources.sentry.client_secret: a secret stands here for all to read: write ${NAME} or client_secret_file"
    ]
