"""Registries behind real proxies: tunnels for TLS, forwarding for plain http, and no password where it is not due."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

import pytest
import trustme

from cargoship.errors import RegistryUnreachable
from cargoship.events import ignore
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference
from cargoship.process import SystemRunner
from cargoship.registry import Access, RegistryClient, connect, fetch_index, push_index
from cargoship.registry.credentials import FixedCredentials, Login
from cargoship.testing import BasicAuth, InMemoryRegistry
from support.proxy import http_proxy
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
    push_index(client, index, reference=reference, tags=["1"], emit=ignore)
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
def test_a_proxy_that_is_left_out_or_gone_is_told_without_its_password(index: Index, env: dict[str, str]) -> None:
    with InMemoryRegistry() as registry, http_proxy(registry.host) as proxy:
        gone = proxy.host
    found = {"HTTPS_PROXY": f"http://me:{_WORD}@{gone}", **env}
    with _client(found) as client, pytest.raises(RegistryUnreachable) as raised:
        _there_and_back(client, index)
    assert _WORD not in str(raised.value) + (raised.value.hint or "")
    assert _HOST in raised.value.message
