"""Images in folders and archives, opened."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from cargoship.errors import ContentInvalid, UsageError
from cargoship.oci.content import MANIFESTS_MAX
from cargoship.oci.descriptor import MANIFEST_TYPES, BytesBlob, Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.layout import CONTAINERD_NAME, REF_NAME
from cargoship.oci.layout_reader import FolderFiles, LayoutFiles, LayoutReader
from cargoship.oci.manifest import MANIFEST_BYTES_MAX, decode_index
from cargoship.oci.reference import Reference
from cargoship.oci.referrer import REFERRERS
from cargoship.oci.target import ArchiveTarget, LayoutTarget
from cargoship.registry.attachments import COSIGN
from cargoship.registry.referrers import subject_of
from cargoship.registry.source import ImageSource

_COSIGN_TAG = re.compile(rf"sha(?:256|512)-[0-9a-f]{{64,128}}\.(?:{'|'.join(COSIGN)})")


def source_of_files(target: LayoutTarget | ArchiveTarget) -> ImageSource:
    """Open an image in a folder or archive; raises ContentInvalid, UsageError."""
    reader = LayoutReader(_files(target))
    entry = reader.select(target.select)
    names = [_name(each) for each in reader.entries() if each.digest == entry.digest]
    if isinstance(target.select, str):
        names = [_name(entry)]
    about = _LayoutAbout(reader, entry)
    known = tuple(dict.fromkeys(name for name in names if name is not None))
    return ImageSource(str(target.path), reader.root(target.select), reader, names=known, about=about)


def _files(target: LayoutTarget | ArchiveTarget) -> LayoutFiles:
    if isinstance(target, LayoutTarget):
        return FolderFiles(target.path)
    return open_archive(target.path)


def open_archive(path: Path) -> LayoutFiles:
    """The image layout in an archive, or what is one of what an engine has saved; raises ContentInvalid."""
    from cargoship.oci.archive_reader import ArchiveFiles  # noqa: PLC0415 - not for folders

    archive = ArchiveFiles(path)
    from cargoship.oci.saved_reader import MANIFEST, SavedFiles, refuse_another  # noqa: PLC0415 - not for folders

    if archive.has("oci-layout"):
        for name in ("oci-layout", "index.json"):
            archive.refuse_two(name)
        if archive.has(archive.behind(MANIFEST)):
            refuse_another(archive)
        return archive
    # one that has the index of a layout is a damaged layout, and says less of itself in the other form
    if archive.has(MANIFEST) and not archive.has("index.json"):
        return SavedFiles(archive)
    raise ContentInvalid(f"{path} holds no image", hint="save one with `docker save`, `podman save` or skopeo")


def _name(entry: Descriptor) -> Reference | None:
    """What an entry of a layout is called, where that is a whole reference."""
    for annotation in (CONTAINERD_NAME, REF_NAME):
        text = entry.annotations.get(annotation)
        if text and ("/" in text or annotation == CONTAINERD_NAME):
            with contextlib.suppress(UsageError):
                return Reference.parse(text)
    return None


class _LayoutAbout(Struct, frozen=True, dict=True):
    """What is about manifests in a layout: in the list that the image's entry names, and among the layout's entries.

    The first is what builds write, the second `copy --referrers` and oras.
    """

    reader: LayoutReader
    entry: Descriptor

    def __call__(self, subject: Digest, /) -> Iterator[tuple[BytesBlob, str | None]]:
        """See `Attachments`; raises ContentInvalid."""
        tags = {f"{subject.algorithm}-{subject.hex}.{kind}" for kind in COSIGN}
        for manifest, tag in self._known:
            if tag in tags or subject_of(manifest) == subject:
                yield manifest, tag

    @functools.cached_property
    def _known(self) -> tuple[tuple[BytesBlob, str | None], ...]:
        found: dict[Digest, tuple[BytesBlob, str | None]] = {}
        for entry in (*self._listed(), *self.reader.entries()):
            if len(found) > MANIFESTS_MAX:
                raise ContentInvalid(f"more is said in {self.reader.place} than is accepted")
            blob = self.reader.find(entry) if entry.size_bytes <= MANIFEST_BYTES_MAX else None
            if blob is not None and blob.descriptor.media_type in MANIFEST_TYPES:
                name = entry.annotations.get(REF_NAME)
                tag = name if name is not None and _COSIGN_TAG.fullmatch(name) else None
                if tag is not None or subject_of(blob) is not None:
                    found.setdefault(entry.digest, (blob, tag))
        return tuple(found.values())

    def _listed(self) -> tuple[Descriptor, ...]:
        """What the list has that the image's entry names; nothing where another tool has taken the list away."""
        name = self.entry.annotations.get(REFERRERS)
        listed = None if name is None else self.reader.find_index(Digest.parse(name))
        return () if listed is None else decode_index(listed.data, listed.descriptor.media_type).manifests
