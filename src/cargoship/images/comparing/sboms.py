"""Which crates and packages differ by the SBOMs that two images have, where their programs do not say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from cargoship.context import Context
from cargoship.decoding import is_too_much
from cargoship.errors import CargoshipError, ContentInvalid
from cargoship.images.comparing.difference import Difference, DifferenceKind
from cargoship.images.comparing.leaves import Leaf
from cargoship.images.comparing.programs import CrateUse, crate_differences
from cargoship.images.sboms import FoundSbom, find_sbom

_CRATE = "pkg:cargo/"
_IMAGE = "pkg:oci/"
_BUILD_SCOPE = "excluded"


def sbom_differences(one: str, other: str, leaves: tuple[Leaf, Leaf], context: Context) -> Iterator[Difference]:
    """Crates and packages that differ; none where one of the images has no SBOM that can be read."""
    uses = [_uses_of(target, leaf, context) for target, leaf in zip((one, other), leaves, strict=True)]
    if uses[0] is None or uses[1] is None:
        return
    for kind in (DifferenceKind.CRATE, DifferenceKind.PACKAGE):
        old, new = ([use for of, use in each if of is kind] for each in uses if each is not None)
        yield from crate_differences(kind, old, new)


def _uses_of(target: str, leaf: Leaf, context: Context) -> Sequence[tuple[DifferenceKind, CrateUse]] | None:
    names = [None if leaf.platform is None or leaf.entry is None else str(leaf.platform), None]
    for platform in dict.fromkeys(names):
        try:
            return uses_in(find_sbom(target, context, platform=platform, form=None))
        except CargoshipError:
            # a word more about what is known to differ: nothing depends on it
            continue
    return None


def uses_in(sbom: FoundSbom) -> list[tuple[DifferenceKind, CrateUse]]:
    """The crates and packages of an SBOM, in CycloneDX or SPDX; raises ContentInvalid."""
    if is_too_much(sbom.document):
        raise ContentInvalid(f"an SBOM of {sbom.subject} has more in it than is compared")
    try:
        document = msgspec.json.decode(sbom.document, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ContentInvalid(f"an SBOM cannot be read: {error}") from error
    found = []
    for each in _objects(document.get("components")):
        role = "build" if each.get("scope") == _BUILD_SCOPE else ""
        found.append(_use(str(each.get("purl") or ""), each.get("name"), each.get("version"), role))
    for each in _objects(document.get("packages")):
        purls = (ref.get("referenceLocator") for ref in _objects(each.get("externalRefs")))
        purl = next((str(text) for text in purls if str(text).startswith("pkg:")), "")
        found.append(_use(purl, each.get("name"), each.get("versionInfo"), ""))
    for each in _objects(document.get("@graph")):
        if each.get("type") == "software_Package":
            purl = str(each.get("software_packageUrl") or "")
            if not purl.startswith(_IMAGE):
                found.append(_use(purl, each.get("name"), each.get("software_packageVersion"), ""))
    return found


def _objects(value: object) -> Iterator[dict[str, Any]]:
    yield from (each for each in (value if isinstance(value, list) else ()) if isinstance(each, dict))


def _use(purl: str, name: object, version: object, role: str) -> tuple[DifferenceKind, CrateUse]:
    kind = DifferenceKind.CRATE if purl.startswith(_CRATE) else DifferenceKind.PACKAGE
    return kind, CrateUse(str(name or ""), str(version or ""), "", role)
