"""Manifests and indexes of any form: what is read is written back the same, and the rest is refused in words."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cargoship.errors import ContentInvalid
from cargoship.oci.config import decode_config
from cargoship.oci.descriptor import Descriptor, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.manifest import (
    IndexManifest,
    Manifest,
    decode_index,
    decode_manifest,
    encode_index,
    encode_manifest,
)
from cargoship.oci.platform import Platform

_NAMES = st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)
_ANNOTATIONS = st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=3)
_PLATFORMS = st.none() | st.builds(Platform, _NAMES, _NAMES, st.none() | _NAMES)
_DIGESTS = st.builds(Digest.of, st.binary(max_size=4))


def _descriptors(media_type: str, platforms: st.SearchStrategy[Platform | None]) -> st.SearchStrategy[Descriptor]:
    return st.builds(
        Descriptor,
        media_type=st.just(media_type),
        digest=_DIGESTS,
        size_bytes=st.integers(0, 2**40),
        annotations=_ANNOTATIONS,
        platform=platforms,
    )


_MANIFESTS = st.builds(
    Manifest,
    media_type=st.just(MediaType.OCI_MANIFEST),
    config=_descriptors(MediaType.OCI_CONFIG, st.none()),
    layers=st.lists(_descriptors(MediaType.OCI_LAYER_GZIP, st.none()), max_size=4).map(tuple),
    annotations=_ANNOTATIONS,
)
_INDEXES = st.builds(
    IndexManifest,
    media_type=st.just(MediaType.OCI_INDEX),
    manifests=st.lists(_descriptors(MediaType.OCI_MANIFEST, _PLATFORMS), max_size=4).map(tuple),
    annotations=_ANNOTATIONS,
)
_KEYS = st.sampled_from(
    ["schemaVersion", "mediaType", "config", "layers", "manifests", "digest", "size", "platform", "annotations", "urls",
     "os", "architecture", "subject", "artifactType"]
)  # fmt: skip
_VALUES = st.sampled_from([2, MediaType.OCI_MANIFEST, MediaType.OCI_INDEX, str(Digest.of(b"")), "linux", -1, 2**70, ""])
_JSON = st.recursive(
    st.none() | st.booleans() | _VALUES | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=12,
)


@given(_MANIFESTS)
def test_a_manifest_is_read_as_it_is_written(manifest: Manifest) -> None:
    assert decode_manifest(encode_manifest(manifest)) == manifest


@given(_INDEXES)
def test_an_index_is_read_as_it_is_written(index: IndexManifest) -> None:
    assert decode_index(encode_index(index)) == index


@given(_JSON, st.sampled_from([None, *MediaType]))
def test_any_json_is_a_manifest_or_refused(document: object, media_type: str | None) -> None:
    raw = json.dumps(document).encode()
    with contextlib.suppress(ContentInvalid):
        assert isinstance(decode_manifest(raw, media_type), Manifest)
    with contextlib.suppress(ContentInvalid):
        assert isinstance(decode_index(raw, media_type), IndexManifest)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_refused(raw: bytes) -> None:
    with contextlib.suppress(ContentInvalid):
        decode_manifest(raw)
    with contextlib.suppress(ContentInvalid):
        decode_index(raw)


_ROOT = {"mediaType": MediaType.OCI_CONFIG, "digest": "sha256:" + "0" * 64, "size": 1}


@pytest.mark.parametrize("more", [{}, {"layers": None}, {"layers": [], "manifests": None}, {"subject": None}])
def test_null_in_a_manifest_is_as_good_as_nothing(more: dict[str, object]) -> None:
    raw = json.dumps({"schemaVersion": 2, "config": _ROOT, **more}).encode()
    assert decode_manifest(raw, MediaType.OCI_MANIFEST).layers == ()
    index = json.dumps({"schemaVersion": 2, "manifests": None, "layers": None}).encode()
    assert decode_index(index, MediaType.OCI_INDEX).manifests == ()


def test_null_in_lists_of_a_config_is_as_good_as_nothing() -> None:
    """Go's programs read it as an empty text."""
    run = {"Env": [None, "A=1"], "Cmd": [None, "x"], "Entrypoint": None}
    found = decode_config(json.dumps({"config": run, "rootfs": {"type": None, "diff_ids": None}}).encode())
    assert (dict(found.run.env), found.run.cmd, found.run.entrypoint) == ({"A": "1"}, ("", "x"), ())
