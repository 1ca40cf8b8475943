"""Registries behind real proxies: tunnels for TLS, forwarding for plain http, and no password where it is not due."""

from __future__ import annotations

import base64
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from cargoship.errors import RegistryUnreachable
from cargoship.events import ignore
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference
from cargoship.process import SystemRunner
from cargoship.registry.auth.credentials import FixedCredentials
from cargoship.registry.auth.entries import Login
from cargoship.registry.client import RegistryClient
from cargoship.registry.connect import connect
from cargoship.registry.options import Access
from cargoship.registry.pull import fetch_index
from cargoship.registry.push import PushOptions, push_index
from cargoship.testing import BasicAuth, InMemoryRegistry
from support.proxy import http_proxy, socks_proxy
from support.pushing import REPOSITORY

_HOST = "registry.invalid"
_WORD = "proxy-s3cr3t"


def _client(env: dict[str, str]) -> RegistryClient:
    credentials = FixedCredentials(_HOST, Login("u", "registry-s3cr3t"))
    env = {"CARGOSHIP_REGISTRY_MIRRORS": "", **env}
    return connect(
        _HOST, env=env, runner=SystemRunner(), emit=ignore, access=Access.PUSH, credentials=credentials
    )  # fmt: skip


def _there_and_back(client: RegistryClient, index: Index) -> None:
    reference = Reference(_HOST, REPOSITORY)
    push_index(client, index, reference=reference, tags=["1"], options=PushOptions(ignore))
    assert fetch_index(client, reference.with_tag("1")).root == index.blob


def test_tls_goes_through_a_tunnel(index: Index, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(_HOST).configure_cert(context)
    auth = BasicAuth("u", "registry-s3cr3t")
    with InMemoryRegistry(tls=context, auth=auth) as registry, http_proxy(registry.host) as proxy:
        env = {"HTTPS_PROXY": f"http://me:{_WORD}@{proxy.host}", "SSL_CERT_FILE": str(tmp_path / "ca.pem")}
        with _client(env) as client:
            _there_and_back(client, index)
        assert set(proxy.asked) == {("CONNECT", f"{_HOST}:443")}
        # the proxy sees its own password, the registry does not
        assert proxy.shown == {"Basic " + base64.b64encode(f"me:{_WORD}".encode()).decode()}
        assert not [call for call in registry.calls if "proxy-authorization" in call.headers]


def test_plain_http_is_forwarded(index: Index) -> None:
    with InMemoryRegistry() as registry, http_proxy(registry.host) as proxy:
        env = {"http_proxy": f"http://{proxy.host}", "CARGOSHIP_INSECURE_REGISTRIES": _HOST}
        with _client(env) as client:
            _there_and_back(client, index)
        assert registry.tags(REPOSITORY)
        assert all(target.startswith(f"http://{_HOST}/v2/") for _, target in proxy.asked)


@pytest.mark.parametrize("env", [{"NO_PROXY": ".invalid"}, {}])
def test_a_proxy_that_is_left_out_or_gone_is_reported_without_its_password(index: Index, env: dict[str, str]) -> None:
    with InMemoryRegistry() as registry, http_proxy(registry.host) as proxy:
        gone = proxy.host
    found = {"HTTPS_PROXY": f"http://me:{_WORD}@{gone}", **env}
    with _client(found) as client, pytest.raises(RegistryUnreachable) as raised:
        _there_and_back(client, index)
    assert _WORD not in str(raised.value) + (raised.value.hint or "")
    assert _HOST in raised.value.message


@pytest.mark.parametrize("kind", ["socks5", "socks5h", "SOCKS5"])
@pytest.mark.parametrize("login", [None, ("me", _WORD)])
def test_a_registry_is_reached_through_socks(kind: str, login: tuple[str, str] | None, index: Index) -> None:
    with InMemoryRegistry() as registry, socks_proxy(registry.host, login=login) as proxy:
        user = f"{login[0]}:{login[1]}@" if login else ""
        env = {"ALL_PROXY": f"{kind}://{user}{proxy.host}", "CARGOSHIP_INSECURE_REGISTRIES": _HOST}
        with _client(env) as client:
            _there_and_back(client, index)
        assert registry.tags(REPOSITORY)
        # the name is looked up by the proxy: this machine need not know it
        assert set(proxy.asked) == {("SOCKS", f"{_HOST}:80")}
        assert proxy.shown == ({f"me:{_WORD}"} if login else set())


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        (
            "socks4://{gone}",
            "the proxy socks4://{gone} is of a kind that is not known: http, https, socks5, socks5h are",
        ),
        ("ftp://{gone}", "the proxy ftp://{gone} is of a kind"),
        ("http://{gone}:x", "the proxy http://{gone}:x has no usable address"),
        ("http://{gone}", "the proxy http://{gone}: "),
        ("socks5://{gone}", "the proxy socks5://{gone}: "),
        ("https://{gone}", "the proxy https://{gone}: "),
        ("http://me:" + _WORD + "@nobody.invalid:1", "the proxy http://nobody.invalid:1: its name does not resolve"),
    ],
)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_proxy_that_cannot_be_used_is_named(scheme: str, proxy: str, words: str, index: Index) -> None:
    with InMemoryRegistry() as registry:
        gone = registry.host
    env = {f"{scheme}_proxy": proxy.replace("{gone}", gone)}
    if scheme == "http":
        env["CARGOSHIP_INSECURE_REGISTRIES"] = _HOST
    with _client(env) as client, pytest.raises(RegistryUnreachable) as raised:
        _there_and_back(client, index)
    assert words.replace("{gone}", gone) in raised.value.message
    assert "NO_PROXY" in (raised.value.hint or "")
    assert _WORD not in raised.value.message


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_list_of_authorities_that_is_missing_is_named(variable: str, index: Index, tmp_path: Path) -> None:
    """Also of a loopback registry, of which nobody knows whether it speaks TLS."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    missing = tmp_path / "nope"
    # what is there beside it is not blamed
    authority.cert_pem.write_to_path(tmp_path / "there")
    env = {
        "SSL_CERT_FILE": str(tmp_path / "there"),
        "SSL_CERT_DIR": str(tmp_path),
        "CARGOSHIP_REGISTRY_MIRRORS": "",
        variable: str(missing),
    }
    with (
        InMemoryRegistry(tls=context) as registry,
        connect(registry.host, env=env, runner=SystemRunner(), emit=ignore, access=Access.PUSH) as client,
        pytest.raises(RegistryUnreachable) as raised,
    ):
        push_index(
            client, index, reference=Reference(registry.host, REPOSITORY), tags=["1"], options=PushOptions(ignore)
        )
    assert f"cannot be reached for a handshake in TLS: cannot read {variable} {missing}: " in raised.value.message
    assert variable in (raised.value.hint or "")


def test_what_the_system_says_stands_without_its_number() -> None:
    """It was "[Errno 111] Connection refused"."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            connect(host, env={"CARGOSHIP_REGISTRY_MIRRORS": ""}, runner=SystemRunner(), emit=ignore) as client,
            pytest.raises(RegistryUnreachable, match=f"^{host} cannot be reached for .*: Connection refused$"),
        ):
            client.manifest(REPOSITORY, "1")
