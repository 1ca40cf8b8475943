from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargoship.errors import ContentInvalid, PlatformUnknown, UsageError
from cargoship.oci.config import ImageConfig, decode_config, encode_config
from cargoship.oci.digest import Digest
from cargoship.oci.index import choose, index_of
from cargoship.oci.manifest import MANIFEST_BYTES_MAX, decode_index, decode_manifest
from cargoship.oci.platform import Platform
from support.images import AMD64, ARM64, ARMV7, CREATED, files_below, small_image, small_index

_TEXT = st.text(min_size=1, max_size=12)
_NAMES = st.text(st.characters(exclude_characters="=", exclude_categories=["Cs"]), min_size=1, max_size=12)
_CONFIGS = st.builds(
    ImageConfig,
    user=st.none() | _TEXT,
    exposed_ports=st.lists(_TEXT, unique=True, max_size=3).map(lambda ports: tuple(sorted(ports))),
    env=st.dictionaries(_NAMES, st.text(max_size=12), max_size=3),
    entrypoint=st.lists(_TEXT, max_size=3).map(tuple),
    cmd=st.lists(_TEXT, max_size=3).map(tuple),
    volumes=st.lists(_TEXT, unique=True, max_size=3).map(lambda volumes: tuple(sorted(volumes))),
    working_dir=st.none() | _TEXT,
    labels=st.dictionaries(_TEXT, _TEXT, max_size=3),
    stop_signal=st.none() | _TEXT,
    healthcheck=st.none() | st.just({"Test": ["CMD", "/app", "--check"], "Interval": 30_000_000_000}),
)


@settings(deadline=None)
@given(_CONFIGS)
def test_configs_round_trip(config: ImageConfig) -> None:
    raw = encode_config(ARMV7, config, [(Digest.of(b"x"), "by hand")], created=CREATED, author="me")
    found = decode_config(raw)
    assert found.run == config
    assert (found.platform, found.diff_ids, found.history) == (ARMV7, (Digest.of(b"x"),), ("by hand",))
    assert (found.created, found.author) == (CREATED, "me")


def test_what_a_new_image_says(tmp_path: Path) -> None:
    image = small_image(tmp_path, ARM64)
    config = json.loads(image.raw_config)
    assert config == {
        "architecture": "arm64",
        "config": {"Entrypoint": ["/usr/bin/app"], "User": "65532:65532"},
        "created": CREATED,
        "history": [{"created": CREATED, "created_by": "shared"}, {"created": CREATED, "created_by": "own"}],
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id) for layer in image.layers]},
    }
    manifest = json.loads(image.raw_manifest)
    assert manifest["annotations"] == {"org.opencontainers.image.title": "app"}
    assert manifest["config"]["digest"] == str(Digest.of(image.raw_config))
    assert [layer["size"] for layer in manifest["layers"]] == [layer.descriptor.size_bytes for layer in image.layers]
    assert image.descriptor.platform == ARM64


def test_two_folders_and_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    platforms = (AMD64, ARM64, ARMV7)
    results = set()
    for number, order in enumerate(itertools.permutations(platforms)):
        index = small_index(tmp_path / str(number), order)
        results.add((index.raw, tuple(sorted(files_below(tmp_path / str(number) / "sha256")))))
    assert len(results) == 1


def test_an_index_pushes_from_below(tmp_path: Path) -> None:
    index = small_index(tmp_path)
    assert [blob.descriptor.digest for blob in index.manifests()] == [
        *(image.digest for image in index.children),
        index.digest,
    ]
    digests = [blob.descriptor.digest for blob in index.blobs()]
    assert len(digests) == len(set(digests)) == 5  # one layer is the same for both platforms
    with pytest.raises(UsageError, match="linux/arm64"):
        index_of([index.children[1], *index.children], annotations={})


@pytest.mark.parametrize(
    ("has", "wanted", "chosen"),
    [
        ("amd64 arm64", "arm64", "arm64"),
        ("amd64 arm64", "arm64/v8", "arm64"),
        ("arm64/v8", "arm64", "arm64/v8"),
        ("arm/v6 arm/v7", "arm/v7", "arm/v7"),
        ("arm/v5 arm/v6", "arm/v7", "arm/v6"),
        ("arm/v7", "arm", "arm/v7"),
        ("arm/v7", "arm/v6", None),
        ("amd64 amd64/v3", "amd64", "amd64"),
        ("amd64 amd64/v2", "amd64/v3", "amd64/v2"),
        ("amd64/v3", "amd64", None),
        ("amd64", "s390x", None),
    ],
)
def test_the_image_for_a_platform(tmp_path: Path, has: str, wanted: str, chosen: str | None) -> None:
    platforms = [Platform("linux", *text.split("/")) for text in has.split()]
    index = small_index(tmp_path, platforms)
    platform = Platform("linux", *wanted.split("/"))
    if chosen is None:
        with pytest.raises(PlatformUnknown) as caught:
            choose(index, platform)
        assert all(f"linux/{text}" in (caught.value.hint or "") for text in has.split())
        akin = wanted.partition("/")[0] in {text.partition("/")[0] for text in has.split()}
        assert ("--platform" in (caught.value.hint or "")) is akin
    else:
        assert str(choose(index, platform).platform) == f"linux/{chosen}"


_DESCRIPTOR = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": f"sha256:{'0' * 64}", "size": 2}
_MANIFEST = {"schemaVersion": 2, "config": _DESCRIPTOR, "layers": []}


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b"[" * 100_000,
        b" " * (MANIFEST_BYTES_MAX + 1),
        _MANIFEST | {"schemaVersion": 1},
        _MANIFEST | {"manifests": []},
        _MANIFEST | {"mediaType": "application/vnd.oci.image.index.v1+json"},
        _MANIFEST | {"layers": [_DESCRIPTOR | {"size": -1}]},
        _MANIFEST | {"layers": [_DESCRIPTOR | {"size": 2**70}]},
        _MANIFEST | {"layers": [_DESCRIPTOR | {"digest": "sha256:../../../etc/passwd"}]},
        _MANIFEST | {"layers": [_DESCRIPTOR | {"mediaType": 7}]},
        _MANIFEST | {"config": _DESCRIPTOR | {"platform": {"os": "lin\nux", "architecture": "x"}}},
        _MANIFEST | {"config": _DESCRIPTOR | {"annotations": {"a": 1}}},
    ],
    ids=str,
)
def test_manifests_that_are_refused(document: bytes | dict[str, object]) -> None:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(ContentInvalid):
        decode_manifest(raw)
    with pytest.raises(ContentInvalid):
        decode_index(raw)


def test_the_type_inside_is_the_type_outside() -> None:
    raw = json.dumps(_MANIFEST | {"mediaType": "application/vnd.oci.image.manifest.v1+json"}).encode()
    assert decode_manifest(raw).media_type == "application/vnd.oci.image.manifest.v1+json"
    with pytest.raises(ContentInvalid):
        decode_manifest(raw, "application/vnd.docker.distribution.manifest.v2+json")
    docker = "application/vnd.docker.distribution.manifest.v2+json"
    assert decode_manifest(json.dumps(_MANIFEST).encode(), docker).media_type == docker


_KEYS = st.sampled_from(["os", "architecture", "config", "rootfs", "diff_ids", "history", "Env", "Labels"])
_JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner) | st.dictionaries(_KEYS, inner)
)


@settings(deadline=None)
@given(_JSON)
def test_any_json_is_a_config_or_invalid(document: object) -> None:
    try:
        decode_config(json.dumps(document).encode())
    except ContentInvalid:
        return
    assert isinstance(document, dict)
