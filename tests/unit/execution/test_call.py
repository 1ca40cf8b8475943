"""Which calls of rustc can be made elsewhere, and what their words mean."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cargoship.errors import UsageError
from cargoship.execution.address import ClusterAddress
from cargoship.execution.call import RustcCall, StaysHere, Word, read_call
from cargoship.execution.crate_reads import reads_of_crate
from cargoship.execution.script import FILES, LINKER, RUST, SEEN, TEMPORARY, script_of

SOURCE = "/home/me/.cargo/registry/src/index/foo-1.0.0/src/lib.rs"
ARGV = (
    *("-C", "target-feature=+crt-static", "--remap-path-prefix=/ws=/workspace"),
    *("--remap-path-prefix=/home/me/.cargo/registry/src=/cargo/registry/src",),
    *("--crate-name", "foo", "--edition=2021", SOURCE, "--error-format=json"),
    *("--json=diagnostic-rendered-ansi,artifacts", "--diagnostic-width=80", "--crate-type", "lib"),
    *("--emit=dep-info,metadata,link", "-C", "opt-level=3", "--cfg", 'feature="a b"'),
    *("-C", "metadata=0011223344556677", "-C", "extra-filename=-0123456789abcdef"),
    *("--out-dir", "/ws/target/t/release/deps", "--target", "t-musl", "-C", "linker=cargoship-t-ld"),
    *("-L", "dependency=/ws/target/t/release/deps", "-L", "dependency=/ws/target/release/deps"),
    *("--extern", "bar=/ws/target/t/release/deps/libbar-00000000000000aa.rmeta", "--cap-lints", "allow"),
    *("-L", "native=/ws/target/t/release/build/bar/out", "-l", "static:+whole-archive=baz"),
)


def a_call(*more: str, argv: tuple[str, ...] = ARGV, env: dict[str, str] | None = None) -> RustcCall:
    return read_call((*argv, *more), "/ws", env or {})


def test_a_library_of_cargo_is_understood() -> None:
    call = a_call()
    assert (call.crate, call.suffix, call.target, call.source) == ("foo", "-0123456789abcdef", "t-musl", SOURCE)
    deps = "/ws/target/t/release/deps"
    assert call.outputs == tuple(
        f"{deps}/{name}"
        for name in ("libfoo-0123456789abcdef.rlib", "libfoo-0123456789abcdef.rmeta", "foo-0123456789abcdef.d")
    )
    assert call.externs == (f"{deps}/libbar-00000000000000aa.rmeta",)
    assert call.folders == (deps, "/ws/target/release/deps")
    assert (call.natives, call.native_folders) == (("baz",), ("/ws/target/t/release/build/bar/out",))
    assert Word("dependency=", deps) in call.words
    assert not any("diagnostic-width" in word.text for word in call.words), "a terminal's width is nobody's else"


OBJECTS = (
    *("-C", "linker=cargoship-t-unknown-linux-musl-ld"),
    *("-C", "link-arg=/opt/allocator.o", "-C", "link-args=-la -lb"),
)
PROGRAM = tuple(
    {"lib": "bin", "--emit=dep-info,metadata,link": "--emit=dep-info,link"}.get(word, word)
    for word in (*ARGV, *OBJECTS)
)


def a_program(*more: str, env: dict[str, str] | None = None) -> RustcCall:
    return read_call((*PROGRAM, *more), "/ws", env or {})


def test_a_program_is_understood_where_it_is_linked_by_cargoships_own_linker() -> None:
    call = a_program()
    assert (call.is_program, call.linker) == (True, "cargoship-t-unknown-linux-musl-ld")
    assert call.link_args == ("/opt/allocator.o", "-la", "-lb")
    assert call.outputs == (call.dep_info,) == ("/ws/target/t/release/deps/foo-0123456789abcdef.d",)
    assert not a_call().is_program
    script = "/home/me/.cache/cargo-zigbuild/0.24.1/wrappers/1/zigcc-x86_64-unknown-linux-gnu.2.17-b9e2.sh"
    theirs = ("-C", f"linker={script}")
    assert a_program(*theirs).linker == script
    watched = {"CARGOSHIP_WATCH": "/traces", "CARGOSHIP_WATCH_SKIP": "/opt:/home/me/.cache/cargo-zigbuild"}
    assert a_program(*theirs, env=watched).linker == script
    with pytest.raises(StaysHere, match="another linker"):
        a_program(*theirs, env={**watched, "CARGOSHIP_WATCH_SKIP": "/opt:/home/me/.cache/cargo"})
    for more, why in (
        (("-C", "linker=/usr/bin/cc"), "another linker"),
        (("-C", "linker=/tmp/cargoship-t-linux-musl-ld"), "another linker"),
        (("--emit=asm",), "more than a program"),
        (("-C", "split-debuginfo=packed"), "something to do with the linked program"),
        (("-C", "rpath=yes"), "something to do with the linked program"),
        (("--crate-type", "cdylib"), "no library, and no program"),
    ):
        with pytest.raises(StaysHere, match=why):
            a_program(*more)


def test_a_library_for_programs_with_lto_is_bitcode_and_nothing_else() -> None:
    assert not a_call("-C", "linker-plugin-lto").is_program
    with pytest.raises(StaysHere, match="linker-plugin-lto"):
        a_call("-C", "linker-plugin-lto=/opt/plugin.so")


SOURCES = "/usr/src/rustc-1.96.0"


@pytest.mark.parametrize(
    ("remaps", "expected"),
    [
        ((), SOURCES),
        (("/home=/x",), SOURCES),
        ((f"{SOURCES}=/rust",), "/rust"),
        (("/usr/src=/source",), "/source/rustc-1.96.0"),
        (("/usr/src=/source", f"{SOURCES}=/rust"), "/rust"),
        ((f"{SOURCES}=/rust", "/usr/src=/source"), "/source/rustc-1.96.0"),
        (("/usr/src/rust=/other",), SOURCES),
        ((f"{SOURCES}/library=/library",), None),
    ],
)
def test_sources_of_the_standard_library_are_called_what_they_are_called_here(
    remaps: tuple[str, ...], expected: str | None
) -> None:
    """A worker's folder was in programs that have code of the standard library in them."""
    call = a_call(*(f"--remap-path-prefix={each}" for each in remaps))
    if expected is None:
        with pytest.raises(StaysHere, match="another name"):
            script_of(call, {}, (), sources=SOURCES)
    else:
        script = script_of(call, {}, (), sources=SOURCES).decode()
        assert f'--remap-path-prefix "$root/{RUST}/lib/rustlib/src/rust"={expected} ' in script


