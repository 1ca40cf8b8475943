"""What a run works with: its bases, caches, compilers, checks and destinations, opened and closed together."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from cargoship import compile  # noqa: A004 - the step's own name
from cargoship.attest.provenance import Material
from cargoship.bases.distributions import open_package_base
from cargoship.bases.package_base import PackageBase
from cargoship.bases.remote import RemoteBases
from cargoship.bom.embed import embed
from cargoship.c_library import LinkedLibraries, c_libraries
from cargoship.context import Context
from cargoship.debug_symbols import symbols_environment
from cargoship.destinations import PlanDestinations
from cargoship.errors import IncludeInvalid
from cargoship.events import Level, Note
from cargoship.image_inputs import ImageInputs, foresee_inputs, gather_inputs
from cargoship.leftovers import check_own_folders, in_use
from cargoship.licensing import LicenseSurvey, licenses_of, notices_of
from cargoship.oci.layer import BlobStore, Layer
from cargoship.oci.platform import Platform
from cargoship.plan import Plan
from cargoship.platforms import row
from cargoship.reading import real_path
from cargoship.rootfs.layer_cache import LayerCache
from cargoship.rustc_answers import RustcAnswers
from cargoship.scratch import scratch
from cargoship.settings.base import distribution_of
from cargoship.settings.include import IncludedFile
from cargoship.start_checks import StartChecks
from cargoship.statements.materials import compiler_materials, known_toolchain
from cargoship.statements.run import RunStatements
from cargoship.toolchain.allocator import SYSTEM, choice_environment, mimalloc_environment, mimalloc_folders
from cargoship.toolchain.around_cargo import environment_of_cargo
from cargoship.toolchain.locate import Foreseen, Toolchain, Wanted, locate
from cargoship.unitcache.care.cache_folder import LAYERS
from cargoship.unitcache.explain.account import record_no_use
from cargoship.unitcache.session import Workspace, open_session
from cargoship.unitcache.stores.opening import open_stores

if TYPE_CHECKING:
    from cargoship.process import Runner
    from cargoship.signing.signer import Signer

_WRITERS = 4
_Found = TypeVar("_Found")


class BuildResources(Struct, frozen=True, dict=True):
    """Everything that is open while a plan is carried out."""

    plan: Plan
    wanted: Wanted
    context: Context
    remote: RemoteBases
    packages: PackageBase | None
    """None where no image stands on packages."""
    places: PlanDestinations
    verifier: StartChecks
    cached: compile.Cached | None
    """The cache of compiled units; None where it is turned off or nothing is compiled."""
    scratch: Path
    runner: Runner
    """What starts the cargo that compiles."""
    compiles: bool = True
    """Whether the programs are compiled; otherwise they are given, and nothing is known of their crates."""
    begun: float | None = None
    """When, in seconds since 1970."""
    signer: Signer | None = None
    """Who signs what is pushed: read and tried, so that nothing is compiled for a key that does not fit."""

    def sources(self) -> list[ImageInputs]:
        """Files and bases of every image; bases of packages are not finished yet.

        Raises as `gather_inputs` does, and LicenseRefused for crates that the settings do not take.
        """
        if self.compiles:
            _ = self._foreseen
        survey = licenses_of(self.plan, self.wanted, self.context) if self.compiles else None
        if survey is None and any(image.settings.include_licenses for image in self.plan.images):
            text = "include-licenses: of programs that are given, no crate is known; the image has no notices"
            self.context.emit(Note(text, Level.WARNING))
        found = [
            gather_inputs(
                each,
                self.plan,
                remote=self.remote.find,
                packages=self.packages,
                kept=self.kept,
                emit=self.context.emit,
            )
            for each in self.plan.images
        ]
        if self.packages is not None:
            self.packages.ready()
        self._without_key(found)
        return found if survey is None else [self._with_notices(each, survey) for each in found]

    def _with_notices(self, own: ImageInputs, survey: LicenseSurvey) -> ImageInputs:
        if not own.image.settings.include_licenses:
            return own
        from cargoship.bom.notices import PLACE

        path = self.scratch / "notices" / own.image.name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(notices_of(own.image, survey, self.plan))
        return own.with_file(IncludedFile(path, f"/{PLACE}", 0o644, 0, 0))

    def _without_key(self, sources: Sequence[ImageInputs]) -> None:
        """Refuse to put the key that signs into an image; raises IncludeInvalid."""
        if self.signer is None or self.plan.sign is None:
            return
        key = real_path(self.context.cwd / self.plan.sign)
        for file in (file for own in sources for file in own.files):
            if real_path(file.source) == key:
                raise IncludeInvalid(f"include: the key that signs, {self.plan.sign}, would be in the image")

    @cached_property
    def kept(self) -> BlobStore:
        """Layers of what is the same in any target folder: the built-in base, and programs that come from the cache.

        Where the cache folder cannot be written, they are with the project's own.
        """
        folder = self.context.cache_dir / LAYERS
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
        return (
            BlobStore(folder, is_shared=True) if writable else BlobStore(self.plan.target_dir / "cargoship" / ".blobs")
        )

    @property
    def _asking(self) -> RustcAnswers:
        return RustcAnswers(self.context.runner, self.context.cache_dir / "answers")

    @cached_property
    def _foreseen(self) -> Future[Foreseen | None]:
        """The toolchain, asked for beside other work; None where it is not known, or not yet."""
        return _beside(partial(known_toolchain, self.wanted, runner=self._asking, env=self.context.env))

    def c_libraries(self) -> Mapping[Platform, LinkedLibraries]:
        """The C libraries, and what else is linked, in programs that are compiled here."""
        if not self.compiles:
            return {}
        # what was not there before may have been added for the compile
        found = self._foreseen.result() or known_toolchain(self.wanted, runner=self._asking, env=self.context.env)
        return {} if found is None else c_libraries(found)

    @cached_property
    def compilers(self) -> Future[tuple[Material, ...]]:
        """What compiles, for provenance: files are read beside other work."""

        def read() -> tuple[Material, ...]:
            found = self._foreseen.result()
            return () if found is None else compiler_materials(found, self.context.cache_dir / "toolchains")

        return _beside(read)

    def _compilers(self) -> tuple[Material, ...]:
        return self.compilers.result()

    @cached_property
    def statements(self) -> RunStatements:
        """What this run says about its images."""
        given: Mapping[str, int] = {} if self.cached is None else self.cached.session.given
        return RunStatements(self.plan, self.context, self.signer, self.begun, self._compilers, given, self.compiles)

    def check_before(self, sources: Sequence[ImageInputs]) -> None:
        """Refuse what can be refused without programs; raises CannotStart."""
        if self.context.verify:
            self.verifier.before(sources)

    def offer_bases(self, sources: Sequence[ImageInputs]) -> None:
        """Let registries get the layers of bases while other things are done."""
        for own in sources:
            self.places.offer(own.image, (layer.blob for base in own.bases.values() for layer in base.layers))
            for base in own.bases.values():
                if base.unfinished is not None:
                    base.unfinished.when_made(partial(self._offer_layer, own))

    def _offer_layer(self, own: ImageInputs, layer: Layer) -> None:
        self.places.offer(own.image, [layer.blob])

    def environment(self) -> Mapping[str, str]:
        """What cargo and build scripts see: the user's own environment, and where the system's libraries are."""
        env: Mapping[str, str] = self.context.env
        sysroots = {} if self.packages is None else self.packages.sysroots()
        if sysroots:
            from cargoship.toolchain.libraries import library_environment

            by_triple = {row(platform).gnu: sysroot for platform, sysroot in sysroots.items()}
            env = library_environment(by_triple, env, cache_dir=self.context.cache_dir)
        return {**env, **choice_environment(self.plan.allocator), **symbols_environment(self.plan, self.context.env)}

    def recalled(self, env: Mapping[str, str]) -> compile.Recalled:
        """The programs of builds that were made before with all as it is now, and what is still to be compiled."""
        if self.cached is None:
            return compile.Recalled(missing=tuple((build, None) for build in self.plan.builds))
        programs: dict[str, set[str]] = {}
        for each in (each for image in self.plan.images for each in image.bins):
            programs.setdefault(each.package, set()).add(each.name)
        return compile.recall(
            self.plan.builds, self._foreseen.result(), self.cached, self.scratch,
            project=self.plan.project, programs={name: sorted(bins) for name, bins in programs.items()},
            runner=self.context.runner, env=env, emit=self.context.emit,
        )  # fmt: skip

    def compiled(
        self, toolchain: Toolchain, env: Mapping[str, str], recalled: compile.Recalled
    ) -> tuple[compile.CompiledProgram, ...]:
        """All programs, with what had to be compiled; raises as `compile.run_builds` does."""
        context, wanted = self.context, self.wanted
        if self.statements.names_compilers:
            _ = self.compilers
        if self.plan.allocator != SYSTEM:
            triples = [triple for triple, _ in wanted.linux_pairs]
            folders = mimalloc_folders(triples, toolchain.zig, cache_dir=wanted.cache_dir)
            recalled = recalled.with_missing(lambda cached: cached.bringing(folders.values()))
            env = {
                **env,
                **mimalloc_environment(
                    wanted.linux_pairs, rust=toolchain.rust, zig=toolchain.zig, runner=context.runner, env=context.env,
                    cwd=wanted.cwd, cache_dir=wanted.cache_dir, offline=wanted.offline, emit=context.emit,
                ),
            }  # fmt: skip
        made = compile.run_builds(
            recalled.missing, toolchain,
            apart=len(self.plan.builds) > 1, lock=self.plan.root / "Cargo.lock",
            runner=self.runner, env=env, cache_dir=context.cache_dir, emit=context.emit, colour=context.colour,
        )  # fmt: skip
        return (*recalled.artifacts, *made)

    def audited(self, programs: Sequence[compile.CompiledProgram]) -> tuple[compile.CompiledProgram, ...]:
        """The programs with the list of their crates in them, where the plan wants that; raises as `embed` does."""
        if not self.plan.auditable:
            return tuple(programs)
        with ThreadPoolExecutor(_WRITERS) as writers:
            return tuple(writers.map(self._audited, programs))

    def _audited(self, program: compile.CompiledProgram) -> compile.CompiledProgram:
        if program.crates is None:
            return program
        # what comes from the cache is unpacked again each time, and so is its copy
        if not program.path.is_relative_to(self.plan.target_dir):
            return replace(program, path=embed(program.path, program.crates, self.scratch / ".programs"))
        folder = self.plan.target_dir / "cargoship" / ".programs" / compile.folder_name_of(program) / program.package
        return replace(program, path=embed(program.path, program.crates, folder))

    def bring(self, folders: Iterable[Path]) -> None:
        """Put those in their places that the cache of compiled units has."""
        if self.cached is not None:
            self.cached.bringing(folders)

    def foreseen(self) -> Foreseen | None:
        """The toolchain that would compile; None where it is not known."""
        return self._foreseen.result()

    def toolchain(self, recalled: compile.Recalled) -> Toolchain:
        """Find the compilers, or make what they and the cache lack; raises ToolchainError's family."""
        self.bring(folder for _, cached in recalled.missing[:1] if cached for folder in cached.libraries.values())
        return find_toolchain(self.wanted, self.context)


