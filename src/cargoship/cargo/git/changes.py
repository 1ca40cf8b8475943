"""Which files differ from the commit, without a filter or a program of the repository's having a say.

git compares contents where a file's size or times are not those of the index, and to do so it runs the file's filter.
Filters of the repository's configuration do not run here (`ask`), so that such a file looks changed. For Git LFS, what
the filter would say is known: the file's length and SHA-256 (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md).
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field

from cargoship.cargo.git.ask import Git, GitRefused
from cargoship.printable import printable

_STATUS = ("status", "--porcelain=v2", "-z", "--no-renames", "--untracked-files=no", "--ignore-submodules=dirty")
_GITLINK = re.compile(rb"^160000 [0-9a-f]+ 0\t(.+)$", re.DOTALL)
_POINTER_BYTES_MAX = 1024
"""The specification's: a larger blob is no pointer."""
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:(?P<oid>[0-9a-f]{64})\nsize (?P<size>[0-9]{1,19})\n"
)
_NESTED_MAX = 16


class Changes(Struct, frozen=True):
    """Files that differ from the commit, by their paths from the checkout's root, and what a person should know."""

    paths: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class _Touched(Struct, frozen=True):
    """A file that git takes for changed by its content alone: its path, and the blob that the index has for it."""

    path: bytes
    blob: bytes


class _Found(Struct):
    changed: list[bytes] = field(default_factory=list)
    touched: list[_Touched] = field(default_factory=list)


def read_changes(git: Git, *, depth: int = 0) -> Changes:
    """Find what differs from the commit, in submodules too; what cannot be known counts as changed."""
    status = git.answer(*_STATUS)
    if status is None:
        return Changes((".",), (f"git cannot say what has changed in {git.root}, so it counts as changed",))
    found = _parsed(status)
    filters = _filters_of(git, [each.path for each in found.touched])
    pointers = _pointers(git, [each.blob for each in found.touched if filters.get(each.path) == b"lfs"])
    unknown = []
    for each in found.touched:
        name = os.fsdecode(filters.get(each.path, b""))
        if name == "lfs" and _is(git.root / os.fsdecode(each.path), pointers.get(each.blob)):
            continue
        found.changed.append(each.path)
        if name in git.filters and name != "lfs":
            unknown.append((name, each.path))
    remarks = [_remark(*unknown[0], len(unknown))] if unknown else []
    paths = [_shown(path) for path in found.changed]
    for path in _submodules(git):
        below = _changes_below(git, path, depth)
        paths += below.paths
        remarks += below.remarks
    return Changes(tuple(sorted(paths)), tuple(remarks))


def _remark(name: str, path: bytes, count: int) -> str:
    files = _shown(path) if count == 1 else f"{_shown(path)} and {count - 1} more"
    return (
        f"{files} may be unchanged and counts as changed: only the filter {name} of the repository's own configuration "
        "could tell, and no program that a repository names is run"
    )


def _changes_below(git: Git, path: bytes, depth: int) -> Changes:
    name = _shown(path)
    if depth >= _NESTED_MAX:
        return Changes((name,), (f"{name} counts as changed: submodules are nested too deep",))
    try:
        below = git.below(os.fsdecode(path))
    except GitRefused as refused:
        why = f"git does not read the submodule {name}, which belongs to another user, so it counts as changed; "
        return Changes((name,), (why + f"if you trust it: {refused.consent}",))
    if below is None:
        # not checked out; or its files are elsewhere, which git's own status has nothing to say about either
        return Changes()
    inner = read_changes(below, depth=depth + 1)
    return Changes(tuple(f"{name}/{each}" for each in inner.paths), inner.remarks)


def _parsed(status: bytes) -> _Found:
    """Read git's porcelain format, version 2: git-status(1)."""
    found = _Found()
    for entry in status.split(b"\0"):
        kind = entry[:2]
        if kind == b"1 ":
            _, state, _, _, indexed, present, _, blob, path = entry.split(b" ", 8)
            if state == b".M" and indexed == present and indexed in {b"100644", b"100755"}:
                found.touched.append(_Touched(path, blob))
            else:
                found.changed.append(path)
        elif kind == b"u ":
            found.changed.append(entry.split(b" ", 10)[10])
    return found


def _filters_of(git: Git, paths: Sequence[bytes]) -> Mapping[bytes, bytes]:
    if not paths:
        return {}
    said = git.answer("check-attr", "-z", "--stdin", "filter", stdin=b"".join(path + b"\0" for path in paths))
    words = (said or b"").split(b"\0")
    return dict(zip(words[::3], words[2::3], strict=False))


def _pointers(git: Git, blobs: Iterable[bytes]) -> Mapping[bytes, tuple[bytes, int]]:
    """What LFS knows of blobs: SHA-256 and size in bytes of the content that each of them stands for."""
    wanted = list(dict.fromkeys(blobs))
    if not wanted:
        return {}
    sizes = git.answer("cat-file", "--batch-check", stdin=b"".join(blob + b"\n" for blob in wanted)) or b""
    # `<blob> missing` where a partial clone has not got it
    small = [
        words[0]
        for words in map(bytes.split, sizes.splitlines())
        if len(words) == len(("oid", "type", "size")) and words[1] == b"blob" and int(words[2]) < _POINTER_BYTES_MAX
    ]
    contents = git.answer("cat-file", "--batch", stdin=b"".join(blob + b"\n" for blob in small)) or b""
    read = ((blob, _POINTER.fullmatch(content)) for blob, content in _batched(contents))
    return {blob: (pointer["oid"], int(pointer["size"])) for blob, pointer in read if pointer}


def _batched(contents: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Take apart what git-cat-file(1) writes for each blob: a line `<oid> blob <size>`, the content, a line's end."""
    while contents:
        head, _, rest = contents.partition(b"\n")
        blob, _, size = head.split()
        yield blob, rest[: int(size)]
        contents = rest[int(size) + 1 :]


def _is(path: Path, pointer: tuple[bytes, int] | None) -> bool:
    """Whether a file has the content that a pointer of LFS stands for."""
    if pointer is None:
        return False
    oid, size = pointer
    try:
        # a pipe would be waited for, and a link may lead anywhere
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size != size:
                return False
            return hashlib.file_digest(stream, "sha256").hexdigest().encode() == oid
    except OSError:
        return False


def _submodules(git: Git) -> Iterator[bytes]:
    listed = git.answer("ls-files", "--stage", "-z") or b""
    if b"160000 " in listed:
        for entry in listed.split(b"\0"):
            link = _GITLINK.match(entry)
            if link:
                yield link[1]


def _shown(path: bytes) -> str:
    return printable(path.decode("utf-8", "replace"))
