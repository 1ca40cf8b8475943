"""Pushes to Debian's docker-registry, judged by skopeo."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from cargoship.errors import Unauthorized
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index, index_of
from cargoship.oci.reference import Reference
from cargoship.process import SystemRunner
from cargoship.registry import Access, connect, fetch_index, push_index
from support.images import small_index
from support.programs import run
from support.pushing import Told, client_of, push
from support.registry import RunningRegistry, running_registry

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


def test_a_large_blob_is_never_whole_in_memory(tmp_path: Path, docker_registry: RunningRegistry) -> None:
    program = f"""
import hashlib, pathlib, resource, sys
sys.path[:0] = {sys.path!r}
from support.pushing import client_of
from cargoship.oci.descriptor import Descriptor, FileBlob
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
