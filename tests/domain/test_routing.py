"""Routes, and when an incident is worth telling."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.advance import advance
from bridge.domain.alert import Severity, Status
from bridge.domain.incident import Incident
from bridge.domain.routing import (
    Route,
    Routes,
    Threshold,
    decide,
    destinations_for,
    due_at,
    labels_of,
    matching,
    parse_matchers,
    recoveries_for,
)
from tests.machine import slowness
from tests.strategies import START, alert

HOUR = timedelta(hours=1)


def route(match: str = "", *to: str, on: bool = False) -> Route:
    return Route(parse_matchers(match), to, on)


def incident(**fields: object) -> Incident:
    found, _ = advance(None, alert(**fields), set(), HOUR)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_the_first_route_that_matches_wins() -> None:
    routes = [route("severity=critical", "page"), route("severity=~critical|error", "chat"), route("", "log")]
    assert destinations_for(routes, {"severity": "critical"}) == ("page",)
    assert destinations_for(routes, {"severity": "error"}) == ("chat",)
    assert destinations_for(routes, {"severity": "info"}) == ("log",)


def test_a_route_needs_all_its_matchers() -> None:
    routes = [route("severity=error,service=api", "api")]
    assert destinations_for(routes, {"severity": "error", "service": "api"}) == ("api",)
    assert destinations_for(routes, {"severity": "error"}) == ()


def test_continue_asks_on_and_keeps_order_without_repeats() -> None:
    routes = [
        route("severity=critical", "b", "a", on=True),
        route("team=x", "c", on=True),
        route("severity=~crit.*", "a", "d"),
        route("", "e"),
    ]
    assert destinations_for(routes, {"severity": "critical"}) == ("b", "a", "d")


def test_an_incident_that_no_route_takes_goes_nowhere() -> None:
    assert destinations_for([], {}) == ()
    assert destinations_for([route("a=b", "x")], {}) == ()


def test_a_route_to_nobody_ends_the_search() -> None:
    assert destinations_for([route("severity=info"), route("", "x")], {"severity": "info"}) == ()


def test_the_decision_says_what_each_route_said() -> None:
    routes = [
        route('severity="critical"', "page"),
        route("team=~.+", "team"),
        route("", "chat", "log", on=True),
        route("service=api"),
        route("", "never"),
    ]
    decision = decide(routes, {"severity": "error", "service": "api"})
    assert decision.to == ("chat", "log")
    assert [verdict.why for verdict in decision.verdicts] == [
        'routes[0] {severity="critical"}: severity is "error"',
        'routes[1] {team=~".+"}: there is no team',
        "routes[2] {} (everything): matches, to chat, log; asking on",
        'routes[3] {service="api"}: matches, to nobody',
    ]
    assert [verdict.matched for verdict in decision.verdicts] == [False, False, True, True]


@given(
    st.lists(
        st.builds(
            route,
            st.sampled_from(["", "a=1", "a!=1", "b=~1|2", "a=1,b=2"]),
            st.sampled_from("xyz"),
            st.sampled_from("xyz"),
            on=st.booleans(),
        ),
        max_size=6,
    ),
    st.dictionaries(st.sampled_from("ab"), st.sampled_from("123")),
)
def test_the_decision_agrees_with_the_destinations(routes: list[Route], labels: dict[str, str]) -> None:
    decision = decide(routes, labels)
    assert decision.to == destinations_for(routes, labels)
    told = dict.fromkeys(name for v in decision.verdicts if v.matched for name in routes[v.index].to)
    assert decision.to == tuple(told)


def test_the_bridges_own_words_win_over_labels_of_the_same_name() -> None:
    labels = {"source": "x", "severity": "page", "service": "y", "environment": "z", "team": "core"}
    found = incident(labels=labels, service="checkout", environment="prod")
    assert labels_of(found) == {
        "source": "sentry",
        "severity": "error",
        "service": "checkout",
        "environment": "prod",
        "team": "core",
    }


def test_a_label_stands_in_for_a_service_or_environment_that_is_not_known() -> None:
    assert labels_of(incident(labels={"environment": "prod"}))["environment"] == "prod"
    assert "service" not in labels_of(incident())


SEEN = ["source", "severity", "service", "environment", "team"]
VALUES = st.sampled_from(["", "sentry", "error", "critical", "checkout", "prod", "x"])
ASKED = st.builds("{}{}{}".format, st.sampled_from(SEEN), st.sampled_from(["=", "!=", "=~", "!~"]), VALUES.filter(bool))


@given(
    routes=st.lists(
        st.builds(
            Route,
            st.lists(ASKED.map(lambda text: parse_matchers(text)[0]), max_size=2).map(tuple),
            st.lists(st.sampled_from("abc"), max_size=2).map(tuple),
            st.booleans(),
            st.lists(st.sampled_from("rs"), max_size=1).map(tuple),
        ),
        max_size=4,
    ),
    storm=st.lists(
        st.fixed_dictionaries(
            {
                "labels": st.dictionaries(st.sampled_from(SEEN), VALUES, max_size=5),
                "severity": st.sampled_from([Severity.ERROR, Severity.CRITICAL]),
                "service": st.sampled_from(["", "checkout"]),
                "environment": st.sampled_from(["", "prod"]),
            }
        ),
        max_size=8,
    ),
)
def test_routes_that_remember_answer_as_those_that_are_asked_anew(
    routes: list[Route], storm: list[dict[str, object]]
) -> None:
    remembering = Routes(routes)
    for fields in storm:
        one = incident(**fields)
        labels, way = labels_of(one), remembering.way(one)
        assert way.taken == matching(routes, labels)
        assert way.to == destinations_for(routes, labels)
        assert way.recover == recoveries_for(routes, labels)


def test_a_hundred_routes_are_cheap() -> None:
    routes = [route(f'severity=~"critical|error",service="s{i}",team=~"t{i}.*"', "x") for i in range(100)]
    labels = {"severity": "error", "service": "s99", "team": "t99"}
    began = time.process_time()
    for _ in range(1000):
        destinations_for(routes, labels)
    assert time.process_time() - began < 1 * slowness(), "more than 1 ms for 100 routes"


def test_what_is_worth_telling_is_due_at_once() -> None:
    assert due_at(Threshold(), incident(), START + HOUR) == START + HOUR


def test_what_is_not_severe_enough_is_not_due_until_it_is() -> None:
    threshold = Threshold(min_severity=Severity.ERROR)
    assert due_at(threshold, incident(severity=Severity.WARNING), START) is None
    assert due_at(threshold, incident(severity=Severity.ERROR), START) == START
    assert due_at(threshold, incident(severity=Severity.CRITICAL), START) == START


def test_what_was_not_counted_often_enough_is_not_due_until_it_is() -> None:
    first = incident()
    second, _ = advance(first, alert(1), set(), HOUR)
    assert second is not None
    assert due_at(Threshold(min_count=2), first, START) is None
    assert due_at(Threshold(min_count=2), second, START) == START


def test_what_has_not_fired_for_long_enough_is_due_when_it_has() -> None:
    threshold = Threshold(for_=timedelta(minutes=5))
    assert due_at(threshold, incident(), START + timedelta(minutes=1)) == START + timedelta(minutes=5)
    assert due_at(threshold, incident(), START + timedelta(minutes=7)) == START + timedelta(minutes=7)


def test_what_is_resolved_is_never_due() -> None:
    resolved, _ = advance(incident(), alert(1, Status.RESOLVED), set(), HOUR)
    assert resolved is not None
    assert due_at(Threshold(), resolved, START) is None


@pytest.mark.parametrize("wait", [timedelta(), timedelta(minutes=5)])
def test_a_sender_whose_clock_is_ahead_does_not_hold_it_up(wait: timedelta) -> None:
    ahead = incident(minute=60)
    assert due_at(Threshold(for_=wait), ahead, START) == START + wait
