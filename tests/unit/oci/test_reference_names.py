"""References and manifests from strangers: anything is read or refused, nothing breaks."""

from __future__ import annotations

import contextlib
import json
import re

import pytest
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


@pytest.mark.parametrize(
    "text",
    [
        "me:s3cret@ghcr.io/a/b", "https://me:s3cret@ghcr.io/a/b",
        "me:x/s3cret@ghcr.io/a", "me:@s3cret@ghcr.io/a:1",
        "https://s3cret@ghcr.io/a", "docker://me:s3cret@ghcr.io/a@sha256:00",
        "me:s3cret@ghcr.io:5000/a@sha256:" + "0" * 64,
    ],
)  # fmt: skip
def test_a_password_before_a_host_is_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Reference.parse(text)
    assert "s3cret" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("ghcr.io/me/app:1.0+2", "'1.0+2' is not a tag", "1.0_2"),
        ("localhost:65536/app", "there is no port 65536", ""),
        ("ghcr.io/Me/app", "'Me/app' is not a repository name", "lower case"),
    ],
)
def test_what_is_no_reference_says_why(text: str, said: str, hint: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)) as caught:
        Reference.parse(text)
    assert hint in (caught.value.hint or "")


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


@pytest.mark.parametrize("scheme", ["docker://", "https://", "HTTP://", "oci-archive://"])
def test_an_address_is_no_reference_and_the_hint_says_what_is(scheme: str) -> None:
    with pytest.raises(UsageError, match="it has none of an address's schemes") as raised:
        Reference.parse(f"{scheme}ghcr.io/me/app:1")
    assert raised.value.hint == f"write it without {scheme}: ghcr.io/me/app:1"


def test_a_host_is_the_same_in_either_case() -> None:
    assert str(Reference.parse("Registry.Example:5000/me/app:V1")) == "registry.example:5000/me/app:V1"
    assert Reference.parse("GHCR.io/me/app") == Reference.parse("ghcr.io/me/app")


@pytest.mark.parametrize(("kind", "digits"), [("sha384", 96), ("blake3", 64)])
def test_a_digest_that_cannot_be_checked_here_is_called_by_its_algorithm(kind: str, digits: int) -> None:
    words = f"is a digest by {kind}: cargoship checks content by sha256 and sha512 alone"
    with pytest.raises(UsageError, match=words):
        Reference.parse(f"ghcr.io/me/app@{kind}:{'0' * digits}")
    with pytest.raises(ContentInvalid, match=words):
        Digest.parse(f"{kind}:{'0' * digits}")


def test_what_is_printed_is_what_was_meant() -> None:
    """A host that its capitals alone tell from a namespace of Docker Hub's: `nas/app` would be another image."""
    found = Reference.parse("NAS/me/app:1")
    assert str(found) == "NAS/me/app:1"
    assert Reference.parse(str(found)) == found
    assert found.registry != Reference.parse("nas/me/app:1").registry
