"""What a batch says at once ends where the same would have ended one by one."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.domain.alert import Alert, Severity, Status
from bridge.domain.incident import Incident
from bridge.domain.routing import Route
from bridge.pipeline.ingest import ingest
from tests.pipeline.desk import Board, Desk
from tests.strategies import alert

STATEMENTS = st.lists(
    st.builds(
        lambda minute, status, event, severity, problem: alert(
            minute, status, problem + event, severity=severity, fingerprint=problem * 24
        ),
        st.sampled_from([0, 1, 2, 3, 60, 3000, 3001]),
        st.sampled_from([Status.FIRING, Status.FIRING, Status.FIRING, Status.RESOLVED, Status.NOTED]),
        st.sampled_from([f"e{n}" for n in range(12)]),
        st.sampled_from([Severity.WARNING, Severity.CRITICAL]),
        st.sampled_from("ab"),
    ),
    max_size=12,
)


def folded(client: redis.Redis, requests: list[list[Alert]]) -> dict[str, Incident]:
    """Return the incidents after these requests were taken in one batch each."""
    client.flushall()
    desk = Desk(client, [Board("oncall")], [Route(to=("oncall",))])
    for request in requests:
        desk.parts.inbox.put(request)
        while ingest(desk.parts):
            pass
    return {one.incident.id: one.incident for one in desk.parts.incidents.each()}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(statements=STATEMENTS)
def test_a_batch_is_folded_as_if_each_statement_had_come_alone(
    redis_client: redis.Redis, statements: list[Alert]
) -> None:
    one_by_one = folded(redis_client, [[one] for one in statements])
    at_once = folded(redis_client, [statements] if statements else [])

    assert at_once == one_by_one


def test_what_fires_again_is_kept_for_good_again(redis_client: redis.Redis) -> None:
    desk = Desk(redis_client, [Board("oncall")], [Route(to=("oncall",))])
    kept = []
    for statement in (alert(0), alert(1, Status.RESOLVED), alert(2), alert(3)):
        desk.hear(statement)
        kept.append(redis_client.pttl(desk.keys.key("i:" + "f" * 24)))

    assert kept[0] == kept[2] == kept[3] == -1
    assert kept[1] > timedelta(days=29).total_seconds() * 1000  # type: ignore[operator]  # not the async client


def test_what_began_with_its_end_is_kept_for_good_when_it_fires(redis_client: redis.Redis) -> None:
    desk = Desk(redis_client, [Board("oncall")], [Route(to=("oncall",))])
    desk.hear(alert(1, Status.RESOLVED))
    desk.hear(msgspec.structs.replace(alert(5), event_id="later"))

    assert redis_client.pttl(desk.keys.key("i:" + "f" * 24)) == -1
