"""Fields of manifests and configs in another letter case, or twice: as Go's programs read them, or refused."""

from __future__ import annotations

import json

import pytest

from cargoship.errors import ContentInvalid
from cargoship.oci.config import decode_config
from cargoship.oci.content import walk
from cargoship.oci.descriptor import Blob, BytesBlob, Descriptor, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.manifest import decode_index, decode_manifest, kind_of
from cargoship.oci.platform import Platform

_CHILD = {"mediaType": MediaType.OCI_MANIFEST, "digest": str(Digest.of(b"x")), "size": 1}
_CONFIG = {"mediaType": MediaType.OCI_CONFIG, "digest": str(Digest.of(b"{}")), "size": 2}


def test_a_config_in_another_letter_case_is_the_same_config() -> None:
    raw = b'{"OS":"linux","Architecture":"arm64","Config":{"USER":"1","labels":{"OS":"x","os":"y"}},"RootFS":{}}'
    found = decode_config(raw)
    assert (found.platform, found.run.user) == (Platform("linux", "arm64"), "1")
    # the keys of a map are what they are
    assert found.run.labels == {"OS": "x", "os": "y"}


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        ('{"os": "linux", "os": "windows"}', "`os`"),
        ('{"os": "linux", "OS": "windows"}', "`os`"),
        ('{"x": ' + "1" * 5000 + ', "os": "linux", "o\\u017f": "windows"}', "`os`"),
        ('{"config": {"User": "1", "user": "2"}}', "`User`"),
        ('{"config": {"User": "1"}, "config": {"User": "2"}}', "`config`"),
        ('{"history": [{}, {"created": "1", "Created": "2"}]}', "$.history[...]"),
    ],
)
def test_a_config_with_two_meanings_is_refused(raw: str, place: str) -> None:
    """The last one counted, for us and for engines; other tools take the first."""
    with pytest.raises(ContentInvalid) as caught:
        decode_config(raw.encode())
    assert place in caught.value.message


def test_what_is_twice_with_one_meaning_is_taken() -> None:
    assert decode_config(b'{"os":"linux","OS":"linux","architecture":"amd64","x":1,"x":2}').platform.os == "linux"


def test_a_document_with_two_types_is_refused() -> None:
    """One that is a manifest to some and an index to others (CVE-2021-41190)."""
    types = {"mediaType": MediaType.OCI_MANIFEST, "MediaType": MediaType.OCI_INDEX}
    raw = json.dumps({"schemaVersion": 2, "config": _CONFIG, "layers": [], **types}).encode()
    with pytest.raises(ContentInvalid, match="two fields `mediaType`"):
        decode_manifest(raw)


def test_a_manifest_that_is_an_index_in_capitals_is_refused() -> None:
    raw = json.dumps({"schemaVersion": 2, "config": _CONFIG, "layers": [], "Manifests": [_CHILD]}).encode()
    with pytest.raises(ContentInvalid, match="also claims to be an index"):
        decode_manifest(raw)


def test_an_index_in_capitals_is_an_index() -> None:
    entry = {"MediaType": _CHILD["mediaType"], "Digest": _CHILD["digest"], "SIZE": 1, "platform": {"OS": "linux"}}
    raw = json.dumps({"SchemaVersion": 2, "Manifests": [entry]}).encode()
    assert kind_of(raw, "", "it") == MediaType.OCI_INDEX
    assert decode_index(raw).manifests[0].digest == Digest.of(b"x")

    class Nothing:
        def find(self, descriptor: Descriptor) -> None:
            del descriptor

        def config(self, descriptor: Descriptor) -> bytes:
            raise AssertionError(descriptor)

        def blob(self, descriptor: Descriptor) -> Blob:
            raise AssertionError(descriptor)

    root = BytesBlob.of(MediaType.OCI_INDEX, raw)
    (found,) = walk(Nothing(), root).entries
    assert (found.raw["size"], found.raw["platform"]) == (1, {"os": "linux"})


@pytest.mark.parametrize("raw", [b'{"author":"\\ud800","os":"linux"}', b'{"author":"\xff","os":"linux"}'])
def test_half_a_character_is_one_that_is_unknown(raw: bytes) -> None:
    """Docker and podman load it; it was no JSON for us."""
    assert decode_config(raw).author == "\ufffd"


def test_a_pair_of_halves_and_a_backslash_are_left_alone() -> None:
    assert decode_config(b'{"OS":"linux","author":"\\ud83d\\ude00 \\\\ud800"}').author == "\U0001f600 \\ud800"


@pytest.mark.parametrize(
    "raw", [b'{"OS": NaN}', b'{"OS": "linux"', b"[" * 100_000, b'{"OS":' * 100_000, b"\xff\xfe{\x00}\x00"]
)
def test_what_is_no_json_is_still_refused(raw: bytes) -> None:
    with pytest.raises(ContentInvalid):
        decode_config(raw)
