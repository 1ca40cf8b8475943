"""Copies and merges between Debian's docker-registry and itself, judged by skopeo."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cargoship.oci.index import Index, index_of
from cargoship.oci.tar import LayerEntry
from cargoship.testing import InMemoryRegistry
from support.attested import attested_index
from support.images import AMD64, ARM64, small_image
from support.programs import RunCargoship, run
from support.pushing import client_of, push
from support.registry import RunningRegistry, running_registry

pytestmark = pytest.mark.tools
_PLAIN = "--tls-verify=false"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return attested_index(tmp_path_factory.mktemp("blobs"), [AMD64, ARM64])


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with running_registry(tmp_path_factory.mktemp("mirror")) as registry:
        yield registry


def raw(reference: str) -> bytes:
    return run("skopeo", "inspect", _PLAIN, "--raw", f"docker://{reference}").stdout.encode()


def pulled(reference: str, folder: Path) -> set[str]:
    """The digests that skopeo gets of all platforms; it checks every one of them."""
    run("skopeo", "copy", "-q", "--all", "--src-tls-verify=false", f"docker://{reference}", f"oci:{folder}:copied")
    return {path.name for path in (folder / "blobs" / "sha256").iterdir()}


def test_a_copy_is_what_skopeo_sees_at_the_source(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, mirror: RunningRegistry, index: Index, tmp_path: Path
) -> None:
    with client_of(docker_registry.host) as client:
        push(client, index, "1", repository="copy/app")
    source, target = docker_registry.reference("copy/app"), mirror.reference("copied/app", "2")
    done = run_cargoship("copy", "--all", source, target)
    assert done.stdout == f"{mirror.host}/copied/app@{index.digest}\n"
    assert "9 blobs pushed" in done.stderr
    assert raw(target) == raw(source) == index.raw
    blobs = {blob.descriptor.digest.hex for blob in (*index.blobs(), *index.manifests())}
    assert pulled(target, tmp_path / "layout") >= blobs
    assert "everything is already there" in run_cargoship("copy", source, target).stderr
    image = index.children[1]
    done = run_cargoship("copy", "--platform", "linux/arm64", source, mirror.reference("one/app"))
    assert done.stdout == f"{mirror.host}/one/app@{image.digest}\n"
    assert raw(mirror.reference("one/app")) == image.raw_manifest


def test_what_skopeo_pushed_in_dockers_words_is_copied_as_it_is(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, mirror: RunningRegistry, index: Index
) -> None:
    with client_of(docker_registry.host) as client:
        push(client, index, "1", repository="words/app")
    converted = docker_registry.reference("words/docker")
    run(
        "skopeo", "copy", "-q", "--format", "v2s2", "--src-tls-verify=false", "--dest-tls-verify=false",
        f"docker://{docker_registry.host}/words/app@{index.children[0].digest}", f"docker://{converted}",
    )  # fmt: skip
    run_cargoship("copy", converted, mirror.reference("words/docker"))
    assert b"vnd.docker.distribution.manifest.v2" in raw(converted)
    assert raw(mirror.reference("words/docker")) == raw(converted)


def test_within_a_registry_blobs_are_mounted(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, index: Index
) -> None:
    with client_of(docker_registry.host) as client:
        push(client, index, "1", repository="mounting/from")
    done = run_cargoship("copy", docker_registry.reference("mounting/from"), docker_registry.reference("mounting/to"))
    assert "0 blobs pushed (0 B), 9 mounted" in done.stderr
    assert raw(docker_registry.reference("mounting/to")) == index.raw


def test_jobs_push_by_digest_and_the_last_one_merges(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, tmp_path: Path
) -> None:
    parts = []
    with client_of(docker_registry.host) as client:
        for platform in (ARM64, AMD64):
            part = attested_index(tmp_path / str(platform), [platform], annotations={"title": "app"})
            parts.append(push(client, part, repository="merged/app").reference)
    tags = ["-t", docker_registry.reference("merged/app", "1"), "-t", docker_registry.reference("merged/other", "1")]
    done = run_cargoship("merge", *tags, *(str(part) for part in parts))
    digest = done.stdout.splitlines()[0].partition("@")[2]
    assert done.stdout == "".join(f"{docker_registry.host}/merged/{name}@{digest}\n" for name in ("app", "other"))
    for name in ("app", "other"):
        found = json.loads(raw(docker_registry.reference(f"merged/{name}")))
        architectures = [each["platform"]["architecture"] for each in found["manifests"]]
        assert architectures == ["amd64", "arm64", "unknown", "unknown"]
        assert found["annotations"] == {"title": "app"}
        pulled(docker_registry.reference(f"merged/{name}"), tmp_path / name)
    with client_of(docker_registry.host) as client:
        rival = index_of([small_image(tmp_path, ARM64, entries=[LayerEntry.file("rival", b"")])], annotations={})
        parts.append(push(client, rival, repository="merged/app").reference)
    refused = run_cargoship("merge", *tags, *(str(part) for part in parts), check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "two images are for linux/arm64" in refused.stderr


def test_the_memory_of_a_registry_is_in_the_cache(run_cargoship: RunCargoship, index: Index, tmp_path: Path) -> None:
    env = {"CARGOSHIP_CACHE_DIR": str(tmp_path / "cache")}
    with InMemoryRegistry() as source, InMemoryRegistry() as target:
        with client_of(source.host) as client:
            push(client, index, "1", repository="app")
        run_cargoship("copy", f"{source.host}/app:1", f"{target.host}/one:1", env=env)
        done = run_cargoship("copy", f"{source.host}/app:1", f"{target.host}/two:1", env=env)
    assert "5 mounted" in done.stderr


def test_what_a_mirror_has_is_copied_under_the_registrys_name(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, mirror: RunningRegistry, index: Index
) -> None:
    """As podman and docker do it: the registry itself is not even there."""
    with client_of(mirror.host) as client:
        push(client, index, "1", repository="cache/hub/app")
    target = docker_registry.reference("from-mirror/app")
    env = {"CARGOSHIP_REGISTRY_MIRRORS": f"registry.invalid={mirror.host}/cache"}
    done = run_cargoship("copy", "registry.invalid/hub/app:1", target, env=env)
    assert done.stdout == f"{docker_registry.host}/from-mirror/app@{index.digest}\n"
    assert raw(target) == index.raw
    assert run_cargoship("inspect", "registry.invalid/hub/app:1", env=env).stdout.startswith(
        "registry.invalid/hub/app:1"
    )
