"""The configs that are shipped, and what the docs show of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bridge.settings import ConfigError, load, parse
from bridge.settings.fields import Model, keys, nested
from bridge.settings.sections import General, RouteOptions, ThresholdOptions
from bridge.wiring import kinds

ROOT = Path(__file__).parents[2]
SHIPPED = [ROOT / "config" / "bridge.yaml", *sorted((ROOT / "config" / "examples").glob("*.yaml"))]
PAGE = (ROOT / "docs" / "configuration.md").read_text()
ENVIRON = {
    "SENTRY_CLIENT_SECRET": "a secret of Sentry",
    "ALERTMANAGER_TOKEN": "a token of Alertmanager",
    "ALERTMANAGER_PASSWORD": "a password of Alertmanager",
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/x",
    "JIRA_URL": "https://jira.example.com",
    "JIRA_API_TOKEN": "a token of Jira",
    "REDIS_URL": "redis://localhost/0",
    "BROKER_PASSWORD": "a password",
    "BACKUP_KEY": "0123456789abcdef",
    "QUEUE_KEY": "fedcba9876543210",
    "HEARTBEAT_URL": "https://hc-ping.com/0123456789abcdef",
}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_config_loads_without_a_warning(path: Path, tmp_path: Path) -> None:
    for name in re.findall(r"/run/secrets\}/(\w+)", path.read_text()):
        (tmp_path / name).write_text("a secret")
    found = load(path, kinds(), ENVIRON | {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert found.warnings == ()
    assert found.sources or found.checks
    assert found.destinations


def test_the_first_config_has_every_section_and_takes_the_sandboxs_addresses() -> None:
    text = SHIPPED[0].read_text()
    assert not [key for key in keys(General) if not key.endswith("_file") and key not in text]
    sandbox = {
        "SLACK_API_URL": "http://127.0.0.1:9100/api/",
        "SNS_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:sandbox",
        "PUBLIC_URL": "http://127.0.0.1:8080",
    }
    found = load(SHIPPED[0], kinds(), ENVIRON | sandbox)
    assert found.warnings == ()
    assert found.destinations["oncall"].options.api_url == sandbox["SLACK_API_URL"]  # type: ignore[attr-defined]  # Slack's
    topics = found.sources["cloudwatch"].options.topic_arns  # type: ignore[attr-defined]  # CloudWatch's
    assert topics == (sandbox["SNS_TOPIC_ARN"],)


def test_the_page_names_every_option_of_the_sections() -> None:
    models: list[Model] = [General, RouteOptions, ThresholdOptions]
    models += [inner for info in General.model_fields.values() if (inner := nested(info.annotation))]
    options = {key for model in models for key in keys(model) if not key.endswith("_file")}
    assert not [key for key in sorted(options) if f"`{key}`" not in PAGE]


def test_the_page_shows_what_really_is_said_of_a_wrong_config() -> None:
    config, said = re.findall(
        r"```(?:yaml|text)\n(.*?)```", PAGE.partition("## When something is wrong")[2], re.DOTALL
    )[:2]
    with pytest.raises(ConfigError) as refusal:
        parse(config.encode(), Path("config/bridge.yaml"), kinds(), {})
    assert str(refusal.value) == said.strip()
