"""The SBOM of one image for one platform, before it is written in anybody's format.

What is in it: the programs, the crates whose code is in them, what ran while they were compiled, C sources that crates
carry, Rust's standard library and Zig's C library, and what the base says of itself. Two builds of the same have the
same SBOM: no path of a machine, no time but the image's own, no name of a registry.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

from msgspec import Struct, field
from msgspec.structs import replace

from cargoship.bom.addresses import address_for_sbom
from cargoship.bom.auditable import source_of
from cargoship.bom.component import Component, Kind
from cargoship.bom.crates import Crate, CrateGraph, NativeSource, ProgramCrates, Use
from cargoship.bom.libraries import libraries, native_component
from cargoship.cargo.registries import index_address
from cargoship.oci.digest import Digest
from cargoship.printable import without_user

_IN_A_FOLDER = re.compile(r"(?:[a-z]+\+)?file:", re.IGNORECASE)
_PYPI = "https://pypi.org/project/{}"
_VENDORS = {
    "alpine": "https://www.alpinelinux.org",
    "debian": "https://www.debian.org",
    "ubuntu": "https://ubuntu.com",
    "wolfi": "https://wolfi.dev",
}


class Sbom(Struct, frozen=True):
    """An image's components, in the order of their refs."""

    name: str
    """Of the image, without a registry."""
    digest: Digest
    """Of its manifest."""
    architecture: str
    """Empty for an image of several platforms."""
    created: str
    """The time of everything in the image, as RFC 3339."""
    tools: tuple[tuple[str, str], ...]
    """What made it, with versions."""
    components: tuple[Component, ...]
    top: tuple[str, ...]
    """What the image itself holds; the others are needed by these."""
    is_whole: bool = True
    """Whether all that is in the image is listed: what a base from a registry holds, only its maker knows."""
    creator: str = ""
    """A mail address or URL of who answers for the image and its SBOM, as the settings say it."""

    @property
    def purl(self) -> str:
        """Of the image."""
        name = quote(self.name.rpartition("/")[2], safe="")
        architecture = f"?arch={self.architecture}" if self.architecture else ""
        return f"pkg:oci/{name}@sha256%3A{self.digest.hex}{architecture}"

    @property
    def uuid(self) -> uuid.UUID:
        """One for each image, and the same for the same image."""
        return uuid_of(self.digest)


def uuid_of(digest: Digest) -> uuid.UUID:
    """Of the SBOM of an image or index."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"https://cargoship.dev/bom/{digest}")


class ShippedProgram(Struct, frozen=True):
    """A program in an image: its name, its file in there, the digest of that, and its crates where they are known."""

    name: str
    version: str
    place: str
    digest: Digest
    crates: ProgramCrates | None = None
    libraries: tuple[NativeSource, ...] = ()
    """What it was linked with besides: the C library, C++'s, the runtime of the compiler."""
    sha512: str = ""


class BasePackage(Struct, frozen=True):
    """A package in a base."""

    name: str
    version: str
    architecture: str
    distribution: str = ""
    """`debian-12`."""
    sha256: str = ""
    kind: str = "deb"
    """The type of its package URL: deb, apk."""
    vendor: str = "debian"


class BaseContents(Struct, frozen=True):
    """What is known of an image's base."""

    name: str = ""
    """The reference by which the user knows it, where it is somebody's image."""
    digest: Digest | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    """Python packages whose data is in it, with versions: certifi, tzdata."""
    packages: tuple[BasePackage, ...] = ()
    is_whole: bool = True


class ImageFacts(Struct, frozen=True):
    """What an SBOM says of its image as a whole; see the fields of `Sbom`."""

    name: str
    digest: Digest
    architecture: str
    created: str
    creator: str = ""


def sbom_of(
    image: ImageFacts,
    *,
    tools: Mapping[str, str],
    programs: Sequence[ShippedProgram],
    base: BaseContents,
    probe: ShippedProgram | None = None,
) -> Sbom:
    """The SBOM of an image; `tools` are what made it (cargoship, rustc, zig), with their versions.

    `probe` is cargoship's own program for health checks, which is static and has no crates.
    """
    found: dict[str, Component] = {}
    top = []
    for program in programs:
        component = _program(program, image.name)
        found[component.ref] = component
        top.append(component.ref)
        if program.crates is not None:
            for each in _crates(program.crates, tools, image.name, program.libraries):
                found[each.ref] = _joined(found[each.ref], each) if each.ref in found else each
    if probe is not None:
        own = replace(_program(probe, "cargoship"), license="MIT OR Apache-2.0")
        # of other programs it is known what Rust's standard library is there
        below = tuple(ref for ref in sorted(found) if found[ref].name == "rust-std")
        found[own.ref] = replace(own, needs=below)
        top.append(own.ref)
    for each in _base(base):
        found[each.ref] = each
        top.append(each.ref)
    return Sbom(
        image.name, image.digest, image.architecture, image.created,
        tuple(sorted(tools.items())),
        tuple(found[ref] for ref in sorted(found)),
        tuple(sorted(top)),
        base.is_whole and all(program.crates is not None for program in programs),
        image.creator,
    )  # fmt: skip


