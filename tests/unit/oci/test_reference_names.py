"""References and manifests from strangers: anything is read or refused, nothing breaks."""

from __future__ import annotations

import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st

from cargoship.errors import ContentInvalid, UsageError
from cargoship.oci.digest import Digest
from cargoship.oci.manifest import decode_index, decode_manifest
from cargoship.oci.reference import Reference

_HOSTS = st.sampled_from(
    ["docker.io", "ghcr.io", "localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000", "a.b-c.d:1"]
)
_COMPONENT = st.from_regex(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*", fullmatch=True).filter(lambda text: len(text) < 60)
_TAGS = st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
_DIGESTS = st.none() | st.binary(max_size=3).map(Digest.of)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["sha256:" + "0" * 64]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["schemaVersion", "mediaType", "config", "layers", "manifests", "digest", "size", "subject"]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


@given(_HOSTS, st.lists(_COMPONENT, min_size=2, max_size=3), _TAGS, _DIGESTS)
def test_a_reference_is_read_as_it_is_written(
    host: str, path: list[str], tag: str | None, digest: Digest | None
) -> None:
    reference = Reference(host, "/".join(path), tag, digest)
    assert Reference.parse(str(reference)) == reference


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        reference = Reference.parse(text)
        assert Reference.parse(str(reference)) == reference


@given(_JSON)
def test_any_json_is_a_manifest_or_refused(document: object) -> None:
    raw = json.dumps(document).encode()
    for decode in (decode_manifest, decode_index):
        with contextlib.suppress(ContentInvalid):
            decode(raw)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_manifest_or_refused(raw: bytes) -> None:
    for decode in (decode_manifest, decode_index):
        with contextlib.suppress(ContentInvalid):
            decode(raw)
