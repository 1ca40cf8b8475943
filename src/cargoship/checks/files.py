"""Whether what is put into an image gets along with what its base has there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cargoship.checks.finding import Code, Finding, Severity, error
from cargoship.oci.tar import EntryKind, LayerEntry, arrange
from cargoship.rootfs.item import ItemKind
from cargoship.rootfs.tree import FileNode
from cargoship.rootfs.view import RootFs


def check_files(entries: Iterable[LayerEntry], base: RootFs, *, home: str, said: str) -> Iterator[Finding]:
    """Whether a layer of these entries would take away something of the base that it does not mean to.

    An engine lets the upper layer win: a folder in it removes a symbolic link of the same name (such as /bin of most
    distributions, and with it every program), a file removes a whole folder. Programs are put into `home`, whatever
    the base is.
    """
    for entry in arrange(entries):
        below = base.tree.find(f"/{entry.path}", follow=False)
        real = base.find(f"/{entry.path}")
        if below is None:
            continue
        # further down everything is behind the same link, which has been reported already
        if real is not None and below.path != f"/{entry.path}":
            continue
        folder = entry.kind is EntryKind.DIRECTORY
        # a link to a folder is as good as one: what is below it would be gone by that name
        stands_for_folder = below.node.is_folder or (real is not None and real.node.is_folder)
        if folder == below.node.is_folder and not (not folder and stands_for_folder):
            continue
        if not folder and not stands_for_folder:
            continue
        if f"/{entry.path}" == home:
            hint = f"choose another base: programs are put into {home}"
        elif real is not None and folder and real.node.is_folder:
            hint = f"put it below {real.path}"
        elif f"/{entry.path}".startswith(f"{home}/"):
            hint = "choose another name, or another base"
        else:
            hint = "choose another place"
        yield error(
            Code.FILES_CLASH,
            f"{said}: /{entry.path} would be {'a folder' if folder else 'a file'}, "
            f"and is {_named(below.node)} in the base",
            hint,
        )


def check_replaced(programs: Iterable[str], base: RootFs, *, said: str) -> Iterator[Finding]:
    """Tell of programs (absolute paths) that take the place of others in the base, which it may start by that name."""
    for path in programs:
        below = base.tree.find(path, follow=False)
        if below is not None and below.path == path and not below.node.is_folder:
            yield Finding(
                Severity.WARNING,
                Code.FILES_CLASH,
                f"{said}: {path} of the base is replaced by the program of that name",
                "rename the binary if the base's own is needed",
            )


def folders_of(base: RootFs, entries: Iterable[LayerEntry]) -> tuple[LayerEntry, ...]:
    """The base's own folders above these entries, which keep their owners and rights: for `build_layer(below=...)`."""
    found = {}
    for entry in entries:
        parent = entry.path.rpartition("/")[0]
        while parent and parent not in found:
            below = base.tree.find(f"/{parent}", follow=False)
            if below is not None and below.node.is_folder:
                found[parent] = LayerEntry.directory(parent, below.node.mode, below.node.uid, below.node.gid)
            parent = parent.rpartition("/")[0]
    return tuple(found.values())


def _named(node: FileNode) -> str:
    match node.kind:
        case ItemKind.LINK:
            return f"a link to {node.link}"
        case ItemKind.FOLDER:
            return "a folder"
        case _:
            return "a file"