def changed(before: str, after: str) -> tuple[str, ...]:
    assert before in ARGV
    return tuple(after if word == before else word for word in ARGV)


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (changed("lib", "bin"), "another linker"),
        (changed("lib", "proc-macro"), "no library"),
        (changed("lib", "cdylib"), "no library"),
        (changed("t-musl", "/ws/my.json"), "its target is a file"),
        (changed("--emit=dep-info,metadata,link", "--emit=dep-info,metadata,link,asm"), "more than a library"),
        (changed("opt-level=3", "incremental=/ws/target/i"), "-C incremental"),
        (changed("opt-level=3", "target-cpu=native"), "target-cpu=native"),
        (changed("opt-level=3", "profile-use=/ws/a.profdata"), "profile-use"),
        (changed("static:+whole-archive=baz", "baz"), "what kind of library"),
        (changed("extra-filename=-0123456789abcdef", "extra-filename=/../../x"), "not what cargo usually"),
        (changed("foo", "../foo"), "not what cargo usually"),
        (changed(SOURCE, "/ws/../etc/lib.rs"), "not plain"),
        ((*ARGV, "-Zunstable"), "-Zunstable"),
        ((*ARGV, "--test"), "--test"),
        ((*ARGV, "@words"), "in a file"),
        ((*ARGV, "-C"), "not what cargo usually"),
        ((*ARGV, "another.rs"), "not what cargo usually"),
        (("-vV",), "-vV"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_might_read_or_make_something_else_stays_here(argv: tuple[str, ...], why: str) -> None:
    with pytest.raises(StaysHere, match=why):
        a_call(argv=argv)


def test_a_worker_gives_rustc_the_same_paths_below_a_folder_of_its_own(tmp_path: Path) -> None:
    call = a_call("--sysroot", "/opt/std", "--cfg", "it='s")
    variables = {"OUT_DIR": "/ws/target/out", "CARGO_PKG_DESCRIPTION": "it's $HOME `x`\nmore"}
    script = script_of(call, variables, {"OUT_DIR"})
    root = tmp_path / "a worker's"
    rustc = root / RUST / "bin" / "rustc"
    (root / FILES / "ws").mkdir(parents=True)
    rustc.parent.mkdir(parents=True)
    rustc.write_text('#!/bin/sh\npwd\necho "$OUT_DIR"\necho "$CARGO_PKG_DESCRIPTION"\nprintf "<%s>\\n" "$@"\n')
    rustc.chmod(0o755)
    (root / "run").write_bytes(script)
    done = subprocess.run(["/bin/sh", "run"], cwd=root, capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert said[:5] == [str(root), f"{root}/{FILES}/ws", f"{root}/{FILES}/ws/target/out", "it's $HOME `x`", "more"]
    words = [word[1:-1] for word in said[5:]]
    assert words[:4] == ["--sysroot", f"{root}/{RUST}", "--remap-path-prefix", f"{root}/{FILES}=/"]
    assert "/opt/std" not in words
    assert f"{root}/{FILES}{SOURCE}" in words
    assert f"--remap-path-prefix={root}/{FILES}/ws=/workspace" in words
    assert f"dependency={root}/{FILES}/ws/target/t/release/deps" in words
    assert f"bar={root}/{FILES}/ws/target/t/release/deps/libbar-00000000000000aa.rmeta" in words
    assert 'feature="a b"' in words
    assert "it='s" in words


@pytest.mark.parametrize("watched", [False, True])
def test_a_program_is_given_to_what_keeps_it_for_a_linker(tmp_path: Path, *, watched: bool) -> None:
    rustc = tmp_path / RUST / "bin" / "rustc"
    (tmp_path / FILES / "ws").mkdir(parents=True)
    rustc.parent.mkdir(parents=True)
    rustc.write_text('#!/bin/sh\necho "$TMPDIR"\nfor word do echo "$word"; done | tail -n 1\n')
    rustc.chmod(0o755)
    (tmp_path / "run").write_bytes(script_of(a_program(), {}, (), watched=watched))
    done = subprocess.run(["/bin/sh", "run"], cwd=tmp_path, capture_output=True, text=True, check=True)
    linker = f"linker={tmp_path}/{LINKER}/cargoship-t-unknown-linux-musl-ld"
    assert done.stdout.splitlines()[1:] == [f"{tmp_path}/{TEMPORARY}", linker]


@pytest.mark.parametrize("watched", [False, True])
def test_macros_see_no_variable_that_a_worker_has_set(tmp_path: Path, *, watched: bool) -> None:
    call = a_call()
    script = script_of(call, {"OUT_DIR": "/ws/out", "SAID": "it's\ntwo"}, {"OUT_DIR"}, watched=watched)
    rustc = tmp_path / RUST / "bin" / "rustc"
    (tmp_path / FILES / "ws").mkdir(parents=True)
    rustc.parent.mkdir(parents=True)
    rustc.write_text('#!/bin/sh\necho "${OF_WORKER-none} $SAID $OUT_DIR ${CARGOSHIP_WATCH-none}"\n')
    rustc.chmod(0o755)
    (tmp_path / "run").write_bytes(script)
    env = {"PATH": "/usr/bin:/bin", "OF_WORKER": "x"}
    done = subprocess.run(["/bin/sh", "run"], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    given = f"it's\ntwo {tmp_path}/{FILES}/ws/out"
    seen = f"none {given} {tmp_path}/{SEEN}" if watched else f"x {given} none"
    assert done.stdout == f"{tmp_path}\n{seen}\n"


def test_what_rustc_says_of_reads_is_read() -> None:
    data = rb"""/t/libfoo.rlib: src/lib.rs src/a\ b.rs

src/lib.rs:
# env-dep:SET=a\nb\\
# env-dep:UNSET
"""
    info = reads_of_crate(data)
    assert info.files == ("src/lib.rs", "src/a b.rs")
    assert info.variables == {"SET": "a\nb\\", "UNSET": None}


def test_a_cluster_is_read_as_a_person_writes_it() -> None:
    cluster = ClusterAddress.parse("reapi://host:8980/main?slots=40&OSFamily=linux&container-image=docker%3A%2F%2Fa")
    assert str(cluster) == "reapi://host:8980/main"
    assert cluster.slots == 40
    assert cluster.platform == (("OSFamily", "linux"), ("container-image", "docker://a"))
    assert ClusterAddress.parse("grpcs://host").slots == 16


@pytest.mark.parametrize(
    "text", ["host:1", "reapi://", "reapi://h:1?slots=0", "reapi://h:1?slots=99999999", "reapi://h:1?slots=x",
             "reapi://h:1?OSFamily", "reapi://h:1?=x"]
)  # fmt: skip
def test_what_names_no_cluster_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        ClusterAddress.parse(text)
