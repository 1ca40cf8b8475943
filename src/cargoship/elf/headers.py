"""The facts of an ELF file as the kernel and the loader find them, by its program headers, with pyelftools.

Section headers, which a stripped file may lack, are not needed. Files come from anybody: what is read is bounded, and
whatever is wrong with one is a single error.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, cast

from elftools.common.exceptions import ELFError
from elftools.construct import ConstructError
from elftools.construct.lib.container import Container
from elftools.elf.dynamic import DynamicSegment, DynamicTag
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerDefSection, GNUVerNeedSection
from elftools.elf.sections import StringTableSection
from elftools.elf.segments import InterpSegment

from cargoship.elf.attributes import arm_version
from cargoship.elf.bounded_reader import BoundedReader, ReadLimitExceeded
from cargoship.elf.facts import ElfFacts, ElfKind, Relro, Versions
from cargoship.elf.properties import x86_level
from cargoship.errors import CannotStart

_SEGMENTS_MAX = 1024
_TAGS_MAX = 4096
_VERSIONS_MAX = 4096
_PATH_MAX = 4096
_DF_BIND_NOW = 0x8  # DT_FLAGS
_DF_1_NOW, _DF_1_NODEFLIB, _DF_1_PIE = 0x1, 0x800, 0x08000000  # DT_FLAGS_1, glibc's elf.h
_PF_X = 0x1
_VER_FLG_WEAK = 0x2

# What every library that trusts the system's certificates can be pointed to them by: OpenSSL, rustls-native-certs, Go.
_CERTIFICATES = b"SSL_CERT_FILE"
# rtld.c, `system_dirs`: two or more absolute folders with a slash at their ends, one after the other.
_SYSTEM_FOLDERS = re.compile(rb"(?<=\0)(?:(?:/[A-Za-z0-9_.+-]+){1,6}/\0){2,16}")
_LOADER_BYTES_MAX = 8 << 20


def read_headers(stream: BinaryIO, name: str) -> ElfFacts:
    """See `read.read_elf_stream`."""
    try:
        elf = ELFFile(cast("BinaryIO", BoundedReader(stream)))
        # without this, pyelftools reads every section, whole hash tables included, to find one table of strings
        elf.header["e_shoff"] = 0
        return _read(elf, stream)
    except ReadLimitExceeded as error:
        raise CannotStart(f"{name} is a damaged ELF file: {error}", hint="build it again") from error
    # pyelftools lets errors of its own parsers through on damaged files
    except (
        ELFError, ConstructError, AssertionError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError,
    ) as error:  # fmt: skip
        raise CannotStart(
            f"{name} is not a Linux program (no valid ELF file)",
            hint="name the binary itself, built for Linux",
        ) from error


def _read(elf: ELFFile, stream: BinaryIO) -> ElfFacts:
    interpreter: str | None = None
    dynamic: DynamicSegment | None = None
    relro, nx = False, False
    level: int | None = None
    for segment in _segments(elf):
        match segment["p_type"]:
            case "PT_INTERP" if isinstance(segment, InterpSegment) and interpreter is None:
                interpreter = segment.get_interp_name()
            case "PT_DYNAMIC" if isinstance(segment, DynamicSegment) and dynamic is None:
                dynamic = segment
            case "PT_GNU_PROPERTY" if elf["e_machine"] == "EM_X86_64":
                level = x86_level(stream, segment["p_offset"], segment["p_filesz"], bits=elf.elfclass)
            case "PT_GNU_RELRO":
                relro = True
            case "PT_GNU_STACK":
                nx = not segment["p_flags"] & _PF_X
            case _:
                pass
    tags: _Tags = {} if dynamic is None else _tags(dynamic)
    flags, flags_1 = _value(tags, "DT_FLAGS"), _value(tags, "DT_FLAGS_1")
    now = bool(flags & _DF_BIND_NOW or flags_1 & _DF_1_NOW or "DT_BIND_NOW" in tags)
    kind = _kind(elf, interpreter, pie=bool(flags_1 & _DF_1_PIE))
    soname = next(iter(_texts(tags, "DT_SONAME")), None)
    return ElfFacts(
        machine=str(elf["e_machine"]),
        bits=elf.elfclass,
        little_endian=elf.little_endian,
        kind=kind,
        interpreter=interpreter,
        needed=_texts(tags, "DT_NEEDED"),
        soname=soname,
        rpath=_folders(tags, "DT_RPATH"),
        runpath=_folders(tags, "DT_RUNPATH"),
        no_default_folders=bool(flags_1 & _DF_1_NODEFLIB),
        requires=tuple(_requires(elf, dynamic, tags)) if dynamic is not None else (),
        defines=tuple(_defines(elf, dynamic, tags)) if dynamic is not None else (),
        pie=kind is ElfKind.PROGRAM and elf["e_type"] == "ET_DYN",
        relro=(Relro.FULL if now else Relro.PARTIAL) if relro else Relro.NONE,
        nx=nx,
        finds_certificates=kind is ElfKind.PROGRAM and _contains(stream, _CERTIFICATES),
        x86_level=level,
        arm_version=arm_version(stream, elf.structs) if elf["e_machine"] == "EM_ARM" else None,
        loader_folders=_loader_folders(stream) if soname is not None and soname.startswith("ld") else (),
    )


def _segments(elf: ELFFile) -> Iterator[Container]:
    count = elf.num_segments()
    if count > _SEGMENTS_MAX:
        raise ReadLimitExceeded(f"it has {count} segments")
    return cast("Iterator[Container]", elf.iter_segments())


def _kind(elf: ELFFile, interpreter: str | None, *, pie: bool) -> ElfKind:
    match elf["e_type"]:
        case "ET_EXEC":
            return ElfKind.PROGRAM
        # a library has no interpreter; libc.so.6 and ld.so, which have an entry, are known by nothing but their names
        case "ET_DYN" if interpreter is not None or pie or elf["e_entry"]:
            return ElfKind.PROGRAM
        case "ET_DYN":
            return ElfKind.LIBRARY
        case _:
            return ElfKind.OTHER


_Tags = dict[str, list[DynamicTag]]


def _tags(dynamic: DynamicSegment) -> _Tags:
    found: _Tags = {}
    for count, tag in enumerate(dynamic.iter_tags()):
        if count > _TAGS_MAX:
            raise ReadLimitExceeded("its dynamic section has no end")
        found.setdefault(str(tag["d_tag"]), []).append(tag)
    return found


def _value(tags: _Tags, name: str) -> int:
    return int(tags[name][0]["d_val"]) if name in tags else 0


def _texts(tags: _Tags, name: str) -> tuple[str, ...]:
    attribute = name.removeprefix("DT_").lower()  # set by the kind of tag
    texts = tuple(str(getattr(tag, attribute)) for tag in tags.get(name, ()))
    if any(len(text) > _PATH_MAX for text in texts):
        raise ReadLimitExceeded(f"it has a {name} of more than {_PATH_MAX} characters")
    return texts


def _folders(tags: _Tags, name: str) -> tuple[str, ...]:
    return tuple(folder for text in _texts(tags, name) for folder in text.split(":") if folder)


def _requires(elf: ELFFile, dynamic: DynamicSegment, tags: _Tags) -> Iterator[Versions]:
    table = _table(dynamic, tags, "DT_VERNEED")
    if table is None:
        return
    section = GNUVerNeedSection(table, ".gnu.version_r", elf, _strings(dynamic))
    for version, auxiliaries in islice(section.iter_versions(), _VERSIONS_MAX):
        names = [each.name for each in islice(auxiliaries, _VERSIONS_MAX) if not each["vna_flags"] & _VER_FLG_WEAK]
        yield Versions(str(version.name), tuple(names))


def _defines(elf: ELFFile, dynamic: DynamicSegment, tags: _Tags) -> Iterator[str]:
    table = _table(dynamic, tags, "DT_VERDEF")
    if table is None:
        return
    section = GNUVerDefSection(table, ".gnu.version_d", elf, _strings(dynamic))
    for _, auxiliaries in islice(section.iter_versions(), _VERSIONS_MAX):
        # the first name is the version, the others are those that it comes after
        yield from (each.name for each in islice(auxiliaries, 1))


def _strings(dynamic: DynamicSegment) -> StringTableSection:
    # what is asked of either kind of table is get_string alone
    return cast("StringTableSection", dynamic._get_stringtable())  # noqa: SLF001 - the only way to it


def _table(dynamic: DynamicSegment, tags: _Tags, name: str) -> Container | None:
    """A table of versions as the section header would describe it, for a reader that knows sections only."""
    count = _value(tags, f"{name}NUM")
    _, offset = dynamic.get_table_offset(name) if name in tags else (None, None)
    if offset is None or not count:
        return None
    return Container(sh_type=name, sh_offset=offset, sh_info=count, sh_flags=0, sh_size=0, sh_addralign=0, sh_name=0)


def _contains(stream: BinaryIO, word: bytes) -> bool:
    try:
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(word) >= 0
    except (OSError, ValueError):  # not a file of the system
        stream.seek(0)
        rest = b""
        while chunk := stream.read(1 << 20):
            if word in rest + chunk:
                return True
            rest = chunk[-len(word) :]
        return False


def _loader_folders(stream: BinaryIO) -> tuple[str, ...]:
    stream.seek(0)
    found = _SYSTEM_FOLDERS.search(stream.read(_LOADER_BYTES_MAX))
    return tuple(folder.decode() for folder in found[0].split(b"\0") if folder) if found else ()
