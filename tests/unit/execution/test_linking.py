"""What a linker was given on a worker, as it is given here; and what a worker may not have it do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cargoship.execution.call import RustcCall, StaysHere
from cargoship.execution.linking import Unlinked, link, unlinked
from cargoship.execution.script import FILES, RUST, TEMPORARY
from cargoship.process.system import SystemRunner
from unit.execution.test_call import a_program

ROOT = "/worker/7"
DEPS = "/ws/target/t/release/deps"
OUT = f"{DEPS}/foo-0123456789abcdef"
STD = "/opt/std/lib/rustlib/t/lib"
OBJECTS = (f"{OUT}.foo.0a1b-cgu.0.rcgu.o", f"{DEPS}/rustcAbC123/symbols.o")
INPUTS = (f"{DEPS}/libbar-00000000000000aa.rlib", "/ws/target/t/release/build/bar/out/libbaz.a")
HERE = (
    *(f"{STD}/self-contained/crt1.o", *OBJECTS, "--as-needed", "-Bstatic", *INPUTS, f"{STD}/libstd-1.rlib"),
    *("-lc", "-L", f"{DEPS}/rustcAbC123/raw-dylibs", "-L", "/ws/target/t/release/build/bar/out", "-L", STD),
    *("-z", "noexecstack", "-o", OUT, "--gc-sections", "-static", "-zrelro", "/opt/allocator.o", "-la"),
)


def there(path: str) -> str:
    if path.startswith("/ws/"):
        return f"{ROOT}/{FILES}{path}"
    return f"{ROOT}/{RUST}{path.removeprefix('/opt/std')}" if path.startswith("/opt/std/") else path


def nul(*texts: str) -> bytes:
    return "".join(f"{text}\0" for text in texts).encode()


def read(words: tuple[str, ...] = HERE, files: tuple[str, ...] = OBJECTS, content: bytes = b"object") -> Unlinked:
    return unlinked(
        a_program(), nul(*map(there, words)), nul(*map(there, files)), [content] * len(files),
        root=ROOT, sysroot="/opt/std", inputs=INPUTS,
    )  # fmt: skip


def as_there(found: Unlinked) -> Unlinked:
    """With the name that rustc's own folder had on the worker: here it is one that nobody has."""
    (own,) = {path.split("/")[-2] for path in found.files if path.startswith(f"{DEPS}/rustc")} or {"rustc"}
    assert own not in {"rustcAbC123", ""}

    def named(text: str) -> str:
        return text.replace(f"{DEPS}/{own}/", f"{DEPS}/rustcAbC123/")

    files = {named(path): data for path, data in found.files.items()}
    return Unlinked(tuple(map(named, found.words)), files, tuple(map(named, found.folders)))


def test_its_words_are_what_rustc_would_say_here() -> None:
    found = as_there(read())
    assert found.words == HERE
    assert found.files == dict.fromkeys(OBJECTS, b"object")
    assert found.folders == (f"{DEPS}/rustcAbC123/raw-dylibs",)
    assert not read().files.keys() - {OBJECTS[0]} & read().files.keys(), "a result that is taken again is put elsewhere"


def test_nor_do_they_differ_behind_a_compiler() -> None:
    words = (
        *(
            "-m64",
            *OBJECTS,
            "-Wl,--as-needed",
            "-Wl,-Bstatic",
            *INPUTS,
            "-lgcc_s",
            "-B/opt/std/lib/rustlib/host/bin/gcc-ld",
        ),
        *("-fuse-ld=lld", "-Wl,-z,noexecstack", "-o", OUT, "-pie", "-Wl,-z,relro,-z,now", "-Wl,-O1", "-nodefaultlibs"),
    )
    sent = tuple(f"-B{there(word[2:])}" if word.startswith("-B/") else word for word in words)
    assert as_there(read(sent)).words == words


def test_an_older_rustc_has_its_own_files_elsewhere() -> None:
    path = f"{ROOT}/{TEMPORARY}/rustcAbC123/symbols.o"
    found = as_there(
        unlinked(
            a_program(), nul(path, "-o", there(OUT)), nul(path), [b"object"], root=ROOT, sysroot="/opt/std", inputs=()
        )
    )
    assert found.words == (f"{DEPS}/rustcAbC123/symbols.o", "-o", OUT)
    assert list(found.files) == [f"{DEPS}/rustcAbC123/symbols.o"]


@pytest.mark.parametrize(
    "words",
    [
        ("-o", "/home/me/.bashrc"),
        ("-o", f"{DEPS}/libbar-00000000000000aa.rlib"),
        ("-o",),
        ("-Map", INPUTS[0]),
        ("-Wl,-Map,/home/me/x",),
        ("-Wl,-z,now,-o,/home/me/x",),
        ("-Wl,-z",),
        ("-B/home/me",),
        ("--reproduce=/home/me/x",),
        ("--dependency-file=/home/me/x",),
        ("-T", "/home/me/.netrc"),
        ("@/home/me/words",),
        ("/home/me/secret.o",),
        (f"{STD}/../../../../home/me/secret.o",),
        ("-L", "/home/me"),
        (f"{DEPS}/../../../src/main.rs",),
        ("-z", "-o"),
        ("-l../../x",),
        ("--plugin", "/x.so"),
    ],
    ids=" ".join,
)
def test_a_worker_cannot_have_a_linker_do_something_else(words: tuple[str, ...]) -> None:
    with pytest.raises(StaysHere):
        read((*HERE, *words))


