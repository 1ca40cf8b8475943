"""One index from images and indexes that are already in registries: what several jobs pushed by digest."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cargoship.errors import UsageError
from cargoship.events import Emit
from cargoship.oci.descriptor import INDEX_TYPES, BytesBlob, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.manifest import decode_index, decode_manifest, encode_json
from cargoship.oci.reference import Reference, tags_by_repository
from cargoship.registry.client import Access, RegistryClient
from cargoship.registry.copy import OpenClient
from cargoship.registry.entries import Entry, entries_of
from cargoship.registry.known import BlobMemory
from cargoship.registry.push import DEFAULT_JOBS, Published, push_tree
from cargoship.registry.remote import RemoteContent
from cargoship.registry.tree import Tree, read_tree


@dataclass(frozen=True)
class Part:
    """What is merged: an image or index in a registry, and the entries that an index of it alone would have."""

    reference: Reference
    root: BytesBlob
    entries: tuple[Entry, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)


def merge_images(
    parts: Sequence[Reference],
    names: Sequence[Reference],
    *,
    open_client: OpenClient,
    emit: Emit,
    known: BlobMemory,
    jobs: int = DEFAULT_JOBS,
) -> tuple[Published, ...]:
    """Let every one of `names` be an index of all `parts`; what a name's repository lacks is copied or mounted.

    One result for each repository that is named. Raises UsageError for two images of one platform, RegistryError's
    family, ContentInvalid.
    """
    for name in names:
        if name.digest is not None:
            raise UsageError(f"{name} has a digest", hint="a digest is the result of a merge; name a tag")
    with contextlib.ExitStack() as opened:
        clients: dict[tuple[str, Access], RegistryClient] = {}

        def client(registry: str, access: Access) -> RegistryClient:
            if (registry, access) not in clients:
                clients[registry, access] = opened.enter_context(open_client(registry, access))
            return clients[registry, access]

        found = [_read(client(each.registry, Access.PULL), each) for each in parts]
        root = merged(found)
        published = []
        for repository, tags in tags_by_repository(names).items():
            trees = [
                read_tree(client(part.reference.registry, Access.PULL), part.reference.repository, part.root)
                for part in found
                if part.reference.name != repository.name
            ]
            writer = client(repository.registry, Access.PUSH)
            whole = _below(root, trees)
            published.append(
                push_tree(writer, whole, reference=repository, tags=tags, emit=emit, jobs=jobs, known=known)
            )
    return tuple(published)


def merged(parts: Sequence[Part]) -> BytesBlob:
    """The index of all parts, in the order of the platforms' names. Pure.

    What several parts have is there once; annotations are those that every part has. Raises UsageError.
    """
    entries: dict[Digest, Entry] = {}
    owners: dict[tuple[object, ...], tuple[Entry, Part]] = {}
    for part in parts:
        for entry in part.entries:
            other, owner = owners.get(entry.runs_on or (), (entry, part))
            if other.descriptor.digest != entry.descriptor.digest:
                names = " and ".join(dict.fromkeys(str(each.reference) for each in (owner, part)))
                raise UsageError(
                    f"two images are for {entry.descriptor.platform}: {other.descriptor.digest} and "
                    f"{entry.descriptor.digest}, in {names}",
                    hint="an index has one image for each platform: leave one of them out",
                )
            entries.setdefault(entry.descriptor.digest, entry)
            if entry.runs_on is not None:
                owners[entry.runs_on] = (entry, part)
    if not entries:
        raise UsageError("there is no image to merge")
    ordered = sorted(entries.values(), key=lambda entry: (str(entry.descriptor.platform), entry.descriptor.digest))
    first, *others = (part.annotations for part in parts)
    shared = {key: text for key, text in first.items() if all(each.get(key) == text for each in others)}
    docker = all(entry.descriptor.media_type == MediaType.DOCKER_MANIFEST for entry in ordered)
    media_type = MediaType.DOCKER_LIST if docker and not shared else MediaType.OCI_INDEX
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": [dict(entry.raw) for entry in ordered],
    }
    if shared:
        document["annotations"] = shared
    return BytesBlob.of(media_type, encode_json(document))


def _read(client: RegistryClient, reference: Reference) -> Part:
    root = client.manifest(reference.repository, reference.digest or reference.tag or "latest")
    content = RemoteContent(client, reference.repository)
    if root.descriptor.media_type in INDEX_TYPES:
        annotations = decode_index(root.data, root.descriptor.media_type).annotations
    else:
        annotations = decode_manifest(root.data, root.descriptor.media_type).annotations
    entries = tuple(entries_of(content, root))
    return Part(reference.at(root.descriptor.digest), root, entries, annotations)


def _below(root: BytesBlob, trees: Sequence[Tree]) -> Tree:
    """The new index over everything that has to come from elsewhere."""
    manifests = {
        blob.descriptor.digest: blob
        for tree in trees
        for blob in tree.manifests
        if blob.descriptor.media_type not in INDEX_TYPES
    }
    layers = {blob.descriptor.digest: blob for tree in trees for blob in tree.layers}
    configs = {blob.descriptor.digest: blob for tree in trees for blob in tree.configs}
    return Tree(
        root,
        (tuple(manifests.values()),),
        tuple(blob for digest, blob in layers.items() if digest not in configs),
        tuple(configs.values()),
    )
