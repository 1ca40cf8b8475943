"""Where the images of a plan come from, as provenance (docs/provenance.md describes the fields).

Nothing of it is secret: no value of a variable, no place on the machine. Times and numbers of runs are in here and
nowhere else, so that an image's own digest never depends on them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from msgspec import structs

from cargoship.attest.provenance import BUILD, BuildParameters, BuildRun, Material, Provenance
from cargoship.image_inputs import ImageInputs
from cargoship.oci.platform import Platform
from cargoship.plan import ImagePlan, Plan
from cargoship.platforms import row
from cargoship.settings.stated import stated_settings
from cargoship.statements.materials import (
    base_materials,
    cache_materials,
    lock_materials,
    probe_materials,
    program_materials,
    source_material,
)

_HEEDED = re.compile(
    r"(?:RUST|RUSTDOC)FLAGS|CARGO_ENCODED_RUSTFLAGS|CARGO_(?:BUILD|PROFILE|TARGET|UNSTABLE|NET|SOURCE|REGISTRIES)_.*|"
    r"CARGO|RUSTC(?:_.*)?|RUSTUP_TOOLCHAIN|SOURCE_DATE_EPOCH|(?:HOST_|TARGET_)?(?:AR|CC|CXX|[CL]D?FLAGS|CXXFLAGS)(?:_.*)?|"
    r"CPATH|LIBRARY_PATH|C_INCLUDE_PATH|PKG_CONFIG_.*|.*_(?:STATIC|NO_VENDOR)|CARGOSHIP_.*"
)
"""Variables by which compilers and build scripts learn what to make."""
_OWN = re.compile(r"CARGOSHIP_(?:BACKTRACE|CACHE_.*|PROGRESS|REPO)")
"""Those of ours that have no say in what an image is."""


@dataclass(frozen=True)
class RunFacts:
    """What a run knows beside its plan. `compilers` is asked when something is said, for it reads much."""

    run: BuildRun
    compilers: Callable[[], tuple[Material, ...]] = tuple
    given: Mapping[str, int] = field(default_factory=dict)
    """How many units each cache has given, by its name."""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    runner: str = ""
    """Whose machine it is, where a CI system says so."""
    programs: Mapping[Platform, Mapping[str, Path]] = field(default_factory=dict)
    """Those that were given, where nothing was compiled."""

    def lasting(self) -> RunFacts:
        """Without what differs from run to run: for a place where the same build has the same bytes."""
        return replace(self, run=BuildRun(self.run.builder, None, self.run.versions), given={})


def provenance_for(
    sources: ImageInputs, platforms: Iterable[Platform], plan: Plan, facts: RunFacts, finished: float | None
) -> Provenance:
    """Of an image for one platform, or of the index for all of them; `finished` is a time in seconds since 1970."""
    chosen = tuple(platforms)
    internal = {
        "builtOn": facts.runner or "unknown",
        "hermetic": False,
        "network": not plan.offline,
        "reusesBuildDirectory": not facts.programs,
        "unitCache": plan.cache.enabled and not facts.programs,
        "libc": str(plan.libc),
        "compiledFor": [str(platform) for platform in plan.platforms],
    }
    return Provenance(
        BUILD,
        parameters_of(sources.image, chosen, plan, facts.env, given=bool(facts.programs)).to_json(),
        internal,
        tuple(_materials(sources, chosen, plan, facts)),
        structs.replace(facts.run, finished=finished),
    )


def parameters_of(
    image: ImagePlan, platforms: Iterable[Platform], plan: Plan, env: Mapping[str, str], *, given: bool
) -> BuildParameters:
    """What was asked for, of an image for these platforms; `given` are programs that nobody here has compiled."""
    decided = stated_settings(image.settings)
    # the invocation that compiles this image's programs
    cargo = next((each for each in plan.builds if image.package.name in each.names), plan.cargo)
    variables = (name for name in env if _HEEDED.fullmatch(name) and not _OWN.fullmatch(name))
    return BuildParameters(
        image=image.name,
        package=image.package.name,
        binaries=tuple(f"{each.package}:{each.name}" for each in image.bins),
        platforms=tuple(str(platform) for platform in platforms),
        profile=cargo.profile,
        features=cargo.features,
        all_features=cargo.all_features,
        default_features=not cargo.no_default_features,
        packages=cargo.names,
        locked=cargo.locked or cargo.frozen,
        epoch=plan.epoch,
        settings=decided.values,
        withheld=decided.withheld,
        variables=tuple(sorted(variables)),
        given=given,
    )


def _materials(
    sources: ImageInputs, platforms: tuple[Platform, ...], plan: Plan, facts: RunFacts
) -> Iterator[Material]:
    source = source_material(plan.source)
    if source is not None:
        yield source
    yield from lock_materials(plan.root)
    if facts.programs:
        wanted = {each.name for each in sources.image.bins}
        yield from program_materials(
            (platform, name, path)
            for platform in platforms
            for name, path in facts.programs.get(platform, {}).items()
            if name in wanted
        )
    else:
        triples = {row(platform).triple(plan.libc) for platform in platforms}
        yield from (each for each in facts.compilers() if each.annotations.get("target", "") in {"", *triples})
        yield from cache_materials(plan, facts.given)
    yield from probe_materials({at: sources.probes[at] for at in platforms if at in sources.probes})
    yield from base_materials(sources.image.settings.base_spec, {at: sources.bases[at] for at in platforms})
