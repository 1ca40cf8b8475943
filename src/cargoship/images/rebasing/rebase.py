"""A new base under the programs of an image that exists: the weekly rebuild, without a compiler."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from cargoship.bases.base import Base
from cargoship.bases.remote import CachedContent, RemoteBases
from cargoship.checks.finding import Finding, refuse
from cargoship.clock import Clock
from cargoship.context import Context
from cargoship.errors import ContentInvalid, NotRebasable, UsageError
from cargoship.events import Level, Note, count
from cargoship.images.opening import open_image
from cargoship.images.rebasing.bases import NewBases, named_base_spec
from cargoship.images.rebasing.fitting import findings_on
from cargoship.images.rebasing.parts import BASE_NAME, UNVERIFIED, Parts, own_layers, packages_of, taken_apart
from cargoship.images.rebasing.sboms import Renaming, count_about, renamed_sboms
from cargoship.native import native_platform
from cargoship.oci.archive import write_archive
from cargoship.oci.config import decode_config
from cargoship.oci.content import manifest_of, walk
from cargoship.oci.descriptor import INDEX_TYPES
from cargoship.oci.image import Image, is_image
from cargoship.oci.index import Index, index_of
from cargoship.oci.layer import Layer
from cargoship.oci.layout import write_layout
from cargoship.oci.manifest import decode_index, encode_index
from cargoship.oci.platform import UNKNOWN, Platform
from cargoship.oci.reference import Reference, tags_by_repository
from cargoship.oci.referrer import Referrer
from cargoship.oci.target import ArchiveTarget, ImageTarget, LayoutTarget, RegistryTarget
from cargoship.oci.tree import ManifestTree, tree_of
from cargoship.registry.client import RegistryClient
from cargoship.registry.options import Access
from cargoship.registry.pull import read_images
from cargoship.registry.push import Published, PushOptions, push_tree
from cargoship.registry.source import ImageSource
from cargoship.rootfs.layer_cache import LayerCache
from cargoship.scratch import scratch
from cargoship.settings.base import BaseSpec


class RebasedImage(Struct, frozen=True):
    """One platform's image, before and after, with the base of each."""

    platform: Platform
    old: Image
    new: Image
    old_base: Base
    new_base: Base


class Rebased(Struct, frozen=True):
    """What a new base made of an image, or would: `tree` is all of it, `published` where it was pushed to."""

    target: str
    old: str
    tree: ManifestTree
    images: tuple[RebasedImage, ...]
    about: tuple[Referrer, ...] = ()
    published: tuple[Published, ...] = ()

    @property
    def new(self) -> str:
        """The digest of the image on the new base."""
        return str(self.tree.descriptor.digest)

    @property
    def is_changed(self) -> bool:
        """Whether the base is another one than the image has."""
        return self.old != self.new


def rebase(
    target: str,
    context: Context,
    *,
    base: str | None = None,
    old_base: str | None = None,
    tags: Sequence[str] = (),
    publish: bool = True,
) -> Rebased:
    """Put the layers that cargoship has added to an image onto a new base, for every platform; nothing is compiled.

    `base` is static, scratch, oci:FOLDER or a reference (default: what the image's own base is called, as it is now),
    `old_base` what the image stands on, where it does not say so itself. The result has the name of `target`, or `tags`
    in registries; without `publish` it goes nowhere. Nothing is written where the base is unchanged. Raises
    NotRebasable, CannotStart for what the new base cannot start, PlatformUnknown, UsageError, ContentInvalid, and
    RegistryError's family.
    """
    where = ImageTarget.parse(target, context.cwd)
    names = [Reference.parse(text) for text in tags]
    if publish:
        _check_names(where, names)
    with (
        Clock(context.emit).phase("rebase"),
        scratch("cargoship-rebase-") as folder,
        RemoteBases(open_client=context.connect, cache=context.cache_dir / "bases", emit=context.emit) as remote,
        open_image(where, context) as source,
    ):
        read = source
        if isinstance(where, RegistryTarget):
            # what is read for the checks stays there, for the next time
            reference = where.reference.at(source.root.descriptor.digest)
            read = replace(source, content=CachedContent(remote, reference))
        with NewBases(context, remote, folder) as bases:
            found = _Rebasing(read, context, bases, target).made(base, old_base)
            if publish and not names and isinstance(where, LayoutTarget) and not source.names:
                hint = f"give it one: cargoship copy {target} oci:{where.path}:NAME"
                raise UsageError(f"{target} has no name in its layout, by which it could be replaced", hint=hint)
            if publish and (found.is_changed or names):
                found = replace(found, published=tuple(_published(found, where, names, read, context)))
    return found


