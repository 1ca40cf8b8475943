from __future__ import annotations

import pytest

from cargoship.http.endpoint import origin, parsed, shown
from cargoship.http.exchange import ConnectionBroken, Request
from cargoship.http.proxies import proxy_for
from cargoship.http.transport import HttpTransport
from cargoship.registry.addresses import base_url
from cargoship.registry.connect import insecure_hosts


@pytest.mark.parametrize(
    ("registry", "url"),
    [
        ("docker.io", "https://registry-1.docker.io"),
        ("ghcr.io", "https://ghcr.io"),
        ("localhost:5000", "http://localhost:5000"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("127.8.9.1", "http://127.8.9.1"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("[::1]", "http://[::1]"),
        ("128.0.0.1:5000", "https://128.0.0.1:5000"),
        ("localhost.example.com", "https://localhost.example.com"),
        ("127.0.0.1.example.com", "https://127.0.0.1.example.com"),
        ("named:5000", "http://named:5000"),
        ("whole-host:1", "http://whole-host:1"),
        ("named:5001", "https://named:5001"),
        ("a.corp.example:1", "http://a.corp.example:1"),
        ("corp.example", "https://corp.example"),
    ],
)
def test_plain_http_is_for_loopback_and_for_named_hosts(registry: str, url: str) -> None:
    assert base_url(registry, insecure=("named:5000", "whole-host", "*.corp.example")) == url


def test_insecure_hosts_come_from_one_variable() -> None:
    named = insecure_hosts({"CARGOSHIP_INSECURE_REGISTRIES": "a:5000, b  c"})
    assert named == {"a:5000", "b", "c"}
    assert insecure_hosts({}) == frozenset()


def test_an_origin_has_a_scheme_a_host_and_a_port() -> None:
    assert origin("https://A.example/x") == origin("https://a.example:443/y")
    assert origin("http://a.example") != origin("https://a.example")
    assert origin("https://a.example") != origin("https://a.example:8443")


@pytest.mark.parametrize(
    "host", ["a..example", ".example", "h" * 64 + ".example", "a-.example", "ex ample", "b\u00fccher.example"]
)
def test_what_no_host_can_be_called_is_never_looked_for(host: str) -> None:
    """Python's codec for names raises errors of its own for some of them."""
    assert parsed(f"https://{host}/v2/") is None
    with pytest.raises(ConnectionBroken, match="not a usable address") as raised:
        HttpTransport(env={}).send(Request("GET", f"http://{host}/v2/", {}))
    assert raised.value.permanent


@pytest.mark.parametrize(
    "host", ["h" * 63 + ".example", "a.example.", "my_registry", "xn--bcher-kva.example", "10.0.0.1", "[::1]"]
)
def test_what_a_host_can_be_called_is_an_address(host: str) -> None:
    assert parsed(f"https://{host}:5000/v2/") is not None


def test_an_address_is_shown_without_what_may_be_secret() -> None:
    assert shown("https://u:p@h:1/path?X-Amz-Signature=abc#f") == "https://h:1/path"


@pytest.mark.parametrize(
    ("host", "env", "proxy"),
    [
        ("ghcr.io", {"https_proxy": "http://p:1"}, "http://p:1"),
        ("ghcr.io", {"HTTPS_PROXY": "p:1"}, "http://p:1"),
        ("ghcr.io", {"https_proxy": "http://low", "HTTPS_PROXY": "http://up"}, "http://low"),
        ("ghcr.io", {"ALL_PROXY": "http://all"}, "http://all"),
        ("ghcr.io", {"http_proxy": "http://p"}, None),
        ("ghcr.io", {"https_proxy": "http://p", "no_proxy": "example.com,ghcr.io"}, None),
        ("a.ghcr.io", {"https_proxy": "http://p", "no_proxy": ".ghcr.io"}, None),
        ("aghcr.io", {"https_proxy": "http://p", "no_proxy": ".ghcr.io"}, "http://p"),
        ("ghcr.io", {"https_proxy": "http://p", "NO_PROXY": "*"}, None),
        ("ghcr.io", {"https_proxy": "http://p", "no_proxy": "ghcr.io:8443"}, "http://p"),
        ("ghcr.io", {"https_proxy": "http://p", "no_proxy": "ghcr.io:443"}, None),
        ("ghcr.io", {"https_proxy": "http://p", "no_proxy": "a.example  ghcr.io,b"}, None),
        ("ghcr.io", {"https_proxy": "http://p", "no_proxy": "*.ghcr.io"}, None),
        ("GHCR.io", {"https_proxy": "http://p", "no_proxy": "Ghcr.IO."}, None),
        ("a.b.c", {"https_proxy": "http://p", "no_proxy": "*.c,d"}, None),
        ("192.168.7.8", {"https_proxy": "http://p", "no_proxy": "192.168.0.0/16"}, None),
        ("192.169.7.8", {"https_proxy": "http://p", "no_proxy": "192.168.0.0/16"}, "http://p"),
        ("192.168.7.8", {"https_proxy": "http://p", "no_proxy": "192.168.7.8"}, None),
        ("192.168.7.8", {"https_proxy": "http://p", "no_proxy": "168.7.8"}, "http://p"),
        ("[fd00::1]", {"https_proxy": "http://p", "no_proxy": "[fd00::1]"}, None),
        ("fd00::1", {"https_proxy": "http://p", "no_proxy": "FD00:0::1"}, None),
        ("fd00::1", {"https_proxy": "http://p", "no_proxy": "fd00::/8"}, None),
        ("[fd00::1]", {"https_proxy": "http://p", "no_proxy": "[fd00::1]:443"}, None),
        ("[fd00::1]", {"https_proxy": "http://p", "no_proxy": "[fd00::1]:80"}, "http://p"),
        ("fd00::1", {"https_proxy": "http://p", "no_proxy": "10.0.0.0/8, ,:,/"}, "http://p"),
        ("localhost", {"https_proxy": "http://p"}, None),
        ("127.0.0.1", {"all_proxy": "http://p"}, None),
    ],
)
def test_proxies_are_those_of_the_environment(host: str, env: dict[str, str], proxy: str | None) -> None:
    assert proxy_for("https", host, None, env) == proxy


def test_a_cgi_clients_proxy_header_is_not_believed() -> None:
    env = {"HTTP_PROXY": "http://evil", "REQUEST_METHOD": "GET"}
    assert proxy_for("http", "example.com", None, env) is None
