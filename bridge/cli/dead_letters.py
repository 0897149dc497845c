"""alert-bridge dead-letters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo

import click
from redis.exceptions import RedisError

from bridge import wiring
from bridge.cli import Failure, Unreachable, load, say
from bridge.cli.table import output_option, show
from bridge.pipeline.letters import Replayer, content_of, facts_of
from bridge.settings import Settings
from bridge.store.deadletters import DeadLetters
from bridge.store.deliveries import Letter
from bridge.store.incidents import Incidents

Act = Callable[[Letter, datetime], tuple[bool, str]]

_names = click.argument("names", nargs=-1, metavar="[NAME]...")
_all = click.option("--all", "every", is_flag=True, help="All of them.")


@click.group("dead-letters")
def command() -> None:
    """Deliveries that were rejected for good, and proven requests that could not be parsed.

    Each needs a person: find out why with `show`, mend it, then `replay`; or `drop` it.
    """


@command.command("list")
@output_option
def list_(output: str) -> None:
    """List them, the oldest first."""
    settings = load.settings()
    with _store():
        letters = wiring.dead_letters(settings)
        found, shed = letters.all(), letters.shed
    rows = [_row(letter, settings.timezone) for letter in found]
    show(rows, output, "No dead letters.")
    if shed:
        why = "the log has their reasons (unparseable, dead_letter_shed)"
        say(f"{shed} more could not be kept for want of room: {why}")


@command.command("show")
@click.argument("name")
@output_option
def show_(name: str, output: str) -> None:
    """Show one: why, since when, how often tried, and the incident or the request, with secrets masked."""
    settings = load.settings()
    with _store():
        keys = wiring.keyspace(settings)
        letter = _found(DeadLetters(keys), [name])[0]
        record = Incidents(keys).find(letter.id) if letter.destination else None
    facts = _row(letter, settings.timezone)
    content = content_of(letter, record)
    if output == "json":
        show([facts | content], output, "")
        return
    known = [{"what": key, "is": value} for key, value in facts.items() if value not in (None, "")]
    show(known, output, "", whole=True)
    for key, value in content.items():
        if value in (None, False):
            continue
        click.echo(f"\n{key}:\n{_pretty(value)}")


@command.command("replay")
@_names
@_all
def replay(names: Sequence[str], every: bool) -> None:  # noqa: FBT001 - a flag
    """Try again: deliveries become due now, requests go through the parser of this version.

    Nothing is told twice by it. Ends with 1 if some could not be begun.
    """
    _act(names, every, lambda replayer: replayer.replay)


@command.command("drop")
@_names
@_all
def drop(names: Sequence[str], every: bool) -> None:  # noqa: FBT001 - a flag
    """Forget them: what they hold is told nowhere. The incident's chain of decisions keeps a line."""
    _act(names, every, lambda replayer: replayer.drop)


def _act(names: Sequence[str], every: bool, act_of: Callable[[Replayer], Act]) -> None:  # noqa: FBT001 - a flag
    if bool(names) is every:
        raise click.UsageError("name the letters (`alert-bridge dead-letters list` has the names), or say --all")
    settings = load.settings()
    with _store():
        replayer = _replayer(settings)
        letters = replayer.letters.all() if every else _found(replayer.letters, names)
        if not letters:
            say("No dead letters.")
        act = act_of(replayer)
        done = [_told(letter, *act(letter, datetime.now(UTC))) for letter in letters]
    if not all(done):
        raise Failure(f"{done.count(False)} of {len(done)} letters stay as they are")


def _told(letter: Letter, done: bool, said: str) -> bool:  # noqa: FBT001 - passed on
    click.echo(f"{'ok    ' if done else 'not so'}  {letter.name}: {said}")
    return done


def _replayer(settings: Settings) -> Replayer:
    return Replayer(
        letters=wiring.dead_letters(settings),
        parts=wiring.parts(settings),
        sources=wiring.sources(settings),
        scrubber=wiring.scrubber(settings),
    )


def _found(letters: DeadLetters, names: Sequence[str]) -> list[Letter]:
    found = [(name, letters.find(name)) for name in names]
    if missing := [name for name, letter in found if letter is None]:
        raise Failure(f"there is no dead letter {', '.join(missing)}; `alert-bridge dead-letters list` lists them")
    return [letter for _, letter in found if letter is not None]


@contextmanager
def _store() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise Unreachable(f"the store does not answer: {error}\nStart the bridge, or set REDIS_URL.") from error


def _row(letter: Letter, timezone: tzinfo) -> dict[str, object]:
    return {key: _local(value, timezone) for key, value in facts_of(letter).items()}


def _local(value: object, timezone: tzinfo) -> object:
    return value.astimezone(timezone) if isinstance(value, datetime) else value


def _pretty(value: object) -> str:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return str(value)
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)