def _beside(work: Callable[[], _Found]) -> Future[_Found]:
    """Work in a thread of its own, which ends with it."""
    thread = ThreadPoolExecutor(1)
    asked = thread.submit(work)
    thread.shutdown(wait=False)
    return asked


@contextlib.contextmanager
def open_resources(plan: Plan, wanted: Wanted, context: Context, *, compiles: bool) -> Iterator[BuildResources]:
    """Open everything; what is still under way at the end is waited for, or ended when something was raised."""
    if compiles:
        context = as_cargo_has_it(context, plan.cargo.cwd)
    book = LayerCache(context.cache_dir / "layers")
    begun = None if context.clock is None else context.clock()
    signer = _signer_of(plan, context)
    runner = _runner(plan, context)
    with (
        in_use(plan.target_dir),
        _cached(plan, context, runner, compiles=compiles) as cached,
        scratch("cargoship-") as folder,
        _remote_bases(plan, context) as remote,
        _package_base(plan, context) as packages,
        PlanDestinations(
            plan, runner=context.runner, env=context.env, emit=context.emit, mount_sources=context.mount_sources
        ) as places,
    ):
        verifier = StartChecks(plan, book, context.emit)
        yield BuildResources(
            plan, wanted, context, remote, packages, places, verifier, cached, folder, runner, compiles, begun, signer
        )  # fmt: skip