def _program(program: ShippedProgram, maker: str) -> Component:
    needs: tuple[str, ...] = ()
    if program.crates is not None:
        graph = program.crates.graph
        needs = (crate_ref(graph.crates[graph.uses[program.crates.root].crate]),)
    return Component(
        # programs of two platforms have one place
        ref=f"program:{program.place}@{program.digest.short}",
        kind=Kind.PROGRAM,
        name=program.name,
        version=program.version,
        sha256=program.digest.hex,
        sha512=program.sha512,
        file=program.place.rpartition("/")[2],
        supplier=maker,
        place=program.place,
        needs=needs,
    )


def _joined(one: Component, other: Component) -> Component:
    """A crate that two programs of an image have."""
    facts = {name: set(value.split(",")) for name, value in one.facts}
    for name, value in other.facts:
        facts.setdefault(name, set()).update(value.split(","))
    return replace(
        one,
        is_shipped=one.is_shipped or other.is_shipped,
        facts=tuple((name, ",".join(sorted(values))) for name, values in sorted(facts.items())),
        needs=tuple(sorted({*one.needs, *other.needs})),
    )


def crate_ref(crate: Crate) -> str:
    """The name of a crate in an SBOM."""
    commit = crate.source.partition("#")[2]
    return crate_purl(crate) or f"crate:{crate.name}@{crate.version}" + (f"#{commit}" if commit else "")


def crate_purl(crate: Crate) -> str:
    """The package URL of a crate (purl-spec, types/cargo).

    A local one is known to nobody else and has none, nor has one of a repository or registry in a folder: where that
    is, is a matter of this machine.
    """
    if _IN_A_FOLDER.match(crate.source):
        return ""
    plain = f"pkg:cargo/{quote(crate.name, safe='')}@{quote(crate.version, safe='')}"
    match source_of(crate):
        case "local":
            return ""
        case "crates.io":
            return plain
        case "git":
            return f"{plain}?vcs_url={quote(_git_url(crate.source), safe='')}"
        case _:
            where = index_address(crate.source)
            return f"{plain}?repository_url={quote(without_user(where), safe='')}"


def _git_url(source: str) -> str:
    """Of `git+https://host/name?branch=main#COMMIT`, as SPDX writes the place of a commit."""
    url, _, commit = source.removeprefix("git+").partition("#")
    return f"git+{without_user(url.partition('?')[0])}@{commit}"


def _crates(
    program: ProgramCrates, tools: Mapping[str, str], maker: str, linked_with: Sequence[NativeSource]
) -> Iterator[Component]:
    graph = program.graph
    linked, places = program.linked(), program.all()
    root = graph.uses[program.root]
    sides: dict[int, list[int]] = {}
    for place in sorted(places):
        sides.setdefault(graph.uses[place].crate, []).append(place)
    added = tuple(libraries(root.triple or "", tools, linked_with))
    # once for each crate, and not for each of its users: quoting takes longer than all the rest
    refs = [crate_ref(crate) for crate in graph.crates]
    for number, uses in sides.items():
        made = _crate(graph, number, refs, uses, linked, [each.ref for each in added])
        yield made if made.supplier else replace(made, supplier=maker)
        for place in uses:
            for source in graph.uses[place].native:
                yield native_component(source, is_shipped=place in linked)
    yield from added


