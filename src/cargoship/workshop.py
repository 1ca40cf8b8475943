"""What a run works with: its bases, caches, compilers, checks and destinations, opened and closed together."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cargoship import compile  # noqa: A004 - the step's own name
from cargoship.bases.debian import DebianBases
from cargoship.bases.remote import RemoteBases
from cargoship.context import Context
from cargoship.destinations import Places
from cargoship.oci.layer import Layer
from cargoship.plan import Plan
from cargoship.platforms import row
from cargoship.rootfs.book import LayerBook
from cargoship.smoke import Smoke
from cargoship.sources import Sources, gather
from cargoship.toolchain.allocator import SYSTEM, choice_environment, mimalloc_environment, mimalloc_folders
from cargoship.toolchain.libraries import library_environment
from cargoship.toolchain.locate import Toolchain, Wanted, locate
from cargoship.unitcache.opening import open_stores
from cargoship.unitcache.session import Units, Workspace, settled
from cargoship.verification import Verifier


@dataclass(frozen=True)
class Workshop:
    """Everything that is open while a plan is carried out."""

    plan: Plan
    wanted: Wanted
    context: Context
    remote: RemoteBases
    debian: DebianBases
    places: Places
    verifier: Verifier
    smoke: Smoke
    units: Units | None
    """The cache of compiled units; None where it is turned off or nothing is compiled."""
    scratch: Path

    def sources(self) -> list[Sources]:
        """Files and bases of every image; raises as `gather` does. Bases of packages are not finished yet."""
        found = [gather(each, self.plan, remote=self.remote.find, debian=self.debian) for each in self.plan.images]
        self.debian.ready()
        return found

    def check_before(self, sources: Sequence[Sources]) -> None:
        """Refuse what can be refused without programs; raises CannotStart."""
        if self.context.verify:
            self.verifier.before(sources)

    def offer_bases(self, sources: Sequence[Sources]) -> None:
        """Let registries get the layers of bases while other things are done."""
        for own in sources:
            self.places.offer(own.image, (layer.blob for base in own.bases.values() for layer in base.layers))
            for base in own.bases.values():
                if base.unfinished is not None:
                    base.unfinished.when_made(partial(self._offer_layer, own))

    def _offer_layer(self, own: Sources, layer: Layer) -> None:
        self.places.offer(own.image, [layer.blob])

    def environment(self) -> Mapping[str, str]:
        """What cargo and build scripts see: the user's own environment, and where the system's libraries are."""
        context = self.context
        sysroots = {row(platform).gnu: sysroot for platform, sysroot in self.debian.sysroots().items()}
        env = library_environment(sysroots, context.env, cache_dir=context.cache_dir)
        return {**env, **choice_environment(self.plan.allocator)}

    def recalled(self, env: Mapping[str, str]) -> tuple[compile.Artifact, ...]:
        """The programs, if this very build was made before; else nothing."""
        if self.units is None:
            return ()
        programs = sorted({(each.package, each.name) for image in self.plan.images for each in image.bins})
        return compile.recall(
            self.plan.cargo, self.wanted, self.units, self.scratch,
            project=self.plan.project, programs=programs,
            runner=self.context.runner, env=env, emit=self.context.emit,
        )  # fmt: skip

    def compiled(self, toolchain: Toolchain, env: Mapping[str, str]) -> tuple[compile.Artifact, ...]:
        """The programs, compiled; raises as `compile.run` does."""
        context, wanted = self.context, self.wanted
        if self.plan.allocator != SYSTEM:
            if self.units is not None:
                triples = [triple for triple, _ in wanted.pairs]
                made = mimalloc_folders(triples, toolchain.zig, cache_dir=wanted.cache_dir)
                self.units.bring_libraries(made.values())
            env = {
                **env,
                **mimalloc_environment(
                    wanted.pairs, rust=toolchain.rust, zig=toolchain.zig, runner=context.runner, env=context.env,
                    cwd=wanted.cwd, cache_dir=wanted.cache_dir, offline=wanted.offline, emit=context.emit,
                ),
            }  # fmt: skip
        return compile.run(
            self.plan.cargo, toolchain,
            runner=context.runner, env=env, cache_dir=context.cache_dir, emit=context.emit, units=self.units,
        )  # fmt: skip

    def toolchain(self) -> Toolchain:
        """Find the compilers, or make what they lack; raises ToolchainError's family."""
        if self.units is not None:
            self.units.bring_libraries()
        return find_toolchain(self.wanted, self.context)


@contextlib.contextmanager
def open_workshop(plan: Plan, wanted: Wanted, context: Context, *, compiles: bool, insist: bool) -> Iterator[Workshop]:
    """Open everything; what is still under way at the end is waited for, or ended when something was raised.

    With `insist` bases of Debian packages are those that cargoship.lock has, or none.
    """
    book = LayerBook(context.cache_dir / "layers")
    with (
        _units(plan, context, compiles=compiles) as units,
        tempfile.TemporaryDirectory(prefix="cargoship-") as scratch,
        _remote_bases(plan, context) as remote,
        _debian_bases(plan, context, insist=insist) as debian,
        Places(plan, runner=context.runner, env=context.env, emit=context.emit, known=context.known) as places,
    ):
        verifier = Verifier(plan, book, context.emit)
        smoke = Smoke(plan, book, context.runner, context.env, context.emit)
        yield Workshop(
            plan, wanted, context, remote, debian, places, verifier, smoke, units, Path(scratch)
        )  # fmt: skip


def find_toolchain(wanted: Wanted, context: Context) -> Toolchain:
    """The compilers for these targets; raises ToolchainError's family."""
    stream = compile.stream_plainly(context.runner, context.emit)
    return locate(wanted, runner=context.runner, stream=stream, env=context.env, emit=context.emit)


@contextlib.contextmanager
def _units(plan: Plan, context: Context, *, compiles: bool) -> Iterator[Units | None]:
    if not (compiles and plan.cache.enabled):
        yield None
        return
    where = Workspace(plan.root, plan.build_dir, plan.root / "Cargo.lock")
    with open_stores(plan.cache, context) as store:
        units = Units(store, where, context.runner, store.scratch, context.emit)
        units.load()
        with settled(units):
            yield units


def _remote_bases(plan: Plan, context: Context) -> RemoteBases:
    offline = plan.cargo.offline or plan.cargo.frozen
    return RemoteBases(
        open_client=context.connect, cache=context.cache_dir / "bases", offline=offline, emit=context.emit
    )


def _debian_bases(plan: Plan, context: Context, *, insist: bool) -> DebianBases:
    return DebianBases(
        places=context.debian_places(plan.images[0].settings.debian_mirror),
        open_transport=context.open_transport,
        cache=context.cache_dir / "debian",
        offline=plan.cargo.offline or plan.cargo.frozen,
        insist=insist,
        emit=context.emit,
    )
