"""Where local folders stand in a recipe. Everything stays below the root, so that cooking writes nowhere else.

A crate from outside the workspace's folder is placed inside it, below OUTSIDE, with all paths to and from it rewritten.
cargo's build of the dependencies does not depend on where local crates are, so the cooked ones are found again.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

OUTSIDE = ".cargoship/outside"
"""The folder for crates from outside, relative to the root. `cook` removes it when it is done."""


class Placing(Struct, frozen=True):
    """Maps folders on this machine to paths relative to the recipe's root."""

    root: Path
    above: Path
    """The folder above the root that holds everything that is outside."""

    @classmethod
    def of(cls, root: Path, folders: Iterable[Path]) -> Placing:
        """A placing for a workspace with these local folders."""
        outside = [folder for folder in folders if not folder.is_relative_to(root)]
        above = Path(os.path.commonpath([root.parent, *outside])) if outside else root.parent
        return cls(root, above)

    def is_outside(self, path: Path) -> bool:
        """Whether a path is outside of the root."""
        return not path.is_relative_to(self.root)

    def place(self, path: Path) -> str:
        """The path in the recipe; `.` for the root."""
        # as text: a large workspace has thousands of paths
        text, root = path.as_posix(), self.root.as_posix()
        if text == root:
            return "."
        if text.startswith(root.rstrip("/") + "/"):
            return text[len(root.rstrip("/")) + 1 :]
        if path.is_relative_to(self.above):
            return posixpath.normpath(posixpath.join(OUTSIDE, path.relative_to(self.above).as_posix()))
        # named, but nothing that this build reads
        return posixpath.join(OUTSIDE, "elsewhere", text.lstrip("/"))

    def between(self, start: Path, end: Path) -> str:
        """The relative path from one folder to another, as it is in the recipe."""
        there, here = self.place(end), self.place(start)
        if here == ".":
            return there
        return posixpath.relpath("/" + there, "/" + here)