def _crate(
    graph: CrateGraph,
    number: int,
    refs: Sequence[str],
    places: Sequence[int],
    linked: frozenset[int],
    libraries: Iterable[str],
) -> Component:
    """A crate by its place in the graph; `refs` are the names of all of them in the SBOM."""
    crate, ref = graph.crates[number], refs[number]
    uses = [graph.uses[place] for place in places]
    is_shipped = any(place in linked for place in places)
    own = [graph.uses[place] for place in places if place in linked]
    host = [graph.uses[place] for place in places if place not in linked]
    facts = {
        "features": _features(own),
        "features-while-building": _features(host),
        "target": ",".join(sorted({use.triple for use in own if use.triple})),
        "runs-while-building": ",".join(
            word
            for word, holds in (
                ("build-script", any(use.has_script for use in uses)),
                ("procedural-macro", any(use.is_macro for use in uses)),
            )
            if holds
        ),
    }
    needs = {refs[graph.uses[each].crate] for use in uses for each in (*use.needs, *use.builds_with)}
    needs |= {native_component(source, is_shipped=True).ref for use in uses for source in use.native}
    # one crate can be on both sides: it does not need itself
    needs.discard(ref)
    return Component(
        ref=ref,
        kind=Kind.CRATE,
        name=crate.name,
        version=crate.version,
        purl=ref if ref.startswith("pkg:") else "",
        sha256=crate.checksum,
        sha512=crate.sha512,
        # as registries hand it out
        file=f"{crate.name}-{crate.version}.crate" if crate.checksum else "",
        home=_home(crate),
        license=crate.license,
        license_text=crate.license_text,
        supplier=_person(crate),
        repository=address_for_sbom(crate.repository),
        is_shipped=is_shipped,
        facts=tuple(sorted((name, value) for name, value in facts.items() if value)),
        needs=tuple(sorted({*needs, *(libraries if is_shipped else ())})),
    )


def _features(uses: Iterable[Use]) -> str:
    return ",".join(sorted({feature for use in uses for feature in use.features}))


def _person(crate: Crate) -> str:
    """The first author without an address; where the manifest has none, who gave it out.

    Empty for a local one, and for one of a repository or registry in a folder.
    """
    for author in crate.authors:
        name = author.partition("<")[0].strip()
        if name:
            return name
    if crate.is_local or _IN_A_FOLDER.match(crate.source):
        return ""
    if source_of(crate) == "crates.io":
        return "crates.io"
    return without_user(crate.source.partition("+")[2]).partition("?")[0].partition("#")[0].partition("://")[2]


def _home(crate: Crate) -> str:
    """Where its project is; else its page on crates.io."""
    if said := address_for_sbom(crate.repository):
        return said
    match source_of(crate):
        case "crates.io":
            return f"https://crates.io/crates/{quote(crate.name, safe='')}"
        case "git":
            return address_for_sbom(crate.source.removeprefix("git+").partition("?")[0].partition("#")[0])
        case _:
            return ""


def _base(base: BaseContents) -> Iterator[Component]:
    if base.name:
        digest = "" if base.digest is None else f"@sha256%3A{base.digest.hex}"
        name = base.name.rpartition("/")[2].partition("@")[0].partition(":")[0]
        purl = f"pkg:oci/{quote(name, safe='')}{digest}"
        sha256 = "" if base.digest is None else base.digest.hex
        version = "" if base.digest is None else str(base.digest)
        supplier = base.name.rpartition("/")[0] or base.name
        yield Component(purl, Kind.IMAGE, base.name, version, purl, sha256=sha256, supplier=supplier)
    for name, version in sorted(base.data.items()):
        purl = f"pkg:pypi/{quote(name, safe='')}@{quote(version, safe='')}"
        yield Component(purl, Kind.DATA, name, version, purl, supplier="PyPI", home=_PYPI.format(name))
    for each in base.packages:
        distribution = f"&distro={each.distribution}" if each.distribution else ""
        name = f"{each.vendor}/{quote(each.name, safe='+')}"
        purl = f"pkg:{each.kind}/{name}@{quote(each.version, safe='')}?arch={each.architecture}"
        yield Component(
            purl + distribution, Kind.PACKAGE, each.name, each.version, purl + distribution,
            sha256=each.sha256, supplier=each.vendor.capitalize(), home=_VENDORS.get(each.vendor, ""),
        )  # fmt: skip


def union_of(sboms: Sequence[Sbom], digest: Digest) -> Sbom:
    """The SBOM of an image for several platforms, whose index has this digest."""
    found: dict[str, Component] = {}
    for each in (each for sbom in sboms for each in sbom.components):
        found[each.ref] = _joined(found[each.ref], each) if each.ref in found else each
    return Sbom(
        sboms[0].name, digest, "", sboms[0].created,
        tuple(sorted({tool for sbom in sboms for tool in sbom.tools})),
        tuple(found[ref] for ref in sorted(found)),
        tuple(sorted({ref for sbom in sboms for ref in sbom.top})),
        all(sbom.is_whole for sbom in sboms),
        sboms[0].creator,
    )  # fmt: skip
