"""Incidents that were told are put away packed, where every worker can read that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.advance import advance
from bridge.domain.alert import Link, Status
from bridge.domain.incident import Incident
from bridge.ports import Receipt
from bridge.store.deliveries import Deliveries, Lease, Settled, Settlement
from bridge.store.incidents import (
    Due,
    Incidents,
    Item,
    Record,
    decode_incident,
    decode_receipt,
    encode,
    packed_incident,
)
from bridge.store.keyspace import Keyspace
from bridge.store.presence import Presence
from tests.strategies import START, alert

F = "f" * 24
KEY = f"{{ab}}:i:{F}"
DAY = timedelta(hours=24)
STACK = "\n".join(f"checkout/steps/step_{n}.py:{n} in run_step" for n in range(8))
DONE = Settlement(outcome=Settled.DONE, receipt=Receipt(handle=("C1", "1.0"), version=1, told=1))

# As the version before packing wrote them.
OLD_INCIDENT = (
    b"\xdc\x00\x19\xb8ffffffffffffffffffffffff\x01\x01\xa6firing\xa5error\xa6sentry\xb1ZeroDivisionError"
    b"\xb0division by zero\xd9(checkout/pricing.py:57 in split_discount\xa6\xea\xb2\xb0\xec\xa0\x9c\xaaproduction"
    b"\xd9 https://acme.sentry.io/issues/1/\x81\xa5level\xa5error\x81\xa7Release\xa8shop@1.4"
    b"\x91\x92\xa7Runbook\xbehttps://runbooks.example.com/1\xd9 5b8efff798038103d269b633813fc60c"
    b"\xd6\xffk\x01%P\xd6\xffk\x01%P\xd6\xffk\x01%P\xd6\xffk\x01%P\x92\xd6\xffk\x01%P\xb008c1ad020e4e4039"
    b"\x01\x00\x91\x94\x01\xd6\xffk\x01%P\xa6opened\xa6opened\x00"
)
OLD_RECEIPT = (
    b"\x96\x92\xa8C0ONCALL\xb11763706000.123459\x01\x01\xc3\x92\xa5Slack"
    b"\xd9:https://acme.slack.com/archives/C0ONCALL/p1763706000123459\x91\xb03f0c2b7d9a51e864"
)


@pytest.fixture
def keyspace(redis_client: redis.Redis) -> Keyspace:
    return Keyspace(redis_client)


@pytest.fixture
def deliveries(keyspace: Keyspace) -> Deliveries:
    deliveries = Deliveries(keyspace)
    deliveries.packs = True
    return deliveries


def commit(keyspace: Keyspace, minute: int = 0, status: Status = Status.FIRING, *to: str) -> Incident:
    """Fold one more statement into the incident."""
    known = record(keyspace) if keyspace.client.exists(KEY) else None
    incident, _ = advance(known.incident if known else None, alert(minute, status, details=STACK), set(), DAY)
    assert incident is not None
    dues = [Due(name, timedelta()) for name in to or ("oncall",)]
    item = Item(fingerprint=F, revision=known.revision if known else 0, incident=incident, dues=dues, event_ids=[])
    assert Incidents(keyspace).commit([item], [], {}, START)[0] == set()
    return incident


def record(keyspace: Keyspace) -> Record:
    found = Incidents(keyspace).find(F)
    assert found is not None
    return found


def stored(keyspace: Keyspace) -> bytes:
    body = keyspace.client.hget(KEY, "i")
    assert isinstance(body, bytes)
    return body


def take(deliveries: Deliveries, destination: str = "oncall") -> Lease:
    (lease,) = deliveries.take(destination, 1)[1]
    return lease


def test_what_was_told_is_put_away_packed_and_reads_as_before(keyspace: Keyspace, deliveries: Deliveries) -> None:
    incident = commit(keyspace)
    plain = stored(keyspace)
    deliveries.settle(take(deliveries), DONE, START)

    assert len(stored(keyspace)) < len(plain) / 1.5
    assert record(keyspace).incident == incident
    assert [one.incident for one in Incidents(keyspace).each()] == [incident]
    assert Incidents(keyspace).load([F], ["e"], START)[0][F].incident == incident


def test_what_happens_next_is_folded_into_the_packed_one(keyspace: Keyspace, deliveries: Deliveries) -> None:
    commit(keyspace)
    for minute, status in ((1, Status.FIRING), (2, Status.RESOLVED)):
        deliveries.settle(take(deliveries), DONE, START)
        packed = stored(keyspace)
        after = commit(keyspace, minute, status)
        assert take(deliveries).incident == after
        assert stored(keyspace) != packed
        keyspace.client.hdel(KEY, "a:oncall")
        keyspace.client.zadd("{ab}:due:oncall", {f"{F}-1": 0})
    assert (after.count, after.status, after.details) == (2, Status.RESOLVED, STACK)


def test_a_packed_one_is_taken_and_left_as_it_is(keyspace: Keyspace, deliveries: Deliveries) -> None:
    incident = commit(keyspace, 0, Status.FIRING, "oncall", "tickets")
    deliveries.settle(take(deliveries), DONE, START)
    lease = take(deliveries, "tickets")
    deliveries.settle(lease, DONE, START)
    packed = stored(keyspace)

    keyspace.client.zadd("{ab}:due:oncall", {f"{F}-1": 0})
    lease = take(deliveries)
    assert (lease.incident, lease.body) == (incident, packed)
    deliveries.settle(lease, DONE, START)
    assert stored(keyspace) == packed


def test_what_changed_while_it_was_told_is_not_put_back(keyspace: Keyspace, deliveries: Deliveries) -> None:
    commit(keyspace)
    lease = take(deliveries)
    after = commit(keyspace, 1)
    deliveries.settle(lease, DONE, START)
    assert record(keyspace).incident == after


@pytest.mark.parametrize("outcome", [Settled.RETRY, Settled.UNKNOWN, Settled.WAIT])
def test_what_was_not_told_stays_plain(keyspace: Keyspace, deliveries: Deliveries, outcome: Settled) -> None:
    commit(keyspace)
    plain = stored(keyspace)
    deliveries.settle(take(deliveries), Settlement(outcome=outcome, delay=DAY), START)
    assert stored(keyspace) == plain


def test_nothing_is_packed_while_a_worker_lives_that_could_not_read_it(keyspace: Keyspace) -> None:
    old, new, newer = Presence(keyspace, "host:1:abcdef"), Presence(keyspace), Presence(keyspace)
    new.beat()
    assert new.all_unpack
    old.beat()
    newer.beat()
    assert not newer.all_unpack

    old.leave()
    again = Presence(keyspace, new.name)
    again.beat()
    assert again.all_unpack


def test_a_worker_that_fell_silent_is_waited_for_until_it_is_forgotten(keyspace: Keyspace) -> None:
    for minutes, packs in ((59, False), (61, True)):
        at = int((datetime.now(UTC) - timedelta(minutes=minutes)).timestamp() * 1000)
        keyspace.client.hset("{ab}:workers", "host:1:abcdef", f"{at}|{at}")
        presence = Presence(keyspace)
        presence.beat()
        assert presence.all_unpack is packs


def test_deliveries_pack_nothing_by_themselves(keyspace: Keyspace) -> None:
    commit(keyspace)
    plain = stored(keyspace)
    deliveries = Deliveries(keyspace)
    deliveries.settle(take(deliveries), DONE, START)
    assert stored(keyspace) == plain


def test_records_of_the_version_before_are_read_and_written_on(keyspace: Keyspace, deliveries: Deliveries) -> None:
    fields = {"n": 1, "v": 3, "i": OLD_INCIDENT, "t": "t" * 32, "r:tickets": OLD_RECEIPT}
    keyspace.client.hset(KEY, mapping=fields)  # type: ignore[arg-type]  # its types are narrow
    keyspace.client.zadd("{ab}:due:oncall", {f"{F}-1": 0})
    lease = take(deliveries)
    incident = lease.incident
    assert (incident.id, incident.service, incident.count) == (f"{F}-1", "결제", 1)
    assert incident.links == (Link("Runbook", "https://runbooks.example.com/1"),)
    assert incident.first_seen == START
    assert lease.receipts["tickets"] == decode_receipt(OLD_RECEIPT)

    deliveries.settle(lease, DONE, START)
    assert stored(keyspace) != OLD_INCIDENT
    assert record(keyspace).incident == incident
    assert commit(keyspace, 1).count == 2


@given(title=st.text(max_size=40), details=st.text(max_size=400), labels=st.dictionaries(st.text(), st.text()))
def test_packing_loses_nothing(title: str, details: str, labels: dict[str, str]) -> None:
    incident, _ = advance(None, alert(title=title, details=details, labels=labels), set(), DAY)
    assert incident is not None
    plain = encode(incident)
    packed = packed_incident(plain)
    assert decode_incident(plain) == incident
    assert not packed or (len(packed) < len(plain) and decode_incident(packed) == incident)
    assert packed_incident(packed or b"x") == b""
