"""The list of crates inside of a program, as cargo-auditable has defined it: the section `.dep-v0`.

Zlib-compressed JSON (cargo-auditable, PARSING.md and cargo-auditable.schema.json, format 0): packages in the order of
name and version, each with where it comes from, whether code of it is in the program, and what it needs. `cargo audit
bin`, Trivy, Grype and Syft read it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

from cargoship.bom.crates import Crate, ProgramCrates
from cargoship.cargo.registries import is_crates_io
from cargoship.errors import ContentInvalid

SECTION = ".dep-v0"
SECTION_BYTES_MAX = 8 << 20
_UNPACKED_BYTES_MAX = 64 << 20
_LEVEL = 7


def section_content(program: ProgramCrates) -> bytes:
    """The content of the section for a program; the same for the same crates."""
    graph = program.graph
    linked = {graph.uses[place].crate for place in program.linked()}
    places = program.all()
    needed: dict[int, set[int]] = {}
    for place in places:
        use = graph.uses[place]
        needs = needed.setdefault(use.crate, set())
        needs |= {graph.uses[each].crate for each in (*use.needs, *use.builds_with)} - {use.crate}
    # the graph's crates are in the order that the format asks for
    order = {crate: place for place, crate in enumerate(sorted(needed))}
    root = graph.uses[program.root].crate
    packages = [
        _package(graph.crates[crate], crate in linked, sorted(order[each] for each in needed[crate]), crate == root)
        for crate in sorted(needed)
    ]
    return zlib.compress(msgspec.json.encode({"packages": packages}), _LEVEL)


def _package(crate: Crate, is_linked: bool, needs: list[int], is_root: bool) -> Mapping[str, object]:  # noqa: FBT001
    package: dict[str, object] = {"name": crate.name, "version": crate.version, "source": source_of(crate)}
    # what is left out is the format's default
    if not is_linked:
        package["kind"] = "build"
    if needs:
        package["dependencies"] = needs
    if is_root:
        package["root"] = True
    return package


def source_of(crate: Crate) -> str:
    """The kind of place that a crate comes from, and no address: those of private ones are not made public."""
    if crate.is_local:
        return "local"
    if is_crates_io(crate.source):
        return "crates.io"
    return "git" if crate.source.startswith("git+") else "registry"


def packages_in(content: bytes) -> list[Mapping[str, Any]]:
    """What a section says, no matter who wrote it; raises ContentInvalid for what is none."""
    reader = zlib.decompressobj()
    try:
        text = reader.decompress(content, _UNPACKED_BYTES_MAX)
        packages = msgspec.json.decode(text)["packages"] if reader.eof else None
    except (zlib.error, msgspec.MsgspecError, KeyError, TypeError, RecursionError) as error:
        raise ContentInvalid(f"{SECTION} is no list of crates: {error}") from error
    if not isinstance(packages, list) or not all(isinstance(each, dict) for each in packages):
        raise ContentInvalid(f"{SECTION} is no list of crates")
    return packages
