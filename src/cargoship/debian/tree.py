"""The file system that packages make together, without anything of theirs having run.

What their maintainer scripts would have done and programs need is done here: the merged /usr, the bundle of
certificates, the time zone. Documentation is left out, but for what a licence asks to be kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from cargoship.debian.control import decode_control, parse_paragraph
from cargoship.debian.deb import Deb, Member, MemberKind, Slice
from cargoship.debian.package import DebianPackage
from cargoship.debian.relations import parse_relations
from cargoship.errors import ContentInvalid, IncludeInvalid
from cargoship.oci.entry import EntryKind, LayerEntry

# /bin is a link to /usr/bin, and so on: Debian's layout since bookworm, and that of its images before. Packages of
# bookworm still have files in both places (wiki.debian.org/UsrMerge).
MERGED = re.compile(r"bin|sbin|lib|lib32|lib64|libo32|libx32")
_ALWAYS = ("bin", "lib", "sbin")
# As Debian's own slim images leave out; a copyright file stays, and the links that lead to one.
_LEFT_OUT = re.compile(
    r"usr/share/(?:doc|doc-base|groff|info|linda|lintian|locale|man|bug)/(?!locale\.alias$)"
    r"(?!(?<=usr/share/doc/)[^/]+/copyright$)"
)
_DOC_LINK = re.compile(r"usr/share/doc/[^/]+")
_LINKS_MAX = 40
_CERTIFICATE = re.compile(r"usr/share/ca-certificates/.*\.crt")
_CERTIFICATE_BYTES_MAX = 1 << 20


@dataclass(frozen=True)
class Installed:
    """A package as it is in the file system: its fields, and the paths that are its own."""

    package: DebianPackage
    fields: Mapping[str, str]
    paths: tuple[str, ...]
    """Absolute, as the package has them, in its order."""
    control: Mapping[str, bytes] = field(repr=False)


class PackageTree:
    """Packages, one after the other, and what they make."""

    def __init__(self) -> None:
        self._entries: dict[str, LayerEntry] = {}
        self._owners: dict[str, str] = {}
        self._replaces: dict[str, frozenset[str]] = {}
        self.installed: list[Installed] = []

    def add(self, package: DebianPackage, deb: Deb) -> None:
        """Add a package's files; raises ContentInvalid for one that is not what it was said to be, or clashes."""
        what = str(package)
        fields = parse_paragraph(decode_control(deb.control["control"], what=what), what=what)
        said = (fields.get("package"), fields.get("version"), fields.get("architecture"))
        if said != (package.name, package.version, package.architecture):
            raise ContentInvalid(f"{what} calls itself {' '.join(part or '?' for part in said)}")
        replaced = parse_relations(fields.get("replaces", ""))
        self._replaces[package.name] = frozenset(relation.name for group in replaced for relation in group)
        paths: list[str] = []
        own: dict[str, LayerEntry] = {}
        for member in deb.members:
            path = _merged(member.path)
            if _LEFT_OUT.match(path) and not (member.kind is MemberKind.LINK and _DOC_LINK.fullmatch(path)):
                continue
            paths.append(f"/{member.path}")
            if MERGED.fullmatch(path):  # a top folder that is a link in every image, whatever a package has there
                self._put(LayerEntry.symlink(path, f"usr/{path}"), package.name)
                if member.kind is not MemberKind.FOLDER:
                    continue
                path = f"usr/{path}"
            own[path] = _entry(member, path, own, what)
            self._put(own[path], package.name)
        self.installed.append(Installed(package, fields, tuple(paths), deb.control))

    def add_entry(self, entry: LayerEntry) -> None:
        """Add something that no package brings; a package's own wins."""
        if entry.path not in self._entries:
            self._entries[entry.path] = entry

    def entries(self) -> tuple[LayerEntry, ...]:
        """All of it, every entry where the links above it lead."""
        for name in _ALWAYS:
            self._entries.setdefault(name, LayerEntry.symlink(name, f"usr/{name}"))
            self._entries.setdefault(f"usr/{name}", LayerEntry.directory(f"usr/{name}"))
        found: dict[str, LayerEntry] = {}
        for entry in self._entries.values():
            path = self._real(entry.path)
            if path != entry.path and path in self._entries:
                if entry.kind is EntryKind.DIRECTORY:
                    continue
                raise ContentInvalid(f"/{entry.path} is /{path}, which another package has")
            found[path] = replace(entry, path=path)
        return tuple(found.values())

    def certificates(self) -> bytes:
        """What update-ca-certificates would write: all of them, one after the other."""
        pieces = []
        for path in sorted(self._entries):
            source = self._entries[path].source
            if _CERTIFICATE.fullmatch(path) and isinstance(source, Slice):
                if source.descriptor.size_bytes > _CERTIFICATE_BYTES_MAX:
                    raise ContentInvalid(f"/{path} is too large for a certificate")
                with source.open() as stream:
                    text = stream.read()
                pieces.append(text if text.endswith(b"\n") else text + b"\n")
        return b"".join(pieces)

    def _put(self, entry: LayerEntry, name: str) -> None:
        other = self._entries.get(entry.path)
        owner = self._owners.get(entry.path, "")
        if other is not None and not _same(other, entry) and owner in self._replaces and owner != name:
            if name in self._replaces[owner]:
                return
            if owner not in self._replaces[name]:
                raise ContentInvalid(
                    f"the packages {owner} and {name} both have /{entry.path}",
                    hint="Debian's own dpkg would refuse that too: leave one of them out of packages",
                )
        if other is None or entry.kind is not EntryKind.DIRECTORY:
            self._entries[entry.path] = entry
            self._owners[entry.path] = name

    def _real(self, path: str) -> str:
        """Where a path leads when the folders above it are links; raises ContentInvalid for links in circles."""
        for _ in range(_LINKS_MAX):
            for folder in reversed(PurePosixPath(path).parents):
                link = self._entries.get(str(folder))
                if link is not None and link.link is not None:
                    path = _followed(str(folder), link.link, path[len(str(folder)) + 1 :])
                    break
            else:
                return path
        raise ContentInvalid(f"/{path[:200]} leads through links in circles")


