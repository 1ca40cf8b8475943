"""The wrappers, run by the real shell, with a Zig and a rustc that only say what they were given."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from cargoship.cargo.limits import known_limit
from cargoship.errors import OutputError
from cargoship.platforms import row
from cargoship.toolchain.environment import replaced_paths
from cargoship.toolchain.runtime import objects_of_a_run
from cargoship.toolchain.wrappers import (
    RUSTC,
    bindgen_arguments,
    driver,
    linker,
    wrapper_identity,
    write_wrappers,
    write_zig,
)

_ECHO = '#!/bin/sh\nprintf "%s\\n" "$@"\n'
_AMD64, _ARM64, _ARMV7, _RISCV = (row(name) for name in ("amd64", "arm64", "arm/v7", "riscv64"))


@pytest.fixture
def zig(tmp_path: Path) -> Path:
    path = tmp_path / "zig"
    path.write_text(_ECHO)
    path.chmod(0o755)
    return path


@pytest.fixture
def wrappers(tmp_path: Path) -> Path:
    pairs = [(each.musl or "", each) for each in (_AMD64, _ARM64, _ARMV7, _RISCV)]
    return write_wrappers(tmp_path / "cache", pairs, identity="test")


def call(program: Path, arguments: Sequence[str], zig: Path, **env: str) -> list[str]:
    environment = {
        "PATH": "/usr/bin:/bin",
        "CARGOSHIP_ZIG": str(zig),
        "CARGOSHIP_RUSTC": str(zig),
        "CARGOSHIP_SYSROOT": "/sysroot",
        **env,
    }
    done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("triple", "given", "expected"),
    [
        ("x86_64-unknown-linux-musl", ["-c", "a.c", "-m64", "--target=x86_64-unknown-linux-musl"], ["-c", "a.c"]),
        ("x86_64-unknown-linux-musl", ["-target", "x86_64-linux", "-c", "a b.c"], ["-c", "a b.c"]),
        ("x86_64-unknown-linux-musl", ["-c", "-march=haswell"], ["-c", "-march=haswell"]),
        ("x86_64-unknown-linux-musl", ["-c", "-Wp,-MD,x.d", "-Wp,-U_FORTIFY_SOURCE"], ["-c", "-Wp,-MD,x.d"]),
        ("aarch64-unknown-linux-musl", ["-c", "-march=armv8-a"], ["-c", "-mcpu=generic"]),
        ("aarch64-unknown-linux-musl", ["-c", "-march=armv8-a+sve"], ["-c", "-mcpu=generic+sve"]),
        (
            "aarch64-unknown-linux-musl",
            ["-c", "-march=armv8-a+crypto"],
            ["-c", "-Xassembler", "-march=armv8-a+crypto", "-mcpu=generic+crypto"],
        ),
        ("armv7-unknown-linux-musleabihf", ["-c", "-march=armv7-a"], ["-c"]),
        ("riscv64gc-unknown-linux-musl", ["-c", "-march=rv64gc"], ["-c", "-march=generic_rv64"]),
        ("x86_64-unknown-linux-musl", ["-c", '-DTEXT="a $b"', "it's"], ["-c", '-DTEXT="a $b"', "it's"]),
    ],
)
def test_the_compiler_gets_flags_that_zig_understands(
    wrappers: Path, zig: Path, triple: str, given: list[str], expected: list[str]
) -> None:
    said = call(wrappers / f"cargoship-{triple}-cc", given, zig)
    assert said[0] == "cc"
    assert said[-len(expected) :] == expected
    assert not [word for word in said if word in {"-m64", "-target=" + triple}]


def test_each_target_is_compiled_for_its_own_processor(wrappers: Path, zig: Path) -> None:
    said = call(wrappers / "cargoship-armv7-unknown-linux-musleabihf-c++", ["-c", "a.cc"], zig)
    assert said[:4] == ["c++", "-target", "arm-linux-musleabihf", f"-mcpu={_ARMV7.zig_cpu}"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a.o", "-Wl,-z,now,--as-needed", "-lc"], ["a.o", "-z", "now", "--as-needed", "-lc"]),
        (["-lpthread", "-lm", "-ldl", "-lrt", "b.o"], ["b.o"]),
        (["-lgcc_s", "-lgcc_eh", "-lgcc"], ["-lunwind", "-lunwind"]),
        (["-fuse-ld=mold", "-pthread", "-rdynamic"], ["--export-dynamic"]),
        (["-Xlinker", "--gc-sections"], ["--gc-sections"]),
        (["-Wl,-rpath,/a b/c"], ["-rpath", "/a b/c"]),
        (["-lmine", "-lmimalloc", "*.o"], ["-lmine", "-lmimalloc", "*.o"]),
    ],
)
def test_the_linker_understands_what_is_said_to_a_compiler(
    wrappers: Path, zig: Path, given: list[str], expected: list[str]
) -> None:
    done = subprocess.run(
        [wrappers / linker("x86_64-unknown-linux-musl"), *given],
        env={"PATH": "/usr/bin:/bin", "CARGOSHIP_ZIG": str(zig), "CARGOSHIP_SYSROOT": "/s"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    # what lld prints goes to stderr, where rustc looks for it
    assert done.stderr.splitlines() == ["ld.lld", *expected]


@pytest.mark.parametrize("triple", ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"])
def test_no_folder_of_a_build_script_has_another_c_library_than_the_targets(
    wrappers: Path, zig: Path, triple: str
) -> None:
    """glibc's libc.a is found in the folders of a system's libraries: a program with it may even be linked."""
    own = f"/sys root/lib/rustlib/{triple}/lib/self-contained"
    given = ["a.o", "-lc", "-L", "/usr/lib/x86_64-linux-gnu", "-L", own, "-lunwind"]
    env = {"PATH": "/usr/bin:/bin", "CARGOSHIP_ZIG": str(zig), "CARGOSHIP_SYSROOT": "/sys root"}
    done = subprocess.run(
        [wrappers / linker(triple), *given], env=env, capture_output=True, text=True, check=True
    )  # fmt: skip
    assert done.stderr.splitlines() == ["ld.lld", f"-L{own}", *given]


@pytest.mark.parametrize(
    ("name", "text", "refused"),
    [
        ("libc.a", b"!<arch>\n__libc_setup_tls\0", True),
        ("libc.a", b"!<arch>\n__init_tls\0", False),
        ("libm-2.36.a", b"!<arch>\n", True),
        ("libmine.a", b"__libc_setup_tls", False),
    ],
)
def test_glibc_is_not_named_to_a_program_for_musl(
    wrappers: Path, zig: Path, tmp_path: Path, name: str, text: bytes, *, refused: bool
) -> None:
    """A symbol that musl lacks would be taken of it."""
    library = tmp_path / name
    library.write_bytes(text)
    for given in (str(library), f"-Wl,{library}"):
        done = subprocess.run(
            [wrappers / linker("x86_64-unknown-linux-musl"), "a.o", given],
            env={"PATH": "/usr/bin:/bin", "CARGOSHIP_ZIG": str(zig), "CARGOSHIP_SYSROOT": "/s"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, "is of glibc" in done.stderr) == ((1, True) if refused else (0, False))
        assert not refused or known_limit(done.stderr) is not None


def test_an_allocator_comes_before_the_c_library_whose_place_it_takes(wrappers: Path, zig: Path) -> None:
    """rustc tells a linker of it behind the libraries: where malloc was found in one by then, there are two."""
    ours = "/cache/it's/mimalloc-1-x86_64-unknown-linux-musl/mimalloc.o"
    done = subprocess.run(
        [wrappers / linker("x86_64-unknown-linux-musl"), "a.o", "-lc", "/other/mimalloc.o", ours, "crtn.o"],
        env={"PATH": "/usr/bin:/bin", "CARGOSHIP_ZIG": str(zig), "CARGOSHIP_ALLOCATORS": "/cache/it's/mimalloc-1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr.splitlines() == ["ld.lld", ours, "a.o", "-lc", "/other/mimalloc.o", "crtn.o"]


def test_a_failed_link_that_lacks_a_runtime_symbol_is_tried_again_with_zigs_runtime(
    wrappers: Path, tmp_path: Path
) -> None:
    zig = tmp_path / "zig-that-needs-a-runtime"
    zig.write_text(
        """#!/bin/sh
