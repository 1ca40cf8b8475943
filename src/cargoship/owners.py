"""Whose files a program would obey without being asked to: configuration that lies about in a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from cargoship.errors import ForeignFile
from cargoship.reading import real_path


class Owners(Struct, frozen=True):
    """Who is trusted in `folder`: root, this user (with sudo, who called it), and the folder's owner.

    Naming a folder of somebody else's means to use what is theirs.
    """

    folder: Path
    trusted: frozenset[int]
    shared: bool
    """Whether everybody may put something there, as in /tmp."""

    @classmethod
    def of(cls, folder: Path, env: Mapping[str, str]) -> Owners:
        """Ask the system; what does not exist is nobody's."""
        real = real_path(folder)
        trusted = {0, os.geteuid()}
        if env.get("SUDO_UID", "").isdecimal():
            trusted.add(int(env["SUDO_UID"]))
        try:
            own = real.stat()
        except OSError:
            return cls(real, frozenset(trusted), shared=False)
        return cls(real, frozenset({*trusted, own.st_uid}), bool(own.st_mode & stat.S_IWOTH))

    def check(self, program: str, paths: Iterable[Path]) -> None:
        """Refuse files of others, where they exist; raises ForeignFile. `program` is what would obey them."""
        for path in paths:
            if not self.trusted.issuperset(_owners(path)):
                raise ForeignFile(
                    f"{program} would obey {path} here, which belongs to another user than {self.folder}",
                    hint=f"remove that file, make it yours, or use another folder than {path.parent}",
                )

    def check_own(self, program: str, names: Iterable[str]) -> None:
        """Refuse files of others in the folder itself, where everybody may put them; raises ForeignFile."""
        if self.shared:
            self.check(program, (self.folder / name for name in names))


def _owners(path: Path) -> frozenset[int]:
    """Who could say what is in a file: its owner, the link's where it is one, and that of a hidden folder around it."""
    try:
        found = {path.stat().st_uid, path.lstat().st_uid}
        if path.parent.name.startswith("."):
            found.add(path.parent.lstat().st_uid)
    except OSError:
        return frozenset()
    return frozenset(found)
