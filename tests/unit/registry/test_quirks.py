"""Registries that do what others do not: anybody who is accepted by skopeo, containerd or docker is accepted here."""

from __future__ import annotations

from pathlib import Path

import pytest

from cargoship.errors import RegistryRefused
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference
from cargoship.oci.tree import tree_of
from cargoship.registry.auth.credentials import FixedCredentials
from cargoship.registry.auth.entries import Login
from cargoship.registry.chunks import Chunks
from cargoship.registry.client import RegistryClient
from cargoship.registry.copy import copy_image
from cargoship.registry.mount_sources import NoMountSources
from cargoship.registry.options import Access
from cargoship.registry.pull import fetch_index
from cargoship.registry.push import PushOptions, push_index
from cargoship.registry.source import remote_source
from cargoship.registry.upload import BlobOutcome
from cargoship.testing import QUIRKS, BasicAuth, Fault, InMemoryRegistry, InMemoryTransport, TokenAuth
from support.pushing import REPOSITORY, Emitted, Everywhere, client_of
from support.virtual import VirtualBudget

_PASSWORD = "s3cr3t-word"
_HOST = "registry.example"
_BASIC = {"dead-bearer-before-basic", "dead-bearer-after-basic", "bearer-without-realm-beside-basic"}
_SLOW_S = 90.0
"""How long a quirk may make somebody wait, all retries together."""


class _World:
    """A registry with quirks; each client is a new one, as each run has."""

    def __init__(self, *quirks: str, address: str = f"https://{_HOST}", lifetime_s: int = 300) -> None:
        basic = not _BASIC.isdisjoint(quirks)
        self.budget = VirtualBudget(3600.0)
        self.auth = BasicAuth("u", _PASSWORD) if basic else TokenAuth("u", _PASSWORD, lifetime_s=lifetime_s)
        self.registry = InMemoryRegistry(address=address, auth=self.auth, quirks=quirks, sleep=self.budget.pass_by)
        self.reported = Emitted()

    def client(self, access: Access = Access.PUSH) -> RegistryClient:
        host = self.registry.host
        return client_of(
            host,
            credentials=FixedCredentials(host, Login("u", _PASSWORD)),
            transport=InMemoryTransport(self.registry, sleep=self.budget.pass_by),
            reported=self.reported,
            access=access,
            budget=self.budget,
            chunks=Chunks(whole_bytes=60, chunk_bytes=60),
        )

    def push(self, index: Index, repository: str = REPOSITORY, *, mount_from: str | None = None) -> None:
        with self.client() as client:
            push_index(
                client,
                index,
                reference=Reference(self.registry.host, repository),
                tags=["1", "new"],
                options=PushOptions(self.reported, Everywhere(mount_from) if mount_from else NoMountSources(), jobs=1),
            )


@pytest.mark.parametrize(
    ("quirk", "address"),
    [
        *((quirk, f"https://{_HOST}") for quirk in QUIRKS),
        *((quirk, "http://localhost:5000") for quirk in QUIRKS if quirk.startswith(("location", "realm", "challenge"))),
    ],
)
def test_a_registry_with_a_quirk_is_used(quirk: str, address: str, index: Index, tmp_path: Path) -> None:
    world = _World(quirk, address=address)
    world.push(index)
    # a second one finds what is there, a third mounts it
    world.push(index)
    world.push(index, "me/other", mount_from=REPOSITORY)
    reference = Reference(world.registry.host, REPOSITORY, "1")
    expected = {"1": str(index.digest), "new": str(index.digest)}
    assert world.registry.tags(REPOSITORY) == world.registry.tags("me/other") == expected
    with world.client(Access.PULL) as client:
        assert fetch_index(client, reference).root == index.blob
        assert client.find_manifest(REPOSITORY, "new", surely=True) == index.digest
        assert client.find_manifest(REPOSITORY, index.digest, surely=True) == index.digest
        assert list(client.tags(REPOSITORY)) == ["1", "new"]
        for image in index.children:
            for layer in image.layers:
                path = tmp_path / layer.descriptor.digest.hex
                client.download(REPOSITORY, layer.descriptor, path)
                assert Digest.of(path.read_bytes()) == layer.descriptor.digest
    assert world.budget.elapsed_s < _SLOW_S
    assert len(world.registry.calls) < 250


@pytest.mark.parametrize("quirk", QUIRKS)
def test_an_image_is_copied_within_a_registry_with_a_quirk(quirk: str, index: Index) -> None:
    world = _World(quirk)
    world.push(index)
    with world.client(Access.PULL) as reader:
        copied = copy_image(
            remote_source(reader, Reference(_HOST, REPOSITORY, "1")),
            Reference(_HOST, "me/copy", "2"),
            open_client=lambda _, access: world.client(access),
            options=PushOptions(world.reported, jobs=1),
        )
    assert copied.digest == index.digest
    assert world.registry.tags("me/copy") == {"2": str(index.digest)}
    assert world.budget.elapsed_s < _SLOW_S