case "$*" in
build-lib*) for arg; do case $arg in -femit-bin=*) echo made > "${arg#-femit-bin=}" ;; esac; done ;;
*libcompiler_rt.a*) exit 0 ;;
*) echo 'ld.lld: error: undefined symbol: __muldc3' >&2; exit 1 ;;
esac
"""
    )
    zig.chmod(0o755)
    notes = tmp_path / "notes"
    env = {
        "PATH": "/usr/bin:/bin", "CARGOSHIP_ZIG": str(zig), "CARGOSHIP_ZIG_LIB": "/lib", "CARGOSHIP_SYSROOT": "/s",
        "CARGOSHIP_RUNTIME": str(tmp_path / "runtime"), "CARGOSHIP_NOTES": str(notes),
    }  # fmt: skip
    program = wrappers / linker("x86_64-unknown-linux-musl")
    for _ in range(2):
        subprocess.run([program, "a.o"], env=env, check=True)
    made = tmp_path / "runtime" / "x86_64-unknown-linux-musl"
    assert [path.name for path in made.iterdir()] == ["libcompiler_rt.a"]
    assert len(notes.read_text().splitlines()) == 1, "made once, and said so"


@pytest.fixture
def programs_are_linked(tmp_path: Path, wrappers: Path) -> dict[str, str]:
    """The environment of a target that has its own start files."""
    start = tmp_path / "sys root" / "lib" / "rustlib" / "x86_64-unknown-linux-musl" / "lib" / "self-contained"
    start.mkdir(parents=True)
    (start / "crt1.o").touch()
    return {
        "PATH": f"{wrappers}:/usr/bin:/bin", "CARGOSHIP_PYTHON": sys.executable, "CARGOSHIP_DRIVER": str(driver()),
        "CARGOSHIP_SYSROOT": str(tmp_path / "sys root"), "CARGOSHIP_RUNTIME": str(tmp_path / "runtime"),
        "CARGOSHIP_ZIG_LIB": "/lib",
    }  # fmt: skip


_MAKES_CPP = """#!/bin/sh
echo "$*" >>"$0.calls"
case "$*" in
*main.cpp*)
  mkdir -p "$ZIG_GLOBAL_CACHE_DIR"
  touch "$ZIG_GLOBAL_CACHE_DIR/libc++.a" "$ZIG_GLOBAL_CACHE_DIR/libc++abi.a"
  ;;
