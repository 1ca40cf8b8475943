"""The SBOMs of the images of a plan, and the documents that they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct

from cargoship.bases.static import data_versions
from cargoship.bom.base_packages import packages_in_base
from cargoship.bom.crates import ProgramCrates
from cargoship.bom.formats import SbomFormat
from cargoship.bom.sbom import BaseContents, BasePackage, ImageFacts, Sbom, ShippedProgram, sbom_of, union_of
from cargoship.c_library import LinkedLibraries, ProgramFile, read_program
from cargoship.cargo.project import Binary
from cargoship.debian.suites import DebianSpec
from cargoship.image_inputs import ImageInputs
from cargoship.oci.index import Index
from cargoship.oci.platform import Platform
from cargoship.oci.statement import Document
from cargoship.plan import BIN_DIR, Plan
from cargoship.platforms import LibcFamily, row
from cargoship.rootfs.layer_cache import LayerCache
from cargoship.rootfs.view import view_of
from cargoship.settings.base import BaseSpec, BuiltInBase, LayoutBase
from cargoship.settings.health import PROBE
from cargoship.version import __version__

KnownCrates = Mapping[tuple[Platform, str, str], ProgramCrates]
"""By platform, package and binary: the crates of the programs of which they are known."""


class DescribedImage(Struct, frozen=True):
    """An image of a plan that was made, with all that an SBOM tells of it."""

    sources: ImageInputs
    index: Index
    programs: Mapping[Platform, Mapping[str, Path]]
    """The files of its programs, by their names."""
    crates: KnownCrates
    plan: Plan
    layers: LayerCache
    """What is known of layers and files."""


def documents_of(index: Index, sboms: Mapping[Platform, Sbom], formats: Sequence[SbomFormat]) -> tuple[Document, ...]:
    """The SBOM of every image in the index, in each format."""
    return tuple(
        Document(image.descriptor, form.predicate_type, form.write(sboms[image.platform]), form.media_type)
        for form in formats
        for image in index.runnable
    )


def union_documents(
    index: Index, sboms: Mapping[Platform, Sbom], formats: Sequence[SbomFormat]
) -> tuple[Document, ...]:
    """The SBOM of the index itself, in each format: what is in any of its images."""
    union = union_of(list(sboms.values()), index.digest)
    return tuple(
        Document(index.descriptor, form.predicate_type, form.write(union), form.media_type) for form in formats
    )


def sboms_of(image: DescribedImage, c_libraries: Mapping[Platform, LinkedLibraries]) -> dict[Platform, Sbom]:
    """The SBOM of each platform's image, with the C library in its programs.

    Raises OSError, and what reading a base raises that is read in any case.
    """
    sources, plan, kept = image.sources, image.plan, image.layers.folder
    with ThreadPoolExecutor(min(4, len(plan.platforms))) as workers:
        files = [(platform, name, path) for platform, own in image.programs.items() for name, path in own.items()]
        known = dict(zip(
            ((platform, name) for platform, name, _ in files),
            workers.map(lambda file: read_program(file[2], kept), files),
            strict=True,
        ))  # fmt: skip
    found = {}
    for made in image.index.runnable:
        at = made.platform
        linked = c_libraries.get(at, LinkedLibraries())
        shipped = [
            _shipped(
                sources, binary, known[at, binary.name], image.crates.get((at, binary.package, binary.name)), linked
            )
            for binary in sources.image.bins
        ]
        found[at] = sbom_of(
            ImageFacts(sources.image.name, made.digest, at.architecture, plan.created, plan.sbom_creator),
            tools=_tools(shipped), programs=shipped, base=_contents(image, at),
            probe=_probe(sources.probes.get(at), kept),
        )  # fmt: skip
    return found


def _shipped(
    sources: ImageInputs, binary: Binary, file: ProgramFile, crates: ProgramCrates | None, linked: LinkedLibraries
) -> ShippedProgram:
    place, version = f"{BIN_DIR}/{binary.name}", sources.image.package.version
    return ShippedProgram(binary.name, version, place, file.digest, crates, linked.of(file), file.sha512)


def _probe(file: Path | None, kept: Path) -> ShippedProgram | None:
    """What a health check asks by: a program of cargoship's own, where the image has it."""
    if file is None:
        return None
    found = read_program(file, kept)
    return ShippedProgram(PROBE.rpartition("/")[2], __version__, PROBE, found.digest, sha512=found.sha512)


def _tools(programs: Sequence[ShippedProgram]) -> Mapping[str, str]:
    found = {"cargoship": __version__}
    for program in programs:
        if program.crates is not None:
            found |= program.crates.graph.compilers
    return found


def _spec(sources: ImageInputs, platform: Platform) -> BaseSpec:
    """What a platform's image stands on: WebAssembly on nothing, whatever the settings say."""
    return BuiltInBase.SCRATCH if row(platform).is_wasm else sources.image.settings.base_spec


def _contents(image: DescribedImage, platform: Platform) -> BaseContents:
    """What a platform's base has in it."""
    base = image.sources.bases[platform]
    match spec := _spec(image.sources, platform):
        case BuiltInBase.STATIC:
            return BaseContents(data=data_versions())
        case BuiltInBase.SCRATCH:
            return BaseContents()
        case DebianSpec(release):
            distribution = f"debian-{release.number}"
            packages = (
                BasePackage(each.name, each.version, each.architecture, distribution, each.digest.hex)
                for each in base.packages
            )
            return BaseContents(packages=tuple(packages))
        case _:
            # a static program's base in a registry is not downloaded, and that has to be so each time
            is_read = isinstance(spec, LayoutBase) or image.plan.libc.family is LibcFamily.GNU
            listed = packages_in_base(view_of(base.layers, image.layers)) if is_read else ()
            return BaseContents(base.name or "", base.digest, packages=listed, is_whole=False)
