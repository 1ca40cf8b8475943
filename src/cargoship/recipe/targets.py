"""A package's targets, those that cargo infers included. Pure: the files are in a `FolderListing`.

Rules: https://doc.rust-lang.org/cargo/reference/cargo-targets.html#target-auto-discovery, and for what the page does
not tell, cargo's behaviour; the tests ask cargo.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from cargoship.errors import ManifestInvalid
from cargoship.recipe.document import Table, as_table, as_texts, tables
from cargoship.recipe.listing import FolderListing
from cargoship.recipe.model import CargoTarget, Lib, LibFacts, Word

LISTS: dict[str, Word] = {"bin": "Bin", "example": "Example", "test": "Test", "bench": "Bench"}
"""The arrays of tables in a manifest, and what they hold."""
# cargo's older keys, which it still takes
_OLD_KEYS = {"proc-macro": "proc_macro", "crate-type": "crate_type"}


def explicit(manifest: Table, listing: FolderListing, *, edition: str) -> Table:
    """Return the manifest with every target written out: name and path of each, inferred ones included.

    `edition` is the package's, inherited or not. Raises ManifestInvalid for a target without a file.
    """
    package = as_table(manifest.get("package"))
    name = str(package.get("name", ""))
    made = dict(manifest)
    lib = _library(manifest, name, listing, edition)
    if lib is not None:
        made["lib"] = lib
    for key in LISTS:
        found = _targets(key, manifest, listing, edition, has_lib=lib is not None)
        if found:
            made[key] = found
        else:
            made.pop(key, None)
    script = package.get("build")
    if script is True or (script is None and listing.build_script):
        made["package"] = {**package, "build": "build.rs"}
    return made


def targets_of(manifest: Table) -> tuple[CargoTarget, ...]:
    """The targets of a manifest that has them written out, in a recipe's order."""
    found = []
    if "lib" in manifest:
        lib = as_table(manifest["lib"])
        is_proc_macro = bool(_either(lib, "proc-macro")) or _either(lib, "crate-type") == ["proc-macro"]
        found.append(CargoTarget(lib["path"], Lib(LibFacts(is_proc_macro)), lib["name"]))
    for key, kind in LISTS.items():
        found += [CargoTarget(each["path"], kind, each["name"]) for each in tables(manifest.get(key))]
    scripts = as_table(manifest.get("package")).get("build")
    for script in [scripts] if isinstance(scripts, str) else as_texts(scripts):
        stem = script.rpartition("/")[2].rpartition(".")
        found.append(CargoTarget(script, "BuildScript", f"build-script-{stem[0] or stem[2]}"))
    return tuple(sorted(found, key=lambda target: target.order))


def _either(values: Table, key: str) -> Any:  # noqa: ANN401 - whatever stands there
    return values.get(key, values.get(_OLD_KEYS[key]))


def _library(manifest: Table, package: str, listing: FolderListing, edition: str) -> Table | None:
    written = manifest.get("lib")
    there = "lib.rs" in listing.src
    if written is None and (not there or as_table(manifest.get("package")).get("autolib") is False):
        return None
    lib = dict(as_table(written))
    lib.setdefault("name", package.replace("-", "_"))
    if "path" not in lib:
        legacy = f"{lib['name']}.rs"
        if there:
            lib["path"] = "src/lib.rs"
        elif edition == "2015" and legacy in listing.src:
            lib["path"] = f"src/{legacy}"
        else:
            raise ManifestInvalid(f"package {package!r} has a [lib], but neither a src/lib.rs nor lib.path")
    return _checked(lib, "[lib]")


def _checked(target: Table, what: str) -> Table:
    for key in ("name", "path"):
        if not isinstance(target[key], str):
            raise ManifestInvalid(f"{what} has a {key} that is no text: {target[key]!r}")
    return target


def _targets(key: str, manifest: Table, listing: FolderListing, edition: str, *, has_lib: bool) -> list[Table]:
    package = as_table(manifest.get("package"))
    inferred = _inferred(key, str(package.get("name", "")), listing)
    automatic = package.get({"bin": "autobins", "bench": "autobenches"}.get(key, f"auto{key}s"))
    written = tables(manifest.get(key))
    found = [_with_path(each, key, inferred, listing, edition, has_lib=has_lib) for each in written]
    names = {each["name"] for each in written}
    # cargo compares them as paths: `./benches/x.rs` is `benches/x.rs`, and `a/../benches/x.rs` is another
    paths = {PurePosixPath(path) for each in written if isinstance(path := each.get("path"), str)}
    if automatic is None:
        automatic = key not in manifest or edition != "2015"
    if automatic:
        found += [
            {"name": name, "path": path}
            for name, path in inferred
            if name not in names and PurePosixPath(path) not in paths
        ]
    # the order of a directory's entries must not show
    return sorted(found, key=lambda each: (str(each.get("path")), str(each.get("name"))))


def _inferred(key: str, package: str, listing: FolderListing) -> list[tuple[str, str]]:
    match key:
        case "bin":
            main = [(package, "src/main.rs")] if "main.rs" in listing.src else []
            return [*main, *listing.bins]
        case "example":
            return list(listing.examples)
        case "test":
            return list(listing.tests)
        case _:
            return list(listing.benches)


def _with_path(
    written: Table, key: str, inferred: list[tuple[str, str]], listing: FolderListing, edition: str, *, has_lib: bool
) -> Table:
    name = written.get("name")
    if not isinstance(name, str):
        raise ManifestInvalid(f"a [[{key}]] has no name")
    if "path" in written:
        return _checked(written, f"[[{key}]]")
    candidates = [path for known, path in inferred if known == name]
    if len(candidates) == 1:
        return {**written, "path": candidates[0]}
    legacy = _legacy(key, name, listing, has_lib=has_lib) if edition == "2015" else None
    if legacy is None:
        raise ManifestInvalid(
            f"[[{key}]] {name!r} has {len(candidates) or 'no'} files at the default paths, and no path"
        )
    return {**written, "path": legacy}


def _legacy(key: str, name: str, listing: FolderListing, *, has_lib: bool) -> str | None:
    """Where cargo still looks for targets of the 2015 edition."""
    if key == "bench":
        return "src/bench.rs" if name == "bench" and "bench.rs" in listing.src else None
    if key != "bin":
        return None
    if not has_lib and f"{name}.rs" in listing.src:
        return f"src/{name}.rs"
    if "main.rs" in listing.src:
        return "src/main.rs"
    return "src/bin/main.rs" if "main.rs" in listing.bin_names else None