*-lc++abi*) ;;
ld.lld*words.o*) echo 'ld.lld: error: undefined symbol: __cxa_throw' >&2; exit 1 ;;
esac
"""


@pytest.mark.parametrize(
    ("language", "argument", "made"),
    [("cc", "empty.o", False), ("c++", "empty.o", False), ("c++", "words.o", True), ("c++", "-lstdc++", True)],
)
def test_a_checks_program_costs_no_library_that_it_does_not_need(
    wrappers: Path, tmp_path: Path, programs_are_linked: dict[str, str], language: str, argument: str, *, made: bool
) -> None:
    """CMake's first program is linked with -v, for C and for C++: Zig compiled musl for that, and libc++."""
    zig = tmp_path / "zig-of-cpp"
    zig.write_text(_MAKES_CPP)
    zig.chmod(0o755)
    program = wrappers / f"cargoship-x86_64-unknown-linux-musl-{language}"
    call(program, ["-v", argument, "-o", "check"], zig, **programs_are_linked)
    calls = Path(f"{zig}.calls").read_text().splitlines()
    assert all(each.startswith(("ld.lld ", "c++ -target x86_64-linux-musl -dynamic ")) for each in calls)
    library = tmp_path / "runtime" / "x86_64-unknown-linux-musl" / "libc++.a"
    assert library.exists() == made
    assert calls[-1].endswith("-lc++ -lc++abi -lunwind -lc") == made
    assert not (library.parent / "libcompiler_rt.a").exists()


_LINKS = """#!/bin/sh
echo "$*" | sed "s#/[^ ]*/##g" >>"$0.calls"
echo it says >&2
case $* in "cc "*words*) exit 1 ;; esac
"""


