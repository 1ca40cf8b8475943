"""Which folder of the build directory is that of which unit, where cargo's messages alone do not say it."""

from __future__ import annotations

import json
from pathlib import Path

from cargoship.cargo.messages import Artifact, BuildScriptRun, Profile
from cargoship.cargo.unit_graph import Dependency, Unit, UnitGraph
from cargoship.unitcache.builddir.layout import BuildDir
from cargoship.unitcache.builddir.matching import match

CRATE = "registry+https://github.com/rust-lang/crates.io-index#unicase@2.6.0"
APP = "path+file:///work#app@0.1.0"


def hash_of(number: int) -> str:
    return f"{number:016x}"


def folder(root: Path, package: str, number: int, *dependencies: int) -> None:
    """A unit's fingerprint; its folder and its fingerprint have one number, which cargo does not promise."""
    place = root / f"release/.fingerprint/{package}-{hash_of(number)}"
    place.mkdir(parents=True)
    deps = [[0, "x", False, each] for each in dependencies]
    (place / f"lib-{package}.json").write_text(json.dumps({"deps": deps, "local": []}))
    (place / f"lib-{package}").write_text(number.to_bytes(8, "little").hex())


def library(root: Path, package_id: str, name: str, number: int, opt_level: str) -> Artifact:
    file = root / f"release/deps/lib{name}-{hash_of(number)}.rlib"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    profile = Profile(opt_level=opt_level)
    return Artifact(package_id, name, ("lib",), fresh=False, executable=None, filenames=(file,), profile=profile)


def unit(package_id: str, name: str, mode: str, opt_level: str, *dependencies: int) -> Unit:
    kinds = ("custom-build",) if mode == "run-custom-build" else ("lib",)
    needs = tuple(Dependency("x", each) for each in dependencies)
    return Unit(package_id, kinds, kinds, name, "src/lib.rs", "2021", mode, None, (), {"opt_level": opt_level}, needs)


def run_of(root: Path, number: int) -> BuildScriptRun:
    return BuildScriptRun(CRATE, root / f"release/build/unicase-{hash_of(number)}/out")


def host_and_target(root: Path, *, reported_apart: bool) -> tuple[UnitGraph, list[Artifact | BuildScriptRun], BuildDir]:
    """A crate whose build script runs for the host and for the target of a build without --target."""
    for number, needs in ((1, ()), (2, ()), (3, (1,)), (4, (2,))):
        folder(root, "unicase", number, *needs)
    host = "0" if reported_apart else "3"
    units = (
        unit(CRATE, "build-script-build", "run-custom-build", "0"),
        unit(CRATE, "build-script-build", "run-custom-build", "0"),
        unit(CRATE, "unicase", "build", host, 0),
        unit(CRATE, "unicase", "build", "3", 1),
    )
    messages: list[Artifact | BuildScriptRun] = [
        run_of(root, 2),
        run_of(root, 1),
        library(root, CRATE, "unicase", 3, host),
        library(root, CRATE, "unicase", 4, "3"),
    ]
    return UnitGraph(units, (2, 3)), messages, BuildDir.scan(root)


def test_runs_of_one_build_script_for_host_and_target_are_distinguished_by_their_users(tmp_path: Path) -> None:
    found = match(*host_and_target(tmp_path, reported_apart=True))
    assert {index: int(each.folder.hash, 16) for index, each in found.found.items()} == {0: 1, 1: 2, 2: 3, 3: 4}
    assert found.missing == {}


def test_what_nothing_tells_apart_is_not_guessed(tmp_path: Path) -> None:
    found = match(*host_and_target(tmp_path, reported_apart=False))
    assert found.found == {}
    assert set(found.missing) == {0, 1, 2, 3}
    assert not found.unsaid


def alike(root: Path, said: tuple[str, str]) -> tuple[UnitGraph, list[Artifact | BuildScriptRun], BuildDir]:
    """Two runs of one build script with equal fingerprints, as icu_properties_data has them, and what they said."""
    for number, words in zip((1, 2), said, strict=True):
        folder(root, "unicase", number)
        (root / f"release/.fingerprint/unicase-{hash_of(number)}/lib-unicase").write_text(
            (9).to_bytes(8, "little").hex()
        )
        out = root / f"release/build/unicase-{hash_of(number)}/out"
        out.mkdir(parents=True)
        (out.parent / "output").write_text(words.format(out=out))
    for number in (3, 4):
        folder(root, "unicase", number, 9)
    units = (
        unit(CRATE, "build-script-build", "run-custom-build", "0"),
        unit(CRATE, "build-script-build", "run-custom-build", "0"),
        unit(CRATE, "unicase", "build", "0", 0),
        unit(CRATE, "unicase", "build", "3", 1),
    )
    messages: list[Artifact | BuildScriptRun] = [
        run_of(root, 2),
        run_of(root, 1),
        library(root, CRATE, "unicase", 3, "0"),
        library(root, CRATE, "unicase", 4, "3"),
    ]
    return UnitGraph(units, (2, 3)), messages, BuildDir.scan(root)


def test_runs_that_came_to_the_same_stand_for_each_other(tmp_path: Path) -> None:
    """What used the url crate for host and target was never kept by `cargoship cargo` without --target."""
    words = "warming up\ncargo::rustc-env=HERE={out}\n"
    found = match(*alike(tmp_path, (words, words.replace("up", "down"))))
    assert {index: int(each.folder.hash, 16) for index, each in found.found.items()} == {0: 1, 1: 2, 2: 3, 3: 4}
    assert found.missing == {}


def test_runs_that_said_or_wrote_something_else_do_not(tmp_path: Path) -> None:
    found = match(*alike(tmp_path / "said", ("cargo::rustc-cfg=a\n", "cargo::rustc-cfg=b\n")))
    assert set(found.missing) == {0, 1}
    wrote = alike(tmp_path / "wrote", ("", ""))
    (tmp_path / f"wrote/release/build/unicase-{hash_of(1)}/out/made.rs").touch()
    assert set(match(*wrote).missing) == {0, 1}
