"""The Slack sink against a Slack that behaves like the real one, through the real client."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import yaml
from pydantic import ValidationError

from bridge.domain.alert import Link, Severity, Status
from bridge.ports import Level, Receipt, Rejected
from bridge.sandbox.faults import refusal
from bridge.sandbox.slack import BOT_ID, SCOPES, SlackSandbox
from bridge.sandbox.slack_workspace import SlackChannel
from bridge.sinks.slack import Slack
from bridge.sinks.slack.options import SlackOptions
from tests.sinks.slack_room import HOUSE, Room, alert, delivery, room, story

OPENED = story(alert(0))
RESOLVED = story(alert(0), alert(12, Status.RESOLVED))
REOPENED = story(alert(0), alert(12, Status.RESOLVED), alert(20))


@pytest.fixture
def here() -> Iterator[Room]:
    with room() as served:
        yield served


def test_the_first_sync_posts_one_root_and_nothing_in_the_thread(here: Room) -> None:
    receipt = here.slack().sync(delivery(REOPENED))
    (root,) = here.sandbox.messages()
    assert root.replies == []
    assert receipt.handle == ("C0ONCALL", root.ts)
    assert (receipt.version, receipt.told, receipt.open) == (REOPENED.version, REOPENED.version, True)
    assert root.metadata == {
        "event_type": "alert_bridge_incident",
        "event_payload": {"incident": REOPENED.id, "version": REOPENED.version},
    }
    assert receipt.link == Link("Slack", f"{here.url}/slack/archives/C0ONCALL/p{root.ts.replace('.', '')}")


def test_a_sync_with_the_receipt_it_returned_calls_nothing(here: Room) -> None:
    slack = here.slack()
    receipt = slack.sync(delivery(REOPENED))
    again: list[Receipt] = []
    assert here.calls_of(lambda: again.append(slack.sync(delivery(REOPENED, receipt)))) == []
    assert again == [receipt]


def test_a_repeat_edits_the_count_and_tells_nothing(here: Room) -> None:
    slack = here.slack()
    receipt = slack.sync(delivery(OPENED))
    repeated = story(alert(0), alert(1), alert(2))
    assert here.calls_of(lambda: slack.sync(delivery(repeated, receipt))) == ["chat.update"]
    (root,) = here.sandbox.messages()
    assert "*Count*\\n3" in str(root.attachments)
    assert root.replies == []


def test_the_life_of_an_incident_is_one_edited_message_with_a_thread(here: Room) -> None:
    slack = here.slack()
    steps = [
        alert(0, severity=Severity.WARNING, summary=""),
        alert(5, summary=""),
        alert(12, Status.RESOLVED, summary=""),
        alert(20, summary=""),
        alert(21, Status.NOTED, summary="assigned to Kim"),
    ]
    receipt = None
    for end in range(1, len(steps) + 1):
        receipt = slack.sync(delivery(story(*steps[:end]), receipt))
    assert here.roots == ["🔴 CRITICAL checkout: HighErrorRate"]
    assert here.replies == [
        "⬆️ HighErrorRate · Severity raised from warning to critical",
        "✅ HighErrorRate · Resolved after 12 min",
        "🔁 HighErrorRate · Firing again, 8 min after it was resolved",
        "📝 HighErrorRate · Assigned to Kim",
    ]
    (root,) = here.sandbox.messages()
    assert [reply.broadcast for reply in root.replies] == [False, False, True, False]
    assert [reply.thread_ts for reply in root.replies] == [root.ts] * 4


def test_a_reopening_stays_in_the_thread_when_that_is_wished(here: Room) -> None:
    slack = here.slack(reopen_broadcast=False)
    slack.sync(delivery(REOPENED, slack.sync(delivery(RESOLVED))))
    assert [r.broadcast for r in here.sandbox.messages()[0].replies] == [False]


def test_a_resolution_closes_the_receipt_and_a_reopening_opens_it(here: Room) -> None:
    slack = here.slack()
    closed = slack.sync(delivery(RESOLVED, slack.sync(delivery(OPENED))))
    assert not closed.open
    assert slack.sync(delivery(REOPENED, closed)).open


def test_a_jira_issue_that_comes_later_is_added_by_an_edit(here: Room) -> None:
    slack = here.slack()
    receipt = slack.sync(delivery(OPENED))
    jira = Link("Jira OPS-12", "https://jira.example.com/browse/OPS-12")
    slack.sync(delivery(OPENED, receipt, peers=(jira,)))
    (root,) = here.sandbox.messages()
    assert "Jira OPS-12" in str(root.attachments)
    assert root.edits == 1


def test_a_root_that_somebody_deleted_is_posted_anew(here: Room) -> None:
    slack = here.slack()
    old = slack.sync(delivery(OPENED))
    here.sandbox.workspace.delete(*old.handle)
    receipt = slack.sync(delivery(RESOLVED, old))
    (root,) = here.sandbox.messages()
    assert receipt.handle == ("C0ONCALL", root.ts)
    assert receipt.link != old.link
    assert root.text.startswith("✅ RESOLVED")
    assert len(root.replies) == 1
    assert here.calls_of(lambda: slack.sync(delivery(RESOLVED, receipt))) == []


def test_a_deleted_root_with_replies_is_posted_anew_and_found_again(here: Room) -> None:
    slack = here.slack()
    old = slack.sync(delivery(RESOLVED, slack.sync(delivery(OPENED))))
    here.sandbox.workspace.delete(*old.handle)
    receipt = slack.sync(delivery(REOPENED, old))
    assert receipt.handle != old.handle
    found = slack.find(delivery(REOPENED, old))
    assert found is not None
    assert (found.handle, found.told) == (receipt.handle, REOPENED.version)


@pytest.mark.parametrize("word", ["cannot_reply_to_message", "restricted_action_thread_locked"])
def test_a_locked_thread_leaves_the_news_to_the_root(here: Room, word: str) -> None:
    slack = here.slack()
    receipt = slack.sync(delivery(OPENED))
    here.sandbox.faults.add(refusal("chat.postMessage", {"ok": False, "error": word}))
    receipt = slack.sync(delivery(RESOLVED, receipt))
    assert receipt.told == RESOLVED.version
    assert here.roots == ["✅ RESOLVED after 12 min · checkout: HighErrorRate"]
    assert here.replies == []


def test_an_edit_goes_to_the_channel_of_the_receipt(here: Room) -> None:
    here.sandbox.workspace.channels["C0OTHER"] = SlackChannel(id="C0OTHER", name="other")
    receipt = here.slack().sync(delivery(OPENED))
    moved = here.slack(channel="C0OTHER")
    moved.sync(delivery(RESOLVED, receipt))
    assert here.sandbox.messages("C0OTHER") == []
    assert len(here.replies) == 1


# --- find ------------------------------------------------------------------------------------------------


def test_find_returns_nothing_where_nothing_stands(here: Room) -> None:
    here.slack().sync(delivery(story(alert(fingerprint="another"))))
    assert here.slack().find(delivery(OPENED)) is None


def test_find_returns_the_root_and_what_its_thread_tells(here: Room) -> None:
    slack = here.slack()
    known = slack.sync(delivery(RESOLVED, slack.sync(delivery(OPENED))))
    found = here.slack().find(delivery(RESOLVED))
    assert found is not None
    assert (found.handle, found.told, found.memo) == (known.handle, RESOLVED.version, ())
    slack.sync(delivery(RESOLVED, found))
    assert len(here.roots) == len(here.replies) == 1


def test_find_takes_the_oldest_of_several_roots(here: Room) -> None:
    first = here.slack().sync(delivery(OPENED))
    here.slack().sync(delivery(OPENED))
    found = here.slack().find(delivery(OPENED))
    assert found is not None
    assert found.handle == first.handle


def test_find_reads_page_after_page(here: Room) -> None:
    first = here.slack().sync(delivery(OPENED))
    for n in range(450):
        here.sandbox.workspace.post("C0ONCALL", "B0OTHER", {"text": f"chatter {n}"})
    found = here.slack().find(delivery(OPENED))
    assert found is not None
    assert found.handle == first.handle


def test_find_looks_near_the_attempt_first_and_reads_the_rest_only_if_it_must(here: Room) -> None:
    known = here.slack().sync(delivery(OPENED))
    now = datetime.now(UTC)
    hour = timedelta(hours=1)

    def looked(began: datetime, until: datetime) -> int:
        before = list(here.sandbox.calls).count("conversations.history")
        found = here.slack().find(delivery(OPENED, attempted_at=began, now=until))
        assert found is not None
        assert found.handle == known.handle
        return list(here.sandbox.calls).count("conversations.history") - before

    assert looked(now, now + hour) == 1, "whatever was said in the hour since"
    assert looked(now - hour, now) == 2, "a later attempt put it there"
    assert looked(now - timedelta(minutes=2), now) == 1


def test_find_does_not_take_another_apps_message_for_its_own(here: Room) -> None:
    metadata = {"event_type": "alert_bridge_incident", "event_payload": {"incident": OPENED.id, "version": 1}}
    here.sandbox.workspace.post("C0ONCALL", "B0OTHER", {"text": "forged", "metadata": metadata})
    assert here.slack().find(delivery(OPENED)) is None


def test_find_does_not_take_a_broadcast_reply_for_a_root(here: Room) -> None:
    slack = here.slack()
    known = slack.sync(delivery(REOPENED, slack.sync(delivery(RESOLVED))))
    assert any(each.broadcast for each in here.sandbox.workspace.history("C0ONCALL"))
    found = slack.find(delivery(REOPENED))
    assert found is not None
    assert found.handle == known.handle


def test_find_looks_no_further_back_than_two_minutes_before_the_attempt(here: Room) -> None:
    here.slack().sync(delivery(OPENED))
    later = datetime.now(UTC) + timedelta(minutes=5)
    assert here.slack().find(delivery(OPENED, attempted_at=later)) is None


def test_without_the_history_scope_find_knows_nothing_and_does_not_stop_delivery() -> None:
    with room(SlackSandbox(scopes=["chat:write"])) as here:
        known = here.slack().sync(delivery(OPENED))
        assert here.slack().find(delivery(OPENED)) is None
        assert here.slack().find(delivery(OPENED, known)) == known


# --- limits of the vendor --------------------------------------------------------------------------------


def test_blocks_that_slack_refuses_are_sent_as_text(here: Room) -> None:
    here.sandbox.faults.add(refusal("chat.postMessage", {"ok": False, "error": "invalid_blocks"}))
    slack = here.slack()
    receipt = slack.sync(delivery(OPENED))
    (root,) = here.sandbox.messages()
    assert root.text.startswith("🔴 CRITICAL checkout")
    assert root.attachments == []
    assert here.calls_of(lambda: slack.sync(delivery(OPENED, receipt))) == []
    found = slack.find(delivery(OPENED))
    assert found is not None


def test_a_message_that_is_refused_as_text_too_is_rejected_with_slacks_own_words(here: Room) -> None:
    body = {"ok": False, "error": "invalid_blocks", "response_metadata": {"messages": ["[ERROR] too long: /blocks/0"]}}
    here.sandbox.faults.add(refusal("chat.postMessage", body, times=2))
    with pytest.raises(Rejected, match=r"invalid_blocks.*too long: /blocks/0"):
        here.slack().sync(delivery(OPENED))


# --- webhook ---------------------------------------------------------------------------------------------


def test_a_webhook_gets_a_message_for_each_change_and_none_for_repeats(here: Room) -> None:
    slack = here.webhook()
    receipt = slack.sync(delivery(OPENED))
    receipt = slack.sync(delivery(story(alert(0), alert(3)), receipt))
    receipt = slack.sync(delivery(story(alert(0), alert(3), alert(12, Status.RESOLVED, summary="")), receipt))
    assert here.roots == [
        "🔴 CRITICAL checkout: HighErrorRate — error rate 12% &gt; 5%",
        "✅ HighErrorRate · Resolved after 12 min",
    ]
    assert here.calls_of(lambda: slack.sync(delivery(RESOLVED, receipt))) == []
    assert not slack.tells_repeats
    assert slack.find(delivery(OPENED)) is None
    assert receipt.link is None


def test_a_webhook_sends_text_when_its_blocks_are_refused(here: Room) -> None:
    fault = refusal("webhook", None, status=400)
    here.sandbox.faults.add(msgspec.structs.replace(fault, body="invalid_blocks"))
    here.webhook().sync(delivery(OPENED))
    assert here.sandbox.messages()[0].attachments == []


def test_a_webhook_that_was_removed_says_what_to_do(here: Room) -> None:
    gone = Slack("oncall", SlackOptions.model_validate({"webhook_url": f"{here.url}/slack/services/T/B/secret"}), HOUSE)
    with pytest.raises(Rejected, match=r"404 no_service: create a new webhook") as caught:
        gone.sync(delivery(OPENED))
    assert "secret" not in caught.value.reason


def test_the_webhook_is_not_the_bot(here: Room) -> None:
    here.webhook().sync(delivery(OPENED))
    assert here.sandbox.messages()[0].bot_id != BOT_ID


# --- doctor ----------------------------------------------------------------------------------------------


def findings(slack: Slack) -> list[tuple[Level, str]]:
    return [(finding.level, finding.what) for finding in slack.examine()]


def test_doctor_is_content_with_a_well_set_up_app(here: Room) -> None:
    assert findings(here.slack()) == [
        (Level.OK, "the token is of alert-bridge in Sandbox"),
        (Level.OK, "channel C0ONCALL (#oncall) can be posted to"),
        (Level.OK, "the channel's history can be read: nothing is told twice"),
    ]


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        (SlackChannel(is_member=False), "the app is not in channel C0ONCALL (#oncall)"),
        (SlackChannel(is_archived=True), "channel C0ONCALL (#oncall) is archived"),
        (SlackChannel(id="C0ELSE"), "channel_not_found"),
    ],
)
def test_doctor_says_what_is_wrong_with_the_channel(channel: SlackChannel, words: str) -> None:
    with room(SlackSandbox([channel])) as here:
        bad = [f for f in here.slack().examine() if f.level is Level.FAIL]
        assert len(bad) == 1
        assert words in bad[0].what
        assert bad[0].do


def test_doctor_names_missing_scopes() -> None:
    with room(SlackSandbox(scopes=["channels:read"])) as here:
        found = findings(here.slack())
    assert (Level.FAIL, "the scope chat:write is missing: nothing can be posted") in found
    assert any(level is Level.WARN and "channels:history is missing" in what for level, what in found)


def test_doctor_does_without_the_optional_scopes() -> None:
    with room(SlackSandbox(scopes=["chat:write", "channels:history", "groups:history"])) as here:
        levels = [level for level, _ in findings(here.slack())]
    assert levels == [Level.OK, Level.WARN, Level.OK]


def test_doctor_tells_a_bad_token_and_an_unreachable_slack(here: Room) -> None:
    (bad,) = here.slack(token="xoxb-wrong").examine()
    assert bad.level is Level.FAIL
    assert "invalid_auth" in bad.what
    (gone,) = here.slack(api_url="http://127.0.0.1:1/api/").examine()
    assert gone.level is Level.FAIL
    assert "no answer from Slack" in gone.what


def test_doctor_says_what_a_webhook_cannot_do(here: Room) -> None:
    (finding,) = here.webhook().examine()
    assert finding.level is Level.WARN
    assert "not edited" in finding.what


# --- options ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"token": "xoxb-1", "channel": "#oncall"}, "names break when a channel is renamed"),
        ({"token": "xoxb-1"}, "set the ID of the channel"),
        ({"token": "xoxb-1", "channel": "C0A", "webhook_url": "https://x.example/y"}, "exactly one of"),
        ({"token": "", "channel": "C0A"}, "exactly one of"),
        ({"webhook_url": "https://x.example/y", "channel": "C0A"}, "no effect with `webhook_url`"),
        ({"webhook_url": "hooks.slack.com/x"}, "begins with https://hooks.slack.com/services/"),
        ({"token": "xoxb-1", "channel": "C0A", "api_url": "slack.com"}, "is not an address"),
        ({"token": "xoxb-1", "channel": "C0A", "chanel": "C0B"}, "Extra inputs"),
    ],
)
def test_options_say_what_to_write_instead(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SlackOptions.model_validate(options)


def test_secrets_do_not_show_in_options() -> None:
    options = SlackOptions.model_validate({"token": "xoxb-secret", "channel": "C0A"})
    assert "secret" not in repr(options)


def test_the_manifest_asks_for_exactly_the_scopes_that_the_sandbox_has_and_the_docs_explain() -> None:
    house = Path(__file__).parents[2]
    manifest = yaml.safe_load((house / "config/slack-app-manifest.yaml").read_text())
    scopes = manifest["oauth_config"]["scopes"]["bot"]
    assert set(scopes) == set(SCOPES)
    docs = (house / "docs/sinks/slack.md").read_text()
    assert all(f"`{scope}`" in docs for scope in scopes)
    assert all(f"`{option}`" in docs for option in SlackOptions.model_fields)
