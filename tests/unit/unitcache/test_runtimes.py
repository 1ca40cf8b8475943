"""What Zig has compiled of itself goes from one machine to another, and only what fits is taken."""

from __future__ import annotations

import fcntl
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cargoship.oci.digest import Digest
from cargoship.toolchain.runtime import Runtime, zig_targets
from cargoship.toolchain.zigcache import files_read, settled
from cargoship.unitcache.packs.index import UnitEntry
from cargoship.unitcache.packs.pack import UnitFile, entry_at
from cargoship.unitcache.packs.packing import pack_writer
from cargoship.unitcache.runtimes import additions, kept, restore_runtime
from cargoship.unitcache.stores.directory import DirectoryStore

TARGET = "x86_64-linux-gnu.2.17"
LIBRARY, CACHE = 1 << 2, 2 << 2


def manifest(*files: tuple[int, str, int], inode: int = 7, time_ns: int = 9, end: bytes = b"\0") -> bytes:
    """As Zig writes it: flags, path and size of each file."""
    found = b"".join(
        struct.pack("<QQq16sB", size, inode, time_ns, b"0123456789abcdef", flags) + path.encode() + b"\0"
        for flags, path, size in files
    )
    return found + end


@dataclass(frozen=True)
class Machine:
    """A Zig with its library, and its cache for one target."""

    root: Path
    store: DirectoryStore
    reported: list[str] = field(default_factory=list)

    @property
    def runtime(self) -> Runtime:
        return Runtime(self.root / "runtime", self.root / "lib", {TARGET: "zig 0.17.1"})

    @property
    def cache(self) -> Path:
        return self.root / "runtime" / TARGET

    def write(self, name: str, content: bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def compile(self, name: str, source: str, *, generated: str = "", inode: int = 7) -> None:
        """What Zig leaves when it has compiled a source of its library."""
        self.write(f"runtime/{TARGET}/o/{name}/{name}.o", b"made of " + source.encode())
        files = [(LIBRARY, source, (self.root / "lib" / source).stat().st_size)]
        if generated:
            self.write(f"runtime/{TARGET}/b/{name}/{generated}", b"const")
            files.append((CACHE, f"b/{name}/{generated}", 5))
        self.write(f"runtime/{TARGET}/h/{name}", manifest(*files, inode=inode))

    def save(self) -> list[UnitEntry]:
        added = additions(self.runtime, self.store.load(), tell=self.reported.append)
        with pack_writer(self.store.scratch) as writer:
            for each in added:
                writer.add(each.entry.key, each.files)
            packs = writer.close()
        known = {each.entry.key: each.entry for each in added}
        entries = [entry_at(placed, known[placed.key]) for pack in packs for placed in pack.placed]
        self.store.save(packs, lambda index: index.with_entries(entries))
        for each in added:
            each.mark()
        return entries

    def bring(self) -> list[str]:
        return restore_runtime(self.runtime, self.store, self.store.load(), tell=self.reported.append)

    def made(self) -> set[str]:
        names = (path.relative_to(self.cache).as_posix() for path in self.cache.rglob("*") if path.is_file())
        return {name for name in names if not name.startswith(".")}


def machine(folder: Path, name: str, libc: bytes = b"int main;") -> Machine:
    made = Machine(folder / name, DirectoryStore(folder / "store"))
    made.write("lib/libc/init.c", libc)
    made.write("lib/c++/new.cc", b"new")
    return made


def test_what_was_compiled_there_is_known_here(tmp_path: Path) -> None:
    one, other = machine(tmp_path, "one"), machine(tmp_path, "other")
    one.compile("aa", "libc/init.c", generated="builtin.zig")
    one.write(f"runtime/{TARGET}/z/cc", b"only for Zig's own compiler")
    one.write(f"runtime/{TARGET}/tmp/dd", b"unfinished")
    one.save()
    assert other.bring() == [TARGET]
    assert other.made() == {"h/aa", "o/aa/aa.o", "b/aa/builtin.zig"}
    here = (other.cache / "h" / "aa").read_bytes()
    # inodes and times are those of the files here: Zig compares nothing else
    for read in files_read(here):
        status = ((other.root / "lib" if read.in_library else other.cache) / read.path).stat()
        reported = struct.unpack_from("<QQq", here, read.at)
        assert reported == (status.st_size, status.st_ino, status.st_mtime_ns)
    assert other.bring() == []
    assert kept(other.runtime, other.store.load()) == {entry.key for entry in other.store.load().entries.values()}


def test_only_what_is_new_is_kept_again(tmp_path: Path) -> None:
    one, other = machine(tmp_path, "one"), machine(tmp_path, "other")
    one.compile("aa", "libc/init.c")
    assert len(one.save()) == 1
    assert one.save() == []
    other.bring()
    assert other.save() == []
    other.compile("bb", "c++/new.cc")
    (entry,) = other.save()
    assert entry.unpacked < 1000
    assert one.bring() == [TARGET]
    assert one.made() == other.made() == {"h/aa", "o/aa/aa.o", "h/bb", "o/bb/bb.o"}


def test_two_that_made_the_same_keep_it_once(tmp_path: Path) -> None:
    machines = [machine(tmp_path, "one"), machine(tmp_path, "other")]
    keys: list[Digest] = []
    for each in machines:
        os.utime(each.root / "lib/libc/init.c", ns=(len(keys), 5))
        each.compile("aa", "libc/init.c", inode=len(keys))
        keys += [added.entry.key for added in additions(each.runtime, each.store.load(), tell=each.reported.append)]
    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_a_zig_with_another_library_gets_nothing(tmp_path: Path) -> None:
    one, other = machine(tmp_path, "one"), machine(tmp_path, "other", b"int mine;")
    one.compile("aa", "libc/init.c")
    one.save()
    assert other.bring() == []
    assert other.made() == set()
    assert other.reported == [
        f"runtime of zig 0.17.1 for {TARGET} is not used: it was made from another content of Zig's library"
    ]


def test_what_is_compiled_at_this_moment_waits(tmp_path: Path) -> None:
    one = machine(tmp_path, "one")
    one.compile("aa", "libc/init.c")
    with (one.cache / "h" / "aa").open("r+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert one.save() == []
    assert one.reported == [f"what Zig has made for {TARGET} is not kept: another Zig is at work there"]
    assert len(one.save()) == 1


def test_what_was_left_half_done_is_replaced_by_the_whole(tmp_path: Path) -> None:
    one, other = machine(tmp_path, "one"), machine(tmp_path, "other")
    one.compile("aa", "libc/init.c")
    whole = (one.cache / "o/aa/aa.o").read_bytes()
    (one.cache / "o/aa/aa.o").write_bytes(whole[:4])
    (one.cache / "h/aa").write_bytes(b"")
    one.save()
    other.bring()
    one.compile("aa", "libc/init.c")
    one.save()
    other.bring()
    assert (other.cache / "o/aa/aa.o").read_bytes() == whole
    assert (other.cache / "h/aa").stat().st_size


@pytest.mark.parametrize(
    "data",
    [
        manifest((0, "/home/me/secret.c", 3)),
        manifest((LIBRARY, "../../etc/passwd", 3)),
        manifest((LIBRARY, "/etc/passwd", 3)),
        manifest((LIBRARY | 2, "libc/init.c", 9)),
        manifest((LIBRARY | 1, "libc", 9)),
        manifest((5 << 2, "libc/init.c", 9)),
        manifest((LIBRARY, "", 9)),
        manifest((LIBRARY, "libc/init.c", 9), end=b""),
        manifest((LIBRARY, "libc/init.c", 9), end=b"\0\0"),
        manifest((LIBRARY, "libc/init.c", 9))[:-3],
        manifest((LIBRARY, "\xff", 9)).replace("\xff".encode(), b"\xff"),
        b"",
    ],
    ids=["of a project", "outside", "absolute", "by time", "folder", "prefix", "no path", "no end", "two ends",
         "cut off", "not UTF-8", "unfinished"],
)  # fmt: skip
def test_a_manifest_that_names_what_is_not_zigs_own_stays(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        files_read(data)
    one = machine(tmp_path, "one")
    one.write(f"runtime/{TARGET}/h/aa", data)
    one.compile("bb", "libc/init.c")
    (added,) = additions(one.runtime, one.store.load(), tell=one.reported.append)
    assert {file.path for file in added.files} == {"h/bb", "o/bb/bb.o"}


def test_a_file_of_another_size_is_not_passed_off(tmp_path: Path) -> None:
    one = machine(tmp_path, "one")
    data = manifest((LIBRARY, "libc/init.c", 99))
    with pytest.raises(ValueError, match="another size"):
        settled(data, files_read(data), library=one.root / "lib", cache=one.cache)


def test_nothing_else_comes_along(tmp_path: Path) -> None:
    one = machine(tmp_path, "one")
    one.compile("aa", "libc/init.c")
    (added,) = additions(one.runtime, one.store.load(), tell=one.reported.append)
    with pack_writer(one.store.scratch) as writer:
        more = (".kept/" + "0" * 64, "tmp/x", "z/y")
        writer.add(added.entry.key, [*added.files, *(UnitFile(name, b"more") for name in more)])
        (pack,) = writer.close()
    one.store.save([pack], lambda index: index.with_entries([entry_at(pack.placed[0], added.entry)]))
    other = machine(tmp_path, "other")
    other.bring()
    files = {path.relative_to(other.cache).as_posix() for path in other.cache.rglob("*") if path.is_file()}
    assert files == {"h/aa", "o/aa/aa.o", f".kept/{added.entry.key.hex}"}


def test_targets_as_cargo_zigbuild_is_given_them() -> None:
    words = ["x86_64-unknown-linux-gnu.2.17", "aarch64-unknown-linux-gnu", "x86_64-unknown-linux-musl", "wasm32-wasip1"]
    assert zig_targets(words) == ["x86_64-linux-gnu.2.17", "aarch64-linux-gnu", "x86_64-linux-musl"]
