"""What Slack says to a message that breaks its limits.

https://docs.slack.dev/reference/block-kit/blocks; lengths are counted in UTF-16 units, the strictest reading.
"""

from __future__ import annotations

from collections.abc import Iterator

BLOCKS = 50
ATTACHMENTS = 100
TEXT_WHEN_EDITED = 4000
TOTAL = 13200
"""Characters in all blocks: undocumented, seen as `msg_blocks_too_long` (slackapi/bolt-js#2509)."""

Json = dict[str, object]


def refusal(message: Json, *, edited: bool) -> Json | None:
    """Return the body of Slack's refusal (`ok`, `error`, details), or None when the message is fine."""
    text, attachments = str(message.get("text") or ""), _list(message.get("attachments"))
    shown = [_list(message.get("blocks")), *(_list(_dict(a).get("blocks")) for a in attachments)]
    if not (text or attachments or shown[0]):
        return _no("no_text")
    if edited and units(text) > TEXT_WHEN_EDITED:
        return _no("msg_too_long")
    if len(attachments) > ATTACHMENTS:
        return _no("too_many_attachments")
    problems = [each for blocks in shown for each in _block_problems(blocks)]
    if problems:
        return _no("invalid_blocks", problems)
    return _no("msg_blocks_too_long") if sum(_size(blocks) for blocks in shown) > TOTAL else None


def units(text: str) -> int:
    """Return the length in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _no(error: str, problems: list[str] | None = None) -> Json:
    if not problems:
        return {"ok": False, "error": error}
    messages = [f"[ERROR] {each}" for each in problems]
    return {"ok": False, "error": error, "errors": problems, "response_metadata": {"messages": messages}}


def _block_problems(blocks: list[object]) -> Iterator[str]:
    if len(blocks) > BLOCKS:
        yield f"no more than {BLOCKS} items allowed [json-pointer:/blocks]"
    ids = [i for i in (_dict(block).get("block_id") for block in blocks) if i]
    if len(ids) != len(set(ids)):
        yield "block_id already exists [json-pointer:/blocks]"
    for index, block in enumerate(blocks):
        yield from _one_block(_dict(block), f"/blocks/{index}")


def _one_block(block: Json, where: str) -> Iterator[str]:
    match block.get("type"):
        case "section":
            yield from _section(block, where)
        case "context":
            yield from _items(block.get("elements"), f"{where}/elements", most=10)
            for index, element in enumerate(_list(block.get("elements"))):
                yield from _text(element, f"{where}/elements/{index}", most=3000)
        case "actions":
            yield from _items(block.get("elements"), f"{where}/elements", most=25)
            for index, element in enumerate(_list(block.get("elements"))):
                yield from _button(_dict(element), f"{where}/elements/{index}")
        case "header":
            yield from _text(block.get("text"), f"{where}/text", most=150)
        case "divider":
            pass
        case kind:
            yield f"unsupported type: {kind} [json-pointer:{where}/type]"


def _section(block: Json, where: str) -> Iterator[str]:
    if "text" not in block and "fields" not in block:
        yield f"missing required field: text [json-pointer:{where}]"
    if "text" in block:
        yield from _text(block["text"], f"{where}/text", most=3000)
    if "fields" in block:
        yield from _items(block["fields"], f"{where}/fields", most=10)
        for index, field in enumerate(_list(block["fields"])):
            yield from _text(field, f"{where}/fields/{index}", most=2000)


def _items(value: object, where: str, *, most: int) -> Iterator[str]:
    if not _list(value):
        yield f"no less than 1 items allowed [json-pointer:{where}]"
    if len(_list(value)) > most:
        yield f"no more than {most} items allowed [json-pointer:{where}]"


def _text(value: object, where: str, *, most: int) -> Iterator[str]:
    text = _dict(value).get("text")
    if _dict(value).get("type") not in ("mrkdwn", "plain_text") or not isinstance(text, str):
        yield f"must be a text object [json-pointer:{where}]"
    elif not text:
        yield f"must be more than 0 characters [json-pointer:{where}/text]"
    elif units(text) > most:
        yield f"must be less than {most + 1} characters [json-pointer:{where}/text]"


def _button(element: Json, where: str) -> Iterator[str]:
    if element.get("type") != "button":
        yield f"unsupported type: {element.get('type')} [json-pointer:{where}/type]"
        return
    yield from _text(element.get("text"), f"{where}/text", most=75)
    for key, most in (("url", 3000), ("value", 2000), ("action_id", 255)):
        if units(str(element.get(key, ""))) > most:
            yield f"must be less than {most + 1} characters [json-pointer:{where}/{key}]"
    if not str(element.get("url", "https:")).startswith(("http:", "https:", "mailto:")):
        yield f"invalid url [json-pointer:{where}/url]"


def _size(part: object) -> int:
    if isinstance(part, str):
        return units(part)
    if isinstance(part, dict):
        return sum(_size(value) for value in part.values())
    return sum(_size(item) for item in part) if isinstance(part, list) else 0


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _dict(value: object) -> Json:
    return value if isinstance(value, dict) else {}
