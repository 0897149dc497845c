from __future__ import annotations

from datetime import timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.advance import KEYS_LIMIT, advance
from bridge.domain.alert import Alert, Severity, Status
from bridge.domain.incident import TIMELINE_LIMIT, Change, Incident
from tests.strategies import START, alert, statements

DAY = timedelta(hours=24)


def run(alerts: list[Alert]) -> tuple[Incident | None, list[Change]]:
    incident, changes, seen = None, [], set[str]()
    for one in alerts:
        incident, change = advance(incident, one, seen, DAY)
        seen.add(one.event_id)
        changes.append(change)
    return incident, changes


def final(alerts: list[Alert]) -> Incident:
    incident, _ = run(alerts)
    assert incident is not None
    return incident


def test_the_first_firing_opens() -> None:
    incident, changes = run([alert()])

    assert changes == [Change.OPENED]
    assert incident is not None
    assert (incident.status, incident.count, incident.version) == (Status.FIRING, 1, 1)
    assert incident.id == "f" * 24 + "-1"


def test_a_repeat_counts_and_tells_nothing() -> None:
    incident, changes = run([alert(0), alert(1), alert(2)])

    assert changes[1:] == [Change.REPEATED] * 2
    assert incident is not None
    assert (incident.count, len(incident.timeline)) == (3, 1)
    assert incident.last_seen == START + timedelta(minutes=2)


def test_what_is_scrubbed_anew_from_each_repeat_is_not_counted_anew() -> None:
    statements = [msgspec.structs.replace(alert(minute), redactions=found) for minute, found in enumerate((2, 3, 2))]

    assert final(statements).redactions == 3


def test_the_same_statement_again_changes_nothing() -> None:
    once = final([alert(0), alert(1)])
    twice, changes = run([alert(0), alert(1), alert(1), alert(0)])

    assert changes[2:] == [Change.DUPLICATE] * 2
    assert twice == once


def test_severity_raised_and_eased_is_told() -> None:
    incident, changes = run(
        [
            alert(0, severity=Severity.WARNING),
            alert(1, severity=Severity.CRITICAL),
            alert(2, severity=Severity.ERROR),
        ]
    )

    assert changes == [Change.OPENED, Change.WORSENED, Change.EASED]
    assert incident is not None
    assert [e.text for e in incident.timeline[1:]] == [
        "severity raised from warning to critical",
        "severity eased from critical to error",
    ]


def test_resolution_says_after_how_long_and_why() -> None:
    incident = final([alert(0), alert(12, Status.RESOLVED, summary="p99 is back under 300 ms")])

    assert incident.timeline[-1].text == "resolved after 12 min: p99 is back under 300 ms"
    assert incident.resolved_at == START + timedelta(minutes=12)


def test_firing_again_within_the_window_reopens_the_same_incident() -> None:
    incident, changes = run([alert(0), alert(5, Status.RESOLVED), alert(65)])

    assert changes == [Change.OPENED, Change.RESOLVED, Change.REOPENED]
    assert incident is not None
    assert (incident.number, incident.reopened, incident.count) == (1, 1, 2)
    assert incident.timeline[-1].text == "firing again, 1 h after it was resolved"


def test_firing_again_after_the_window_is_a_new_incident_that_names_the_old_one() -> None:
    incident, changes = run([alert(0), alert(5, Status.RESOLVED), alert(5 + 24 * 60 + 1)])

    assert changes[-1] is Change.RECURRED
    assert incident is not None
    assert (incident.number, incident.count, incident.previous) == (2, 1, "f" * 24 + "-1")


def test_a_resolution_before_its_firing_leaves_nothing_to_show() -> None:
    incident, changes = run([alert(5, Status.RESOLVED), alert(0)])

    assert changes == [Change.MOOT, Change.LATE]
    assert incident is not None
    assert incident.status is Status.RESOLVED
    assert incident.timeline == ()


def test_a_firing_after_an_early_resolution_opens() -> None:
    incident, changes = run([alert(0, Status.RESOLVED), alert(5)])

    assert changes == [Change.MOOT, Change.OPENED]
    assert incident is not None
    assert (incident.number, incident.count) == (1, 1)


def test_a_resolution_at_the_same_time_as_the_firing_wins() -> None:
    assert final([alert(3), alert(3, Status.RESOLVED)]).status is Status.RESOLVED
    assert final([alert(3, Status.RESOLVED), alert(3)]).status is Status.RESOLVED