class _Rebasing:
    def __init__(self, source: ImageSource, context: Context, bases: NewBases, target: str) -> None:
        self._source = source
        self._context = context
        self._bases = bases
        self._target = target
        self._book = LayerCache(context.cache_dir / "layers")

    def made(self, base: str | None, old_base: str | None) -> Rebased:
        verify = self._context.verify
        images = []
        findings: list[Finding] = []
        for old in self._images():
            # before a base is asked for that would be of no use
            own_layers(old, self._target)
            given = None if old_base is None else self._bases.find(named_base_spec(old_base), old, self._target)
            find = partial(self._bases.named, old.platform)
            parts = taken_apart(old, self._target, find=find, given=given)
            spec = named_base_spec(base) if base is not None else self._usual(parts, old_base)
            new_base = self._bases.find(spec, old, self._target, packages=packages_of(parts.base))
            new = (
                parts.over(new_base) if _is_same(parts.base, new_base) else parts.verified(verify=verify).over(new_base)
            )
            images.append(RebasedImage(old.platform, old, new, parts.base, new_base))
            if new.digest != old.digest and verify:
                findings += findings_on(parts, new_base, new, self._book)
        refuse(findings, self._context.emit)
        tree = self._tree(images)
        root = self._source.root.descriptor.digest
        found = Rebased(self._target, str(root), tree, tuple(images))
        if not found.is_changed:
            return found
        return replace(found, about=self._about(found))

    def _images(self) -> Iterator[Image]:
        """Every image of the target, as a value; what is said about images inside its index is left out."""
        read = read_images(self._source.content, self._source.root)
        if read.missing:
            raise ContentInvalid(f"{self._target} names {read.missing[0].digest}, which is not there")
        dropped = 0
        for each in read.images:
            manifest = manifest_of(each.manifest)
            if not is_image(manifest) or each.descriptor.platform == UNKNOWN:
                dropped += 1
                continue
            diff_ids = decode_config(each.config.data).diff_ids
            if len(diff_ids) != len(manifest.layers):
                raise ContentInvalid(f"image {each.descriptor.digest} has other layers than its config says")
            layers = tuple(
                Layer(self._source.content.blob(blob), diff)
                for blob, diff in zip(manifest.layers, diff_ids, strict=True)
            )
            yield Image(each.manifest.data, each.config.data, layers, each.descriptor.digest.algorithm)
        if dropped:
            self._context.emit(
                Note(f"left out: {count(dropped, 'attestation')} inside the index, which speak of the old images")
            )

    def _usual(self, parts: Parts, old_base: str | None) -> BaseSpec:
        """The base by the name that the image has for it."""
        if parts.base.digest is None and old_base is None:
            return named_base_spec(parts.base.spec)
        name = parts.image.manifest.annotations.get(BASE_NAME)
        if name is None or "@" in name:
            raise NotRebasable(
                f"{self._target} stands on {name or 'a base without a name'}, which has no newer one",
                hint="name the new base: --base BASE",
            )
        return named_base_spec(name)

    def _tree(self, images: Sequence[RebasedImage]) -> ManifestTree:
        root = self._source.root
        if not images:
            raise NotRebasable(f"{self._target} has no image in it")
        if root.descriptor.media_type not in INDEX_TYPES:
            (one,) = images
            layers = {layer.descriptor.digest: layer.blob for layer in one.new.layers}
            return ManifestTree(one.new.manifest_blob, (), tuple(layers.values()), (one.new.config_blob,))
        annotations = dict(decode_index(root.data, root.descriptor.media_type).annotations)
        if any(image.new.digest != image.old.digest for image in images):
            # who has said it of the index alone meant every image
            of_all = annotations.pop(UNVERIFIED, None) == "false" and not any(_unverified(each.old) for each in images)
            # one that stands as it stood is as little verified as it was
            stands = any(image.new.digest == image.old.digest for image in images)
            if (of_all and stands) or any(_unverified(image.new) for image in images):
                annotations[UNVERIFIED] = "false"
        return tree_of(self._listed(index_of([image.new for image in images], annotations=annotations), images))

    def _listed(self, index: Index, images: Sequence[RebasedImage]) -> Index:
        """The index with what the old one says of its entries."""
        listing = walk(self._source.content, self._source.root)
        before = {entry.descriptor.digest: entry.descriptor for entry in listing.entries}
        said = {image.new.digest: before[image.old.digest] for image in images}
        entries = tuple(
            dataclasses.replace(
                entry,
                annotations=said[entry.digest].annotations,
                platform_details=said[entry.digest].platform_details,
            )
            for entry in index.manifest.manifests
        )
        return Index(encode_index(replace(index.manifest, manifests=entries)), index.children)

    def _about(self, found: Rebased) -> tuple[Referrer, ...]:
        """The SBOMs of the new image, made of those of the old one; a word on everything else that is said of it."""
        pairs = [(image.old.digest, image.new.descriptor) for image in found.images]
        root = self._source.root.descriptor.digest
        if root != found.images[0].old.digest:
            pairs.insert(0, (root, found.tree.descriptor))
        renaming = Renaming.of(
            [(old, new.digest) for old, new in pairs], [(image.old_base, image.new_base) for image in found.images]
        )
        about = () if renaming is None else tuple(renamed_sboms(self._source, renaming, pairs))
        left = count_about(self._source, [old for old, _ in pairs]) - len(about)
        if left:
            self._context.emit(
                Note(
                    f"left behind: {count(left, 'attached document')} (SBOMs, attestations, signatures) of the old "
                    "image, which the new one has to get again",
                    Level.WARNING,
                )
            )
        return about


