"""What enters a unit's key, one change a row, and what must not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from cargoship.cargo.unit_graph import Dependency, Unit, UnitGraph
from cargoship.oci.digest import Digest
from cargoship.unitcache.keys.key import (
    LOCAL_ID,
    BuildEnvironment,
    LockedSources,
    base_of,
    differing,
    identity_of,
    is_pinned,
    key_of,
    name_of,
    nearest_parts,
    parts_of,
)

TRIPLE = "aarch64-unknown-linux-musl"
HOST = "x86_64-unknown-linux-gnu"
SERDE = "registry+https://github.com/rust-lang/crates.io-index#serde@1.0.203"
PROFILE: Mapping[str, Any] = {"name": "release", "opt_level": "3", "lto": "false", "debuginfo": 0, "panic": "unwind"}
AROUND = BuildEnvironment(
    root="/w",
    rustc="rustc 1.96.0",
    cargo="cargo 1.96.0",
    host=HOST,
    libraries={TRIPLE: "std-a", HOST: "std-h"},
    tools={TRIPLE: "zig 0.17", HOST: "cc 12"},
    system="Linux debian 12",
    settings={TRIPLE: "s", HOST: "h"},
    environment={TRIPLE: "e", HOST: "f"},
    manifests={"path+file:///w/app#0.1.0": "m"},
)
LOCK = LockedSources({SERDE: "abc"}, "/home/me/.cargo")
DEPENDENCY = Digest.of(b"dependency")

LIB = Unit(
    package_id=SERDE,
    kinds=("lib",),
    crate_types=("lib",),
    name="serde",
    source="/home/me/.cargo/registry/src/index/serde-1.0.203/src/lib.rs",
    edition="2021",
    mode="build",
    platform=TRIPLE,
    features=("derive", "std"),
    profile=PROFILE,
    dependencies=(Dependency("serde_derive", 1),),
)
RUN = replace(LIB, kinds=("custom-build",), crate_types=("bin",), name="build-script-build", mode="run-custom-build")
MACRO = replace(LIB, kinds=("proc-macro",), crate_types=("proc-macro",), platform=None)
APP = replace(
    LIB,
    package_id="path+file:///w/app#0.1.0",
    name="app",
    source="/w/app/src/main.rs",
    kinds=("bin",),
    crate_types=("bin",),
)
OTHER = replace(LIB, name="serde_derive", dependencies=())


def parts(
    unit: Unit, around: BuildEnvironment = AROUND, lock: LockedSources = LOCK, dependency: Digest = DEPENDENCY
) -> dict[str, str]:
    made = parts_of(UnitGraph((unit, OTHER), (0,)), 0, lock=lock, around=around, identities={1: dependency})
    assert made is not None
    return made


def profile(**changes: object) -> Callable[[Unit], Unit]:
    return lambda unit: replace(unit, profile={**unit.profile, **changes})


def unit_with(**changes: Any) -> Callable[[Unit], Unit]:  # noqa: ANN401 - as dataclasses.replace takes them
    return lambda unit: replace(unit, **changes)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (unit_with(package_id=SERDE.replace("203", "204")), "package"),
        (unit_with(source="/other/cargo/registry/src/index/serde-1.0.203/src/lib.rs"), "source"),
        (unit_with(name="serde2"), "target"),
        (unit_with(kinds=("rlib",)), "target"),
        (unit_with(crate_types=("rlib", "cdylib")), "target"),
        (unit_with(edition="2024"), "target"),
        (unit_with(mode="check"), "mode"),
        (unit_with(platform="riscv64gc-unknown-linux-musl"), "platform"),
        (unit_with(platform=None), "platform"),
        (unit_with(features=("derive",)), "features"),
        (unit_with(dependencies=(Dependency("renamed", 1),)), "dependency renamed serde"),
        (unit_with(dependencies=()), "dependency serde_derive serde"),
        (profile(opt_level="s"), "profile"),
        (profile(lto="thin"), "profile"),
        (profile(debuginfo=2), "profile"),
        (profile(panic="abort"), "profile"),
        (profile(strip={"resolved": {"Named": "symbols"}}), "profile"),
        (profile(codegen_units=1), "profile"),
        (profile(overflow_checks=True), "profile"),
        # -Ztrim-paths, and what cargos to come may add
        (profile(trim_paths=["object", "diagnostics"]), "profile"),
        (profile(hint_mostly_unused=True), "profile"),
        (profile(something_new={"of": ["a", "kind"]}), "profile"),
    ],
)
def test_what_the_unit_is_enters(change: Callable[[Unit], Unit], part: str) -> None:
    before, after = parts(LIB), parts(change(LIB))
    assert base_of(before) != base_of(after)
    assert part in differing(after, before)


@pytest.mark.parametrize(
    ("unit", "changes", "part"),
    [
        (LIB, {"rustc": "rustc 1.97.0"}, "rustc"),
        (LIB, {"cargo": "cargo 1.97.0"}, "cargo"),
        (LIB, {"libraries": {TRIPLE: "other"}}, "standard library"),
        (LIB, {"settings": {TRIPLE: "other"}}, "settings"),
        (RUN, {"environment": {TRIPLE: "other"}}, "environment"),
        (RUN, {"tools": {TRIPLE: "zig 0.18"}}, "tools"),
        (RUN, {"system": "Linux debian 13"}, "system"),
        (MACRO, {"system": "Linux debian 13"}, "system"),
        (MACRO, {"tools": {HOST: "cc 13"}}, "tools"),
        (APP, {"tools": {TRIPLE: "zig 0.18"}}, "tools"),
        (APP, {"manifests": {APP.package_id: "other"}}, "manifest"),
    ],
)
def test_what_is_around_the_unit_enters(unit: Unit, changes: dict[str, Any], part: str) -> None:
    assert differing(parts(unit, structs.replace(AROUND, **changes)), parts(unit)) == (part,)


def test_the_checksum_and_the_content_of_dependencies_enter() -> None:
    assert differing(parts(LIB, lock=LockedSources({SERDE: "def"}, LOCK.home)), parts(LIB)) == ("checksum",)
    assert differing(parts(LIB, dependency=Digest.of(b"2")), parts(LIB)) == ("dependency serde_derive serde",)


@pytest.mark.parametrize(
    ("unit", "changes"),
    [
        (LIB, {"libraries": {TRIPLE: "std-a", HOST: "other"}}),
        (LIB, {"tools": {TRIPLE: "other", HOST: "other"}}),
        (LIB, {"system": "Linux debian 13"}),
        (LIB, {"environment": {TRIPLE: "other"}}),
        (LIB, {"settings": {TRIPLE: "s", HOST: "other"}}),
        (LIB, {"manifests": {APP.package_id: "other"}}),
        (LIB, {"root": "/elsewhere"}),
        (MACRO, {"settings": {TRIPLE: "other", HOST: "h"}, "libraries": {HOST: "std-h"}}),
    ],
)
def test_what_does_not_matter_to_a_unit_does_not_enter(unit: Unit, changes: dict[str, Any]) -> None:
    assert parts(unit, structs.replace(AROUND, **changes)) == parts(unit)


def test_a_workspace_may_move() -> None:
    moved = replace(APP, package_id="path+file:///elsewhere/app#0.1.0", source="/elsewhere/app/src/main.rs")
    around = structs.replace(AROUND, root="/elsewhere", manifests={moved.package_id: "m"})
    assert parts(moved, around) == parts(APP)
    at_root = replace(APP, package_id="path+file:///w#app@0.1.0", source="/w/src/main.rs")
    moved = replace(APP, package_id="path+file:///elsewhere#app@0.1.0", source="/elsewhere/src/main.rs")
    assert parts(moved, structs.replace(around, manifests={})) == parts(at_root, structs.replace(AROUND, manifests={}))


def test_a_folder_may_have_brackets_in_its_name() -> None:
    for text in ("path+file:///w/a%20(1)#app@0.1.0", "app 0.1.0 (path+file:///w/a%20(1))", "path+file:///w/a%20(1)"):
        found = LOCAL_ID.search(text)
        assert found is not None
        assert found["path"] == "/w/a%20(1)"


def test_a_workspace_with_debug_information_may_not() -> None:
    debugged = profile(debuginfo=2)(APP)
    moved = replace(debugged, package_id="path+file:///elsewhere/app#0.1.0", source="/elsewhere/app/src/main.rs")
    around = structs.replace(AROUND, root="/elsewhere", manifests={moved.package_id: "m"})
    assert differing(parts(moved, around), parts(debugged)) == ("workspace",)


def test_the_order_of_features_and_of_the_profile_s_fields_does_not_matter() -> None:
    turned = replace(LIB, features=("std", "derive"), profile=dict(reversed(list(PROFILE.items()))))
    assert parts(turned) == parts(LIB)
    assert base_of(dict(reversed(list(parts(LIB).items())))) == base_of(parts(LIB))


def test_two_dependencies_of_one_name_are_two_parts() -> None:
    twice = replace(LIB, dependencies=(Dependency("serde_derive", 1), Dependency("serde_derive", 2)))
    graph = UnitGraph((twice, OTHER, OTHER), (0,))
    one, two = Digest.of(b"1"), Digest.of(b"2")

    def with_(first: Digest, second: Digest) -> Digest:
        made = parts_of(graph, 0, lock=LOCK, around=AROUND, identities={1: first, 2: second})
        assert made is not None
        return base_of(made)

    assert len({with_(one, one), with_(one, two), with_(two, one), with_(two, two)}) == 4


def test_without_a_dependency_s_identity_there_is_no_key() -> None:
    assert parts_of(UnitGraph((LIB, OTHER), (0,)), 0, lock=LOCK, around=AROUND, identities={}) is None


def test_inputs_and_output_make_other_digests() -> None:
    base = base_of(parts(LIB))
    plain = key_of(base, {})
    read = key_of(base, {"src/lib.rs": Digest.of(b"1")})
    assert (
        len({plain, read, key_of(base, {"src/lib.rs": Digest.of(b"2")}), key_of(base, {"src": Digest.of(b"1")})}) == 4
    )
    assert identity_of(plain, Digest.of(b"1")) != identity_of(plain, Digest.of(b"2"))
    assert identity_of(plain, Digest.of(b"1")) != identity_of(read, Digest.of(b"1"))


def test_only_what_the_lock_file_pins_cannot_change() -> None:
    assert is_pinned(LIB, LOCK)
    assert not is_pinned(LIB, LockedSources({}))
    assert not is_pinned(APP, LockedSources({APP.package_id: "abc"}, LOCK.home))
    # vendored: people patch such sources
    assert not is_pinned(replace(LIB, source="/w/vendor/serde/src/lib.rs"), LOCK)


def test_a_miss_is_explained_by_the_nearest() -> None:
    far = {**parts(LIB), "rustc": "rustc 1.80.0", "features": "none"}
    near = {**parts(LIB), "features": "none"}
    found = nearest_parts(parts(LIB), [far, near])
    assert found == near
    assert differing(parts(LIB), near) == ("features",)


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        (LIB, f"serde 1.0.203 lib {TRIPLE}"),
        (RUN, f"serde 1.0.203 build script run {TRIPLE}"),
        (MACRO, f"serde 1.0.203 proc-macro {HOST}"),
        (replace(LIB, mode="check"), f"serde 1.0.203 lib (check) {TRIPLE}"),
        (APP, f"app 0.1.0 bin {TRIPLE}"),
    ],
)
def test_units_have_names_for_people(unit: Unit, name: str) -> None:
    assert name_of(unit, HOST) == name
