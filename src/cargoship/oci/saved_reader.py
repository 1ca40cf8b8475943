"""Archives that hold no image layout: what `docker save` before Docker 25 and `podman save` write, seen as one.

    manifest.json    for each image: its config, its layers, its names
    CONFIG, LAYER    by the names that stand there; older Dockers save a layer once, and links to it

(moby/docker-image-spec, v1.2, "Combined Image JSON + Filesystem Changeset Format"). Such an archive has no manifest:
what is read here is the one of the same config and layers, made the same way each time. Layers lie there as plain
tars, whose digests the config has.
"""

from __future__ import annotations

import io
import itertools
import posixpath
from collections.abc import Iterator, Mapping
from typing import BinaryIO

import msgspec

from cargoship.decoding import Undecodable, decode_json
from cargoship.errors import ContentInvalid, UsageError
from cargoship.events import count
from cargoship.oci.archive_reader import ArchiveFiles
from cargoship.oci.config import CONFIG_BYTES_MAX, decode_config
from cargoship.oci.content import MANIFESTS_MAX, names_manifest, walk
from cargoship.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, BytesBlob, Descriptor, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.layout import CONTAINERD_NAME, REF_NAME
from cargoship.oci.layout_reader import LayoutFiles, LayoutReader
from cargoship.oci.manifest import (
    MANIFEST_BYTES_MAX,
    IndexManifest,
    Manifest,
    decode_content,
    decode_manifest,
    encode_index,
    encode_json,
    encode_manifest,
)
from cargoship.oci.reference import Reference

MANIFEST = "manifest.json"
_CONFIGS_BYTES_MAX = 64 << 20
"""Of all its images together: they are kept in memory."""
_NAMES_MAX = 10_000
"""Of all its images together."""
_PACKED = {
    b"\x1f\x8b": MediaType.OCI_LAYER_GZIP,
    b"\x28\xb5\x2f\xfd": MediaType.OCI_LAYER_ZSTD,
}  # fmt: skip
"""How a packed layer begins: nobody's save writes one, and engines load it."""


class _Saved(msgspec.Struct):
    config: str = msgspec.field(name="Config")
    layers: list[str] | None = msgspec.field(name="Layers", default=None)
    repo_tags: list[str] | None = msgspec.field(name="RepoTags", default=None)


class SavedFiles(LayoutFiles):
    """The files of the image layout that such an archive would be; raises ContentInvalid for one that is damaged."""

    def __init__(self, archive: ArchiveFiles) -> None:
        self._archive = archive
        self._made: dict[str, bytes] = {"oci-layout": encode_json({"imageLayoutVersion": "1.0.0"})}
        self._places: dict[str, str] = {}
        """Names in the archive, by those in the layout."""
        self._configs: dict[str, tuple[BytesBlob, tuple[Digest, ...]]] = {}
        self._layers: dict[str, tuple[MediaType | None, int, Digest | None]] = {}
        saved = _saved_in(archive)
        names = sum(len(each.repo_tags or ()) for each in saved)
        if names > _NAMES_MAX:
            raise ContentInvalid(f"{archive} has {names} names of images; more than {_NAMES_MAX} are not accepted")
        entries = [entry for each in saved for entry in self._entries(each)]
        self._made["index.json"] = encode_index(IndexManifest(MediaType.OCI_INDEX, tuple(entries)))

    def __str__(self) -> str:
        """The archive's path."""
        return str(self._archive)

    def has(self, name: str) -> bool:
        """See `LayoutFiles.has`."""
        return name in self._made or name in self._places

    def open(self, name: str) -> BinaryIO:
        """See `LayoutFiles.open`."""
        if name in self._made:
            return io.BytesIO(self._made[name])
        return self._open(self._places.get(name, name))

    def _entries(self, saved: _Saved) -> list[Descriptor]:
        config, diff_ids = self._config(saved.config)
        names = saved.layers or []
        if len(names) != len(diff_ids):
            raise ContentInvalid(
                f"{self._archive} names {count(len(names), 'layer')}, and its config {saved.config} has {len(diff_ids)}"
            )
        layers = tuple(self._layer(name, diff_id) for name, diff_id in zip(names, diff_ids, strict=True))
        raw = encode_manifest(Manifest(MediaType.OCI_MANIFEST, config.descriptor, layers))
        manifest = BytesBlob.of(MediaType.OCI_MANIFEST, raw)
        self._made[_name(config.descriptor.digest)] = config.data
        self._made[_name(manifest.descriptor.digest)] = raw
        said = manifest.descriptor
        return [
            Descriptor(said.media_type, said.digest, said.size_bytes, annotations=_called(tag))
            for tag in saved.repo_tags or [""]
        ]

    def _config(self, name: str) -> tuple[BytesBlob, tuple[Digest, ...]]:
        """A config, read once, however many images have it."""
        if name not in self._configs:
            blob = BytesBlob.of(MediaType.OCI_CONFIG, self._read(name, CONFIG_BYTES_MAX))
            kept = sum(known.descriptor.size_bytes for known, _ in self._configs.values())
            if kept + len(blob.data) > _CONFIGS_BYTES_MAX:
                raise ContentInvalid(
                    f"the configs in {self._archive} are larger than is accepted",
                    hint=f"that is {_CONFIGS_BYTES_MAX} bytes together; save fewer images at once",
                )
            try:
                self._configs[name] = (blob, decode_config(blob.data).diff_ids)
            except ContentInvalid as error:
                raise ContentInvalid(f"{self._archive}: {name}: {error.message}", hint=error.hint) from error
        return self._configs[name]

    def _layer(self, name: str, diff_id: Digest) -> Descriptor:
        media_type, size_bytes, packed = self._looked_at(self._archive.behind(name))
        digest = packed or diff_id
        self._places.setdefault(_name(digest), name)
        return Descriptor(media_type or MediaType.OCI_LAYER, digest, size_bytes)

    def _looked_at(self, name: str) -> tuple[MediaType | None, int, Digest | None]:
        """Type, size and digest of a packed layer, found once, however often it is named; of a plain one its size."""
        if name not in self._layers:
            with self._archive.open(name) as stream:
                start = stream.read(4)
                size_bytes = stream.seek(0, io.SEEK_END)
                media_type = next((each for magic, each in _PACKED.items() if start.startswith(magic)), None)
                stream.seek(0)
                digest = None if media_type is None else Digest.of_stream(stream)[0]
            self._layers[name] = (media_type, size_bytes, digest)
        return self._layers[name]

    def _open(self, name: str) -> BinaryIO:
        return self._archive.open(self._archive.behind(name))

    def _read(self, name: str, bytes_max: int) -> bytes:
        return _read(self._archive, name, bytes_max)


