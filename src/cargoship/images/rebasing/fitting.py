"""Whether an image's own layers get along with a new base: programs, users, files, and the folders that both have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cargoship.bases.base import Base
from cargoship.checks.files import check_files, check_replaced
from cargoship.checks.finding import Finding
from cargoship.checks.image import check_count, check_image
from cargoship.checks.program import find_program
from cargoship.checks.users import names_in
from cargoship.errors import NotRebasable
from cargoship.images.rebasing.parts import Parts
from cargoship.oci.image import Image
from cargoship.oci.tar import EntryKind, LayerEntry, arrange
from cargoship.plan import BIN_DIR
from cargoship.rootfs.item import Item, ItemKind
from cargoship.rootfs.layer_cache import LayerCache
from cargoship.rootfs.view import RootFs, view_of

_HOME = BIN_DIR.lstrip("/")


def findings_on(parts: Parts, base: Base, image: Image, layer_cache: LayerCache) -> Iterator[Finding]:
    """What keeps `image`, made of these parts on `base`, from starting, and what else is to be said.

    The base's layers are read only where something depends on them: a program that is linked dynamically, a user by
    name, files beside the program's own folder, a base that speaks of that folder. Raises ContentInvalid, and what
    reading layers raises; NotRebasable where a build would make the layers again.
    """
    entries = tuple(_entry(item) for facts in layer_cache.facts(parts.own) for item in facts.single_items())
    own = view_of(parts.own, layer_cache)
    leaves_home = any(entry.path != _HOME and not entry.path.startswith(f"{_HOME}/") for entry in entries)
    taken = base.at_hand or base.speaks_of(BIN_DIR)
    if not (leaves_home or taken or names_in(image.config.user or "") or _needs_base(own, image)):
        yield from check_count(len(image.layers), said=f"the image ({image.platform})")
        return
    said, below = f"the image ({image.platform})", view_of(base.layers, layer_cache)
    if leaves_home:
        _check_folders(parts, base, entries, layer_cache)
    yield from check_files(entries, below, home=BIN_DIR, said=said)
    programs = (found.path for found in own.tree.files_below(BIN_DIR))
    yield from check_replaced(programs, below, said=said)
    yield from check_image(view_of(image.layers, layer_cache), image.config, image.platform)


def _needs_base(own: RootFs, image: Image) -> bool:
    """Whether a program needs anything that is not among the image's own files."""
    config = image.config
    argv = (*config.entrypoint, *config.cmd)
    if not argv or find_program(argv[0], own, config.env, config.working_dir or "/") is None:
        return True
    for found in own.tree.files_below(BIN_DIR):
        facts = own.elf(found)
        if facts is not None and not facts.is_static:
            return True
    return False


def _entry(item: Item) -> LayerEntry:
    match item.kind:
        case ItemKind.FOLDER:
            return LayerEntry.directory(item.path, item.mode, item.uid, item.gid)
        case ItemKind.LINK:
            return LayerEntry.symlink(item.path, item.link)
        case _:
            return LayerEntry.file(item.path, b"", item.mode, item.uid, item.gid)


def _check_folders(parts: Parts, base: Base, entries: Sequence[LayerEntry], layer_cache: LayerCache) -> None:
    """Refuse where the layers repeat a folder of the old base that has other rights, or an owner, in the new one.

    A layer names the folders above its files as the base has them, which a build would do with those of the new base.
    """
    above = {entry.path.rpartition("/")[0] for entry in entries}
    folders = [entry for entry in entries if entry.kind is EntryKind.DIRECTORY and entry.path in above]
    new = view_of(base.layers, layer_cache)
    unlike = [folder for folder in folders if _default(folder, new) != folder]
    if not unlike:
        return
    old = view_of(parts.image.layers[: len(parts.image.layers) - len(parts.own)], layer_cache)
    # one that is unlike both is as the settings want it
    for folder in (each for each in unlike if _default(each, old) == each):
        raise NotRebasable(
            f"/{folder.path} ({parts.image.platform}) has other rights, or another owner, in the new base, and a layer "
            "of the image repeats those of the old one",
            hint="cargoship build makes the layer again; programs come from the unit cache",
        )


def _default(folder: LayerEntry, base: RootFs) -> LayerEntry:
    """What the folder would be in a layer that has to name it, over this base."""
    found = base.tree.find(f"/{folder.path}", follow=False)
    if found is not None and found.node.is_folder:
        return LayerEntry.directory(folder.path, found.node.mode, found.node.uid, found.node.gid)
    return next(each for each in arrange([LayerEntry.file(f"{folder.path}/x", b"")]) if each.path == folder.path)
