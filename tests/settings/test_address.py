"""Addresses of several servers: what they say, and what a mistake in one is answered with."""

from __future__ import annotations

import pytest

from bridge.settings import Secret
from bridge.settings.address import Group, group
from bridge.settings.sections import General, Redis


def test_an_address_of_one_server_is_no_group() -> None:
    assert [group(url) for url in ("redis://host", "rediss://host:1/2", "unix:///run/store.sock")] == [None] * 3


def test_sentinels_are_named_with_the_service_they_watch() -> None:
    found = group("redis+sentinel://bridge:s3cret,@one:26380,two,[::1]:7/mymaster/3?sentinel_password=other")

    assert found == Group(
        kind="sentinel",
        hosts=(("one", 26380), ("two", 26379), ("::1", 7)),
        service="mymaster",
        url="redis://bridge:s3cret,@store/3",
        login={"password": "other"},
    )


def test_some_nodes_of_a_cluster_are_enough() -> None:
    found = group("rediss+cluster://:s3cret@one:7000,two:7001/?ssl_ca_certs=%2Fetc%2Fca.pem")

    assert found == Group(
        kind="cluster",
        hosts=(("one", 7000), ("two", 7001)),
        service="",
        url="rediss://:s3cret@store/0?ssl_ca_certs=%2Fetc%2Fca.pem",
    )


def test_a_password_does_not_show() -> None:
    found = group("redis+sentinel://:s3cret@one/mymaster?sentinel_password=other")

    assert not [secret for secret in ("s3cret", "other") if secret in repr(found)]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://:passw0rd@host", r"has to begin with redis://.*redis\+sentinel://"),
        ("redis+sentinal://host/mymaster", r"has to begin with redis://.*redis\+sentinel://"),
        ("redis+sentinel://one:26379,two:26379", "names no service: write .*mymaster"),
        ("redis+sentinel://one/mymaster/x", "something else than a number"),
        ("redis+sentinel:///mymaster", r"names no servers .*redis\+sentinel://host1:26379,host2:26379/mymaster"),
        ("redis+cluster://one:7000,,two", r"names no servers .*redis\+cluster://host1:6379,host2:6379 \[type"),
        ("redis+cluster://one:70000", "names no servers"),
        ("redis+cluster://one/3", "a Cluster has only one"),
    ],
)
def test_a_mistake_is_answered_with_what_to_write(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as told:
        Redis(url=Secret(url))

    assert "passw0rd" not in str(told.value.errors()[0]["msg"])  # type: ignore[attr-defined]  # pydantic's own


def test_the_brokers_address_is_held_to_the_same() -> None:
    General(broker_url=Secret("sqs://"))
    with pytest.raises(ValueError, match="names no service"):
        General(broker_url=Secret("redis+sentinel://one:26379"))