def _signer_of(plan: Plan, context: Context, *, foreseen: bool = False) -> Signer | None:
    """Who signs what a plan publishes; raises SigningFailed. For what is only foreseen no identity is asked for."""
    if plan.sign is None or not (plan.push or plan.signs_files):
        return None
    from cargoship.signing.signer import KEYLESS, open_signer

    if foreseen and plan.sign == KEYLESS:
        context.emit(Note("not asked: whether there is an identity to sign with; a build asks before it compiles"))
        return None
    return open_signer(plan.sign, env=context.env, cwd=context.cwd)


def foresee_sources(plan: Plan, context: Context) -> None:
    """Refuse what a build would before it compiles, as far as that can be known without a registry's taking a push.

    Nothing is left behind. Raises as `foresee_inputs` does, CannotStart, OutputError, DaemonError, and SigningFailed
    for a key that cannot be used.
    """
    check_own_folders(plan.target_dir)
    _signer_of(plan, context, foreseen=True)
    with (
        scratch("cargoship-") as folder,
        _remote_bases(plan, context) as remote,
        PlanDestinations(
            plan, runner=context.runner, env=context.env, emit=context.emit, mount_sources=context.mount_sources
        ) as places,
    ):
        places.foresee()
        licenses_of(plan, wanted_by(plan, context), context)
        store = BlobStore(folder)
        found = [
            foresee_inputs(image, plan, remote=remote.find, store=store, emit=context.emit) for image in plan.images
        ]
        if context.verify:
            verifier = StartChecks(plan, LayerCache(context.cache_dir / "layers"), context.emit)
            verifier.before([own for own in found if own is not None])


