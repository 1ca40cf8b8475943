"""dpkg's records of what is installed, so that scanners and dpkg itself see the packages (dpkg(1), "FILES").

var/lib/dpkg/status has a paragraph for each package, info/<package>.list its paths and .md5sums their digests: those of
them that are in the image. info/format says that packages for several architectures have theirs in the name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from cargoship.debian.control import decode_control
from cargoship.debian.deb import Slice
from cargoship.debian.tree import Installed
from cargoship.oci.entry import LayerEntry

_ROOT = "var/lib/dpkg"


def records(installed: Iterable[Installed], contents: Mapping[str, LayerEntry]) -> Iterator[LayerEntry]:
    """The files of dpkg's records; `contents` are the entries of the image by their path."""
    known = sorted(installed, key=lambda each: each.package.name)
    yield LayerEntry.file(f"{_ROOT}/status", "".join(_paragraph(each, contents) for each in known).encode())
    yield LayerEntry.file(f"{_ROOT}/available", b"")
    yield LayerEntry.file(f"{_ROOT}/info/format", b"1\n")
    yield LayerEntry.directory(f"{_ROOT}/updates")
    for each in known:
        name = each.package.name
        if each.fields.get("multi-arch") == "same":
            name += f":{each.package.architecture}"
        listed = "".join(f"{path}\n" for path in dict.fromkeys(("/.", *each.paths)))
        yield LayerEntry.file(f"{_ROOT}/info/{name}.list", listed.encode())
        if "md5sums" in each.control:
            yield LayerEntry.file(f"{_ROOT}/info/{name}.md5sums", _sums(each).encode())


def _paragraph(each: Installed, contents: Mapping[str, LayerEntry]) -> str:
    lines = []
    for name, value in each.fields.items():
        shown = "-".join(part.capitalize() for part in name.split("-"))
        lines.append(f"{shown}: {value}" if not value.startswith("\n") else f"{shown}:{value}")
        if name == "package":
            lines.append("Status: install ok installed")
    conffiles = list(_conffiles(each, contents))
    if conffiles:
        lines.append("Conffiles:\n" + "\n".join(conffiles))
    return "\n".join(lines) + "\n\n"


def _conffiles(each: Installed, contents: Mapping[str, LayerEntry]) -> Iterator[str]:
    text = decode_control(each.control.get("conffiles", b""), what=f"the conffiles of {each.package}")
    for line in text.splitlines():
        path = line.split()[-1] if line.strip() else ""
        entry = contents.get(path.lstrip("/"))
        if entry is not None and isinstance(entry.source, Slice) and not line.startswith("remove"):
            with entry.source.open() as stream:
                md5 = hashlib.md5(usedforsecurity=False)
                while piece := stream.read(1 << 20):
                    md5.update(piece)
            yield f" {path} {md5.hexdigest()}"


def _sums(each: Installed) -> str:
    text = decode_control(each.control["md5sums"], what=f"the md5sums of {each.package}")
    there = frozenset(each.paths)
    kept = []
    for line in text.splitlines():
        _, _, path = line.partition("  ")
        if f"/{path}" in there:
            kept.append(line + "\n")
    return "".join(kept)
