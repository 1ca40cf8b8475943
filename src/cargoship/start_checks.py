"""Whether the images of a plan will start: as much as can be known before the compile, and the rest before a push.

A base's layers are read only where something depends on them: a program that is linked dynamically, a user by name, an
entrypoint of the base, files beside the program's own folder, a base that speaks of that folder or lies here. What was
read once is known by its digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from cargoship.bases.base import Base
from cargoship.checks.files import check_files, check_replaced, folders_of
from cargoship.checks.finding import Code, Finding, error, refuse
from cargoship.checks.glibc import check_glibc
from cargoship.checks.image import (
    check_certificates,
    check_count,
    check_entrypoint,
    check_healthcheck,
    check_layers,
)
from cargoship.checks.program import ProgramContext, check_machine, check_program, check_wasm, find_program
from cargoship.checks.users import check_user, names_in
from cargoship.elf.facts import ElfFacts
from cargoship.events import Emit
from cargoship.image_inputs import ImageInputs
from cargoship.image_layers import file_layers, image_config
from cargoship.oci.config import ImageConfig
from cargoship.oci.platform import Platform
from cargoship.oci.tar import LayerEntry
from cargoship.plan import BIN_DIR, Plan
from cargoship.platforms import LibcFamily, row
from cargoship.rootfs.layer_cache import LayerCache
from cargoship.rootfs.view import RootFs, known_view_of, view_of, view_of_entries
from cargoship.settings.base import BuiltInBase
from cargoship.settings.health import PROBE
from cargoship.wasm import wasm_kind_of

_JOBS = 2

Programs = Mapping[Platform, Mapping[str, Path]]
"""An image's binaries: by platform, then by name."""


class StartChecks(Struct, frozen=True):
    """Checks the images of a plan; `layer_cache` remembers what is in layers."""

    plan: Plan
    layer_cache: LayerCache
    emit: Emit

    def before(self, sources: Sequence[ImageInputs]) -> None:
        """Refuse what no compile can make start: its user, entrypoint, files, C library.

        Raises CannotStart for all images and platforms at once, ContentInvalid, RegistryError's family.
        """
        self._refuse([_Case(self, own, platform, None) for own in sources for platform in own.bases])

    def after(self, sources: Sequence[ImageInputs], programs: Sequence[Programs]) -> None:
        """Refuse programs that cannot start where they are put; raises the same, and OSError."""
        self._refuse(
            [
                _Case(self, own, platform, binaries[platform])
                for own, binaries in zip(sources, programs, strict=True)
                for platform in own.bases
            ]
        )

    def folders(self, own: ImageInputs, base: Base) -> tuple[LayerEntry, ...] | None:
        """The folders of a base that files are put into, with their owners and rights; None: as the base says.

        It depends on the plan alone, never on what happens to be known: equal inputs give equal layers.
        """
        entries = _entries(own, None)
        if _is_built_in(base) or not _leaves_home(entries):
            return None
        return folders_of(view_of(base.layers, self.layer_cache), entries)

    def _refuse(self, cases: Sequence[_Case]) -> None:
        with ThreadPoolExecutor(_JOBS) as workers:
            found = list(workers.map(lambda case: list(case.findings()), cases))
        refuse([finding for each in found for finding in each], self.emit)


