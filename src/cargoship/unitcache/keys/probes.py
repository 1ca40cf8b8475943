"""What was asked for beside the content of files: whether something is there, what a folder lists, where a link leads.

Names say the question, and a path as entries have it; a digest is the answer.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from cargoship.oci.digest import Digest
from cargoship.reading import real_path
from cargoship.unitcache.keys.named import processor
from cargoship.unitcache.keys.variables import all_that_count

UNSET = ":unset "
"""Before names of variables, with spaces between: that none of them is set."""
ENVIRONMENT = ":environment"
"""All variables of the environment, as the user has set them."""
SEEN = ":seen "
"""Before a path: whether there is a file, a folder, or nothing."""
LISTED = ":listed "
"""Before a folder: the names in it, and what each is."""
LINK = ":link "
"""Before a path: where the link leads."""
LEADS = ":leads "
"""Before a path: where it leads when all links on the way are followed."""
PROGRAM = ":program "
"""Before the name of a program: what is found by it on the search path, byte by byte."""
HOST = ":host"
"""The machine's name, and its kernel."""
USER = ":user"
"""Who builds."""
PROCESSOR = ":processor"
"""This machine's processor, and what it can do."""
ABSENT = Digest.of(b"absent")
"""The answer to SEEN where nothing is there."""
_NAMES_MAX = 100_000

Answer = tuple[Digest, int]
"""A digest, and when it was last another one, in ns since 1970; 0: nobody can tell."""


def answer(name: str, root: Path, build_dir: Path, env: Mapping[str, str]) -> Answer | None:
    """The answer to a question; None for one that is not known, or has none."""
    kind, _, rest = name.partition(" ")
    about = _ABOUT_PATHS.get(f"{kind} ")
    try:
        return _beyond(name, env) if about is None else about(root / rest, root, build_dir)
    except (OSError, ValueError):
        return None


def _beyond(name: str, env: Mapping[str, str]) -> Answer | None:
    match name.partition(" ")[0]:
        case ":program":
            found = found_as(name.removeprefix(PROGRAM), env)
            answers = ["nothing" if found is None else _content(found)]
        case ":unset":
            answers = [f"{each}={env[each]}" for each in set_now(name, env)]
        case value if value == ENVIRONMENT:
            answers = [f"{each}={env[each]}" for each in all_that_count(env)]
        case value if value == HOST:
            answers = list(os.uname())
        case value if value == USER:
            answers = [str(os.getuid()), env.get("USER", "")]
        case value if value == PROCESSOR:
            answers = [processor()]
        case _:
            return None
    return _of("\0".join(answers)), 0


def machine_with_glibc() -> str:
    """The kind of machine that this is, if it is Linux with glibc; else nothing."""
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        return ""
    return os.uname().machine if libc and os.uname().sysname == "Linux" else ""


def set_now(name: str, env: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that are set of those that UNSET names."""
    return tuple(each for each in name.removeprefix(UNSET).split(" ") if each in env)


def found_as(name: str, env: Mapping[str, str]) -> Path | None:
    """The program of a name on the user's search path."""
    for entry in (env.get("PATH") or os.defpath).split(os.pathsep):
        path = Path(entry, name)
        if entry.startswith("/") and path.is_file() and os.access(path, os.X_OK):
            return path
    return None


def _content(place: Path) -> str:
    with place.open("rb") as stream:
        return Digest.of_stream(stream)[0].hex


def _seen(place: Path, _root: Path, _build_dir: Path) -> Answer:
    try:
        mode = place.stat().st_mode
    except FileNotFoundError:
        return (_of("a link that leads nowhere") if place.is_symlink() else ABSENT), 0
    except NotADirectoryError:
        return ABSENT, 0
    except OSError as error:
        return _of(f"error {error.errno}"), 0
    # who asks without following a link sees it
    is_link = " link" if place.is_symlink() else ""
    return _of(f"{stat.S_IFMT(mode):o}{' program' if stat.S_ISREG(mode) and mode & 0o111 else ''}{is_link}"), 0


def _listed(place: Path, _root: Path, build_dir: Path) -> Answer | None:
    changed = place.stat()
    names = []
    with os.scandir(place) as found:
        for entry in found:
            # what is compiled makes it
            if build_dir == Path(entry.path):
                continue
            kind = "l" if entry.is_symlink() else "d" if entry.is_dir(follow_symlinks=False) else "f"
            names.append(f"{entry.name}/{kind}")
            if len(names) > _NAMES_MAX:
                return None
    return _of("\0".join(sorted(names))), max(changed.st_mtime_ns, changed.st_ctime_ns)


def _link(place: Path, _root: Path, _build_dir: Path) -> Answer:
    try:
        return _of(str(place.readlink())), place.lstat().st_ctime_ns
    except OSError as error:
        return _of(f"error {error.errno}"), 0


def _leads(place: Path, root: Path, _build_dir: Path) -> Answer:
    real, own = real_path(place), real_path(root)
    return _of(real.relative_to(own).as_posix() if real.is_relative_to(own) else str(real)), 0


def _of(text: str) -> Digest:
    return Digest.of(text.encode("utf-8", "surrogateescape"))


_ABOUT_PATHS: Mapping[str, Callable[[Path, Path, Path], Answer | None]] = {
    SEEN: _seen,
    LISTED: _listed,
    LINK: _link,
    LEADS: _leads,
}