@pytest.mark.parametrize(
    ("given", "calls"),
    [
        ("c++ -v empty.o -o check", ["cc -v empty.o -o check"]),
        ("c++ words.o -o check", ["cc words.o -o check", "c++ words.o -o check"]),
        ("c++ -g empty.cpp -lm", ["c++ -g -c empty.cpp -o source.o", "cc -g source.o -lm"]),
        ("c++ -L. -Wl,-z,now empty.cpp", ["c++ -c empty.cpp -o source.o", "cc -L. -Wl,-z,now source.o"]),
        # of an object and a source Zig makes one object
        ("c++ words.o empty.cpp -o check", ["c++ words.o empty.cpp -o check"]),
        ("c++ empty.cpp libwords.a", ["c++ empty.cpp libwords.a"]),
        ("c++ -o empty empty.cpp", ["c++ -c empty.cpp -o source.o", "cc -o empty source.o"]),
        ("c++ one.cpp two.cpp", ["c++ one.cpp two.cpp"]),
        ("c++ -shared empty.o -o check.so", ["c++ -shared empty.o -o check.so"]),
        ("c++ -Wl,-z,undefs empty.o -o check", ["c++ -Wl,-z,undefs empty.o -o check"]),
        ("c++ -c empty.cpp -o empty.o", ["c++ -c empty.cpp -o empty.o"]),
        ("cc empty.o -o check", ["cc empty.o -o check"]),
        ("c++ --version", ["c++ --version"]),
    ],
)
def test_nor_does_one_that_zig_links(tmp_path: Path, given: str, calls: list[str]) -> None:
    zig = tmp_path / "zig-of-gnu"
    zig.write_text(_LINKS)
    zig.chmod(0o755)
    through = write_zig(tmp_path / "cache", zig=zig, runtime=tmp_path / "runtime", objects=tmp_path / "objects")
    env = {"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    done = subprocess.run([through, *given.split()], env=env, capture_output=True, text=True, check=True)
    assert Path(f"{zig}.calls").read_text().splitlines() == calls
    # what a first try has said of a symbol is not shown
    assert len(done.stderr.splitlines()) == len([each for each in calls if each != "cc words.o -o check"])
    assert not list(tmp_path.glob("tmp.*"))


def test_a_source_that_does_not_compile_is_compiled_once(tmp_path: Path) -> None:
    zig = tmp_path / "zig"
    zig.write_text('#!/bin/sh\necho "error: $*" >&2\nexit 3\n')
    zig.chmod(0o755)
    through = write_zig(tmp_path / "cache", zig=zig, runtime=tmp_path / "runtime", objects=tmp_path / "objects")
    done = subprocess.run([through, "c++", "a b.cpp"], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: c++ -c a b.cpp -o ")


def test_a_compiler_says_of_itself_what_zig_says(
    wrappers: Path, zig: Path, programs_are_linked: dict[str, str]
) -> None:
    said = call(wrappers / "cargoship-x86_64-unknown-linux-musl-cc", ["-v"], zig, **programs_are_linked)
    assert said == ["cc", "-target", "x86_64-linux-musl", "-fno-sanitize=all", "-v"]


def test_a_link_that_fails_for_the_users_own_reason_fails_with_its_words(wrappers: Path, tmp_path: Path) -> None:
    zig = tmp_path / "zig"
    zig.write_text("#!/bin/sh\necho 'ld.lld: error: undefined symbol: my_function' >&2\nexit 1\n")
    zig.chmod(0o755)
    done = subprocess.run(
        [wrappers / linker("x86_64-unknown-linux-musl"), "a.o"],
        env={"PATH": "/usr/bin:/bin", "CARGOSHIP_ZIG": str(zig), "CARGOSHIP_SYSROOT": "/s"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "ld.lld: error: undefined symbol: my_function\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--target", "x86_64-unknown-linux-musl", "a.rs"], ["--sysroot", "/sysroot"]),
        (["--crate-name", "build_script_build", "build.rs"], []),
        (["--target", "wasm32-unknown-unknown", "a.rs"], []),
    ],
)
def test_only_our_targets_get_the_sysroot(wrappers: Path, zig: Path, arguments: list[str], expected: list[str]) -> None:
    said = call(wrappers / RUSTC, arguments, zig, CARGOSHIP_SYSROOT_TARGETS="aarch64-x x86_64-unknown-linux-musl")
    assert said == [*arguments, *expected]