def as_cargo_has_it(context: Context, cwd: Path) -> Context:
    """The context with the environment that cargo, started by its name in `cwd`, has."""
    env = environment_of_cargo(context.runner, context.env, cwd, context.emit)
    return dataclasses.replace(context, env=env)


def wanted_by(plan: Plan, context: Context) -> Wanted:
    """What a plan wants of a toolchain."""
    return Wanted(plan.platforms, plan.libc, plan.cargo.cwd, context.cache_dir, offline=plan.offline)


def find_toolchain(wanted: Wanted, context: Context) -> Toolchain:
    """The compilers for these targets; raises ToolchainError's family."""
    runner, emit = context.runner, context.emit
    return locate(wanted, runner=runner, stream=compile.stream_plainly(runner, emit), env=context.env, emit=emit)


@contextlib.contextmanager
def _cached(plan: Plan, context: Context, runner: Runner, *, compiles: bool) -> Iterator[compile.Cached | None]:
    if not (compiles and plan.cache.enabled):
        if compiles:
            record_no_use(plan.build_dir)
        yield None
        return
    where = Workspace(plan.root, plan.build_dir, plan.root / "Cargo.lock", plan.target_dir)
    with (
        open_stores(plan.cache, context) as store,
        open_session(store, runner=runner, emit=context.emit) as session,
    ):
        yield compile.Cached(session, where)


def _runner(plan: Plan, context: Context) -> Runner:
    """What starts the cargo that compiles: with a cluster, where there is one. Raises UsageError."""
    if plan.remote is None:
        return context.runner
    from cargoship.execution.runner import open_cluster

    return open_cluster(plan.remote, context, root=plan.root)


def _remote_bases(plan: Plan, context: Context) -> RemoteBases:
    return RemoteBases(
        open_client=context.connect, cache=context.cache_dir / "bases", offline=plan.offline, emit=context.emit
    )


def _package_base(plan: Plan, context: Context) -> contextlib.AbstractContextManager[PackageBase | None]:
    named = [image.settings for image in plan.images if distribution_of(image.settings.base_spec) is not None]
    if not named:
        return contextlib.nullcontext()
    return open_package_base(named[0], context, offline=plan.offline, insist=plan.insist)
