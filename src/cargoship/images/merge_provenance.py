"""Where a merged index comes from: its parts, by their digests. What the parts come from is said of themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cargoship.attest.builder import run_of
from cargoship.attest.provenance import MERGE, Material, Provenance
from cargoship.context import Context
from cargoship.oci.descriptor import BytesBlob
from cargoship.oci.referrer import Referrer
from cargoship.registry.source import ImageSource
from cargoship.registry.testimony import Witness
from cargoship.settings.kinds import FLAG, Wrong
from cargoship.signing.signer import Signer
from cargoship.statements.witnesses import ImageWitness, Matter, Signing
from cargoship.version import __version__

_CREATED = "1970-01-01T00:00:00Z"
"""A merged index has no time of its own."""


def witness_of_merge(
    sources: Sequence[ImageSource], context: Context, signer: Signer | None
) -> Callable[[BytesBlob, Sequence[Referrer]], Witness]:
    """Who speaks of an index that is made of `sources`, and signs it with its SBOMs, where there is a signer."""
    begun = None if context.clock is None else context.clock()
    materials = tuple(_part(each) for each in sources)

    def provenance() -> Provenance:
        run = run_of(context.env)
        finished = None if context.clock is None else context.clock()
        done = type(run)(run.builder, run.invocation, {"cargoship": __version__}, begun, finished)
        return Provenance(MERGE, {"parts": [each.digest for each in materials]}, {"hermetic": True}, materials, done)

    def witness(root: BytesBlob, sboms: Sequence[Referrer]) -> Witness:
        matter = Matter(root.descriptor, provenance if _is_wanted(context) else None, tuple(one.tree for one in sboms))
        return ImageWitness((matter,), _CREATED, None if signer is None else Signing(signer))

    return witness


def _part(source: ImageSource) -> Material:
    digest = source.root.descriptor.digest
    # where a file lies says nothing to others
    uri = "" if source.reference is None else f"oci://{source.reference.name}@{digest}"
    return Material("part", uri, {str(digest.algorithm): digest.hex})


def _is_wanted(context: Context) -> bool:
    """Whether the variable of the setting `provenance` does not say otherwise: a merge has no Cargo.toml."""
    try:
        return bool(FLAG.parse(FLAG.from_text(context.env.get("CARGOSHIP_PROVENANCE") or "true")))
    except Wrong:
        return True
