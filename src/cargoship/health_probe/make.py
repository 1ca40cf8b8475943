"""The probe of health checks, compiled by the toolchain that compiles programs, always with musl, and kept.

A folder's name stands for all that goes into it. The user's flags, profiles and wrappers have no say, so that the same
toolchain gives the same bytes in every project.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path

from msgspec.structs import replace

from cargoship.cargo.above import check_owners
from cargoship.context import Context
from cargoship.errors import OutputError
from cargoship.events import Level, Note
from cargoship.image_inputs import ImageInputs
from cargoship.image_layers import asks_by_probe
from cargoship.oci.digest import Digest
from cargoship.oci.files import Taken, atomic_folder
from cargoship.oci.platform import Platform
from cargoship.platforms import Libc, LibcFamily, row
from cargoship.process import Command
from cargoship.scratch import scratch
from cargoship.toolchain.locate import Foreseen, Toolchain, Wanted, foresee_toolchain

_NAME = "cargoship-probe"
_SOURCE = "probe.rs"
_FORMAT = "1"
_MANIFEST = f"""[package]
name = "{_NAME}"
version = "0.0.0"
edition = "2021"

[workspace]

[profile.release]
opt-level = "z"
lto = true
codegen-units = 1
panic = "abort"
strip = true
"""
# what the user has set for the programs is not for this one
_NOT_INHERITED = (
    "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_INCREMENTAL", "CARGO_TARGET_", "CARGO_PROFILE_", "CARGO_BUILD_",
    "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER",
)  # fmt: skip

Find = Callable[[Wanted, Context], Toolchain]
"""Finds the toolchain, or makes what it lacks."""
Bring = Callable[[Iterable[Path]], object]
"""Puts those of some folders in their places that a cache has."""


def with_probes(
    sources: Sequence[ImageInputs], wanted: Wanted, context: Context, *, find: Find, bring: Bring = tuple
) -> tuple[list[ImageInputs], tuple[Path, ...]]:
    """What images are made of, with the probes that their health checks ask by; and the folders that those are kept in.

    Raises as `probes_for` does.
    """
    if not any(asks_by_probe(own.image) for own in sources):
        return list(sources), ()
    probes = probes_for(wanted, context, find=find, bring=bring)
    made = [replace(own, probes=probes) if asks_by_probe(own.image) else own for own in sources]
    return made, tuple(path.parent for path in probes.values())


def probes_for(wanted: Wanted, context: Context, *, find: Find, bring: Bring) -> Mapping[Platform, Path]:
    """The probe for each platform of Linux, brought or made if need be.

    Raises ToolchainError's family, CompileFailed, OutputError, and PlatformUnknown for a platform without musl.
    """
    from cargoship.toolchain.marks import mark_used

    # WebAssembly's runtimes start nothing beside a program
    platforms = tuple(platform for platform in wanted.platforms if not row(platform).is_wasm)
    if not platforms:
        return {}
    static = replace(wanted, platforms=platforms, libc=Libc(LibcFamily.MUSL))
    foreseen = foresee_toolchain(static, runner=context.runner, env=context.env)
    if foreseen is None:
        # what is not there is added by rustup
        find(static, context)
        foreseen = foresee_toolchain(static, runner=context.runner, env=context.env)
    if foreseen is None:  # pragma: no cover - the toolchain was found a moment ago
        raise OutputError("the toolchain for the health probe changes while it is looked for", hint="build again")
    places = {entry.platform: _place(foreseen, triple, wanted.cache_dir) for triple, entry in foreseen.pairs}
    if not all(each.is_file() for each in places.values()):
        bring(each.parent for each in places.values())
    lacking = tuple(at for at, place in places.items() if not place.is_file())
    if lacking:
        bring(foreseen.built.values())
        _make(replace(static, platforms=lacking), places, context, find)
    mark_used(*(each.parent for each in places.values()))
    return places


def _place(foreseen: Foreseen, triple: str, cache_dir: Path) -> Path:
    built = foreseen.built.get(triple)
    parts = (
        _FORMAT, _source(), _MANIFEST, foreseen.rust.version, foreseen.zig.version, foreseen.way.value,
        "" if built is None else built.name,
    )  # fmt: skip
    return cache_dir / "probes" / f"{triple}-{Digest.of(chr(0).join(parts).encode()).short}" / _NAME


def _source() -> str:
    return (resources.files(__package__) / _SOURCE).read_text(encoding="utf-8")


def _make(wanted: Wanted, places: Mapping[Platform, Path], context: Context, find: Find) -> None:
    from cargoship.cargo.failure import failure_of
    from cargoship.cargo.watch import watch_cargo
    from cargoship.toolchain.invocation import open_invocation

    toolchain = find(wanted, context)
    names = ", ".join(map(str, wanted.platforms))
    context.emit(Note(f"making the health probe for {names} (once, kept in the cache)", Level.VERBOSE))
    clean = {name: value for name, value in context.env.items() if not name.startswith(_NOT_INHERITED)}
    with (
        scratch("cargoship-") as folder,
        open_invocation(toolchain, clean, cache_dir=wanted.cache_dir, emit=context.emit) as cargo,
    ):
        check_owners(folder, context.env)
        (folder / "Cargo.toml").write_text(_MANIFEST)
        (folder / "src").mkdir()
        (folder / "src" / "main.rs").write_text(_source(), encoding="utf-8")
        targets = [word for triple in cargo.triples for word in ("--target", triple)]
        words = ("--release", "--offline", "--target-dir", str(folder / "target"), *targets)
        # one that is named is taken instead of what lies in configuration files
        env = {**cargo.env, "CARGO_ENCODED_RUSTFLAGS": "-Cdebuginfo=0"}
        command = Command((str(cargo.program), cargo.subcommand, *words), cwd=folder, env=env)
        done = watch_cargo(context.runner, command, context.emit)
        if done.code != 0:
            raise failure_of(done.code, done.stderr)
        try:
            for target in toolchain.targets:
                with atomic_folder(places[target.platform].parent, taken=Taken.REPLACE) as made:
                    shutil.copyfile(folder / "target" / target.triple / "release" / _NAME, made / _NAME)
                    (made / _NAME).chmod(0o755)
        except OSError as error:
            raise OutputError(
                f"cannot keep the health probe in {wanted.cache_dir}: {error.strerror or error}",
                hint="name another folder with CARGOSHIP_CACHE_DIR",
            ) from error