class _Case(Struct, frozen=True):
    """One image for one platform; `binaries` None: not compiled yet."""

    verifier: StartChecks
    own: ImageInputs
    platform: Platform
    binaries: Mapping[str, Path] | None

    @property
    def base(self) -> Base:
        return self.own.bases[self.platform]

    @property
    def said(self) -> str:
        return f"the image {self.own.image.name} ({self.platform})"

    def findings(self) -> Iterator[Finding]:
        config = image_config(self.own.image, self.base.config)
        entries = _entries(self.own, self.binaries, self.own.probes.get(self.platform))
        yield from (
            self._before(config, entries) if self.binaries is None else self._after(config, entries, self.binaries)
        )

    def _before(self, config: ImageConfig, entries: tuple[LayerEntry, ...]) -> Iterator[Finding]:
        plan, layer_cache = self.verifier.plan, self.verifier.layer_cache
        gnu = plan.libc.family is LibcFamily.GNU
        if gnu and self.base.has_loader is False:
            yield error(
                Code.INTERPRETER_MISSING,
                f"programs linked with glibc cannot start on the base {self.base.spec!r} ({self.platform}): "
                "it has no C library",
                "build with --libc musl, or choose a base with glibc, such as --base debian:12-slim",
            )
            return
        count = len(self.base.layers) + len(file_layers(self.own.image, self.own.files, None))
        yield from check_count(count, said=self.said)
        own = view_of_entries(entries)
        starts = find_program(config.entrypoint[0], own, config.env, config.working_dir or "/")
        # the folder of programs is not the base's, which may have something there all the same
        taken = self.base.at_hand or self.base.speaks_of(BIN_DIR)
        needed = gnu or names_in(config.user or "") or starts is None or _leaves_home(entries) or taken
        layers = self.base.layers
        root = view_of(layers, layer_cache, entries) if needed else known_view_of(layers, layer_cache, entries)
        if root is None:
            return
        place = ProgramContext(self.platform, config.env)
        yield from check_layers(root, said=self.said)
        yield from check_user(config.user or "", root, said=self.said)
        below = view_of(layers, layer_cache)
        yield from check_files(entries, below, home=BIN_DIR, said=self.said)
        yield from check_replaced(self._programs(entries), below, said=self.said)
        found = find_program(config.entrypoint[0], root, config.env, config.working_dir or "/")
        wrong = check_entrypoint(config.entrypoint[0], found, root, config, self.platform)
        if wrong is not None:
            yield wrong
        elif found is not None and not found.path.startswith(f"{BIN_DIR}/"):
            yield from check_program(found, root, place)
        if gnu:
            yield from check_glibc(root, place, plan.libc.floor, base=self.base.spec)
        yield from check_healthcheck(config, root, place)

    def _programs(self, entries: Sequence[LayerEntry]) -> Iterator[str]:
        """Where programs are put, and what a health check asks by."""
        names = {f"{BIN_DIR}/{binary.name}" for binary in self.own.image.bins} | {PROBE}
        return (f"/{entry.path}" for entry in entries if f"/{entry.path}" in names)

    def _after(
        self, config: ImageConfig, entries: tuple[LayerEntry, ...], binaries: Mapping[str, Path]
    ) -> Iterator[Finding]:
        if row(self.platform).is_wasm:
            for path in binaries.values():
                yield from check_wasm(wasm_kind_of(path), str(path), self.platform)
            return
        facts = {name: self.verifier.layer_cache.program(path) for name, path in binaries.items()}
        for name, each in facts.items():
            wrong = list(check_machine(each, str(binaries[name]), self.platform))
            yield from wrong
            if any(finding.code in {Code.WRONG_MACHINE, Code.NOT_A_PROGRAM} for finding in wrong):
                return
            yield from self._floor(binaries[name], each)
        layers, layer_cache = self.base.layers, self.verifier.layer_cache
        # a base that is not read is not there to be downloaded for a warning either
        dynamic = any(not each.is_static for each in facts.values())
        needed = dynamic or _is_built_in(self.base)
        root: RootFs | None = (
            view_of(layers, layer_cache, entries) if needed else known_view_of(layers, layer_cache, entries)
        )
        if root is None:
            return
        place = ProgramContext(self.platform, config.env)
        for name, each in facts.items():
            found = root.find(f"{BIN_DIR}/{name}")
            if found is not None:
                yield from map(self._with_package, check_program(found, root, place))
                yield from check_certificates(each, found.path, root, place)

    def _with_package(self, finding: Finding) -> Finding:
        """Say which package has the library that is missing, where the base knows packages."""
        package = None if finding.library is None or self.base.owner is None else self.base.owner(finding.library)
        if package is None:
            return finding
        return replace(finding, hint=f"the package {package} has {finding.library}: add it to packages")

    def _floor(self, path: Path, facts: ElfFacts) -> Iterator[Finding]:
        floor = self.verifier.plan.libc.floor
        if floor is not None and facts.glibc is not None and facts.glibc > floor:
            wanted = "{}.{}".format(*facts.glibc)
            yield error(
                Code.VERSION_MISSING,
                f"{path} ({self.platform}) asks for GLIBC_{wanted}, above the floor {floor[0]}.{floor[1]}",
                f"use --libc gnu:{wanted} if the base has it",
            )


def _entries(
    own: ImageInputs, binaries: Mapping[str, Path] | None, probe: Path | None = None
) -> tuple[LayerEntry, ...]:
    return tuple(entry for layer in file_layers(own.image, own.files, binaries, probe) for entry in layer.entries)


def _leaves_home(entries: Sequence[LayerEntry]) -> bool:
    """Whether anything is put beside the folder that is the program's own."""
    home = BIN_DIR.lstrip("/")
    return any(entry.path != home and not entry.path.startswith(f"{home}/") for entry in entries)


def _is_built_in(base: Base) -> bool:
    return base.spec in {str(each) for each in BuiltInBase}
