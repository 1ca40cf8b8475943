"""Turn a Cargo project into a multi-architecture container image: no Docker, no Dockerfile.

    import cargoship

    result = cargoship.build("path/to/project", tags=["ghcr.io/me/app:1.0"], push=True)
    print(result.images[0].reference)  # ghcr.io/me/app@sha256:...

`build` compiles, `pack` takes binaries that exist, `plan_build` only decides, `inspect` looks at any image, `copy` and
`merge` work on images in registries, `pin_base` gives bases their digests, `doctor` looks at the toolchain. All of them
raise `CargoshipError` or one of its families, and tell what happens through `emit`. Importing this package imports
nothing else: the rest is loaded with the first call.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from cargoship.version import __version__

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cargoship.destinations import Published
    from cargoship.errors import CargoshipError
    from cargoship.events import Emit, Event
    from cargoship.oci.digest import Digest
    from cargoship.oci.platform import Platform
    from cargoship.oci.reference import Reference
    from cargoship.pins import PinnedBase
    from cargoship.pipeline import BuildResult, BuiltImage, Context, Diagnosis, Examination, Inspection
    from cargoship.plan import Plan, Selection
    from cargoship.process import Runner

__all__ = [
    "BuildResult",
    "BuiltImage",
    "CargoshipError",
    "Diagnosis",
    "Digest",
    "Event",
    "Examination",
    "Inspection",
    "Options",
    "PinnedBase",
    "Plan",
    "Platform",
    "Published",
    "Reference",
    "Surroundings",
    "__version__",
    "build",
    "copy",
    "doctor",
    "inspect",
    "merge",
    "pack",
    "pin_base",
    "plan_build",
    "verify",
]

_HOME = {
    "BuildResult": "cargoship.pipeline",
    "BuiltImage": "cargoship.pipeline",
    "CargoshipError": "cargoship.errors",
    "Diagnosis": "cargoship.pipeline",
    "Digest": "cargoship.oci.digest",
    "Event": "cargoship.events",
    "Examination": "cargoship.pipeline",
    "Inspection": "cargoship.pipeline",
    "PinnedBase": "cargoship.pins",
    "Plan": "cargoship.plan",
    "Platform": "cargoship.oci.platform",
    "Published": "cargoship.destinations",
    "Reference": "cargoship.oci.reference",
}


class Surroundings(TypedDict, total=False):
    """What a call may use of the machine; all of it can be left out."""

    env: Mapping[str, str]
    """The environment, for settings (CARGOSHIP_*), credentials and the programs that are started; default: this
    process's."""
    cwd: str | os.PathLike[str]
    """Where relative paths start; default: this process's."""
    emit: Emit
    """Called with each `Event`, from several threads; default: nobody listens."""
    runner: Runner
    """Starts programs; default: really."""


class Options(Surroundings, total=False):
    """What to build and where to put it: the options of `cargoship build`, under the same names."""

    packages: Sequence[str]
    bins: Sequence[str]
    platforms: Sequence[str]
    """Such as `linux/amd64`."""
    libc: str
    profile: str
    features: Sequence[str]
    all_features: bool
    no_default_features: bool
    locked: bool
    offline: bool
    frozen: bool
    jobs: int
    tags: Sequence[str]
    base: str
    compression: str
    settings: Mapping[str, object]
    """Any other settings by their names in Cargo.toml: `{"user": "root", "expose": [8080]}`."""
    push: bool
    push_by_digest: bool
    """To the repositories of `tags`, without a tag: what `merge` takes."""
    load: bool
    outputs: Sequence[str]
    """`oci:DIR`, `oci-archive:FILE`, `docker-archive:FILE`, `rootfs:DIR`."""
    require_clean: bool
    """Whether to refuse a tree that differs from its commit; default: no."""
    verify: bool
    """Whether to check that each binary can start on its base; default: yes."""


def build(path: str | os.PathLike[str] = ".", **options: Unpack[Options]) -> BuildResult:
    """Compile the project in `path` (a folder or a Cargo.toml) for every platform and make its images.

    Raises CargoshipError; a compile error is `CompileFailed`, after cargo's own lines have gone to `emit`.
    """
    from cargoship import pipeline  # noqa: PLC0415 - everything heavy hangs on it

    return pipeline.build(_selection(path, options), _context(options, verify=options.get("verify", True)))


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
    from cargoship import pipeline  # noqa: PLC0415
    from cargoship.platforms import row  # noqa: PLC0415

    context = _context(options, verify=options.get("verify", True))
    programs = {row(name).platform: tuple(context.cwd / each for each in files) for name, files in binaries.items()}
    options["platforms"] = [str(platform) for platform in programs]
    return pipeline.pack(_selection(path, options), programs, context)