@pytest.mark.parametrize(
    "quirk", ["ended-token-400", "ended-token-401", "ended-token-403", "challenge-at-the-door-403"]
)
def test_a_token_that_ends_early_is_renewed_however_that_is_said(quirk: str, index: Index) -> None:
    world = _World(quirk)
    assert isinstance(world.auth, TokenAuth)
    with world.client() as client:
        client.find_manifest(REPOSITORY, "1")
        world.auth.revoke()
        push_index(
            client, index, reference=Reference(_HOST, REPOSITORY), tags=["1"], options=PushOptions(world.reported)
        )
        world.auth.revoke()
        assert fetch_index(client, Reference(_HOST, REPOSITORY, "1")).root == index.blob
    assert world.registry.tags(REPOSITORY) == {"1": str(index.digest)}


def test_a_manifest_whose_blobs_stay_unknown_is_given_up_after_a_moment(index: Index) -> None:
    """Storage may show late what it has taken (openshift/image-registry#220); what it never shows is an error."""
    world = _World()
    body = b'{"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "message": "blob unknown to registry"}]}'
    never = Fault("PUT", "/manifests/sha256", 404, body=body, times=None)
    world.registry.faults.append(never)
    with pytest.raises(RegistryRefused, match="MANIFEST_BLOB_UNKNOWN: blob unknown to registry"):
        world.push(index)
    assert 2 < never.hits < 10
    assert world.budget.elapsed_s < 5
    assert not world.registry.tags(REPOSITORY)
    # a name that is refused for good is not asked for again
    world.registry.faults[:] = [
        never := Fault("PUT", "/manifests/sha256", 400, body=b'{"errors": [{"code": "MANIFEST_INVALID"}]}', times=None)
    ]
    with pytest.raises(RegistryRefused, match="MANIFEST_INVALID"):
        world.push(index)
    assert never.hits <= 2


def test_what_a_registry_only_remembers_is_sent_whoever_had_asked_for_it(index: Index) -> None:
    """Blobs that an earlier part of the run was told of: the push has to doubt them too (distribution#4702)."""
    world = _World("head-blob-remembered")
    with world.client() as client:
        blobs = tree_of(index).blobs()
        told = {blob.descriptor.digest: client.upload(REPOSITORY, blob) for blob in blobs}
    assert set(told.values()) == {BlobOutcome.EXISTS}
    assert REPOSITORY not in world.registry.contents.repositories
    with world.client() as client:
        reference = Reference(_HOST, REPOSITORY)
        push_index(
            client, index, reference=reference, tags=["1"], options=PushOptions(world.reported, jobs=1), done=told
        )
        assert fetch_index(client, Reference(_HOST, REPOSITORY, "1")).root == index.blob
    assert set(map(str, told)) <= world.registry.contents.repositories[REPOSITORY].blobs
    assert any("which it said it has: it is sent" in note for note in world.reported.notes)


def test_every_quirk_can_be_played_together_with_others(index: Index) -> None:
    world = _World(
        "challenge-at-the-door-404", "realm-unquoted", "mount-401", "head-blob-405", "location-with-fragment"
    )
    world.push(index)
    assert world.registry.tags(REPOSITORY)["1"] == str(index.digest)


def test_a_quirk_that_nobody_has_is_refused() -> None:
    with pytest.raises(KeyError):
        InMemoryRegistry(quirks=["no-such-thing"])


def test_quirks_are_heard_through_sockets(index: Index) -> None:
    """Several headers of one name stay several, and a compressed answer is one."""
    quirks = ["negotiate-first", "two-bearers", "manifests-gzip", "location-relative"]
    with InMemoryRegistry(auth=TokenAuth("u", _PASSWORD), quirks=quirks) as registry:
        credentials = FixedCredentials(registry.host, Login("u", _PASSWORD))
        with client_of(registry.host, credentials=credentials) as client:
            push_index(
                client,
                index,
                reference=Reference(registry.host, REPOSITORY),
                tags=["1"],
                options=PushOptions(Emitted()),
            )
            assert fetch_index(client, Reference(registry.host, REPOSITORY, "1")).root == index.blob


def test_the_documentation_names_every_quirk() -> None:
    page = (Path(__file__).parents[3] / "docs" / "testing.md").read_text()
    families = {name.rstrip("0123456789").rstrip("-") for name in QUIRKS}
    assert [name for name in sorted(families) if f"`{name}`" not in page] == []
