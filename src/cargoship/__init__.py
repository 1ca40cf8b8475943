"""Turn a Cargo project into a multi-architecture container image: no Docker, no Dockerfile.

    import cargoship

    result = cargoship.build("path/to/project", tags=["ghcr.io/me/app:1.0"], push=True)
    print(result.images[0].reference)  # ghcr.io/me/app@sha256:...

`build` compiles, `pack` takes binaries that exist, `plan_build` only decides, `licenses` says which licences would be
compiled. `inspect` looks at any image, `sbom` tells what it is made of, `diff` looks at two of them, `copy` and
`merge` work on images in registries, `rebase` puts a new base under one, `rebuild` makes one again. `pin_base` gives
bases their digests, `doctor` looks at the toolchain. All of them raise `CargoshipError` or one of its families, and
tell what happens through `emit`. Importing this package imports nothing else: the rest is loaded with the first call.
"""

from __future__ import annotations

from cargoship.version import __version__

# as `typing` has it, which takes as long to load as the interpreter: the command is not deaf to Ctrl-C for that
TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from typing import Any, Unpack

    from cargoship.calls import Options, Surroundings
    from cargoship.destinations import Published
    from cargoship.errors import CargoshipError
    from cargoship.events import Event
    from cargoship.images.comparing.difference import Comparison
    from cargoship.images.inspection import Inspection
    from cargoship.images.rebasing.rebase import Rebased
    from cargoship.images.sboms import FoundSbom
    from cargoship.images.signatures import SignatureReport
    from cargoship.images.verification import Examination
    from cargoship.licensing import LicenseSurvey
    from cargoship.oci.digest import Digest
    from cargoship.oci.platform import Platform
    from cargoship.oci.reference import Reference
    from cargoship.pins import PinnedBase
    from cargoship.plan import Plan
    from cargoship.rebuilding.rebuild import Rebuilt
    from cargoship.shipping import BuildResult, BuiltImage
    from cargoship.toolchain.diagnose import Diagnosis

__all__ = [
    "BuildResult",
    "BuiltImage",
    "CargoshipError",
    "Comparison",
    "Diagnosis",
    "Digest",
    "Event",
    "Examination",
    "FoundSbom",
    "Inspection",
    "LicenseSurvey",
    "Options",
    "PinnedBase",
    "Plan",
    "Platform",
    "Published",
    "Rebased",
    "Rebuilt",
    "Reference",
    "SignatureReport",
    "Surroundings",
    "__version__",
    "build",
    "copy",
    "diff",
    "doctor",
    "inspect",
    "licenses",
    "merge",
    "pack",
    "pin_base",
    "plan_build",
    "rebase",
    "rebuild",
    "sbom",
    "verify",
    "verify_signatures",
]

_HOME = {
    "BuildResult": "cargoship.shipping",
    "BuiltImage": "cargoship.shipping",
    "CargoshipError": "cargoship.errors",
    "Comparison": "cargoship.images.comparing.difference",
    "Diagnosis": "cargoship.toolchain.diagnose",
    "Digest": "cargoship.oci.digest",
    "Event": "cargoship.events",
    "Examination": "cargoship.images.verification",
    "FoundSbom": "cargoship.images.sboms",
    "Inspection": "cargoship.images.inspection",
    "LicenseSurvey": "cargoship.licensing",
    "Options": "cargoship.calls",
    "PinnedBase": "cargoship.pins",
    "Plan": "cargoship.plan",
    "Platform": "cargoship.oci.platform",
    "Published": "cargoship.destinations",
    "Rebased": "cargoship.images.rebasing.rebase",
    "Rebuilt": "cargoship.rebuilding.rebuild",
    "Reference": "cargoship.oci.reference",
    "SignatureReport": "cargoship.images.signatures",
    "Surroundings": "cargoship.calls",
}


def build(path: str | os.PathLike[str] = ".", **options: Unpack[Options]) -> BuildResult:
    """Compile the project in `path` (a folder or a Cargo.toml) for every platform and make its images.

    Raises CargoshipError; a compile error is `CompileFailed`, after cargo's own lines have gone to `emit`.
    """
    from cargoship import calls, operations  # noqa: PLC0415

    calls.check_keywords("build", options, calls.Options)
    return operations.build(
        calls.selection_for_call(path, options),
        calls.context_for_call(options, path, verify=options.get("verify", True)),
    )


