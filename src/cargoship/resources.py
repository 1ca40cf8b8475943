"""What a run works with: its bases, checks, destinations and what compiles, opened and closed together."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from cargoship.bases.distributions import open_package_base
from cargoship.bases.package_base import PackageBase
from cargoship.bases.remote import RemoteBases
from cargoship.c_library import LinkedLibraries
from cargoship.compilation import Compilation, cargo_runner, open_cached
from cargoship.context import Context
from cargoship.destinations import PlanDestinations
from cargoship.errors import IncludeInvalid
from cargoship.events import Level, Note
from cargoship.image_inputs import ImageInputs, foresee_inputs, gather_inputs
from cargoship.leftovers import check_own_folders, in_use
from cargoship.licensing import LicenseSurvey, licenses_of, notices_of
from cargoship.oci.layer import BlobStore, Layer
from cargoship.oci.platform import Platform
from cargoship.plan import Plan
from cargoship.reading import real_path
from cargoship.rootfs.layer_cache import LayerCache
from cargoship.run_toolchain import RunToolchain, as_cargo_has_it, wanted_by
from cargoship.scratch import scratch
from cargoship.settings.base import distribution_of
from cargoship.settings.include import IncludedFile
from cargoship.start_checks import StartChecks
from cargoship.statements.run import RunStatements
from cargoship.unitcache.care.cache_folder import LAYERS

if TYPE_CHECKING:
    from cargoship.signing.signer import Signer

_NOT_SIGNED = (
    "nothing is signed, for signatures are made for what is pushed, and for layouts and archives of OCI: "
    "add --push, or -o oci:FOLDER"
)


class BuildResources(Struct, frozen=True, dict=True):
    """Everything that is open while a plan is carried out."""

    plan: Plan
    context: Context
    remote: RemoteBases
    packages: PackageBase | None
    """None where no image stands on packages."""
    places: PlanDestinations
    verifier: StartChecks
    statements: RunStatements
    """What this run says about its images."""
    toolchain: RunToolchain
    compilation: Compilation
    scratch: Path
    compiles: bool
    """Whether the programs are compiled; otherwise they are given, and nothing is known of their crates."""

    def sources(self) -> list[ImageInputs]:
        """Files and bases of every image; bases of packages are not finished yet.

        Raises as `gather_inputs` does, and LicenseRefused for crates that the settings do not take.
        """
        survey = None
        if self.compiles:
            self.toolchain.ask()
            survey = licenses_of(self.plan, self.toolchain.wanted, self.context)
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
        if self.statements.signer is None or self.plan.sign is None:
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

    def c_libraries(self) -> Mapping[Platform, LinkedLibraries]:
        """The C libraries, and what else is linked, in programs that are compiled here."""
        return self.toolchain.c_libraries() if self.compiles else {}

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


@contextlib.contextmanager
def open_resources(plan: Plan, context: Context, *, compiles: bool) -> Iterator[BuildResources]:
    """Open everything; what is still under way at the end is waited for, or ended when something was raised.

    `compiles` says whether programs are compiled; otherwise they are given.
    """
    if compiles:
        context = as_cargo_has_it(context, plan.cargo.cwd)
    begun = None if context.clock is None else context.clock()
    # read and tried here, so that nothing is compiled for a key that does not fit
    signer = _signer_of(plan, context)
    runner = cargo_runner(plan, context)
    toolchain = RunToolchain(wanted_by(plan, context), context)
    with (
        in_use(plan.target_dir),
        open_cached(plan, context, runner) if compiles else contextlib.nullcontext() as cached,
        scratch("cargoship-") as folder,
        _remote_bases(plan, context) as remote,
        _package_base(plan, context) as packages,
        PlanDestinations(
            plan, runner=context.runner, env=context.env, emit=context.emit, mount_sources=context.mount_sources
        ) as places,
    ):
        verifier = StartChecks(plan, LayerCache(context.cache_dir / "layers"), context.emit)
        given: Mapping[str, int] = {} if cached is None else cached.session.given
        statements = RunStatements(plan, context, signer, begun, toolchain.materials, given, compiles)
        compilation = Compilation(plan, toolchain, context, runner, cached, packages, folder)
        yield BuildResources(
            plan, context, remote, packages, places, verifier, statements, toolchain, compilation, folder, compiles
        )  # fmt: skip


def _signer_of(plan: Plan, context: Context, *, foreseen: bool = False) -> Signer | None:
    """Who signs what a plan publishes; raises SigningFailed. For what is only foreseen no identity is asked for."""
    if plan.sign is None:
        return None
    if not (plan.push or plan.signs_files):
        if plan.asks_to_sign:
            context.emit(Note(_NOT_SIGNED, Level.WARNING))
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


def _remote_bases(plan: Plan, context: Context) -> RemoteBases:
    return RemoteBases(
        open_client=context.connect, cache=context.cache_dir / "bases", offline=plan.offline, emit=context.emit
    )


def _package_base(plan: Plan, context: Context) -> contextlib.AbstractContextManager[PackageBase | None]:
    named = [image.settings for image in plan.images if distribution_of(image.settings.base_spec) is not None]
    if not named:
        return contextlib.nullcontext()
    return open_package_base(named[0], context, offline=plan.offline, insist=plan.insist)
