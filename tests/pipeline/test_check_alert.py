"""What is said of a check: readable, and without secrets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from bridge.domain.advance import advance
from bridge.domain.alert import Alert, Link, Severity, Status
from bridge.domain.checkup import Record
from bridge.domain.incident import Incident
from bridge.domain.observation import Fault, Observation
from bridge.pipeline.check_alert import farewell
from bridge.pipeline.checkups import settlement
from bridge.store.checks import Taken
from tests.pipeline.watch import SCRUBBERS, Obedient, watched

START = datetime(2026, 7, 1, 12, tzinfo=UTC)
TRACE = "0af7651916cd43dd8448eb211c80319c"


def observation(fault: Fault | None, got: str = "HTTP 503 after 12 ms", **facts: str) -> Observation:
    return Observation(
        at=START, took=timedelta(), fault=fault, expected="status 200", got=got, facts=facts, trace_id=TRACE
    )


def said(*seen: Observation, **plan: object) -> list[Alert]:
    """Return what is said of these runs, a minute apart."""
    one, record, alerts = watched("checkout-api", Obedient(), **plan), Record(), []
    for number, each in enumerate(seen):
        run = Taken("checkout-api", "1", START + timedelta(minutes=number), record)
        settled = settlement(one, run, each, SCRUBBERS)
        record = settled.record
        alerts += [settled.said] if settled.said else []
    return alerts


def incident(alerts: Sequence[Alert]) -> Incident:
    found: Incident | None = None
    for alert in alerts:
        found, _ = advance(found, alert, set(), timedelta(hours=24))
    assert found is not None
    return found


BAD, GOOD = observation(Fault.STATUS), observation(None, "HTTP 200 after 9 ms")


def test_an_alert_says_what_was_expected_and_what_came() -> None:
    plan = {
        "fail_after": 3,
        "severity": "error",
        "service": "checkout",
        "environment": "prod",
        "labels": {"team": "shop"},
        "runbook": "https://wiki.example.com/checkout?v=2",
    }
    (alert,) = said(BAD, BAD, BAD, **plan)

    assert alert.title == "checkout-api is down"
    assert alert.summary == "HTTP 503 after 12 ms; expected status 200. 3 runs in a row failed."
    assert (alert.source, alert.status, alert.severity) == ("checks", Status.FIRING, Severity.ERROR)
    assert (alert.service, alert.environment, alert.url) == ("checkout", "prod", "https://shop.example.com/health")
    assert alert.labels == {"team": "shop", "check": "checkout-api", "fault": "status"}
    assert alert.links == (Link("Runbook", "https://wiki.example.com/checkout?v=2"),)
    assert (alert.at, alert.trace_id) == (START, TRACE)


def test_an_outage_is_one_incident_with_the_right_story() -> None:
    one = incident(said(BAD, BAD, BAD, BAD, GOOD, fail_after=3))

    assert (one.status, one.count, one.fired_at) == (Status.RESOLVED, 2, START)
    assert [entry.text for entry in one.timeline] == [
        "opened",
        "resolved after 4 min: 4 runs failed; now HTTP 200 after 9 ms",
    ]


def test_a_flapping_target_is_one_incident() -> None:
    one = incident(said(*[BAD, BAD, GOOD] * 5, fail_after=2))

    assert (one.number, one.status, one.reopened, one.count) == (1, Status.RESOLVED, 4, 5)


def test_the_newest_reason_describes_it_and_old_facts_go() -> None:
    first = observation(Fault.BODY, "HTTP 200 after 9 ms", Body="oops", Reason="one")
    then = observation(Fault.TIMEOUT, "no answer within 10 s", Reason="two")
    one = incident(said(first, then, fail_after=1))

    assert one.title == "checkout-api is down"
    assert one.summary == "No answer within 10 s; expected status 200. 2 runs in a row failed."
    assert one.facts == {"Body": "", "Reason": "two"}


def test_the_title_says_what_kind_of_trouble_it_is() -> None:
    titles = {fault: said(observation(fault))[0].title for fault in Fault}

    assert titles[Fault.TIMEOUT] == titles[Fault.DNS] == titles[Fault.STATUS] == "checkout-api is down"
    assert titles[Fault.SLOW] == "checkout-api is slow"
    assert titles[Fault.CERTIFICATE] == "checkout-api: the certificate expires soon"
    assert titles[Fault.BODY] == "checkout-api answers wrongly"
    assert titles[Fault.REFUSED] == titles[Fault.BROKEN] == "checkout-api can't be checked"


def test_failures_that_are_not_in_a_row_are_told_so() -> None:
    (alert,) = said(BAD, GOOD, BAD, GOOD, BAD, fail_after="3 of 5")
    *_, last = said(BAD, GOOD, BAD, BAD, BAD, fail_after="3 of 5")

    assert alert.summary.endswith("3 runs failed.")
    assert last.summary.endswith("4 runs failed, the last 3 in a row.")


def test_what_came_from_the_network_is_scrubbed_in_the_alert_and_in_the_record() -> None:
    secret = observation(Fault.BODY, "HTTP 200, password=hunter2hunter2", Body="token: ghp_" + "a1B2" * 9)
    one = watched("shop", Obedient())
    settled = settlement(one, Taken("shop", "1", START, Record()), secret, SCRUBBERS)

    assert settled.said is not None
    assert settled.said.redactions == 2
    for text in (repr(settled.said), repr(settled.record)):
        assert "hunter2" not in text
        assert "ghp_" not in text


def test_the_addresses_that_are_looked_at_stay_and_those_in_the_targets_words_go() -> None:
    seen = observation(Fault.CONNECT, "203.0.113.5:443 refused", Address="203.0.113.5:443", Body="hello 198.51.100.7")
    (alert,) = said(seen)

    assert alert.summary.startswith("203.0.113.5:443 refused; ")
    assert alert.facts == {"Address": "203.0.113.5:443", "Body": "hello [redacted ip]"}


def test_a_secret_that_was_cut_is_not_half_kept() -> None:
    cut = "x" * 100 + " eyJhbGciOiJIUzI1NiJ9.eyJzdWIi" + "…"
    (alert,) = said(observation(Fault.BODY, "HTTP 200", Body=cut))

    assert "eyJ" not in repr(alert)


def test_a_huge_observation_is_cut() -> None:
    facts = {f"Fact {n}" + "x" * 1000: "y" * 100_000 for n in range(1000)}
    (alert,) = said(observation(Fault.BODY, "z" * 1_000_000, **facts))

    assert len(repr(alert)) < 20_000


def test_a_check_that_is_taken_out_of_the_config_ends_its_incident() -> None:
    one = incident([*said(BAD), farewell("checkout-api", START + timedelta(hours=1))])

    assert one.status is Status.RESOLVED
    assert one.title == "checkout-api is down"
    assert one.timeline[-1].text == (
        "resolved after 1 h: it is no longer checked: no worker has it in its config any more"
    )


def test_statements_have_ids_of_their_own_and_a_repetition_of_one_has_the_same() -> None:
    ids = [alert.event_id for alert in said(BAD, BAD, GOOD, BAD)]

    assert len(set(ids)) == 4
    assert ids == [alert.event_id for alert in said(BAD, BAD, GOOD, BAD)]
