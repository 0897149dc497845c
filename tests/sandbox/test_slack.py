"""The sandbox Slack answers the real client as the real Slack does."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bridge.sandbox.faults import drop
from bridge.sandbox.slack import BOT_ID, TOKEN, WEBHOOK, SlackSandbox
from bridge.sandbox.slack_workspace import SlackChannel
from tests.sinks.slack_room import Room, room


@pytest.fixture
def here() -> Iterator[Room]:
    with room() as served:
        yield served


def client(here: Room, token: str = TOKEN) -> WebClient:
    made = WebClient(token, f"{here.url}/slack/api/", timeout=60, retry_handlers=[])
    made.proxy = None
    return made


def error(act: object, *arguments: object, **named: object) -> dict[str, object]:
    assert callable(act)
    with pytest.raises(SlackApiError) as caught:
        act(*arguments, **named)
    data = caught.value.response.data
    assert isinstance(data, dict)
    return data


def section(text: str) -> list[dict[str, object]]:
    return [{"type": "section", "text": {"type": "mrkdwn", "text": text}}]


def post(here: Room, **named: object) -> str:
    return str(client(here).api_call("chat.postMessage", json={"channel": "C0ONCALL", "text": "hi", **named})["ts"])


def test_tokens_are_checked(here: Room) -> None:
    assert client(here).auth_test()["bot_id"] == BOT_ID
    assert error(client(here, "xoxb-other").auth_test)["error"] == "invalid_auth"
    assert httpx.post(f"{here.url}/slack/api/auth.test", trust_env=False).json()["error"] == "not_authed"


def test_scopes_stand_in_a_header_and_are_needed() -> None:
    with room(SlackSandbox(scopes=["chat:write"])) as here:
        assert client(here).auth_test().headers["x-oauth-scopes"] == "chat:write"
        refused = error(client(here).conversations_history, channel="C0ONCALL")
    assert refused["error"] == "missing_scope"
    assert (refused["needed"], refused["provided"]) == ("channels:history", "chat:write")


@pytest.mark.parametrize(
    ("channel", "word"),
    [
        (SlackChannel(id="C0ELSE"), "channel_not_found"),
        (SlackChannel(is_archived=True), "is_archived"),
        (SlackChannel(is_member=False), "not_in_channel"),
        (SlackChannel(is_member=False, is_private=True), "channel_not_found"),
    ],
)
def test_channels_that_cannot_be_posted_to(channel: SlackChannel, word: str) -> None:
    with room(SlackSandbox([channel])) as here:
        assert error(client(here).chat_postMessage, channel="C0ONCALL", text="x")["error"] == word


def test_every_ts_is_unique_and_a_string(here: Room) -> None:
    stamps = [post(here) for _ in range(20)]
    assert len(set(stamps)) == 20
    assert stamps == sorted(stamps)
    assert all(len(ts.split(".")[1]) == 6 for ts in stamps)


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        (section("x" * 3001), "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
        (section("😀" * 1501), "must be less than 3001 characters"),
        (section(""), "must be more than 0 characters"),
        (section("x") * 51, "no more than 50 items allowed"),
        ([{"type": "section", "fields": []}], "no less than 1 items allowed"),
        ([{"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 11}], "no more than 10 items"),
        ([{"type": "context", "elements": []}], "no less than 1 items allowed"),
        ([{"type": "actions", "elements": [{"type": "image"}]}], "unsupported type: image"),
        ([{"type": "banner"}], "unsupported type: banner"),
        (
            [{"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "x" * 76}}]}],
            "must be less than 76 characters",
        ),
        (
            [
                {
                    "type": "actions",
                    "elements": [
                        {"type": "button", "url": "https://" + "x" * 3000, "text": {"type": "plain_text", "text": "x"}}
                    ],
                }
            ],
            "must be less than 3001 characters [json-pointer:/blocks/0/elements/0/url]",
        ),
    ],
)
def test_blocks_beyond_the_limits_are_refused_with_a_pointer(
    here: Room, blocks: list[dict[str, object]], words: str
) -> None:
    for content in ({"blocks": blocks}, {"attachments": [{"blocks": blocks}]}):
        refused = error(client(here).api_call, "chat.postMessage", json={"channel": "C0ONCALL", "text": "x", **content})
        assert refused["error"] == "invalid_blocks"
        assert words in str(refused["response_metadata"])


def test_texts_beyond_the_limits_are_refused(here: Room) -> None:
    assert error(client(here).api_call, "chat.postMessage", json={"channel": "C0ONCALL"})["error"] == "no_text"
    ts = post(here, text="x" * 4001)
    assert error(client(here).chat_update, channel="C0ONCALL", ts=ts, text="x" * 4001)["error"] == "msg_too_long"
    many = [block for _ in range(5) for block in section("x" * 3000)]
    assert error(client(here).chat_postMessage, channel="C0ONCALL", text="x", blocks=many)["error"] == (
        "msg_blocks_too_long"
    )


def test_an_edit_replaces_what_it_names_and_keeps_the_rest(here: Room) -> None:
    ts = post(here, attachments=[{"color": "#fff", "blocks": section("x")}], metadata={"event_type": "a"})
    client(here).chat_update(channel="C0ONCALL", ts=ts, text="new")
    (root,) = here.sandbox.messages()
    assert (root.text, len(root.attachments), root.metadata) == ("new", 1, {"event_type": "a"})
    client(here).chat_update(channel="C0ONCALL", ts=ts, text="new", attachments=[], metadata={})
    (root,) = here.sandbox.messages()
    assert (root.attachments, root.metadata, root.edits) == ([], {}, 2)


def test_only_own_messages_can_be_edited(here: Room) -> None:
    other = here.sandbox.workspace.post("C0ONCALL", "B0OTHER", {"text": "x"})
    assert error(client(here).chat_update, channel="C0ONCALL", ts=other.ts, text="y")["error"] == "cant_update_message"
    assert error(client(here).chat_update, channel="C0ONCALL", ts="1.000001", text="y")["error"] == "message_not_found"


def test_a_thread_needs_a_parent_that_is_a_root(here: Room) -> None:
    root = post(here)
    reply = post(here, thread_ts=root)
    refused = error(client(here).chat_postMessage, channel="C0ONCALL", text="x", thread_ts=reply)
    assert refused["error"] == "cannot_reply_to_message"
    thread = client(here).conversations_replies(channel="C0ONCALL", ts=root)["messages"]
    assert [each["ts"] for each in thread] == [root, reply]


def test_history_is_newest_first_paged_bounded_and_without_replies(here: Room) -> None:
    stamps = [post(here, metadata={"event_type": "a", "event_payload": {"n": n}}) for n in range(5)]
    post(here, thread_ts=stamps[0])
    shout = post(here, thread_ts=stamps[0], reply_broadcast=True)
    page = client(here).conversations_history(channel="C0ONCALL", limit=2)
    assert [each["ts"] for each in page["messages"]] == [shout, stamps[4]]
    assert page["messages"][1]["metadata"] == {"event_type": "a"}
    cursor = page["response_metadata"]["next_cursor"]
    page = client(here).conversations_history(channel="C0ONCALL", limit=2, cursor=cursor, include_all_metadata=True)
    assert page["messages"][0]["metadata"]["event_payload"] == {"n": 3}
    for inclusive, found in ((True, 3), (False, 2)):
        page = client(here).conversations_history(channel="C0ONCALL", oldest=stamps[3], inclusive=inclusive)
        assert len(page["messages"]) == found


def test_forms_carry_structures_as_json(here: Room) -> None:
    form = {"channel": "C0ONCALL", "text": "x", "attachments": json.dumps([{"blocks": section("y")}]), "token": TOKEN}
    assert httpx.post(f"{here.url}/slack/api/chat.postMessage", data=form, trust_env=False).json()["ok"]
    assert len(here.sandbox.messages()[0].attachments) == 1


def test_deleting_a_root_with_replies_leaves_a_tombstone(here: Room) -> None:
    bare, root = post(here), post(here)
    post(here, thread_ts=root)
    client(here).chat_delete(channel="C0ONCALL", ts=bare)
    client(here).chat_delete(channel="C0ONCALL", ts=root)
    thread = client(here).conversations_replies(channel="C0ONCALL", ts=root)["messages"]
    assert [each.get("subtype") for each in thread] == ["tombstone", None]
    assert error(client(here).conversations_replies, channel="C0ONCALL", ts=bare)["error"] == "thread_not_found"


def test_a_fourth_message_within_a_second_is_too_much() -> None:
    with room(SlackSandbox(per_second=1)) as here:
        for _ in range(3):
            post(here)
        with pytest.raises(SlackApiError) as caught:
            post(here)
    assert caught.value.response.status_code == 429
    assert int(caught.value.response.headers["Retry-After"]) >= 1


def test_the_webhook_answers_in_plain_words(here: Room) -> None:
    def hook(path: str, content: object) -> tuple[int, str]:
        answer = httpx.post(f"{here.url}{path}", content=json.dumps(content), trust_env=False)
        return answer.status_code, answer.text

    assert hook(WEBHOOK, {"text": "hi"}) == (200, "ok")
    assert hook(WEBHOOK, {}) == (400, "no_text")
    assert hook(WEBHOOK, {"text": "x", "blocks": [{"type": "banner"}]}) == (400, "invalid_blocks")
    assert hook("/slack/services/T/B/other", {"text": "hi"}) == (404, "no_service")
    here.sandbox.workspace.channels["C0ONCALL"].is_archived = True
    assert hook(WEBHOOK, {"text": "hi"}) == (410, "channel_is_archived")


def test_what_stands_there_survives_a_restart_as_json(here: Room) -> None:
    root = post(here, metadata={"event_type": "a"}, attachments=[{"blocks": section("x")}])
    post(here, thread_ts=root)
    kept = json.loads(json.dumps(here.sandbox.dump()))
    fresh = SlackSandbox()
    fresh.load(kept)
    assert fresh.messages() == here.sandbox.messages()
    assert fresh.workspace.post("C0ONCALL", BOT_ID, {"text": "y"}).ts > root


def test_faults_are_set_listed_and_cleared_over_http(here: Room) -> None:
    with httpx.Client(base_url=here.url, trust_env=False) as http:
        fault = {"endpoint": "auth.test", "kind": "drop", "times": 0}
        assert len(http.post("/faults", json=[fault, {**fault, "kind": "answer"}]).json()) == 2
        with pytest.raises(httpx.RemoteProtocolError):
            http.post("/slack/api/auth.test")
        assert http.post("/faults", json={"endpoint": "x"}).status_code == 400
        assert http.post("/faults", content=b"{").status_code == 400
        assert len(http.get("/faults").json()) == 2
        assert http.delete("/faults").json() == []
        assert http.post("/slack/api/auth.test").status_code == 200


def test_a_dropped_connection_ends_without_a_byte_whether_or_not_it_was_done(here: Room) -> None:
    for applied in (True, False):
        here.sandbox.faults.add(drop("chat.postMessage", applied=applied))
        with pytest.raises(ConnectionError, match="without response"):
            post(here)
        assert len(here.sandbox.messages()) == 1
