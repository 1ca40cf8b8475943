"""What travels with an image, in the form that the settings want: manifests that refer to it, or entries of its index.

Documents are made elsewhere (bills of materials in `image_bills`). Here they become what travels with the image:
manifests that refer to it, or statements inside its index.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cargoship.image_bills import KnownCrates, bills_of, documents_of, union_documents
from cargoship.image_inputs import ImageInputs
from cargoship.oci.index import Index
from cargoship.oci.platform import Platform
from cargoship.oci.referrer import Referrer
from cargoship.oci.statement import with_statements
from cargoship.plan import Plan
from cargoship.rootfs.layer_cache import LayerCache

_CREATED = "org.opencontainers.image.created"


@dataclass(frozen=True)
class Attested:
    """An image with all that is said about it: in its index, or in manifests that refer to it."""

    index: Index
    about: tuple[Referrer, ...] = ()


def attested(
    sources: ImageInputs,
    index: Index,
    programs: Mapping[Platform, Mapping[str, Path]],
    crates: KnownCrates,
    plan: Plan,
    book: LayerCache,
) -> Attested:
    """What is published for an image that was made: `index` or one with statements in it, and what refers to that.

    `programs` are its programs' files by name. Where nobody would keep what is said, nothing is. An index that is
    pushed by its digest is a part of one that `merge` makes: of its images alone something is said. `book` has what is
    known of layers. Raises OSError, and what reading a base raises.
    """
    if not (plan.bills and plan.keeps_attestations):
        return Attested(index)
    bills = bills_of(sources, index, programs, crates, plan, book)
    documents = documents_of(index, bills, plan.bills)
    name = sources.image.name
    if plan.attest.in_index:
        index = with_statements(index, documents, name)
    if not plan.attest.refers:
        return Attested(index)
    if not plan.push_by_digest:
        documents = (*union_documents(index, bills, plan.bills), *documents)
    said = {_CREATED: plan.created}
    return Attested(index, tuple(Referrer(each.artifact(name, said)) for each in documents))
