"""One index from images and indexes that exist already: what several jobs pushed by digest, or left in layouts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from msgspec import Struct, field

from cargoship.errors import UsageError
from cargoship.events import Level, Note
from cargoship.oci.content import Content, IndexEntry, names_manifest, platform_of, read_child
from cargoship.oci.descriptor import INDEX_TYPES, BytesBlob, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.entries import entries_of, runs_on
from cargoship.oci.image import is_image
from cargoship.oci.index import is_listed_wrongly
from cargoship.oci.manifest import decode_index, decode_manifest, encode_json
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference, tags_by_repository
from cargoship.oci.referrer import Referrer
from cargoship.oci.tree import ManifestTree, read_tree
from cargoship.printable import printable
from cargoship.registry.attachments import referrers_of
from cargoship.registry.copy import OpenClient
from cargoship.registry.options import Access
from cargoship.registry.push import Published, PushOptions, push_tree
from cargoship.registry.source import ImageSource
from cargoship.registry.testimony import Witness

_OF_ONE_BUILD = tuple(f"org.opencontainers.image.{name}" for name in ("title", "version", "revision"))
"""What jobs of one build say alike."""
_SHOWN_MAX = 80
"""Characters of an annotation: it may be anything."""
_VERIFIED = "dev.cargoship.verified"
"""`false` where nobody has looked whether an image can start."""


class MergeSource(Struct, frozen=True):
    """What is merged: an image or index, and the entries that an index of it alone would have."""

    source: ImageSource
    entries: tuple[IndexEntry, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact: str | None = None
    """The type of what is no image and no index: a signature, a chart."""

    @property
    def said(self) -> str:
        """What it is, for messages."""
        reference, digest = self.source.reference, self.source.root.descriptor.digest
        return self.source.said if reference is None else str(reference.at(digest))


class Describe(Protocol):
    """Says what an index is made of."""

    def __call__(self, root: BytesBlob, about: Sequence[Referrer], /) -> Sequence[Referrer]:
        """What is said about the index, out of what is said `about` its images."""
        ...


def nothing(root: BytesBlob, about: Sequence[Referrer], /) -> Sequence[Referrer]:
    """The `Describe` that is silent."""
    del root, about
    return ()


def merge_images(
    parts: Sequence[ImageSource],
    names: Sequence[Reference],
    *,
    open_client: OpenClient,
    options: PushOptions,
    describe: Describe = nothing,
    speak: Callable[[BytesBlob, Sequence[Referrer]], Witness] | None = None,
) -> tuple[Published, ...]:
    """Let every one of `names` be an index of all `parts`; what a name's repository lacks is copied or mounted.

    What is said about the images of the parts comes along, and `describe` says something of the index itself. `speak`
    gives a witness of the index and of that.
    One result for each repository that is named. Raises UsageError for two images of one platform, RegistryError's
    family, ContentInvalid.
    """
    for name in names:
        if name.digest is not None:
            raise UsageError(f"{name} has a digest", hint="a digest is the result of a merge; name a tag")
    with contextlib.ExitStack() as opened:
        found = [_read(each) for each in parts]
        root = merged(found)
        for note in (*_unlike(found), *_run_by_nobody(found), *_listed_wrongly(found)):
            options.emit(Note(note, Level.WARNING))
        said = [referrers_of(each.source, [entry.descriptor.digest for entry in each.entries]) for each in found]
        own = describe(root, [one for each in said for one in each])
        witness = None if speak is None else speak(root, own)
        published = []
        for repository, tags in tags_by_repository(names).items():
            far = [each.reference is None or each.reference.name != repository.name for each in parts]
            trees = [
                read_tree(each.content, each.root, each.each) for each, is_far in zip(parts, far, strict=True) if is_far
            ]
            about = [one for each, is_far in zip(said, far, strict=True) if is_far for one in each]
            writer = opened.enter_context(open_client(repository.registry, Access.PUSH))
            whole = _below(root, trees)
            published.append(
                push_tree(
                    writer,
                    whole,
                    reference=repository,
                    tags=tags,
                    options=options,
                    about=(*about, *own),
                    witness=witness,
                )
            )
    return tuple(published)


def merged(parts: Sequence[MergeSource]) -> BytesBlob:
    """The index of all parts, in the order of the platforms' names. Pure.

    What several parts have is there once; annotations are those that every part has, and that one of them was not
    verified. Raises UsageError.
    """
    entries: dict[Digest, IndexEntry] = {}
    owners: dict[tuple[object, ...], tuple[IndexEntry, MergeSource]] = {}
    for part in parts:
        for entry in part.entries:
            other, owner = owners.get(runs_on(entry) or (), (entry, part))
            if other.descriptor.digest != entry.descriptor.digest:
                names = " and ".join(dict.fromkeys(each.said for each in (owner, part)))
                raise UsageError(
                    f"two images are for {entry.descriptor.platform}: {other.descriptor.digest} and "
                    f"{entry.descriptor.digest}, in {names}",
                    hint="an index has one image for each platform: leave one of them out",
                )
            entries.setdefault(entry.descriptor.digest, entry)
            if (wanted := runs_on(entry)) is not None:
                owners[wanted] = (entry, part)
    if not entries or all(part.artifact is not None for part in parts):
        raise UsageError("there is no image to merge", hint="; ".join(_run_by_nobody(parts)) or None)
    ordered = sorted(entries.values(), key=lambda entry: (str(entry.descriptor.platform), entry.descriptor.digest))
    first, *others = (part.annotations for part in parts)
    shared = {key: text for key, text in first.items() if all(each.get(key) == text for each in others)}
    if any(part.annotations.get(_VERIFIED) == "false" for part in parts):
        # one of which that is not known makes a whole of which it is not known
        shared[_VERIFIED] = "false"
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


def _unlike(parts: Sequence[MergeSource]) -> Iterator[str]:
    """What tells that parts are not of one build, such as one of an older release, or of another package."""
    for key in _OF_ONE_BUILD:
        said: dict[str, str] = {}
        for part in parts:
            if text := part.annotations.get(key):
                said.setdefault(printable(text[:_SHOWN_MAX]), part.said)
        if len(said) > 1:
            values = ", ".join(f"{text} in {where}" for text, where in said.items())
            yield f"the parts are not of one build: {key} is {values}"


def _run_by_nobody(parts: Sequence[MergeSource]) -> Iterator[str]:
    """What an engine that looks for its platform does not find: an artifact, an image that does not say its own."""
    for part in parts:
        if part.artifact is not None:
            yield f"{part.said} is no image but {printable(part.artifact[:_SHOWN_MAX])}, which no platform runs"
        elif part.entries and all(entry.descriptor.platform is None for entry in part.entries):
            yield f"{part.said} does not say its platform: who pulls the merged image for one does not get it"


def _listed_wrongly(parts: Sequence[MergeSource]) -> Iterator[str]:
    """Images that an engine takes for a platform which they say that they are not for."""
    for part in parts:
        if part.source.root.descriptor.media_type not in INDEX_TYPES:
            # an image that stands alone has spoken for itself
            continue
        listed = [entry for entry in part.entries if runs_on(entry) is not None and names_manifest(entry.descriptor)]
        own = dict(part.source.each(partial(_own_platform, part.source.content), listed))
        for entry in listed:
            platform, said = entry.descriptor.platform, own[entry.descriptor.digest]
            if platform is not None and said is not None and is_listed_wrongly(platform, said):
                yield f"{part.said} lists {entry.descriptor.digest} for {platform}, and its config says {said}"


def _own_platform(content: Content, entry: IndexEntry) -> tuple[Digest, Platform | None]:
    blob = read_child(content, entry.descriptor)
    return entry.descriptor.digest, None if blob is None else platform_of(content, blob)


def _read(source: ImageSource) -> MergeSource:
    root = source.root
    entries = tuple(entries_of(source.content, root))
    if root.descriptor.media_type in INDEX_TYPES:
        return MergeSource(source, entries, decode_index(root.data, root.descriptor.media_type).annotations)
    manifest = decode_manifest(root.data, root.descriptor.media_type)
    # what an artifact is: by its own word, or by its config (image-spec, manifest.md, `artifactType`)
    artifact = None if is_image(manifest) else manifest.artifact_type or manifest.config.media_type
    return MergeSource(source, entries, manifest.annotations, artifact)


def _below(root: BytesBlob, trees: Sequence[ManifestTree]) -> ManifestTree:
    """The new index over everything that has to come from elsewhere."""
    manifests = {
        blob.descriptor.digest: blob
        for tree in trees
        for blob in tree.manifests()
        if blob.descriptor.media_type not in INDEX_TYPES
    }
    layers = {blob.descriptor.digest: blob for tree in trees for blob in tree.layers}
    configs = {blob.descriptor.digest: blob for tree in trees for blob in tree.configs}
    return ManifestTree(
        root,
        (tuple(manifests.values()),),
        tuple(blob for digest, blob in layers.items() if digest not in configs),
        tuple(configs.values()),
    )
