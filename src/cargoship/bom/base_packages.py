"""The packages that somebody else's base says it is made of: dpkg's list, that of distroless images, apk's.

Read from layers that anybody may have made: what does not look like a package is left out, and there is an end to
everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice

from cargoship.bom.sbom import BasePackage
from cargoship.rootfs.view import RootFs

_DPKG = "var/lib/dpkg/status"
_DISTROLESS = "var/lib/dpkg/status.d"
_APK = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
_RELEASE = ("etc/os-release", "usr/lib/os-release")
_PACKAGES_MAX = 20_000
_FILES_MAX = 500
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,199}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~:_-]{0,199}")
_WORD = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def packages_in_base(root: RootFs) -> tuple[BasePackage, ...]:
    """The packages of a base, in the order of their names; none where it has no list that is known here.

    Raises what reading its layers raises.
    """
    release = _release(root)
    vendor = release.get("ID", "")
    distribution = f"{vendor}-{release['VERSION_ID']}" if vendor and "VERSION_ID" in release else vendor
    found = {}
    for kind, fields in _listed(root):
        keys = ("Package", "Version", "Architecture") if kind == "deb" else ("P", "V", "A")
        name, version, architecture = (fields.get(key, "") for key in keys)
        if _NAME.fullmatch(name) and _VERSION.fullmatch(version) and _NAME.fullmatch(architecture):
            maker = vendor or ("debian" if kind == "deb" else "alpine")
            made = BasePackage(name, version, architecture, distribution, kind=kind, vendor=maker)
            found[name, version, architecture] = made
    return tuple(found[key] for key in sorted(found))


def _listed(root: RootFs) -> Iterator[tuple[str, Mapping[str, str]]]:
    for fields in islice(_paragraphs(_text(root, _DPKG)), _PACKAGES_MAX):
        # removed ones have left their configuration, and stay in the list
        if fields.get("Status", "").split()[-1:] == ["installed"]:
            yield "deb", fields
    for found in islice(root.tree.files_below(_DISTROLESS), _FILES_MAX):
        if not found.path.endswith(".md5sums"):
            text = root.content(found).decode("utf-8", "replace")
            for fields in islice(_paragraphs(text), 1):
                yield "deb", fields
    for path in _APK:
        for fields in islice(_paragraphs(_text(root, path)), _PACKAGES_MAX):
            yield "apk", fields


def _release(root: RootFs) -> Mapping[str, str]:
    """What os-release(5) says, where it is such a word."""
    for path in _RELEASE:
        pairs = (line.partition("=")[::2] for line in _text(root, path).splitlines())
        found = {key: value.strip().strip("\"'").lower() for key, value in pairs}
        if found:
            return {key: value for key, value in found.items() if _WORD.fullmatch(value)}
    return {}


def _text(root: RootFs, path: str) -> str:
    found = root.find(path)
    return "" if found is None else root.content(found).decode("utf-8", "replace")


def _paragraphs(text: str) -> Iterator[Mapping[str, str]]:
    """Fields by their names; lines that go on with the one before are not looked at."""
    fields: dict[str, str] = {}
    for line in (*text.splitlines(), ""):
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif not line[0].isspace():
            name, colon, value = line.partition(":")
            if colon:
                fields.setdefault(name, value.strip())
