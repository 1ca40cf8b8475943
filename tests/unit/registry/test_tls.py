"""Registries that speak TLS where plain http is expected, authorities of their own, and certificates of clients."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from cargoship.errors import RegistryUnreachable
from cargoship.events import ignore
from cargoship.http.certificates import certificates_of
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference
from cargoship.process import SystemRunner
from cargoship.registry.client import RegistryClient
from cargoship.registry.connect import connect
from cargoship.registry.options import Access
from cargoship.registry.push import PushOptions, push_index
from cargoship.testing import Fault, InMemoryRegistry, InMemoryTransport
from support.pushing import REPOSITORY, client_of, push


@contextlib.contextmanager
def _secured(authority: trustme.CA, *, wants_client: bool = False) -> Iterator[InMemoryRegistry]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    if wants_client:
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
    with InMemoryRegistry(tls=context) as registry:
        yield registry


def _certs(folder: Path, host: str, authority: trustme.CA, *, client: bool = False) -> dict[str, str]:
    place = folder / host
    place.mkdir(parents=True)
    authority.cert_pem.write_to_path(place / "ca.crt")
    if client:
        own = authority.issue_cert("me@example.com")
        own.cert_chain_pems[0].write_to_path(place / "client.cert")
        own.private_key_pem.write_to_path(place / "client.key")
    return {"CARGOSHIP_CERTS_DIR": str(folder)}


def _connect(host: str, env: dict[str, str]) -> RegistryClient:
    return connect(host, env=env, runner=SystemRunner(), emit=ignore, access=Access.PUSH)


def _push(client: RegistryClient, index: Index) -> None:
    push_index(client, index, reference=Reference(client.registry, REPOSITORY), tags=["1"], options=PushOptions(ignore))


def test_a_loopback_registry_that_speaks_tls_is_found_out(index: Index, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with (
        _secured(authority) as registry,
        client_of(registry.host, env={"SSL_CERT_FILE": str(tmp_path / "ca.pem")}) as client,
    ):
        push(client, index, "1")
        assert registry.tags(REPOSITORY)


def test_one_with_certificates_is_spoken_to_in_tls_at_once(index: Index, tmp_path: Path) -> None:
    authority = trustme.CA()
    with _secured(authority) as registry:
        with _connect(registry.host, _certs(tmp_path, registry.host, authority)) as client:
            assert client.session.base == f"https://{registry.host}"
            _push(client, index)
        assert registry.tags(REPOSITORY)


def test_one_that_is_not_trusted_is_reported(index: Index) -> None:
    with _secured(trustme.CA()) as registry, client_of(registry.host) as client:
        with pytest.raises(RegistryUnreachable, match="certificate is not trusted") as raised:
            push(client, index, "1")
        assert f"/etc/docker/certs.d/{registry.host}/ca.crt" in (raised.value.hint or "")


def test_a_client_shows_its_certificate(index: Index, tmp_path: Path) -> None:
    authority = trustme.CA()
    with _secured(authority, wants_client=True) as registry:
        with _connect(registry.host, _certs(tmp_path / "with", registry.host, authority, client=True)) as client:
            _push(client, index)
        assert registry.tags(REPOSITORY)
        env = _certs(tmp_path / "without", registry.host, authority)
        with _connect(registry.host, env) as client, pytest.raises(RegistryUnreachable):
            _push(client, index)


def test_a_broken_certificate_is_reported(index: Index, tmp_path: Path) -> None:
    authority = trustme.CA()
    with _secured(authority) as registry:
        env = _certs(tmp_path, registry.host, authority)
        (tmp_path / registry.host / "ca.crt").write_text("no certificate")
        refused = pytest.raises(RegistryUnreachable, match=r"cannot read .*ca\.crt")
        with _connect(registry.host, env) as client, refused as raised:
            _push(client, index)
        assert raised.value.hint == f"it is read for {registry.host} alone: mend it, or take it away"
        env = {**env, "SSL_CERT_FILE": str(tmp_path / registry.host / "ca.crt")}
        with _connect(registry.host, env) as client, pytest.raises(RegistryUnreachable) as raised:
            _push(client, index)
        assert (raised.value.hint or "").startswith("SSL_CERT_FILE and SSL_CERT_DIR")


@pytest.mark.parametrize(
    "words",
    [
        b"Client sent an HTTP request to an HTTPS server.\n",
        b"<html><center>The plain HTTP request was sent to HTTPS port</center>",
        b"Reason: You're speaking plain HTTP to an SSL-enabled server port.",
    ],
)
def test_servers_that_say_it_are_understood(words: bytes, index: Index) -> None:
    secured = InMemoryRegistry(address="https://localhost:5000")
    plain = InMemoryRegistry(address="http://localhost:5000")
    plain.faults.append(Fault("", "", status=400, body=words, times=None))
    plain.faults[0].method = ".*"
    with client_of("localhost:5000", transport=InMemoryTransport(secured, plain)) as client:
        push(client, index, "1")
    assert len(plain.calls) == 1
    assert secured.tags(REPOSITORY)


def test_plain_stays_plain_and_costs_nothing_more(index: Index) -> None:
    plain = InMemoryRegistry(address="http://localhost:5000")
    with client_of("localhost:5000", transport=InMemoryTransport(plain)) as client:
        push(client, index, "1")
        calls = len(plain.calls)
        # and a strange answer later does not change what is known
        plain.faults.append(Fault("HEAD", "", cut_request=0))
        push(client, index, "1")
        assert client.session.base == "http://localhost:5000"
    assert plain.calls[0].path == f"/v2/{REPOSITORY}/manifests/1"
    assert len(plain.calls) == calls + 2


def test_tls_is_never_left(index: Index) -> None:
    plain = InMemoryRegistry(address="http://registry.example")
    with (
        client_of("registry.example", transport=InMemoryTransport(plain)) as client,
        pytest.raises(RegistryUnreachable),
    ):
        push(client, index, "1")
    assert plain.calls == []


@pytest.mark.parametrize(
    ("files", "authorities", "client"),
    [
        (["ca.crt", "b.crt", "readme"], ["b.crt", "ca.crt"], None),
        (["a.cert", "a.key", "b.cert", "b.key"], [], ("a.cert", "a.key")),
        (["a.cert", "b.cert", "b.key", "ca.crt"], ["ca.crt"], ("b.cert", "b.key")),
        (["a.key"], None, None),
        ([], None, None),
    ],
)
def test_a_folder_of_certificates_is_read(
    files: list[str], authorities: list[str] | None, client: tuple[str, str] | None, tmp_path: Path
) -> None:
    place = tmp_path / ".docker/certs.d/r.example:5000"
    place.mkdir(parents=True)
    for name in files:
        (place / name).touch()
    found = certificates_of("r.example:5000", {"HOME": str(tmp_path)})
    if authorities is None:
        assert found is None
    else:
        assert found is not None
        assert [path.name for path in found.authorities] == authorities
        assert (found.client and tuple(path.name for path in found.client)) == client
    assert certificates_of("r.example", {"HOME": str(tmp_path)}) is None
    assert certificates_of("../certs.d/r.example:5000", {"HOME": str(tmp_path)}) is None
