"""Layers laid over each other, and paths followed inside: what Docker, podman and a kernel make of the same."""

from __future__ import annotations

import pytest

from cargoship.rootfs.item import Item, ItemKind
from support.roots import folder, gone, link, text, tree


def paths(*layers: list[Item], below: str = "/") -> list[str]:
    """Every file of the result, as paths without links."""
    pending = [below]
    found = []
    made = tree(*layers)
    while pending:
        path = pending.pop()
        here = made.find(path, follow=False)
        assert here is not None
        if here.node.is_folder:
            pending += [f"{path.rstrip('/')}/{name}" for name in here.node.children]
        else:
            found.append(path)
    return sorted(found)


def same(path: str, of: str) -> Item:
    return Item(path, ItemKind.SAME, link=of)


@pytest.mark.parametrize(
    ("layers", "left"),
    [
        ([[text("a", ""), text("b", "")], [gone("a")]], ["/b"]),
        ([[folder("d"), text("d/a", ""), text("d/b", "")], [gone("d")]], []),
        ([[text("d/a", "")], [Item("d", ItemKind.EMPTIED), text("d/b", "")]], ["/d/b"]),
        # whiteouts concern what is below, even where they come last in their archive
        ([[text("d/a", "")], [text("d/b", ""), Item("d", ItemKind.EMPTIED)]], ["/d/b"]),
        ([[text("a", "")], [text("a", "new"), gone("a")]], ["/a"]),
        ([[text("d/a", "")], [text("d", "")]], ["/d"]),
        ([[text("d", "")], [folder("d"), text("d/a", "")]], ["/d/a"]),
        # a folder takes the place of a lower layer's link, named or not; a link of its own layer is followed
        ([[folder("usr/bin"), link("bin", "usr/bin")], [text("bin/a", "")]], ["/bin/a"]),
        ([[folder("usr/bin"), link("bin", "usr/bin"), text("bin/a", "")]], ["/bin", "/usr/bin/a"]),
        ([[text("usr/sh", ""), link("bin", "usr")], [folder("bin"), text("bin/a", "")]], ["/bin/a", "/usr/sh"]),
        ([[link("bin", "usr/bin")], [text("bin/a", "")]], ["/bin/a"]),
        ([[text("a", ""), same("b", "a")], [gone("a")]], ["/b"]),
        ([[text("a", "")], [same("d/b", "a")]], ["/a", "/d/b"]),
        ([[same("b", "nowhere")]], []),
        ([[text("a", "")], [text("a/b", "")]], ["/a"]),
    ],
)  # fmt: skip
def test_layers_over_each_other(layers: list[list[Item]], left: list[str]) -> None:
    assert paths(*layers) == left


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/usr/bin/sh", "/usr/bin/dash"),
        ("/bin/sh", "/usr/bin/dash"),
        ("bin/../bin/./sh", "/usr/bin/dash"),
        ("/usr/lib/x/../../bin/sh", "/usr/bin/dash"),
        ("/../../usr/bin/dash", "/usr/bin/dash"),
        ("/out", "/usr/bin/dash"),
        ("/loop", None),
        ("/bin/none", None),
        ("/usr/bin/dash/below", None),
        ("/", "/"),
    ],
)
def test_paths_are_followed_inside_the_root(path: str, leads_to: str | None) -> None:
    made = tree(
        [
            text("usr/bin/dash", ""), link("usr/bin/sh", "dash"), link("bin", "/usr/bin"), folder("usr/lib/x"),
            link("out", "../../../usr/bin/sh"), link("loop", "loop2"), link("loop2", "loop"),
        ]
    )  # fmt: skip
    found = made.find(path)
    assert (None if found is None else found.path) == leads_to


def test_links_to_links_to_links_end() -> None:
    made = tree([link(f"l{index}", f"l{index + 1}") for index in range(60)] + [text("l60", "")])
    assert made.find("/l0") is None
    assert made.find("/l25") is not None


def test_owners_and_rights_are_those_of_the_upper_layer() -> None:
    made = tree([folder("d", 0o700, 5, 6), text("d/a", "")], [folder("d", 0o1777)])
    found = made.find("/d")
    assert found is not None
    assert (found.node.mode, found.node.uid, list(found.node.children)) == (0o1777, 0, ["a"])
