"""What travels with an image, in the form that the settings want: manifests that refer to it, or entries of its index.

Documents are made elsewhere (SBOMs in `statements.sboms`). Here they become what travels with the image:
manifests that refer to it, or statements inside its index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct

from cargoship.attest.provenance import PREDICATE, Provenance
from cargoship.attest.statement import Subject
from cargoship.c_library import LinkedLibraries
from cargoship.image_inputs import ImageInputs
from cargoship.oci.index import Index
from cargoship.oci.platform import Platform
from cargoship.oci.referrer import Referrer
from cargoship.oci.statement import Document, with_statements
from cargoship.statements.sboms import DescribedImage, documents_of, sboms_of, union_documents

ProvenanceOf = Callable[[ImageInputs, Sequence[Platform]], Provenance]
"""Where an image for these platforms comes from, without what differs from run to run."""
_CREATED = "org.opencontainers.image.created"


class Attested(Struct, frozen=True):
    """An image with all that is said about it: in its index, or in manifests that refer to it."""

    index: Index
    about: tuple[Referrer, ...] = ()


def attested(
    image: DescribedImage,
    provenance_of: ProvenanceOf | None,
    c_libraries: Callable[[], Mapping[Platform, LinkedLibraries]],
) -> Attested:
    """What is published for an image that was made: its index or one with statements in it, and what refers to that.

    Where nobody would keep what is said, nothing is. An index that is pushed by its digest is a part of one that
    `merge` makes: of its images alone something is said. `c_libraries` says what programs are linked with. Statements
    in the index are about provenance too, where `provenance_of` is given. Raises OSError, and what reading a base
    raises.
    """
    sources, index, plan = image.sources, image.index, image.plan
    if not plan.keeps_attestations or not (plan.sboms or provenance_of):
        return Attested(index)
    name = sources.image.name
    sboms = sboms_of(image, c_libraries()) if plan.sboms else {}
    documents = documents_of(index, sboms, plan.sboms)
    if plan.attest.in_index:
        origins = () if provenance_of is None else tuple(_origins(sources, index, provenance_of))
        index = with_statements(index, (*documents, *origins), name)
    if not (plan.attest.refers and plan.sboms):
        return Attested(index)
    if not plan.push_by_digest:
        documents = (*union_documents(index, sboms, plan.sboms), *documents)
    said = {_CREATED: plan.created}
    return Attested(index, tuple(Referrer(each.artifact(name, said)) for each in documents))


def _origins(sources: ImageInputs, index: Index, provenance_of: ProvenanceOf) -> Iterator[Document]:
    """Where each image comes from, as BuildKit's `--provenance` has it: SLSA's predicate in the index."""
    for image in index.runnable:
        statement = provenance_of(sources, [image.platform]).statement(Subject.of(image.digest, sources.image.name))
        yield Document(image.descriptor, PREDICATE, msgspec.json.encode(statement.predicate))
