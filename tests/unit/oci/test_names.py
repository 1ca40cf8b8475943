from __future__ import annotations

import hashlib
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargoship.errors import ContentInvalid, UsageError
from cargoship.oci.digest import Digest
from cargoship.oci.reference import Reference

_HEX = "0" * 64


@settings(deadline=None)
@given(st.binary(max_size=3000))
def test_digest_is_sha256_and_round_trips(data: bytes) -> None:
    digest = Digest.of(data)
    assert digest.hex == hashlib.sha256(data).hexdigest()
    assert Digest.parse(str(digest)) == digest
    assert Digest.of_stream(io.BytesIO(data)) == (digest, len(data))


@pytest.mark.parametrize(
    "text",
    ["", "sha256:", f"sha512:{_HEX}", f"sha256:{'A' * 64}", f"sha256:{_HEX}\n", f"sha256:../{_HEX[3:]}", _HEX],
)
def test_what_is_no_digest(text: str) -> None:
    with pytest.raises(ContentInvalid):
        Digest.parse(text)


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("app", "docker.io/library/app", "app"),
        ("app:1.2", "docker.io/library/app:1.2", "app:1.2"),
        ("me/app", "docker.io/me/app", "me/app"),
        ("docker.io/app", "docker.io/library/app", "app"),
        ("index.docker.io/me/app:x", "docker.io/me/app:x", "me/app:x"),
        ("localhost/app", "localhost/app", "localhost/app"),
        ("localhost:5000/a/b/c:t", "localhost:5000/a/b/c:t", "localhost:5000/a/b/c:t"),
        ("[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app"),
        ("ghcr.io/me/app:v1@sha256:" + _HEX, "ghcr.io/me/app:v1@sha256:" + _HEX, "ghcr.io/me/app:v1@sha256:" + _HEX),
    ],
)
def test_references(text: str, full: str, familiar: str) -> None:
    reference = Reference.parse(text)
    assert str(reference) == full
    assert reference.familiar == familiar
    assert Reference.parse(familiar) == reference


@pytest.mark.parametrize(
    "text",
    ["", ":", "App", "a//b", "ghcr.io/", "ghcr.io/../x", "app:", "app:a b", "app@", "app@sha256:12", "x/" + "a" * 256,
     "https://ghcr.io/me/app", "app:" + "t" * 129, "me/app\n", "a..example/app", "a-.example/app", "ghcr.io./app",
     "h" * 64 + ".example/app"],
)  # fmt: skip
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(UsageError):
        Reference.parse(text)


_COMPONENT = st.from_regex(r"[a-z0-9]{1,8}([._-][a-z0-9]{1,4})?", fullmatch=True)


@settings(deadline=None)
@given(
    registry=st.sampled_from(["docker.io", "ghcr.io", "localhost:5000", "registry.example:443"]),
    parts=st.lists(_COMPONENT, min_size=2, max_size=4),
    tag=st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    digest=st.none() | st.binary(max_size=4).map(Digest.of),
)
def test_references_round_trip(registry: str, parts: list[str], tag: str | None, digest: Digest | None) -> None:
    reference = Reference(registry, "/".join(parts), tag, digest)
    assert Reference.parse(str(reference)) == reference


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_a_reference_or_a_usage_error(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except UsageError:
        return
    assert Reference.parse(str(reference)) == reference


def test_several_references_in_one_word() -> None:
    with pytest.raises(UsageError, match="it has a comma") as caught:
        Reference.parse("ghcr.io/me/app:1,ghcr.io/me/app:2")
    assert caught.value.hint is not None
    assert caught.value.hint.endswith("-t ghcr.io/me/app:1 -t ghcr.io/me/app:2")