def _called(tag: str) -> Mapping[str, str]:
    """The names of an image, as a layout has them: the whole one, and as it was written."""
    if not tag:
        return {}
    try:
        return {REF_NAME: tag, CONTAINERD_NAME: str(Reference.parse(tag))}
    except UsageError:
        return {REF_NAME: tag}


def _name(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"


def refuse_another(archive: ArchiveFiles) -> None:
    """Raise ContentInvalid where a layout and what stands beside it for older Dockers are not of the same images.

    Docker 25 and later, and cargoship, write both. Who reads the layout must not speak of another image than the one
    that Docker 20 loads.
    """
    reader = LayoutReader(archive)
    roots = {each.digest: each for each in reader.entries()}
    images: dict[Digest, set[tuple[str, ...]]] = {}
    left = MANIFESTS_MAX
    for digest, entry in roots.items():
        found = list(itertools.islice(_images(reader, entry), left + 1))
        left -= len(found)
        if left < 0:
            raise ContentInvalid(f"{archive} has more than {MANIFESTS_MAX} images, and more are not accepted")
        images[digest] = set(found)
    known = set().union(*images.values())
    named: dict[str, set[tuple[str, ...]]] = {}
    for entry in reader.entries():
        if name := entry.annotations.get(CONTAINERD_NAME):
            named.setdefault(name, set()).update(images[entry.digest])
    for each in _saved_in(archive):
        image = tuple(archive.behind(posixpath.normpath(name)) for name in (each.config, *(each.layers or ())))
        called = {_called(tag).get(CONTAINERD_NAME, tag) for tag in each.repo_tags or ()}
        if image not in known or any(image not in named[name] for name in called & named.keys()):
            raise ContentInvalid(
                f"{archive}: {MANIFEST} has an image that index.json does not have by that name: engines load one or "
                "the other",
                hint="save the image again",
            )


def _images(reader: LayoutReader, entry: Descriptor) -> Iterator[tuple[str, ...]]:
    """The files of each image that an entry names: its config, and its layers."""
    root = reader.find(entry)
    if root is None or root.descriptor.media_type not in MANIFEST_TYPES | INDEX_TYPES:
        return
    listing = walk(reader, root)
    for each in filter(names_manifest, listing.manifests):
        blob = listing.read(reader, each)
        if blob is not None:
            manifest = decode_manifest(blob.data, blob.descriptor.media_type)
            yield tuple(_name(part.digest) for part in (manifest.config, *manifest.layers))


def _saved_in(archive: ArchiveFiles) -> list[_Saved]:
    try:
        listed = decode_json(_read(archive, MANIFEST, MANIFEST_BYTES_MAX), list[msgspec.Raw])
    except Undecodable as error:
        raise ContentInvalid(f"{archive}: {MANIFEST} is not valid: {error}") from error
    if len(listed) > MANIFESTS_MAX:
        raise ContentInvalid(f"{archive} has {len(listed)} images; more than {MANIFESTS_MAX} are not accepted")
    # one at a time, for that knows which field Docker takes where one is there twice
    return [decode_content(bytes(each), _Saved, f"{MANIFEST} of {archive}") for each in listed]


def _read(archive: ArchiveFiles, name: str, bytes_max: int) -> bytes:
    archive.refuse_two(name)
    with archive.open(archive.behind(name)) as stream:
        data = stream.read(bytes_max + 1)
    if len(data) > bytes_max:
        raise ContentInvalid(f"{archive}: {name} is larger than {bytes_max} bytes")
    return data
