"""What a unit has for those that depend on it: the content of its files, without cargo's notes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from cargoship.oci.digest import Digest
from cargoship.unitcache.builddir.layout import UnitFolder, written_to


def output_of(root: Path, files: Iterable[str], folder: UnitFolder) -> Digest:
    """What a unit has for those that depend on it: all but cargo's notes. Raises OSError."""
    sha = hashlib.sha256()
    for name, content in output_digests(root, files, folder):
        sha.update(f"{len(name)}:{name}=".encode("utf-8", "surrogateescape"))
        sha.update(content)
    return Digest(sha.hexdigest())


def output_digests(root: Path, files: Iterable[str], folder: UnitFolder) -> Iterator[tuple[str, bytes]]:
    """The same, file by file in the order of their names: what stands for its content. Raises OSError."""
    own = written_to(root, folder)
    for name in sorted(files):
        if name.startswith(folder.fingerprint + "/") or name.endswith(".d") or _is_note(name, folder):
            continue
        if (root / name).is_symlink():
            yield name, os.fsencode((root / name).readlink())
        elif (root / name).is_dir():
            yield name, b""
        elif name == folder.said:
            yield name, hashlib.sha256(obeyed((root / name).read_bytes()).replace(own, b"")).digest()
        else:
            with (root / name).open("rb") as stream:
                yield name, Digest.of_stream(stream)[0].hex.encode()


def obeyed(said: bytes) -> bytes:
    """What cargo takes from the words of a build script: everything else may be anything, secrets among it."""
    return b"".join(line + b"\n" for line in said.split(b"\n") if line.strip().startswith(b"cargo:"))


def _is_note(name: str, folder: UnitFolder) -> bool:
    """Whether a file beside a build script's output is cargo's own."""
    beside = folder.said.rpartition("/")[0] + "/"
    return name in {beside + each for each in ("stderr", "root-output", "invoked.timestamp")}