def _followed(folder: str, link: str, rest: str) -> str:
    parts = [] if link.startswith("/") else folder.split("/")[:-1]
    for part in (*link.split("/"), *rest.split("/")):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def _merged(path: str) -> str:
    top, slash, rest = path.partition("/")
    return f"usr/{top}/{rest}" if slash and MERGED.fullmatch(top) else path


def _same(one: LayerEntry, other: LayerEntry) -> bool:
    if one.kind is EntryKind.DIRECTORY and other.kind is EntryKind.DIRECTORY:
        return True
    return (one.kind, one.link, one.mode, _digest(one)) == (other.kind, other.link, other.mode, _digest(other))


def _digest(entry: LayerEntry) -> object:
    return entry.source.descriptor.digest if isinstance(entry.source, Slice) else entry.source


def _entry(member: Member, path: str, own: Mapping[str, LayerEntry], what: str) -> LayerEntry:
    try:
        match member.kind:
            case MemberKind.FOLDER:
                return LayerEntry.directory(path, member.mode, member.uid, member.gid)
            case MemberKind.LINK:
                return LayerEntry.symlink(path, member.link, member.uid, member.gid)
            case MemberKind.SAME:
                first = own.get(_merged(member.link))
                if first is None or first.kind is not EntryKind.FILE:
                    raise ContentInvalid(f"{what}: /{path} is another name for /{member.link}, which it does not have")
                return replace(first, path=path)
            case MemberKind.FILE if member.content is not None:
                return LayerEntry.file(path, member.content, member.mode, member.uid, member.gid)
            case MemberKind.FILE:
                raise ContentInvalid(f"{what}: /{path} has no content")
    except IncludeInvalid as error:
        raise ContentInvalid(f"{what}: {error.message}") from error


def special_folders(entries: Iterable[LayerEntry]) -> Iterator[LayerEntry]:
    """The folders that are not root's own with 0755, as everybody takes a folder to be."""
    for entry in entries:
        if entry.kind is EntryKind.DIRECTORY and (entry.mode, entry.uid, entry.gid) != (0o755, 0, 0):
            yield entry
