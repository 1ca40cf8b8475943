"""The content that units depend on, and what cannot be kept."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from cargoship.oci.digest import Digest
from cargoship.unitcache.builddir.fingerprints import environment_read, read_dep_info, read_fingerprint, relocated
from cargoship.unitcache.keys.file_digests import ALL, BUILD_DIR, NEVER, VARIABLE, FileDigests
from cargoship.unitcache.keys.refusal import NotKept

LONG_AGO_NS = 10**18


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def contents(root: Path, **env: str) -> FileDigests:
    return FileDigests(root, root / "target", env)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write(
        tmp_path,
        Cargo_dot_toml="",
        src__lib_dot_rs="1",
        sql__one_dot_sql="2",
        inner__Cargo_dot_toml='[package]\nname = "inner"\n',
        template__Cargo_dot_toml='[package]\nname = "template"\n',
        Cargo_dot_lock='[[package]]\nname = "inner"\nversion = "0.1.0"\n',
    )


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("sql/one.sql", True),
        ("sql/two.sql", True),
        ("src/lib.rs", True),
        ("src/more.rs", True),
        ("README.md", False),
        ("posts/one.md", True),
        ("template/data.txt", True),
        (".sqlx/query.json", True),
        (".env", True),
        (".gitignore", False),
        ("target/x", False),
        ("inner/data.txt", False),
        ("Cargo.toml", False),
    ],
)
def test_which_files_of_a_package_count(package: Path, path: str, *, counts: bool) -> None:
    before = contents(package)
    reported = before.digest(ALL + ".")
    (package / path).parent.mkdir(exist_ok=True)
    (package / path).write_text("changed")
    after = contents(package)
    assert (after.digest(ALL + ".") != reported) is counts


def test_a_package_has_the_digest_that_caches_know(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(
        root,
        **{
            "src/lib.rs": "lib", "src/a/b.rs": "b", "src/a.rs": "a", "src/a-b.rs": "c", "README.md": "not code",
            "nested/Cargo.toml": '[package]\nname = "other"\n', "nested/src/lib.rs": "its own",
            "vendored/.cargo-checksum.json": "{}", "vendored/lib.rs": "its own", "target/debug/made": "made",
            "Cargo.lock": '[[package]]\nname = "other"\nversion = "0.1.0"\n',
        },
    )  # fmt: skip
    (root / "empty").mkdir()
    (root / "src" / "link.rs").symlink_to("./a//b.rs")
    (root / "src" / "nowhere").symlink_to("nowhere")
    (root / "src" / "around").symlink_to("../src")
    digest = contents(root).digest(ALL + ".")
    # what older versions have kept is found by it
    assert digest == Digest("3b590daff656284b092950edef86e66a7fb82cedcb730e90386303afe1ed0a2a")


def test_a_package_that_changes_meanwhile_is_not_kept(package: Path) -> None:
    look = contents(package)
    look.remember([ALL + "."])
    future = 1 << 62
    assert look.unchanged(ALL + ".", future) == look.digest(ALL + ".")
    with pytest.raises(NotKept, match="newer"):
        look.unchanged(ALL + ".", LONG_AGO_NS)
    write(package, sql__two_dot_sql="3")
    look.forget()
    with pytest.raises(NotKept, match="newer"):
        look.unchanged(ALL + ".", future)


def test_a_file_must_be_older_than_what_was_made_from_it(package: Path) -> None:
    changed_ns = (package / "sql/one.sql").stat().st_mtime_ns
    assert contents(package).before("sql/one.sql", changed_ns + 1) == Digest.of(b"2")
    for time_ns in (changed_ns, changed_ns - 1):
        with pytest.raises(NotKept, match="changed while"):
            contents(package).before("sql/one.sql", time_ns)
    with pytest.raises(NotKept, match="not there"):
        contents(package).before("sql/none.sql", changed_ns + 1)
    with pytest.raises(NotKept, match="what is compiled lies in it"):
        contents(package).before(".", changed_ns + 1)


@pytest.mark.parametrize("link", [False, True])
def test_a_file_that_was_given_an_old_time_meanwhile_is_not_what_was_read(package: Path, *, link: bool) -> None:
    started_ns = (package / "sql/one.sql").stat().st_ctime_ns + 1
    # more than a kernel's clock for files may be behind
    time.sleep(0.02)
    if link:
        other = write(package, two="9") / "two"
        os.utime(other, ns=(5, 5))
        (package / "sql/one.sql").unlink()
        (package / "sql/one.sql").symlink_to(other)
    else:
        write(package, sql__one_dot_sql="3")
        os.utime(package / "sql/one.sql", ns=(5, 5))
    with pytest.raises(NotKept, match="changed while"):
        contents(package).before("sql/one.sql", started_ns)


@pytest.mark.parametrize("put", ["folder", "folder above", "folder that gets more", "link", "link of a link"])
def test_files_of_another_folder_that_was_put_in_the_place_meanwhile_are_not_what_was_read(
    tmp_path: Path, put: str
) -> None:
    """Renaming a folder leaves the times of all its files as they are."""
    root = tmp_path / "root"
    write(root, pkg__src__lib_dot_rs="1")
    write(tmp_path, other__src__lib_dot_rs="2", first__lib_dot_rs="1")
    (root / "linked").symlink_to("../current")
    (tmp_path / "current").symlink_to("first")
    # more than a kernel's clock for files may be behind
    time.sleep(0.02)
    started_ns = write(tmp_path, clock="").joinpath("clock").stat().st_ctime_ns
    for name in ("pkg/src/lib.rs", "linked/lib.rs"):
        assert contents(root).before(name, started_ns) == Digest.of(b"1")
    time.sleep(0.02)
    name = "pkg/src/lib.rs"
    if put == "folder above":
        (root / "pkg").rename(tmp_path / "old")
        (tmp_path / "other").rename(root / "pkg")
    elif put.startswith("folder"):
        (root / "pkg/src").rename(tmp_path / "old")
        (tmp_path / "other/src").rename(root / "pkg/src")
        if put == "folder that gets more":
            time.sleep(0.02)
            write(root, pkg__src__more_dot_rs="")
    elif put == "link":
        (root / "linked").unlink()
        (root / "linked").symlink_to("../other/src")
        name = "linked/lib.rs"
    else:
        (tmp_path / "current").unlink()
        (tmp_path / "current").symlink_to("other/src")
        name = "linked/lib.rs"
    look = contents(root)
    assert look.digest(name) == Digest.of(b"2")
    with pytest.raises(NotKept, match="changed while"):
        look.before(name, started_ns)


def test_a_file_that_comes_beside_others_meanwhile_changes_none_of_them(package: Path) -> None:
    time.sleep(0.02)
    started_ns = write(package, clock="").joinpath("clock").stat().st_ctime_ns + 1
    time.sleep(0.02)
    # an editor's, or what a script has made
    write(package, src__more_dot_rs="")
    assert contents(package).before("src/lib.rs", started_ns) == Digest.of(b"1")


def test_what_comes_into_the_workspace_and_beside_it_meanwhile_changes_none_of_its_files(tmp_path: Path) -> None:
    """The first build of all makes `target` in the one, and `.cache` in the other."""
    root = tmp_path / "home" / "shop"
    write(root, lib_dot_rs="1", src__lib_dot_rs="1")
    time.sleep(0.02)
    started_ns = write(tmp_path, clock="").joinpath("clock").stat().st_ctime_ns
    time.sleep(0.02)
    (root / "target").mkdir()
    (root.parent / ".cache").mkdir()
    for name in ("lib.rs", "src/lib.rs", str(root / "src/lib.rs")):
        assert contents(root).before(name, started_ns) == Digest.of(b"1")


def test_a_folder_counts_by_names_and_bytes(package: Path) -> None:
    reported = contents(package).digest("sql")
    (package / "sql/one.sql").rename(package / "sql/1.sql")
    assert contents(package).digest("sql") != reported
    assert contents(package).digest(".") is None, "the build directory is in it, and changes always"


def test_variables_and_places(tmp_path: Path) -> None:
    unset = contents(tmp_path).digest(VARIABLE + "X")
    empty = contents(tmp_path, X="").digest(VARIABLE + "X")
    assert len({unset, empty, contents(tmp_path, X="1").digest(VARIABLE + "X")}) == 3
    assert contents(tmp_path).digest(BUILD_DIR) != contents(tmp_path / "other").digest(BUILD_DIR)
    assert not contents(tmp_path).holds({NEVER: Digest.of(b"")})


def test_paths_are_relative_to_the_workspace_where_they_are_in_it(tmp_path: Path) -> None:
    look = contents(tmp_path)
    assert look.name(tmp_path / "a" / ".." / "b.rs") == "b.rs"
    assert look.name(Path("/usr/include/x.h")) == "/usr/include/x.h"


# as cargo 1.96 wrote it: src/main.rs of the package, a file in the build directory, and a variable
DEP_INFO = b"\1\0\0\0\xff\1\2\0\0\0\0\x0b\0\0\0src/main.rs\0\1\x0a\0\0\0debug/x.rs\0\1\0\0\0\4\0\0\0NAME\1\1\0\0\0v"


def test_dep_info_is_read() -> None:
    info = read_dep_info(DEP_INFO)
    assert (info.package, info.build, info.variables) == (("src/main.rs",), ("debug/x.rs",), ("NAME",))


# the same of a cargo that compares contents (-Zchecksum-freshness): the size and the checksum of each file
_SUM = b"\1\7\0\0\0\0\0\0\0\x0a\0\0\0sha256=abc"
CHECKED = DEP_INFO.replace(b"src/main.rs\0", b"src/main.rs" + _SUM).replace(b"debug/x.rs\0", b"debug/x.rs" + _SUM)


def test_dep_info_with_checksums_is_read_and_keeps_them_where_it_goes() -> None:
    assert read_dep_info(CHECKED) == read_dep_info(DEP_INFO)
    absolute = CHECKED.replace(b"\x0b\0\0\0src/main.rs", b"\x0a\0\0\0/w/b/x.txt").replace(
        b"\0\x0a\0\0\0/w", b"\1\x0a\0\0\0/w", 1
    )
    moved = relocated(absolute, "/w/a", "/w")
    assert moved.count(_SUM) == 2
    assert read_dep_info(moved).package == ("../b/x.txt",)


@pytest.mark.parametrize("cut", range(len(CHECKED)))
def test_dep_info_with_checksums_that_is_cut_off_is_not_guessed_at(cut: int) -> None:
    with pytest.raises(NotKept):
        read_dep_info(CHECKED[:cut])


@pytest.mark.parametrize("cut", range(len(DEP_INFO)))
def test_dep_info_that_is_cut_off_is_not_guessed_at(cut: int) -> None:
    with pytest.raises(NotKept):
        read_dep_info(DEP_INFO[:cut])


def test_dep_info_of_a_later_kind_is_not_guessed_at() -> None:
    with pytest.raises(NotKept):
        read_dep_info(DEP_INFO.replace(b"\xff\1", b"\xff\2", 1))
    with pytest.raises(NotKept):
        read_dep_info(DEP_INFO + b"\0")


@pytest.mark.parametrize("by_content", [False, True])
def test_fingerprints_are_read(tmp_path: Path, *, by_content: bool) -> None:
    (tmp_path / "lib-a").write_text("e456f41feec1335e")
    read = {"CheckDepInfo": {"dep_info": "d", "checksum": by_content}}
    named = [
        {"RerunIfChanged": {"output": "o", "paths": ["native.c"]}},
        {"RerunIfEnvChanged": {"var": "CC", "val": None}},
    ]
    reported = {"deps": [[1, "serde", False, 18446744073709551615]], "local": [read, *named]}
    (tmp_path / "lib-a.json").write_text(json.dumps(reported))
    found = read_fingerprint(tmp_path)
    assert found.hash == 6787982291859953380
    assert found.dependencies == (("serde", (1 << 64) - 1),)
    assert (found.dep_infos, found.changed, found.variables, found.by_time) == (("d",), ("native.c",), ("CC",), False)


@pytest.mark.parametrize(
    "text", ["", "{", '{"local":[{"New":1}]}', '{"local":[{"CheckDepInfo":{}}]}', '{"deps":[[1]]}']
)
def test_fingerprints_of_another_kind_are_not_guessed_at(tmp_path: Path, text: str) -> None:
    (tmp_path / "lib-a").write_text("e456f41feec1335e")
    (tmp_path / "lib-a.json").write_text(text)
    with pytest.raises(NotKept):
        read_fingerprint(tmp_path)


def test_what_a_compiler_has_read_of_the_environment() -> None:
    text = b"/t/a.d: src/lib.rs\n\n# env-dep:CARGO_MANIFEST_DIR=/w/a\n# env-dep:EMPTY=\n# env-dep:UNSET\n"
    assert environment_read(text) == {"CARGO_MANIFEST_DIR": "/w/a", "EMPTY": "", "UNSET": ""}
