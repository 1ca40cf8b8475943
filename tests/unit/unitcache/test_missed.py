"""Why a build was missed as a whole, learned from the kept build that is most like it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from cargoship.oci.digest import Digest
from cargoship.unitcache.builds import BuildKey, BuildRequest, build_key_of, nearest_build
from cargoship.unitcache.explain.missed import why_missed
from cargoship.unitcache.keys.file_digests import ALL, NEVER, VARIABLE, FileDigests
from cargoship.unitcache.keys.key import BuildEnvironment
from cargoship.unitcache.packs.index import BuildRecord, UnitIndex

TRIPLE = "x86_64-unknown-linux-gnu"
AROUND = BuildEnvironment(
    root="/w", rustc="rustc 1.96.0 (a 2026)\nhost: x", cargo="cargo 1.96.0", host=TRIPLE,
    libraries={TRIPLE: "aa"}, tools={TRIPLE: "zig 0.17"}, system="Linux",
    settings={TRIPLE: "RUSTFLAGS=aa"}, environment={TRIPLE: ""},
)  # fmt: skip


def lock(**versions: str) -> bytes:
    own = '[[package]]\nname = "app"\nversion = "0.1.0"\n\n'
    others = (
        f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = "registry"\n'
        for name, version in versions.items()
    )
    return (own + "\n".join(others)).encode()


ASKED = BuildRequest(("build", "--release"), "project", lock(itoa="1.0.17", serde="1.0.1"), b"[package]")


CRATES_IO = 'source = "registry+https://github.com/rust-lang/crates.io-index"'
OTHER_LOCK = ASKED.lock.replace(b'source = "registry"', b'source = "sparse+https://crates.example/"')


def kept(build_key: BuildKey, inputs: Mapping[str, Digest] | None = None, saved_at: int = 1) -> BuildRecord:
    return BuildRecord(build_key.key, (), {}, inputs or {}, saved_at, build_key.parts)


@pytest.mark.parametrize(
    ("now", "reasons"),
    [
        (
            build_key_of(AROUND, structs.replace(ASKED, lock=lock(itoa="1.0.18", hex="0.4.3"))),
            ("Cargo.lock: hex 0.4.3 more; itoa 1.0.18 instead of 1.0.17; serde 1.0.1 less",),
        ),
        (
            build_key_of(AROUND, structs.replace(ASKED, lock=ASKED.lock + b'checksum = "00"\n')),
            ("Cargo.lock: checksums, sources or dependencies of packages",),
        ),
        (
            build_key_of(AROUND, structs.replace(ASKED, words=("build", "--features", "x"))),
            ("options: --features x now, --release then",),
        ),
        (build_key_of(AROUND, structs.replace(ASKED, manifest=b"[package] ")), ("the workspace's Cargo.toml",)),
        (
            build_key_of(structs.replace(AROUND, rustc="rustc 1.97.0 (b 2026)\nhost: x"), ASKED),
            ("rustc: rustc 1.97.0 (b 2026) now, rustc 1.96.0 (a 2026) then",),
        ),
        (
            build_key_of(structs.replace(AROUND, settings={TRIPLE: "CARGO_INCREMENTAL=cc\nRUSTFLAGS=bb"}), ASKED),
            ("CARGO_INCREMENTAL", "RUSTFLAGS"),
        ),
        (
            build_key_of(structs.replace(AROUND, environment={TRIPLE: "CFLAGS=aa"}), ASKED),
            ("CFLAGS",),
        ),
        (
            build_key_of(structs.replace(AROUND, registries={"mine": "aa"}), structs.replace(ASKED, lock=OTHER_LOCK)),
            ("Cargo.lock: checksums, sources or dependencies of packages", "the registries in cargo's configuration"),
        ),
        (
            build_key_of(structs.replace(AROUND, registries={"mine": "aa"}, names_crates_io=True), ASKED),
            ("the registries in cargo's configuration",),
        ),
        (build_key_of(AROUND, ASKED, built={TRIPLE: "std-2"}), (f"the standard library {TRIPLE}",)),
    ],
    ids=[
        "versions",
        "checksums",
        "options",
        "manifest",
        "rustc",
        "settings",
        "environment",
        "registries",
        "crates.io",
        "library",
    ],
)
def test_the_part_that_differs_is_reported(tmp_path: Path, now: BuildKey, reasons: tuple[str, ...]) -> None:
    before = build_key_of(AROUND, ASKED)
    index = UnitIndex().with_plan(kept(before))
    assert why_missed(index, now, FileDigests(tmp_path, tmp_path / "target")) == reasons


def test_files_and_variables_are_reported_by_their_names(tmp_path: Path) -> None:
    build_key = build_key_of(AROUND, ASKED)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.rs").write_text("one")
    names = ("src/main.rs", f"{ALL}.", f"{VARIABLE}TOKEN", f"{VARIABLE}PATH")
    before = FileDigests(tmp_path, tmp_path / "target", {"TOKEN": "hunter2", "PATH": "x"})
    index = UnitIndex().with_plan(kept(build_key, {name: before.digest(name) or Digest.of(b"") for name in names}))
    (tmp_path / "src" / "main.rs").write_text("two")
    now = FileDigests(tmp_path, tmp_path / "target", {"TOKEN": "hunter3", "PATH": "x"})
    # the folder says no more than the file
    assert why_missed(index, build_key, now) == ("the file src/main.rs", "the variable TOKEN")
    (tmp_path / "src" / "main.rs").write_text("one")
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "one.sql").write_text("select 1")
    reported = why_missed(index, build_key, FileDigests(tmp_path, tmp_path / "target", before.env))
    assert reported == ("files of the workspace that belong to no package, which a macro or a build script may read",)


def test_of_several_the_nearest_is_compared(tmp_path: Path) -> None:
    before = build_key_of(AROUND, ASKED)
    far = build_key_of(structs.replace(AROUND, rustc="rustc 1.95.0", cargo="cargo 1.95.0"), ASKED)
    stranger = build_key_of(AROUND, structs.replace(ASKED, lock=ASKED.lock.replace(b"app", b"api")))
    index = UnitIndex()
    for number, each in enumerate((before, far, stranger)):
        index = index.with_plan(kept(each, saved_at=number))
    now = build_key_of(AROUND, structs.replace(ASKED, words=("build",)))
    assert nearest_build(index, now) == index.plans[before.key]
    assert why_missed(index, now, FileDigests(tmp_path, tmp_path)) == ("options: --release then",)


def test_there_is_always_a_reason(tmp_path: Path) -> None:
    build_key = build_key_of(AROUND, ASKED)
    contents = FileDigests(tmp_path, tmp_path / "target")
    assert why_missed(UnitIndex(), build_key, contents) == ("no build of these packages was kept yet",)
    failed = replace(kept(build_key, {NEVER: Digest.of(b"")}), key=Digest.of(b"other"))
    assert "failed" in why_missed(UnitIndex().with_plan(failed), build_key, contents)[0]
    gone = why_missed(UnitIndex().with_plan(kept(build_key)), build_key, contents)
    assert gone == ("its programs are not in the cache any more",)


def test_what_a_name_of_a_registry_stands_for_is_part_of_a_build_that_has_other_registries() -> None:
    """A local package that is no member, or one in a repository, may name it: the lock file alone is of before."""
    one, other = (structs.replace(AROUND, registries={"mine": digest}) for digest in ("aa", "bb"))
    asked = structs.replace(ASKED, lock=OTHER_LOCK)
    assert build_key_of(one, asked).key != build_key_of(other, asked).key
    plain = structs.replace(ASKED, lock=ASKED.lock.replace(b'source = "registry"', CRATES_IO.encode()))
    assert build_key_of(one, plain) == build_key_of(other, plain)