def plan_build(path: str | os.PathLike[str] = ".", **options: Unpack[Options]) -> Plan:
    """Return what `build` would do with the same arguments; raises what it would refuse, as CargoshipError."""
    from cargoship import pipeline  # noqa: PLC0415

    return pipeline.plan(_selection(path, options), _context(options))


def inspect(target: str, **surroundings: Unpack[Surroundings]) -> Inspection:
    """Look at an image: a reference in a registry, an OCI layout folder, or an archive. Raises CargoshipError."""
    from cargoship import pipeline  # noqa: PLC0415

    return pipeline.inspect(target, _context(surroundings))


def verify(target: str, **surroundings: Unpack[Surroundings]) -> Examination:
    """Check that an image can start on each of its platforms: a reference, an OCI layout folder, or an archive.

    What keeps it from starting is in the result, `ok` says whether there is anything. Raises CargoshipError.
    """
    from cargoship import pipeline  # noqa: PLC0415

    return pipeline.verify(target, _context(surroundings))


def copy(
    source: str,
    target: str,
    *,
    platforms: Sequence[str] = (),
    referrers: bool = False,
    **surroundings: Unpack[Surroundings],
) -> Published:
    """Let the reference `target` be what `source` is, with every digest as it is; with `platforms` those of it alone.

    With `referrers` signatures, SBOMs and attestations come along. Raises CargoshipError.
    """
    from cargoship import pipeline  # noqa: PLC0415

    return pipeline.copy(source, target, _context(surroundings), platforms=platforms, referrers=referrers)


def merge(parts: Sequence[str], *, tags: Sequence[str], **surroundings: Unpack[Surroundings]) -> tuple[Published, ...]:
    """Make one index of the images and indexes that `parts` name in registries, and let `tags` name it.

    One result for each repository among the tags. Raises CargoshipError, for two images of one platform too.
    """
    from cargoship import pipeline  # noqa: PLC0415

    return pipeline.merge(parts, tags, _context(surroundings))


def pin_base(
    path: str | os.PathLike[str] = ".", *, packages: Sequence[str] = (), **surroundings: Unpack[Surroundings]
) -> tuple[PinnedBase, ...]:
    """Write the digests of the bases of the project in `path` into its Cargo.toml; nothing else of it changes.

    Raises CargoshipError.
    """
    from cargoship import pipeline  # noqa: PLC0415

    options: Options = {"packages": packages}
    if "cwd" in surroundings:
        options["cwd"] = surroundings["cwd"]
    return pipeline.pin_base(_selection(path, options), _context(surroundings))


def doctor(path: str | os.PathLike[str] = ".", *, fix: bool = False, **options: Unpack[Options]) -> Diagnosis:
    """Look for everything that building the project in `path` needs, and with `fix` mend what can be mended."""
    from cargoship import pipeline  # noqa: PLC0415

    return pipeline.doctor(_selection(path, options), _context(options), fix=fix)


def _selection(path: str | os.PathLike[str], options: Options) -> Selection:
    from cargoship.plan import Output, Selection  # noqa: PLC0415

    cwd = _cwd(options)
    said: dict[str, object] = {**options.get("settings", {})}
    lists = {"platforms": options.get("platforms"), "tags": options.get("tags")}
    said |= {key: tuple(texts) for key, texts in lists.items() if texts is not None}
    words = {"libc": options.get("libc"), "base": options.get("base"), "compression": options.get("compression")}
    said |= {key: word for key, word in words.items() if word is not None}
    return Selection(
        path=cwd / path,
        packages=tuple(options.get("packages", ())),
        bins=tuple(options.get("bins", ())),
        profile=options.get("profile"),
        features=tuple(options.get("features", ())),
        all_features=options.get("all_features", False),
        no_default_features=options.get("no_default_features", False),
        locked=options.get("locked"),
        offline=options.get("offline", False),
        frozen=options.get("frozen", False),
        jobs=options.get("jobs"),
        overrides=said,
        push=options.get("push", False),
        push_by_digest=options.get("push_by_digest", False),
        load=options.get("load", False),
        require_clean=options.get("require_clean", False),
        outputs=tuple(Output.parse(text, cwd=cwd) for text in options.get("outputs", ())),
    )


def _cwd(surroundings: Surroundings) -> Path:
    from pathlib import Path  # noqa: PLC0415

    return Path.cwd() / surroundings.get("cwd", ".")


def _context(surroundings: Surroundings, *, verify: bool = True) -> Context:
    import os  # noqa: PLC0415

    from cargoship.events import ignore  # noqa: PLC0415
    from cargoship.pipeline import Context  # noqa: PLC0415
    from cargoship.process import SystemRunner  # noqa: PLC0415

    return Context(
        env=dict(surroundings.get("env", os.environ)),
        cwd=_cwd(surroundings),
        runner=surroundings.get("runner") or SystemRunner(),
        emit=surroundings.get("emit", ignore),
        verify=verify,
    )


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
