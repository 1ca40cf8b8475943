"""The files that a recipe becomes: manifests, the lock file, and a dummy for every target's root source file."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from pathlib import Path

from cargoship.errors import ManifestInvalid, RecipeInvalid, WouldOverwrite
from cargoship.oci.files import write_atomically, writing
from cargoship.reading import is_file, is_there, read_utf8, real_path
from cargoship.recipe.document import Table, canonical, parse, tables
from cargoship.recipe.model import MANIFEST, CargoManifest, CargoTarget, Lib, Recipe

HEADER = "# Written by `cargoship recipe cook` from a recipe; the project's own file takes its place.\n"
TOOLCHAIN_FILES = {"Bare": "rust-toolchain", "Toml": "rust-toolchain.toml"}

_PANIC = "#[panic_handler]\nfn panic(_: &core::panic::PanicInfo) -> ! {\n    loop {}\n}\n"
_MAIN = "fn main() {}\n"
_EMPTY = ""
_NO_STD_LIB = "#![no_std]\n"
_NO_STD_MAIN = "#![no_std]\n#![no_main]\n\n" + _PANIC
_NO_STD_HARNESS = (
    "#![no_std]\n#![no_main]\n#![feature(custom_test_frameworks)]\n#![test_runner(run)]\n\n"
    '#[no_mangle]\npub extern "C" fn _init() {}\n\nfn run(_: &[&dyn Fn()]) {}\n\n' + _PANIC
)
_DUMMIES = frozenset(text.strip() for text in (_MAIN, _EMPTY, _NO_STD_LIB, _NO_STD_MAIN, _NO_STD_HARNESS))

# A lint that a dummy's manifest has and a real one has not: cargo compiles a package again when its lints change. If
# a dummy's artifact survives (a machine that loses power while it cooks into a volume), it is stale for cargo.
_STALE_MARK = {"rust": {"unused_labels": {"level": "allow", "priority": -77}}}


def skeleton_files(recipe: Recipe, *, no_std: bool = False) -> dict[str, str]:
    """Every file by its path relative to the root; raises RecipeInvalid for a manifest that is no TOML."""
    skeleton = recipe.skeleton
    files: dict[str, str] = {}
    for manifest in skeleton.manifests:
        document = _parsed(manifest)
        if "package" in document and "lints" not in document:
            document["lints"] = _STALE_MARK
        files[manifest.relative_path] = HEADER + canonical(document)
        for target in manifest.targets:
            files[manifest.source(target)] = _dummy(target, document, no_std=no_std)
    if skeleton.lock_file is not None:
        files["Cargo.lock"] = skeleton.lock_file
    if skeleton.config_file is not None:
        files[".cargo/config.toml"] = skeleton.config_file
    files |= skeleton.files or {}
    if skeleton.rust_toolchain_file is not None:
        kind, text = skeleton.rust_toolchain_file
        files[TOOLCHAIN_FILES[kind]] = text
    return files


def check_free(root: Path, files: Mapping[str, str]) -> None:
    """Raise WouldOverwrite when one of the files is there and is not what an earlier cook has written."""
    cooked_before = _read(root / MANIFEST, HEADER)
    theirs = [path for path, text in files.items() if not _may_take(root / path, text, cooked_before=cooked_before)]
    if theirs:
        more = f" and {len(theirs) - 1} more" if len(theirs) > 1 else ""
        raise WouldOverwrite(
            f"{root / min(theirs)}{more} would be overwritten by a dummy",
            hint="cook in an empty folder that holds only the recipe, or overwrite with --force",
        )


def write_files(root: Path, files: Mapping[str, str]) -> None:
    """Write them; raises OutputError, and RecipeInvalid where a link would lead out of the root."""
    inside = real_path(root)
    for path, text in files.items():
        target = root / path
        # before a folder is made: a link above it would have it made elsewhere
        with writing(target):
            is_inside = real_path(target.parent).is_relative_to(inside)
        if not is_inside:
            raise RecipeInvalid(f"{target.parent} is a link that leads out of {root}")
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, text.encode())
        if text.startswith("#!"):
            with writing(target):
                target.chmod(0o755)


def _parsed(manifest: CargoManifest) -> Table:
    try:
        return parse(manifest.contents, Path(manifest.relative_path))
    except ManifestInvalid as error:
        raise RecipeInvalid(f"the recipe's manifest {manifest.relative_path} is no TOML: {error.message}") from error


def _dummy(target: CargoTarget, manifest: Table, *, no_std: bool) -> str:
    match target.kind:
        case Lib(facts=facts):
            return _NO_STD_LIB if no_std and not facts.is_proc_macro else _EMPTY
        case "BuildScript":
            return _MAIN
        case "Bin" | "Example":
            return _NO_STD_MAIN if no_std else _MAIN
        case "Test" | "Bench":
            has_harness = _has_harness(target, manifest)
            if no_std:
                return _NO_STD_HARNESS if has_harness else _NO_STD_MAIN
            return _EMPTY if has_harness else _MAIN


def _has_harness(target: CargoTarget, manifest: Table) -> bool:
    written = tables(manifest.get("test" if target.kind == "Test" else "bench"))
    return next((each.get("harness", True) is not False for each in written if each.get("name") == target.name), True)


def _may_take(path: Path, text: str, *, cooked_before: bool) -> bool:
    if not is_there(path) and not os.path.islink(path):  # noqa: PTH114 - takes what no file can be called
        return True
    if not is_file(path):
        return False
    try:
        there = read_utf8(path)
    except (OSError, UnicodeDecodeError):
        return False
    if there == text or there.startswith(HEADER):
        return True
    if path.name == MANIFEST:
        return False
    own = posixpath.basename(path.as_posix()) in {"Cargo.lock", "config.toml", *TOOLCHAIN_FILES.values()}
    return cooked_before if own else there.strip() in _DUMMIES


def _read(path: Path, start: str) -> bool:
    try:
        with path.open(encoding="utf-8") as stream:
            return stream.read(len(start)) == start
    except (OSError, UnicodeDecodeError):
        return False
