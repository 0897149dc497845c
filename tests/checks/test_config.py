"""Checks in the config: mistakes are told with their place, secrets are noticed, harmless values are let be."""

from __future__ import annotations

from tests.settings.configs import problems, warnings, with_small


def test_mistakes_are_told_with_their_place() -> None:
    text = with_small(
        """\
        checks:
          shop: {kind: http, url: "https://shop.example.com", headr: {}}
          mail: {kind: tcp, host: 10.0.0.25, port: 25}
          name: {kind: dns, name: shop.example.com, servers: [dns.example.com]}
          ldap: {kind: tls, host: ldap.example.com, ca_file: none.pem}
        """
    )
    found = problems(text)
    assert len(found) == 4
    assert 'checks.shop.headr: there is no option "headr" here. Did you mean "headers"?' in found[0]
    assert "checks.mail: 10.0.0.25 is private: set allow_private: true" in found[1]
    assert 'checks.name.servers[0]: "dns.example.com" is no address of a name server' in found[2]
    assert "checks.ldap.ca_file: can't read" in found[3]


def test_a_secret_in_a_header_is_noticed_and_what_is_none_is_let_be() -> None:
    text = with_small(
        """\
        checks:
          shop:
            kind: http
            url: https://shop.example.com
            headers: {X-Api-Key: s3cret-k3y, Accept: text/html, Authorization: "Bearer ${TOKEN}"}
            body: "{}"
          mail: {kind: tcp, host: mail.example.com, port: 25, send: "HELO x"}
        """
    )
    assert not problems(text)
    (warning,) = [one for one in warnings(text) if "checks." in one]
    assert warning.endswith("checks.shop.headers.X-Api-Key: a secret stands here for all to read: write ${NAME}")