def pack(
    path: str | os.PathLike[str] = ".",
    *,
    binaries: Mapping[str, Sequence[str | os.PathLike[str]]],
    **options: Unpack[Options],
) -> BuildResult:
    """Make the images of the project in `path` from programs that exist, given by platform.

    `binaries={"linux/amd64": ["out/server"], ...}`; the names of the files are the names of the binaries. Raises
    CargoshipError.
    """
    from cargoship import calls, operations  # noqa: PLC0415
    from cargoship.platforms import row  # noqa: PLC0415

    calls.check_keywords(
        "pack", options, calls.Options, without={"platforms": "the platforms are the keys of binaries"}
    )
    calls.check_keywords(
        "pack", {}, calls.Options, more={f"binaries[{name!r}]": files for name, files in binaries.items()}
    )
    context = calls.context_for_call(options, path, verify=options.get("verify", True))
    programs = {row(name).platform: tuple(context.cwd / each for each in files) for name, files in binaries.items()}
    options["platforms"] = [str(platform) for platform in programs]
    return operations.pack(calls.selection_for_call(path, options), programs, context)


def plan_build(path: str | os.PathLike[str] = ".", **options: Unpack[Options]) -> Plan:
    """Return what `build` would do with the same arguments; raises what it would refuse, as CargoshipError.

    Bases are asked for in their registries, unless `offline`; whether a push is taken, `build` alone finds out.
    """
    from cargoship import calls, operations  # noqa: PLC0415

    calls.check_keywords("plan_build", options, calls.Options)
    context = calls.context_for_call(options, path, verify=options.get("verify", True))
    made = operations.plan(calls.selection_for_call(path, options), context)
    operations.foresee(made, context)
    return made


def inspect(target: str, **surroundings: Unpack[Surroundings]) -> Inspection:
    """Look at an image: a reference in a registry, an OCI layout folder, or an archive. Raises CargoshipError."""
    from cargoship import calls, operations  # noqa: PLC0415

    calls.check_keywords("inspect", surroundings, calls.Surroundings)
    return operations.inspect(target, calls.context_for_call(surroundings))


def verify(target: str, **surroundings: Unpack[Surroundings]) -> Examination:
    """Check that an image can start on each of its platforms: a reference, an OCI layout folder, or an archive.

    What keeps it from starting is in the result, `ok` says whether there is anything. Raises CargoshipError.
    """
    from cargoship import calls, operations  # noqa: PLC0415

    calls.check_keywords("verify", surroundings, calls.Surroundings)
    return operations.verify(target, calls.context_for_call(surroundings))


def verify_signatures(
    target: str, *, key: str | None = None, identity: str | None = None, issuer: str | None = None,
    required: Sequence[str] = (), **surroundings: Unpack[Surroundings],
) -> SignatureReport:  # fmt: skip
    """Whether an image is signed by a public `key`, or by an `identity` of an `issuer`; `ok` says it."""
    from cargoship import calls  # noqa: PLC0415
    from cargoship.images.signatures import verify_signatures as verify  # noqa: PLC0415

    said = {"key": key, "identity": identity, "issuer": issuer, "required": required}
    calls.check_keywords("verify_signatures", surroundings, calls.Surroundings, more=said)
    return verify(
        target, calls.context_for_call(surroundings), key=key, identity=identity, issuer=issuer, required=required
    )


def sbom(
    target: str, *, platform: str | None = None, form: str | None = None, **surroundings: Unpack[Surroundings]
) -> FoundSbom:
    """The SBOM of an image, or of what it is on one platform; `form` is `cyclonedx`, `spdx` or `spdx-3`.

    Its `document` is what was attached, byte for byte. Raises CargoshipError.
    """
    from cargoship import calls, operations  # noqa: PLC0415

    calls.check_keywords("sbom", surroundings, calls.Surroundings, more={"platform": platform, "form": form})
    return operations.find_sbom(target, calls.context_for_call(surroundings), platform=platform, form=form)


def licenses(path: str | os.PathLike[str] = ".", **options: Unpack[Options]) -> LicenseSurvey:
    """The licences of all crates that the programs of the project in `path` are made of; nothing is compiled.

    What the settings refuse is in it, as `refused`. Raises CargoshipError.
    """
    from cargoship import calls, licensing, operations, run_toolchain  # noqa: PLC0415

    calls.check_keywords("licenses", options, calls.Options)
    context = calls.context_for_call(options, path)
    made = operations.plan(calls.selection_for_call(path, options), context)
    return licensing.survey_licenses(made, run_toolchain.wanted_by(made, context), context)


def diff(
    one: str, other: str, *, platforms: Sequence[str] = (), whole: bool = False, **surroundings: Unpack[Surroundings]
) -> Comparison:
    """Compare two images: references, OCI layout folders, archives; `platforms` and `whole` as the command's options.

    Raises CargoshipError for what cannot be compared.
    """
    from cargoship import calls  # noqa: PLC0415
    from cargoship.images.comparing.compare import diff as compare  # noqa: PLC0415

    calls.check_keywords("diff", surroundings, calls.Surroundings, more={"platforms": platforms})
    return compare(one, other, calls.context_for_call(surroundings), platforms=platforms, whole=whole)