@pytest.mark.parametrize("place", ["/home/me/.bashrc", INPUTS[0], f"{DEPS}/foo", f"{OUT}/x", ""])
def test_its_program_goes_where_rustc_puts_it(place: str) -> None:
    at = HERE.index("-o")
    with pytest.raises(StaysHere):
        read((*HERE[:at], *(["-o", place] if place else []), *HERE[at + 2 :]))


def test_a_file_that_was_sent_and_is_no_library_is_no_script_of_a_linker() -> None:
    source = "/ws/target/t/release/build/bar/out/made.rs"
    with pytest.raises(StaysHere):
        unlinked(
            a_program(), nul(there(source), "-o", there(OUT)), b"", [], root=ROOT, sysroot="/opt/std", inputs=(source,)
        )


@pytest.mark.parametrize(
    "path",
    [
        "/home/me/.bashrc",
        f"{DEPS}/libbar-00000000000000aa.rlib",
        f"{DEPS}/../x.o",
        f"{DEPS}/other.o",
        f"{DEPS}/rustcAbC123/../x.o",
        f"{DEPS}/rustcAbC123/deep/x.o",
        f"{DEPS}/folder/x.o",
        f"{DEPS}/rustcAbC123/.",
        "/ws/target/t/release/x.o",
    ],
)
def test_a_worker_cannot_write_elsewhere(path: str) -> None:
    with pytest.raises(StaysHere):
        read(files=(*OBJECTS, path))


def test_what_is_not_whole_stays_here() -> None:
    for name in (FILES, RUST):
        with pytest.raises(StaysHere, match="path of the worker"):
            read(content=f"/worker/7/{name}/lib".encode())
    for words, names, contents in ((b"-lc", b"", 0), (b"", nul("a"), 0), (nul(*["-lc"] * 30_000), b"", 0)):
        with pytest.raises(StaysHere):
            unlinked(
                a_program(), words, names, [b""] * contents, root=ROOT, sysroot="/opt/std", inputs=()
            )  # fmt: skip


LINKER = """#!/bin/sh
while [ "$1" != -o ]; do
  case $1 in *.o) cat "$1" ;; */raw-dylibs) cd "$1" && cd "$OLDPWD" ;; esac
  shift
done >made
{}
mv made "$2"
"""


@pytest.fixture
def place(tmp_path: Path) -> RustcCall:
    (tmp_path / "deps").mkdir()
    (tmp_path / "bin").mkdir()
    return replace(a_program(), cwd=str(tmp_path), out_dir=f"{tmp_path}/deps")


def linked(call: RustcCall, then: str = "") -> Path:
    """Have a linker, which is a script, link two objects."""
    root = Path(call.cwd)
    linker = root / "bin" / call.linker
    linker.write_text(LINKER.format(then))
    linker.chmod(0o755)
    made = root / "deps" / f"{call.crate}{call.suffix}"
    objects = {f"{made}.x.o": b"one ", f"{call.out_dir}/rustcAbC123/symbols.o": b"two"}
    env = {"PATH": f"{root}/bin:/usr/bin:/bin"}
    raw = (f"{call.out_dir}/rustcAbC123/raw-dylibs",)
    link(call, Unlinked((*objects, "-L", *raw, "-o", str(made)), objects, raw), runner=SystemRunner(), env=env)
    return made


def test_a_program_is_linked_and_nothing_else_is_left(place: RustcCall) -> None:
    old = Path(place.out_dir, f"{place.crate}{place.suffix}")
    old.write_text("of before")
    kept = old.with_name("kept")
    kept.hardlink_to(old)
    assert linked(place).read_bytes() == b"one two"
    assert kept.read_text() == "of before"
    assert sorted(path.name for path in Path(place.out_dir).iterdir()) == [old.name, "kept"]


@pytest.mark.parametrize("then", ["exit 1", "echo warning: what >&2", "echo what", "rm made; : >made; exit 0"])
def test_a_linker_with_something_to_say_is_rustcs(place: RustcCall, then: str) -> None:
    with pytest.raises(StaysHere):
        linked(place, then)
    assert not [path for path in Path(place.out_dir).iterdir() if path.suffix == ".o" or path.is_dir()]


def test_a_linker_that_is_not_there_is_rustcs(place: RustcCall) -> None:
    with pytest.raises(StaysHere, match="is not found"):
        link(place, Unlinked((), {}), runner=SystemRunner(), env={"PATH": "/nowhere"})
