"""Pushes to Debian's docker-registry, judged by skopeo."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest
import trustme

from cargoship.errors import Unauthorized
from cargoship.events import ignore
from cargoship.oci.descriptor import BytesBlob, Descriptor, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index, index_of
from cargoship.oci.reference import Reference
from cargoship.process import SystemRunner
from cargoship.registry import Access, RegistryClient, connect, fetch_index, push_index
from cargoship.registry.chunks import Chunks
from cargoship.registry.credentials import ConfigFiles, Login
from cargoship.registry.login import log_in, log_out
from cargoship.registry.referrers import attach, detach, list_referrers
from cargoship.registry.transport import HttpTransport
from support.images import small_index
from support.programs import run
from support.pushing import Told, client_of, push
from support.registry import RunningRegistry, running_registry
from support.token_server import ISSUER, SERVICE, TokenServer, token_server

pytestmark = pytest.mark.tools
_NOT_LOOPBACK = "0.0.0.0"  # noqa: S104 - connected to, not bound
_PLAIN = "--tls-verify=false"
_PASSWORD = "word-of-the-test"
_HTPASSWD = "u:$2b$04$Xx1rM5ghE5OWinb3iLFmruqjf5m5ZbLGVZ5YtPemQTBxP6YElh6tG\n"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return small_index(tmp_path_factory.mktemp("blobs"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningRegistry, Path]]:
    """A registry with TLS and htpasswd, and the certificate that signed its own."""
    folder = tmp_path_factory.mktemp("guarded")
    authority = trustme.CA()
    certificate = authority.issue_cert(_NOT_LOOPBACK)
    authority.cert_pem.write_to_path(folder / "authority.pem")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    (folder / "htpasswd").write_text(_HTPASSWD)
    pem = folder / "server.pem"
    with running_registry(
        folder,
        auth=f"auth: {{htpasswd: {{realm: test, path: {folder / 'htpasswd'}}}}}",
        tls=f"{{certificate: {pem}, key: {pem}}}",
    ) as registry:
        yield registry, folder / "authority.pem"


def test_what_is_pushed_is_what_skopeo_reads(tmp_path: Path, index: Index, docker_registry: RunningRegistry) -> None:
    with client_of(docker_registry.host) as client:
        client.check_push("push/app")
        published = push(client, index, "1", "2", repository="push/app")
    for tag in ("1", "2"):
        raw = run("skopeo", "inspect", _PLAIN, "--raw", f"docker://{docker_registry.host}/push/app:{tag}").stdout
        assert raw.encode() == index.raw
    source = f"docker://{docker_registry.host}/push/app@{published.digest}"
    run("skopeo", "copy", "-q", "--all", "--src-tls-verify=false", source, f"oci:{tmp_path}/layout:copied")
    blobs = {path.name for path in (tmp_path / "layout/blobs/sha256").iterdir()}
    expected = {blob.descriptor.digest.hex for blob in (*index.blobs(), *index.manifests())}
    assert blobs >= expected


def test_what_skopeo_pushed_is_read(tmp_path: Path, index: Index, docker_registry: RunningRegistry) -> None:
    host = docker_registry.host
    with client_of(host) as client:
        push(client, index, "1", repository="there/app")
        run(
            "skopeo", "copy", "-q", "--all", "--src-tls-verify=false", "--dest-tls-verify=false",
            f"docker://{host}/there/app:1", f"docker://{host}/back/app:1",
        )  # fmt: skip
        found = fetch_index(client, Reference.parse(f"{host}/back/app:1"))
        layer = index.children[0].layers[0]
        client.download("back/app", layer.descriptor, tmp_path / "layer")
        assert list(client.tags("back/app")) == ["1"]
    assert found.root == index.blob
    assert [image.config.data for image in found.images] == [image.raw_config for image in index.children]
    assert Digest.of((tmp_path / "layer").read_bytes()) == layer.descriptor.digest


def test_a_second_push_sends_nothing(index: Index, docker_registry: RunningRegistry) -> None:
    with client_of(docker_registry.host) as client:
        push(client, index, "1", repository="twice/app")
        told = Told()
        published = push(client, index, "1", repository="twice/app", told=told)
        assert (published.pushed, told.outcomes) == (0, {})
        told = Told()
        push(client, index_of(index.children, annotations={"other": "index"}), "2", repository="twice/app", told=told)
        assert set(told.outcomes.values()) == {"exists"}


def test_blobs_are_mounted(index: Index, docker_registry: RunningRegistry) -> None:
    with client_of(docker_registry.host) as client:
        push(client, index, "1", repository="mount/source")
        published = push(client, index, "1", repository="mount/target", mount_from="mount/source")
    assert published.mounted == len(list(index.blobs()))


def test_tls_and_a_password_are_dealt_with(tmp_path: Path, index: Index, guarded: tuple[RunningRegistry, Path]) -> None:
    running, authority = guarded
    # loopback names are spoken to in plain http; this address reaches the same server and is none
    host = _NOT_LOOPBACK + running.host[running.host.index(":") :]
    auth = base64.b64encode(f"u:{_PASSWORD}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    env = {"DOCKER_CONFIG": str(tmp_path), "SSL_CERT_FILE": str(authority)}
    reference = Reference.parse(f"{host}/secure/app")
    told = Told()
    with connect(host, env=env, runner=SystemRunner(), emit=told, access=Access.PUSH) as client:
        push_index(client, index, reference=reference, tags=["1"], emit=told)
        assert fetch_index(client, reference.with_tag("1")).root == index.blob
    assert told.notes == [f"{host}: using the credentials from {tmp_path / 'config.json'}"]
    del env["DOCKER_CONFIG"]
    with connect(host, env=env, runner=SystemRunner(), emit=told) as client, pytest.raises(Unauthorized) as raised:
        fetch_index(client, reference.with_tag("1"))
    assert f"docker login {host}" in (raised.value.hint or "")


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningRegistry, TokenServer, Path]]:
    """A registry with TLS that wants tokens, the server that gives them, and the certificate that signed both."""
    folder = tmp_path_factory.mktemp("tokens")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    pem = folder / "server.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    with token_server(folder, username="u", password=_PASSWORD, tls=context) as server:
        auth = (
            f"auth: {{token: {{realm: '{server.url}', service: {SERVICE}, issuer: {ISSUER}, "
            f"rootcertbundle: {server.certificate}}}}}"
        )
        with running_registry(folder, auth=auth, tls=f"{{certificate: {pem}, key: {pem}}}") as registry:
            yield registry, server, folder / "authority.pem"


def test_tls_and_tokens_are_dealt_with(
    tmp_path: Path, index: Index, tokens: tuple[RunningRegistry, TokenServer, Path]
) -> None:
    running, server, authority = tokens
    # a loopback name, and yet TLS: found out by what the registry answers
    env = {"DOCKER_CONFIG": str(tmp_path), "SSL_CERT_FILE": str(authority)}
    host = running.host
    with pytest.raises(Unauthorized):
        log_in(host, Login("u", "wrong"), env=env, runner=SystemRunner(), emit=ignore)
    assert log_in(host, Login("u", _PASSWORD), env=env, runner=SystemRunner(), emit=ignore).asked
    reference = Reference.parse(f"{host}/token/app")
    with connect(host, env=env, runner=SystemRunner(), emit=ignore, access=Access.PUSH) as client:
        client.check_push("token/app")
    with connect(host, env=env, runner=SystemRunner(), emit=ignore, access=Access.PUSH) as client:
        server.given.clear()
        push_index(client, index, reference=reference, tags=["1"], emit=ignore)
        assert fetch_index(client, reference.with_tag("1")).root == index.blob
        # one token for all of it
        assert [access[0]["actions"] for access in server.given] == [["pull", "push"]]
        mounted = push_index(client, index, reference=Reference.parse(f"{host}/token/other"), tags=["1"], emit=ignore)
        assert mounted.reference.digest == index.digest
        assert client.delete_manifest("token/other", index.digest)
    assert log_out(host, env=env, runner=SystemRunner())
    with connect(host, env=env, runner=SystemRunner(), emit=ignore) as client, pytest.raises(Unauthorized):
        fetch_index(client, reference.with_tag("1"))


def test_a_token_that_ends_in_the_middle_is_renewed(
    tmp_path: Path, tokens: tuple[RunningRegistry, TokenServer, Path]
) -> None:
    running, server, authority = tokens
    env = {"DOCKER_CONFIG": str(tmp_path), "SSL_CERT_FILE": str(authority)}
    log_in(running.host, Login("u", _PASSWORD), env=env, runner=SystemRunner(), emit=ignore)
    server.given.clear()
    server.lifetime_s = 2
    blob = _Slow(BytesBlob.of("application/octet-stream", bytes(3 << 20)))
    client = RegistryClient(
        running.host,
        credentials=ConfigFiles(env, SystemRunner(), ignore),
        transport=HttpTransport(env=env),
        access=Access.PUSH,
        chunks=Chunks(whole_bytes=1 << 20, chunk_bytes=1 << 20),
    )
    try:
        with client:
            assert client.upload("long/app", blob) == "pushed"
    finally:
        server.lifetime_s = 300
    assert len(server.given) >= 2


@dataclass(frozen=True)
class _Slow:
    """A blob that takes longer than a token lasts."""

    blob: BytesBlob

    @property
    def descriptor(self) -> Descriptor:
        return self.blob.descriptor

    def open(self) -> BinaryIO:
        time.sleep(1.0)
        return self.blob.open()


def test_a_large_blob_goes_in_chunks(tmp_path: Path, docker_registry: RunningRegistry) -> None:
    data = os.urandom(5 << 20)
    blob = BytesBlob.of("application/octet-stream", data)
    chunks = Chunks(whole_bytes=1 << 20, chunk_bytes=1 << 20)
    with client_of(docker_registry.host, chunks=chunks) as client:
        assert client.upload("chunks/app", blob) == "pushed"
        client.download("chunks/app", blob.descriptor, tmp_path / "back")
        assert not client.session.whole_uploads
        assert client.delete_blob("chunks/app", blob.descriptor.digest)
    assert (tmp_path / "back").read_bytes() == data


def test_referrers_are_kept_under_a_tag(index: Index, docker_registry: RunningRegistry) -> None:
    image = index.children[0]
    about = {"mediaType": image.descriptor.media_type, "digest": str(image.digest), "size": len(image.raw_manifest)}
    empty = BytesBlob.of(MediaType.OCI_EMPTY, b"{}")
    with client_of(docker_registry.host) as client:
        push(client, index, "1", repository="about/app")
        client.upload("about/app", empty)
        document = {
            "schemaVersion": 2,
            "mediaType": MediaType.OCI_MANIFEST,
            "artifactType": "application/x-note",
            "config": {"mediaType": MediaType.OCI_EMPTY, "digest": str(empty.descriptor.digest), "size": 2},
            "layers": [],
            "subject": about,
        }
        note = BytesBlob.of(MediaType.OCI_MANIFEST, json.dumps(document).encode())
        attach(client, "about/app", note)
        (found,) = list_referrers(client, "about/app", image.digest)
        assert (found.digest, found.artifact_type) == (note.descriptor.digest, "application/x-note")
        assert detach(client, "about/app", note.descriptor.digest)
        assert list_referrers(client, "about/app", image.digest) == ()


def test_a_large_blob_is_never_whole_in_memory(tmp_path: Path, docker_registry: RunningRegistry) -> None:
    program = f"""
import hashlib, pathlib, resource, sys
sys.path[:0] = {sys.path!r}
from support.pushing import client_of
from cargoship.oci.descriptor import Descriptor, FileBlob
from cargoship.events import ignore
from cargoship.oci.descriptor import BytesBlob, Descriptor, MediaType
from cargoship.oci.digest import Digest
path = pathlib.Path({str(tmp_path / "large")!r})
with path.open("wb") as file:
    for number in range(300):
        file.write(number.to_bytes(4, "big") * (1 << 18))
with path.open("rb") as file:
    digest, size_bytes = Digest.of_stream(file)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with client_of({docker_registry.host!r}) as client:
    print(client.upload("large/app", FileBlob(Descriptor("x", digest, size_bytes), path)))
    path.unlink()
    client.download("large/app", Descriptor("x", digest, size_bytes), path)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    outcome, growth_kib = done.stdout.split()
    assert outcome == "pushed"
    assert int(growth_kib) < 20 * 1024