def _unverified(image: Image) -> bool:
    return image.manifest.annotations.get(UNVERIFIED) == "false"


def _is_same(one: Base, other: Base) -> bool:
    """Whether images on both are the same."""
    old, new = ([layer.descriptor for layer in each.layers] for each in (one, other))
    return (old, one.name, one.digest, one.config, one.steps) == (
        new,
        other.name,
        other.digest,
        other.config,
        other.steps,
    )


def _check_names(where: ImageTarget, names: Sequence[Reference]) -> None:
    if not names and isinstance(where, RegistryTarget) and where.reference.digest is not None:
        raise UsageError("an image by its digest stays what it is", hint="name the new one: -t REFERENCE")
    if any(name.digest is not None for name in names):
        raise UsageError("a new image has no digest yet", hint="name a tag")


def _published(
    found: Rebased, where: ImageTarget, names: Sequence[Reference], source: ImageSource, context: Context
) -> Iterator[Published]:
    if not names and isinstance(where, LayoutTarget):
        write_layout(where.path, found.tree, names=source.names, about=found.about)
        return
    if not names and isinstance(where, ArchiveTarget):
        _write_archive(where.path, found, source, docker=where.docker)
        return
    own = [where.reference.with_tag(where.reference.tag or "latest")] if isinstance(where, RegistryTarget) else []
    named = list(names) or own
    for repository, tags in tags_by_repository(named).items():
        with context.connect(repository.registry, Access.PUSH) as writer:
            if not names:
                _check_not_moved(writer, repository, tags, source)
            yield push_tree(
                writer, found.tree, reference=repository, tags=tags,
                options=PushOptions(context.emit, context.mount_sources), about=found.about,
            )  # fmt: skip


def _check_not_moved(writer: RegistryClient, repository: Reference, tags: Sequence[str], source: ImageSource) -> None:
    """Refuse to put the image in the place of one that was pushed since it was read: a build of newer code, say."""
    root = source.root.descriptor.digest
    for tag in tags:
        found = writer.find_manifest(repository.repository, tag, algorithm=root.algorithm)
        if found not in {None, root}:
            raise NotRebasable(
                f"{source.said} is {found} by now, and was {root} when it was read: somebody has pushed another one",
                hint="rebase again, which begins with that one",
            )


def _write_archive(path: Path, found: Rebased, source: ImageSource, *, docker: bool) -> None:
    write_archive(path, found.tree, names=source.names, native=native_platform(), docker=docker, about=found.about)
