"""What a run says about its images: where they come from, and who signs them; in registries, files and indexes.

What it is made of (SBOMs) is in `statements.sboms`. Nothing is sent or written here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from cargoship.attest.builder import run_of, runner_of
from cargoship.attest.provenance import Material
from cargoship.context import Context
from cargoship.destinations.destination import About
from cargoship.image_inputs import ImageInputs
from cargoship.oci.descriptor import Descriptor
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.oci.referrer import Referrer
from cargoship.plan import Plan
from cargoship.registry.referrers import subject_of
from cargoship.registry.testimony import NothingPresent, Witness
from cargoship.start_checks import Programs
from cargoship.statements.attestations import Attested, ProvenanceOf
from cargoship.statements.provenance import RunFacts, provenance_for
from cargoship.statements.witnesses import ImageWitness, Matter, Signing
from cargoship.version import __version__

if TYPE_CHECKING:
    from cargoship.signing.signer import Signer


@dataclass(frozen=True)
class RunStatements:
    """Says about each image of a plan what the settings want; `compilers` is asked when it is needed: it takes long."""

    plan: Plan
    context: Context
    signer: Signer | None
    """Who signs; None: nobody."""
    begun: float | None
    """When the run began, in seconds since 1970."""
    compilers: Callable[[], tuple[Material, ...]] = field(repr=False)
    given: Mapping[str, int]
    """How much each cache has given so far, by its name."""
    compiles: bool
    """Whether the programs are compiled in this run."""

    @property
    def names_compilers(self) -> bool:
        """Whether anything of it names what compiles."""
        made = self.plan
        return made.provenance and (made.push or made.attest.in_index or self._keeps_provenance_in_files)

    def inside(self, programs: Programs) -> ProvenanceOf | None:
        """Where the images come from, for a statement in their index; None where none is to be there."""
        if not (self.plan.provenance and self.plan.attest.in_index):
            return None
        facts = self._facts(programs).lasting()
        return lambda sources, platforms: provenance_for(sources, platforms, self.plan, facts, None)

    def about(self, sources: ImageInputs, image: Attested, programs: Programs) -> About:
        """All that is said about an image when it is published; raises SigningFailed, OSError."""
        return About(
            image.about, self._in_registries(sources, image, programs), self._in_files(sources, image, programs)
        )

    def _in_registries(self, sources: ImageInputs, image: Attested, programs: Programs) -> Witness | None:
        """Who says where an image comes from, and signs it with its SBOMs; None: nobody."""
        made, context = self.plan, self.context
        tells = made.provenance and made.attest.refers
        if not (made.push and (tells or self.signer)):
            return None
        finished = None if context.clock is None else context.clock()
        stated = partial(provenance_for, plan=made, facts=self._facts(programs), finished=finished) if tells else None
        return self._witness(sources, image, stated, whole=not made.push_by_digest)

    def _in_files(self, sources: ImageInputs, image: Attested, programs: Programs) -> tuple[Referrer, ...]:
        """The same for layouts and archives, without what differs from run to run."""
        made = self.plan
        signs = self.signer is not None and self.signer.key is not None and made.keeps_files
        if not (self._keeps_provenance_in_files or signs):
            return ()
        facts = self._facts(programs).lasting()
        stated = (
            partial(provenance_for, plan=made, facts=facts, finished=None) if self._keeps_provenance_in_files else None
        )
        witness = self._witness(sources, image, stated, whole=True)
        name = next(iter(sources.image.references), None) or Reference.parse(f"{sources.image.name}:latest")
        return witness.testify(name, NothingPresent()).referrers

    @property
    def _keeps_provenance_in_files(self) -> bool:
        """Whether files that somebody has asked for get provenance: it takes a second to make."""
        return self.plan.provenance and self.plan.attest.refers and self.plan.keeps_files

    def _facts(self, programs: Programs) -> RunFacts:
        env = self.context.env
        return RunFacts(
            replace(run_of(env), started=self.begun, versions={"cargoship": __version__}),
            self.compilers,
            self.given,
            env,
            runner_of(env),
            {} if self.compiles else programs,
        )

    def _witness(
        self, sources: ImageInputs, image: Attested, provenance_of: ProvenanceOf | None, *, whole: bool
    ) -> ImageWitness:
        index = image.index

        def matter(subject: Descriptor, platforms: Sequence[Platform]) -> Matter:
            sboms = tuple(
                said.tree for said in image.about if said.tag is None and subject_of(said.tree.root) == subject.digest
            )
            return Matter(subject, None if provenance_of is None else partial(provenance_of, sources, platforms), sboms)

        matters = [
            matter(each.descriptor, [each.platform]) for each in index.images() if each.platform in sources.bases
        ]
        if whole:
            # what is a part of another index is found by nobody
            matters.append(matter(index.descriptor, index.platforms))
        signing = None if self.signer is None else Signing(self.signer, self.plan.signature_formats)
        return ImageWitness(tuple(matters), self.plan.created, signing)