def test_a_note_is_told_only_while_it_fires() -> None:
    incident, changes = run(
        [
            alert(0, Status.NOTED, "a"),
            alert(1),
            alert(2, Status.NOTED, "b", summary="assigned to Jisu"),
            alert(3, Status.RESOLVED),
            alert(4, Status.NOTED, "c"),
        ]
    )

    assert changes == [Change.MOOT, Change.OPENED, Change.NOTED, Change.RESOLVED, Change.MOOT]
    assert incident is not None
    assert incident.timeline[1].text == "assigned to Jisu"


def test_what_a_newer_hook_does_not_say_is_kept() -> None:
    rich = alert(0, trace_id="a" * 32, environment="prod", labels={"region": "seoul"}, facts={"Release": "1"})
    incident = final([rich, alert(1, facts={"Release": "2"})])

    assert (incident.trace_id, incident.environment) == ("a" * 32, "prod")
    assert incident.labels == {"region": "seoul"}
    assert incident.facts == {"Release": "2"}


def test_labels_do_not_grow_without_bound() -> None:
    alerts = [alert(i, labels={f"key{i}-{j}": "x" for j in range(50)}) for i in range(9)]

    assert len(final(alerts).labels) <= KEYS_LIMIT


def test_what_was_declared_over_and_still_fires_is_reopened_although_it_is_dated_by_its_old_beginning() -> None:
    first = alert(0, said_at=START)
    over = alert(5, Status.RESOLVED)
    again = alert(0, said_at=START + timedelta(minutes=9))
    incident, changes = run([first, over, again])

    assert changes == [Change.OPENED, Change.RESOLVED, Change.REOPENED]
    assert incident is not None
    assert incident.timeline[-1].text == "firing again, 4 min after it was resolved"
    assert incident.first_seen == START


def test_what_is_said_to_be_so_still_was_seen_now_and_counts_no_more() -> None:
    still = alert(0, said_at=START + timedelta(hours=4))
    peer = alert(0, said_at=START + timedelta(hours=4, seconds=15))
    incident, changes = run([alert(0, said_at=START), still, peer])

    assert changes == [Change.OPENED, Change.REPEATED, Change.DUPLICATE]
    assert incident is not None
    assert (incident.count, incident.last_seen) == (1, START + timedelta(hours=4))


def test_a_late_copy_of_the_firing_does_not_reopen() -> None:
    over = [alert(0, said_at=START), alert(5, Status.RESOLVED)]
    copy = alert(0, said_at=START + timedelta(minutes=5, seconds=30))

    assert run([*over, copy])[1][-1] is Change.DUPLICATE


def test_what_began_after_the_resolution_keeps_its_own_beginning_however_late_it_is_said() -> None:
    over = [alert(0, said_at=START), alert(5, Status.RESOLVED)]
    again = alert(10, said_at=START + timedelta(minutes=15))
    incident, changes = run([*over, again])

    assert changes[-1] is Change.REOPENED
    assert incident is not None
    assert incident.fired_at == START + timedelta(minutes=10)
    assert incident.timeline[-1].text == "firing again, 5 min after it was resolved"
    assert final([*over, again, alert(12, Status.RESOLVED)]).status is Status.RESOLVED


def test_the_timeline_is_bounded_and_keeps_the_newest() -> None:
    flapping = [alert(i, Status.RESOLVED if i % 2 else Status.FIRING) for i in range(100)]
    incident = final(flapping)

    assert len(incident.timeline) == TIMELINE_LIMIT
    assert incident.timeline[-1].version == incident.version


def decisive(incident: Incident | None) -> tuple[object, ...]:
    if incident is None:
        return ()
    return (
        incident.status,
        incident.severity if incident.count else None,
        incident.count,
        incident.first_seen if incident.count else None,
        incident.last_seen if incident.count else None,
        incident.stated_at,
        incident.number,
    )


@given(statements(), st.randoms())
def test_the_order_of_arrival_does_not_change_the_final_state(alerts: list[Alert], chance: object) -> None:
    shuffled = list(alerts)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # random.Random

    assert decisive(run(shuffled)[0]) == decisive(run(alerts)[0])


@given(statements(), st.data())
def test_duplicates_anywhere_later_change_nothing(alerts: list[Alert], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(alerts), max_size=6))

    assert run(alerts + again)[0] == run(alerts)[0]


@given(statements())
def test_versions_only_grow_and_name_timeline_entries_uniquely(alerts: list[Alert]) -> None:
    incident, seen, versions = None, set[str](), [0]
    for one in alerts:
        incident, _ = advance(incident, one, seen, DAY)
        assert incident is not None
        versions.append(incident.version)
    assert versions == sorted(versions)
    told = [e.version for e in incident.timeline]  # type: ignore[union-attr]  # not None after a statement
    assert told == sorted(set(told))


@given(statements())
def test_an_incident_survives_the_store(alerts: list[Alert]) -> None:
    incident = final(alerts)

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(incident), type=Incident) == incident
