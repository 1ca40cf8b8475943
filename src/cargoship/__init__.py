"""Turn a Cargo project into a multi-architecture container image: no Docker, no Dockerfile.

    import cargoship

    result = cargoship.build("path/to/project", tags=["ghcr.io/me/app:1.0"], push=True)
    print(result.images[0].reference)  # ghcr.io/me/app@sha256:...

`build` compiles, `pack` takes binaries that exist, `plan_build` only decides, `licenses` says which licences would be
compiled. `inspect` looks at any image, `sbom` tells what it is made of, `diff` looks at two of them, `copy` and
`merge` work on images in registries, `pin_base` gives bases their digests, `doctor` looks at the toolchain. All of
them raise `CargoshipError` or one of its families, and tell what happens through `emit`. Importing this package
imports nothing else: the rest is loaded with the first call.
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
    from cargoship.images.bills import FoundBill
    from cargoship.images.comparing.difference import Comparison
    from cargoship.licensing import LicenseSurvey
    from cargoship.oci.digest import Digest
    from cargoship.oci.platform import Platform
    from cargoship.oci.reference import Reference
    from cargoship.pins import PinnedBase
    from cargoship.pipeline import BuildResult, BuiltImage, Context, Diagnosis, Examination, Inspection, SignatureReport
    from cargoship.plan import Plan, Selection
    from cargoship.process import Runner

__all__ = [
    "BuildResult",
    "BuiltImage",
    "CargoshipError",
    "Comparison",
    "Diagnosis",
    "Digest",
    "Event",
    "Examination",
    "FoundBill",
    "Inspection",
    "LicenseSurvey",
    "Options",
    "PinnedBase",
    "Plan",
    "Platform",
    "Published",
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
    "sbom",
    "verify",
    "verify_signatures",
]

_HOME = {
    "BuildResult": "cargoship.pipeline",
    "BuiltImage": "cargoship.pipeline",
    "CargoshipError": "cargoship.errors",
    "Comparison": "cargoship.images.comparing.difference",
    "Diagnosis": "cargoship.pipeline",
    "Digest": "cargoship.oci.digest",
    "Event": "cargoship.events",
    "Examination": "cargoship.pipeline",
    "FoundBill": "cargoship.images.bills",
    "Inspection": "cargoship.pipeline",
    "LicenseSurvey": "cargoship.licensing",
    "PinnedBase": "cargoship.pins",
    "Plan": "cargoship.plan",
    "Platform": "cargoship.oci.platform",
    "Published": "cargoship.destinations",
    "Reference": "cargoship.oci.reference",
    "SignatureReport": "cargoship.images.signatures",
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
    """Names or patterns, such as `svc-*`."""
    workspace: bool
    exclude: Sequence[str]
    changed_since: str
    """A commit, branch or tag; raises NothingChanged where no image may have changed."""
    also: Sequence[str | os.PathLike[str]]
    """Further folders of packages in the same workspace."""
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
    clusters: Sequence[str]
    """Local clusters whose nodes get the images: `kind`, `minikube`, `k3d`, `kind:NAME`."""
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
    _check("build", options, Options)
    from cargoship import pipeline  # noqa: PLC0415 - everything heavy hangs on it

    return pipeline.build(_selection(path, options), _context(options, path, verify=options.get("verify", True)))


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
    _check("pack", options, Options, without={"platforms": "the platforms are the keys of binaries"})
    _check("pack", {}, Options, more={f"binaries[{name!r}]": files for name, files in binaries.items()})
    from cargoship import pipeline  # noqa: PLC0415
    from cargoship.platforms import row  # noqa: PLC0415

    context = _context(options, path, verify=options.get("verify", True))
    programs = {row(name).platform: tuple(context.cwd / each for each in files) for name, files in binaries.items()}
    options["platforms"] = [str(platform) for platform in programs]
    return pipeline.pack(_selection(path, options), programs, context)


def plan_build(path: str | os.PathLike[str] = ".", **options: Unpack[Options]) -> Plan:
    """Return what `build` would do with the same arguments; raises what it would refuse, as CargoshipError.

    Bases are asked for in their registries, unless `offline`; whether a push is taken, `build` alone finds out.
    """
    _check("plan_build", options, Options)
    from cargoship import pipeline  # noqa: PLC0415

    context = _context(options, path, verify=options.get("verify", True))
    made = pipeline.plan(_selection(path, options), context)
    pipeline.foresee(made, context)
    return made


def inspect(target: str, **surroundings: Unpack[Surroundings]) -> Inspection:
    """Look at an image: a reference in a registry, an OCI layout folder, or an archive. Raises CargoshipError."""
    _check("inspect", surroundings, Surroundings)
    from cargoship import pipeline  # noqa: PLC0415

    return pipeline.inspect(target, _context(surroundings))


def verify(target: str, **surroundings: Unpack[Surroundings]) -> Examination:
    """Check that an image can start on each of its platforms: a reference, an OCI layout folder, or an archive.

    What keeps it from starting is in the result, `ok` says whether there is anything. Raises CargoshipError.
    """
    _check("verify", surroundings, Surroundings)
    from cargoship import pipeline  # noqa: PLC0415

    return pipeline.verify(target, _context(surroundings))


def verify_signatures(
    target: str, *, key: str | None = None, identity: str | None = None, issuer: str | None = None,
    required: Sequence[str] = (), **surroundings: Unpack[Surroundings],
) -> SignatureReport:  # fmt: skip
    """Whether an image is signed by a public `key`, or by an `identity` of an `issuer`; `ok` says it."""
    said = {"key": key, "identity": identity, "issuer": issuer, "required": required}
    _check("verify_signatures", surroundings, Surroundings, more=said)
    from cargoship.images.signatures import verify_signatures as verify  # noqa: PLC0415

    return verify(target, _context(surroundings), key=key, identity=identity, issuer=issuer, required=required)


def sbom(
    target: str, *, platform: str | None = None, form: str | None = None, **surroundings: Unpack[Surroundings]
) -> FoundBill:
    """The bill of materials of an image, or of what it is on one platform; `form` is `cyclonedx` or `spdx`.

    Its `document` is what was attached, byte for byte. Raises CargoshipError.
    """
    _check("sbom", surroundings, Surroundings, more={"platform": platform, "form": form})
    from cargoship import pipeline  # noqa: PLC0415

    return pipeline.find_bill(target, _context(surroundings), platform=platform, form=form)


def licenses(path: str | os.PathLike[str] = ".", **options: Unpack[Options]) -> LicenseSurvey:
    """The licences of all crates that the programs of the project in `path` are made of; nothing is compiled.

    What the settings refuse is in it, as `refused`. Raises CargoshipError.
    """
    _check("licenses", options, Options)
    from cargoship import licensing, pipeline, resources  # noqa: PLC0415

    context = _context(options, path)
    made = pipeline.plan(_selection(path, options), context)
    return licensing.survey_licenses(made, resources.wanted_by(made, context), context)


def diff(
    one: str, other: str, *, platforms: Sequence[str] = (), whole: bool = False, **surroundings: Unpack[Surroundings]
) -> Comparison:
    """Compare two images: references, OCI layout folders, archives; `platforms` and `whole` as the command's options.

    Raises CargoshipError for what cannot be compared.
    """
    _check("diff", surroundings, Surroundings, more={"platforms": platforms})
    from cargoship.images.comparing.compare import diff as compare  # noqa: PLC0415

    return compare(one, other, _context(surroundings), platforms=platforms, whole=whole)


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
    _check("copy", surroundings, Surroundings, more={"platforms": platforms, "referrers": referrers})
    from cargoship import pipeline  # noqa: PLC0415

    return pipeline.copy(source, target, _context(surroundings), platforms=platforms, referrers=referrers)


def merge(parts: Sequence[str], *, tags: Sequence[str], **surroundings: Unpack[Surroundings]) -> tuple[Published, ...]:
    """Make one index of the images and indexes that `parts` name in registries, and let `tags` name it.

    One result for each repository among the tags. Raises CargoshipError, for two images of one platform too.
    """
    _check("merge", surroundings, Surroundings, more={"parts": parts, "tags": tags})
    from cargoship import pipeline  # noqa: PLC0415

    return pipeline.merge(parts, tags, _context(surroundings))


def pin_base(
    path: str | os.PathLike[str] = ".", *, packages: Sequence[str] = (), **surroundings: Unpack[Surroundings]
) -> tuple[PinnedBase, ...]:
    """Write the digests of the bases of the project in `path` into its Cargo.toml; nothing else of it changes.

    Raises CargoshipError.
    """
    _check("pin_base", surroundings, Surroundings, more={"packages": packages})
    from cargoship import pipeline  # noqa: PLC0415

    options: Options = {"packages": packages}
    if "cwd" in surroundings:
        options["cwd"] = surroundings["cwd"]
    return pipeline.pin_base(_selection(path, options), _context(surroundings))


def doctor(path: str | os.PathLike[str] = ".", *, fix: bool = False, **options: Unpack[Options]) -> Diagnosis:
    """Look for everything that building the project in `path` needs, and with `fix` mend what can be mended."""
    _check("doctor", options, Options, more={"fix": fix})
    from cargoship import pipeline  # noqa: PLC0415

    return pipeline.doctor(_selection(path, options), _context(options, path), fix=fix)


def _check(call: str, given: Mapping[str, object], kind: type, **more: Mapping[str, Any]) -> None:
    from cargoship.keywords import check_keywords  # noqa: PLC0415

    check_keywords(call, given, list(kind.__annotations__), **more)


def _selection(path: str | os.PathLike[str], options: Options) -> Selection:
    from cargoship.plan import Cluster, Output, Selection  # noqa: PLC0415

    cwd = _cwd(options)
    said: dict[str, object] = {**options.get("settings", {})}
    lists = {"platforms": options.get("platforms"), "tags": options.get("tags")}
    said |= {key: tuple(texts) for key, texts in lists.items() if texts is not None}
    words = {"libc": options.get("libc"), "base": options.get("base"), "compression": options.get("compression")}
    said |= {key: word for key, word in words.items() if word is not None}
    return Selection(
        path=cwd / path,
        also=tuple(cwd / each for each in options.get("also", ())),
        packages=tuple(options.get("packages", ())),
        workspace=options.get("workspace", False),
        exclude=tuple(options.get("exclude", ())),
        changed_since=options.get("changed_since"),
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
        clusters=tuple(Cluster.parse(text) for text in options.get("clusters", ())),
        require_clean=options.get("require_clean", False),
        outputs=tuple(Output.parse(text, cwd=cwd) for text in options.get("outputs", ())),
    )


def _cwd(surroundings: Surroundings) -> Path:
    from pathlib import Path  # noqa: PLC0415

    return Path.cwd() / surroundings.get("cwd", ".")


def _context(surroundings: Surroundings, path: str | os.PathLike[str] = ".", *, verify: bool = True) -> Context:
    import os  # noqa: PLC0415
    import time  # noqa: PLC0415

    from cargoship.events import ignore  # noqa: PLC0415
    from cargoship.pipeline import Context  # noqa: PLC0415
    from cargoship.process import SystemRunner  # noqa: PLC0415
    from cargoship.programs import ProgramFinder  # noqa: PLC0415

    env, cwd = dict(surroundings.get("env", os.environ)), _cwd(surroundings)
    return Context(
        env=env,
        cwd=cwd,
        runner=surroundings.get("runner") or SystemRunner(ProgramFinder.outside((cwd, cwd / path), env)),
        emit=surroundings.get("emit", ignore),
        verify=verify,
        clock=time.time,
    )


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