def copy(
    source: str,
    target: str,
    *,
    platforms: Sequence[str] = (),
    referrers: bool = False,
    **surroundings: Unpack[Surroundings],
) -> Published | None:
    """Let `target` be what `source` is, with every digest as it is; with `platforms` those of it alone.

    Both are references, or `oci:FOLDER`, `oci-archive:FILE`, `docker-archive:FILE`; None for a target that is in no
    registry. With `referrers` signatures, SBOMs and attestations come along. Raises CargoshipError.
    """
    from cargoship import calls, operations  # noqa: PLC0415

    calls.check_keywords(
        "copy", surroundings, calls.Surroundings, more={"platforms": platforms, "referrers": referrers}
    )
    return operations.copy(
        source, target, calls.context_for_call(surroundings), platforms=platforms, referrers=referrers
    )


def merge(
    parts: Sequence[str], *, tags: Sequence[str], sign: str | None = None, **surroundings: Unpack[Surroundings]
) -> tuple[Published, ...]:
    """Make one index of the images and indexes that `parts` name in registries, and let `tags` name it.

    `sign` is who signs it: a key's file, `env://NAME`, or `keyless`. One result for each repository among the tags.
    Raises CargoshipError, for two images of one platform too.
    """
    from cargoship import calls, operations  # noqa: PLC0415

    calls.check_keywords("merge", surroundings, calls.Surroundings, more={"parts": parts, "tags": tags, "sign": sign})
    return operations.merge(parts, tags, calls.context_for_call(surroundings), sign=sign)


def rebase(
    target: str, *, base: str | None = None, old_base: str | None = None, tags: Sequence[str] = (),
    publish: bool = True, verify: bool = True, **surroundings: Unpack[Surroundings],
) -> Rebased:  # fmt: skip
    """Put the layers that cargoship has made onto a new base (default: that of the image, as it is now).

    The result has the name of `target`, or `tags`; without `publish` it goes nowhere. Raises CargoshipError.
    """
    from cargoship import calls  # noqa: PLC0415
    from cargoship.images.rebasing.rebase import rebase as put_onto  # noqa: PLC0415

    said = {"base": base, "old_base": old_base, "tags": tags, "publish": publish, "verify": verify}
    calls.check_keywords("rebase", surroundings, calls.Surroundings, more=said)
    context = calls.context_for_call(surroundings, verify=verify)
    return put_onto(target, context, base=base, old_base=old_base, tags=tags, publish=publish)


def rebuild(
    target: str, path: str | os.PathLike[str] = ".", *, platform: str | None = None,
    settings: Mapping[str, object] | None = None, cached: bool = False, compiles: bool = True,
    **surroundings: Unpack[Surroundings],
) -> Rebuilt:  # fmt: skip
    """Make an image again of the project in `path`, as its provenance says, and compare; `is_same` says the outcome.

    `settings` are those that no provenance tells, such as `env`. With `cached` units come from the caches, and without
    `compiles` it is only said what is not as it was. Raises CargoshipError.
    """
    from cargoship import calls  # noqa: PLC0415
    from cargoship.rebuilding.rebuild import RebuildOptions  # noqa: PLC0415
    from cargoship.rebuilding.rebuild import rebuild as made_again  # noqa: PLC0415

    said = {"platform": platform, "settings": settings, "cached": cached, "compiles": compiles}
    calls.check_keywords("rebuild", surroundings, calls.Surroundings, more=said)
    context = calls.context_for_call(surroundings, path)
    asked = RebuildOptions(platform, settings or {}, cached, compiles=compiles)
    return made_again(target, context.cwd / path, context, asked)


def pin_base(
    path: str | os.PathLike[str] = ".", *, packages: Sequence[str] = (), **surroundings: Unpack[Surroundings]
) -> tuple[PinnedBase, ...]:
    """Write the digests of the bases of the project in `path` into its Cargo.toml; nothing else of it changes.

    Raises CargoshipError.
    """
    from cargoship import calls, operations  # noqa: PLC0415

    calls.check_keywords("pin_base", surroundings, calls.Surroundings, more={"packages": packages})
    options: Options = {"packages": packages}
    if "cwd" in surroundings:
        options["cwd"] = surroundings["cwd"]
    return operations.pin_base(calls.selection_for_call(path, options), calls.context_for_call(surroundings))


def doctor(path: str | os.PathLike[str] = ".", *, fix: bool = False, **options: Unpack[Options]) -> Diagnosis:
    """Look for everything that building the project in `path` needs, and with `fix` mend what can be mended."""
    from cargoship import calls, operations  # noqa: PLC0415

    calls.check_keywords("doctor", options, calls.Options, more={"fix": fix})
    return operations.doctor(calls.selection_for_call(path, options), calls.context_for_call(options, path), fix=fix)


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415

    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