def test_static_linking_is_asked_for_before_the_users_own_flags(wrappers: Path, zig: Path) -> None:
    given = ["--target", "s390x-unknown-linux-musl", "-C", "target-feature=-crt-static"]
    said = call(wrappers / RUSTC, given, zig, CARGOSHIP_STATIC_TARGETS="s390x-unknown-linux-musl")
    assert said == ["-C", "target-feature=+crt-static", *given]


def test_nothing_of_the_machine_is_in_a_wrapper(wrappers: Path, tmp_path: Path) -> None:
    for path in wrappers.iterdir():
        assert str(tmp_path) not in path.read_text()


def test_another_toolchain_has_wrappers_at_another_path(tmp_path: Path) -> None:
    pairs = [("x86_64-unknown-linux-musl", _AMD64)]
    one, other, again = (write_wrappers(tmp_path, pairs, identity=name) for name in ("1.95", "1.96", "1.95"))
    assert one == again
    assert one != other
    assert not list(tmp_path.rglob(".making-*"))


def test_wrappers_that_cannot_be_written_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that they were made in stayed there, once for every run."""
    whole = Path.write_text

    def full(path: Path, text: str) -> int:
        if path.name == RUSTC:
            raise OSError(28, "No space left on device")
        return whole(path, text)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError, match="compiler wrappers"):
        write_wrappers(tmp_path, [("x86_64-unknown-linux-musl", _AMD64)], identity="1.95")
    assert not list((tmp_path / "wrappers").iterdir())


def test_bindgen_sees_the_headers_that_zig_has() -> None:
    arguments = bindgen_arguments(_AMD64, Path("/zig lib"))
    assert arguments.startswith("--target=x86_64-unknown-linux-musl -nostdinc ")
    assert "'/zig lib/libc/include/x86_64-linux-musl'" in arguments


def test_another_way_to_link_programs_makes_other_wrappers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    triple = _AMD64.musl or ""
    before = wrapper_identity(triple, _AMD64)
    changed = tmp_path / "driver.py"
    changed.write_text(driver().read_text() + "# more\n")
    monkeypatch.setattr("cargoship.toolchain.wrappers.driver", lambda: changed)
    assert wrapper_identity(triple, _AMD64) != before


_PATHS = "/home/me/app/.cargo/registry/src=/cargo/registry/src\n/home/me/app=/workspace"


def test_what_is_compiled_for_a_target_names_no_folder_of_this_machine(wrappers: Path, zig: Path) -> None:
    given = ["--target", "x86_64-unknown-linux-musl", "--remap-path-prefix=/home=/mine", "a b.rs"]
    said = call(wrappers / RUSTC, given, zig, CARGOSHIP_PATHS=_PATHS, OUT_DIR="/home/me/app/out dir")
    # of several that fit rustc takes the last one: what lies in a folder comes after the folder, the user's last
    assert said == [
        "--remap-path-prefix=/home/me/app=/workspace",
        "--remap-path-prefix=/home/me/app/.cargo/registry/src=/cargo/registry/src",
        "--remap-path-prefix=/home/me/app/out dir=/cargo/out",
        *given,
    ]
    # macros and build scripts are no part of a program, and may look for files by their names
    assert call(wrappers / RUSTC, ["build.rs"], zig, CARGOSHIP_PATHS=_PATHS) == ["build.rs"]


def test_nor_does_what_c_is_compiled_to(wrappers: Path, zig: Path, tmp_path: Path) -> None:
    expected = [
        "-ffile-prefix-map=/home/me/app=/workspace",
        "-ffile-prefix-map=/home/me/app/.cargo/registry/src=/cargo/registry/src",
        "-ffile-prefix-map=/home/me/app/out=/cargo/out",
    ]
    around = {"CARGOSHIP_PATHS": _PATHS, "OUT_DIR": "/home/me/app/out"}
    said = call(wrappers / "cargoship-x86_64-unknown-linux-musl-cc", ["-c", "a.c"], zig, **around)
    assert [each for each in said if each.startswith("-ffile")] == expected
    assert "-ffile" not in " ".join(call(wrappers / "cargoship-x86_64-unknown-linux-musl-cc", ["-v"], zig, **around))
    # the way through cargo-zigbuild
    through = write_zig(tmp_path / "cache", zig=zig, runtime=tmp_path / "runtime", objects=tmp_path / "objects")
    said = call(through, ["cc", "-target", "x86_64-linux-gnu", "-c", "a.c"], zig, **around)
    assert said == ["cc", *expected, "-target", "x86_64-linux-gnu", "-c", "a.c"]


def test_zig_gives_no_object_of_another_time(wrappers: Path, zig: Path, tmp_path: Path) -> None:
    """Its cache goes by flags and files alone, and __DATE__ is what SOURCE_DATE_EPOCH says."""
    through = write_zig(tmp_path / "cache", zig=zig, runtime=tmp_path / "runtime", objects=tmp_path / "objects")
    own = wrappers / "cargoship-x86_64-unknown-linux-musl-cc"
    for words in (["-c", "a.c"], ["-shared", "a.c", "-o", "a.so"]):
        for program, given in ((own, words), (through, ["cc", "-target", "x86_64-linux-gnu", *words])):
            undated = call(program, given, zig)
            one, other = (call(program, given, zig, SOURCE_DATE_EPOCH=time) for time in ("1", "1700000000"))
            assert len({tuple(undated), tuple(one), tuple(other)}) == 3
            assert [each for each in one if "SOURCE_DATE_EPOCH" not in each] == undated
    # who asks for a version, or packs an archive, gets no flag
    for program, given in ((own, ["--version"]), (through, ["cc", "--version"]), (through, ["ar", "-c", "a.a"])):
        assert "SOURCE_DATE_EPOCH" not in " ".join(call(program, given, zig, SOURCE_DATE_EPOCH="1"))


def test_zig_keeps_objects_of_a_project_for_one_run_of_cargo(wrappers: Path, tmp_path: Path) -> None:
    """Its cache knows neither headers that come to stand before others, nor what the assembler reads."""
    zig = tmp_path / "zig"
    zig.write_text('#!/bin/sh\necho "$ZIG_LOCAL_CACHE_DIR"\n')
    zig.chmod(0o755)
    through = write_zig(tmp_path / "cache", zig=zig, runtime=tmp_path / "runtime", objects=tmp_path / "objects")
    own = wrappers / "cargoship-x86_64-unknown-linux-musl-cc"
    named = {"ZIG_LOCAL_CACHE_DIR": "/users"}
    with objects_of_a_run(tmp_path / "cache") as run:
        (folder,) = run.values()
        for words in (["-c", "a.c"], ["-shared", "a.c", "-o", "a.so"], ["-E", "a.c"]):
            for program, given in ((own, words), (through, ["cc", "-target", "x86_64-linux-gnu", *words])):
                assert call(program, given, zig, **run, **named) == [folder]
        with objects_of_a_run(tmp_path / "cache") as other:
            assert run != other
        Path(folder, "o").mkdir()
    assert not Path(folder).exists()
    # cargo-zigbuild's scripts name the program, and outlive the run
    assert call(through, ["cc", "-target", "x86_64-linux-gnu", "-c", "a.c"], zig) == [str(tmp_path / "objects")]


def test_the_innermost_folder_counts(tmp_path: Path) -> None:
    root = tmp_path / "app"
    home = root / ".cargo"
    (tmp_path / "link").symlink_to(tmp_path)
    named = replaced_paths({"CARGO_HOME": str(home)}, root)
    assert list(named) == sorted(named, key=len, reverse=True)
    assert named[str(home / "registry" / "src")] == "/cargo/registry/src"
    assert named[str(root)] == "/workspace"
    # cargo names the folder as it was given, a compiler the one that it is in
    through = replaced_paths({"CARGO_HOME": str(tmp_path / "link" / "app" / ".cargo")}, None)
    assert {str(tmp_path / "link" / "app" / ".cargo" / "registry" / "src"), str(home / "registry" / "src")} <= {
        *through
    }
    assert replaced_paths({"CARGO_HOME": "/a\nb"}, None) == {}
