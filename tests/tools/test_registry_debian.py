"""What only a real registry shows: logins, tokens that end, names that are no loopback, memory."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest

from cargoship.errors import Unauthorized
from cargoship.events import ignore
from cargoship.http.transport import HttpTransport
from cargoship.oci.descriptor import BytesBlob, Descriptor
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference
from cargoship.process import SystemRunner
from cargoship.registry.auth.credentials import ConfigFiles
from cargoship.registry.auth.entries import Login
from cargoship.registry.auth.login import log_in, log_out
from cargoship.registry.chunks import Chunks
from cargoship.registry.client import RegistryClient
from cargoship.registry.connect import connect
from cargoship.registry.options import Access, ClientOptions
from cargoship.registry.pull import fetch_index
from cargoship.registry.push import PushOptions, push_index
from support.images import small_index
from support.peers import HTPASSWD, NOT_LOOPBACK, PASSWORD, TOKEN, USER, Peer
from support.pushing import Emitted
from support.registry import RunningRegistry

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return small_index(tmp_path_factory.mktemp("blobs"))


def test_a_host_that_is_no_loopback_is_spoken_to_in_tls(
    tmp_path: Path, index: Index, debian_peers: Mapping[str, Peer]
) -> None:
    peer = debian_peers[HTPASSWD]
    # loopback names are asked in plain http first; this address reaches the same server and is none
    host = NOT_LOOPBACK + peer.host[peer.host.index(":") :]
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    env = {"DOCKER_CONFIG": str(tmp_path), "SSL_CERT_FILE": str(peer.authority)}
    reference = Reference.parse(f"{host}/secure/app")
    reported = Emitted()
    with connect(host, env=env, runner=SystemRunner(), emit=reported, access=Access.PUSH) as client:
        push_index(client, index, reference=reference, tags=["1"], options=PushOptions(reported))
        assert fetch_index(client, reference.with_tag("1")).root == index.blob
    assert reported.notes == [f"{host}: using the credentials from {tmp_path / 'config.json'}"]
    del env["DOCKER_CONFIG"]
    with connect(host, env=env, runner=SystemRunner(), emit=reported) as client, pytest.raises(Unauthorized) as raised:
        fetch_index(client, reference.with_tag("1"))
    assert f"docker login {host}" in (raised.value.hint or "")


def test_logging_in_pushing_and_logging_out(tmp_path: Path, index: Index, debian_peers: Mapping[str, Peer]) -> None:
    peer = debian_peers[TOKEN]
    # a loopback name, and yet TLS: found out by what the registry answers
    env = {"DOCKER_CONFIG": str(tmp_path), "SSL_CERT_FILE": str(peer.authority)}
    host, server = peer.host, peer.tokens
    assert server is not None
    with pytest.raises(Unauthorized):
        log_in(host, Login(USER, "wrong"), env=env, runner=SystemRunner(), emit=ignore)
    assert log_in(host, Login(USER, PASSWORD), env=env, runner=SystemRunner(), emit=ignore).asked
    reference = Reference.parse(f"{host}/token/app")
    with connect(host, env=env, runner=SystemRunner(), emit=ignore, access=Access.PUSH) as client:
        client.check_push("token/app")
    with connect(host, env=env, runner=SystemRunner(), emit=ignore, access=Access.PUSH) as client:
        server.given.clear()
        push_index(client, index, reference=reference, tags=["1"], options=PushOptions(ignore))
        assert fetch_index(client, reference.with_tag("1")).root == index.blob
        # one token for all of it
        assert [access[0]["actions"] for access in server.given] == [["pull", "push"]]
        mounted = push_index(
            client, index, reference=Reference.parse(f"{host}/token/other"), tags=["1"], options=PushOptions(ignore)
        )
        assert mounted.reference.digest == index.digest
        assert client.delete_manifest("token/other", index.digest)
    assert log_out(host, env=env, runner=SystemRunner())
    with connect(host, env=env, runner=SystemRunner(), emit=ignore) as client, pytest.raises(Unauthorized):
        fetch_index(client, reference.with_tag("1"))


def test_a_token_that_ends_in_the_middle_is_renewed(debian_peers: Mapping[str, Peer]) -> None:
    peer = debian_peers[TOKEN]
    server = peer.tokens
    assert server is not None
    server.given.clear()
    server.lifetime_s = 2
    blob = _Slow(BytesBlob.of("application/octet-stream", bytes(3 << 20)))
    options = ClientOptions(
        credentials=ConfigFiles(peer.env, SystemRunner(), ignore),
        transport=HttpTransport(env=peer.env),
        access=Access.PUSH,
        chunks=Chunks(whole_bytes=1 << 20, chunk_bytes=1 << 20),
    )
    client = RegistryClient(peer.host, options)
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
