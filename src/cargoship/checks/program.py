"""Whether one program can start: its machine, its loader, its libraries, and the interpreter of a script."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from cargoship.checks.finding import Code, Finding, Severity, error
from cargoship.checks.hwcaps import SINCE, beyond, promised
from cargoship.checks.libraries import Loaded, check_libraries, fits, load
from cargoship.checks.loaders import Asker, loader_of
from cargoship.checks.processors import check_library_processors, check_processor
from cargoship.elf.facts import ElfFacts, ElfKind
from cargoship.oci.platform import Platform
from cargoship.platforms import TABLE, WASI, WASI_2, PlatformSpec, kin
from cargoship.printable import printable
from cargoship.rootfs.tree import ResolvedPath
from cargoship.rootfs.view import RootFs
from cargoship.wasm import WasmKind, wasm_kind

_SCRIPTS_MAX = 4
_LINE_BYTES_MAX = 256
"""How much of a program the kernel looks at (BINPRM_BUF_SIZE)."""
_MUSL_BASES = "a base with glibc, such as debian:12-slim"


class ProgramContext(Struct, frozen=True):
    """Where a program is to start: the platform, and the environment that it gets."""

    platform: Platform
    env: Mapping[str, str]
    folder: str = "/"
    """The working folder, where relative paths begin."""

    @property
    def row(self) -> PlatformSpec | None:
        """Its row of the table, whatever the variant; None for a platform that images have and this table does not."""
        return kin(self.platform)


def check_machine(facts: ElfFacts, name: str, platform: Platform) -> Iterator[Finding]:
    """Whether a file is a program for a platform; `name` is for messages."""
    if not facts.is_program:
        what = "a shared library" if facts.kind is ElfKind.LIBRARY else "an object file or a core dump"
        yield error(
            Code.NOT_A_PROGRAM,
            f"{name} is not a program for {platform}: it is {what}",
            "name the binary that is to be started",
        )
        return
    expected = ProgramContext(platform, {}).row
    if expected is None:
        text = f"the machine of {name} was not checked: {platform} is not a platform that is known here"
        yield Finding(Severity.NOTE, Code.NOT_CHECKED, text)
    elif (facts.machine, facts.bits, facts.little_endian) != (
        expected.elf_machine, expected.elf_bits, expected.little_endian,
    ):  # fmt: skip
        yield error(
            Code.WRONG_MACHINE,
            f"{name} is a program for {_described(facts)}, but it is meant for {platform}",
            f"give a binary for {platform}, or name the platform that this one is for",
        )


def check_wasm(kind: WasmKind | None, name: str, platform: Platform) -> Iterator[Finding]:
    """Whether a file of this kind is what a runtime of WebAssembly can be given; `name` is for messages."""
    if kind is None:
        yield error(
            Code.NOT_A_PROGRAM,
            f"{name} is not a program for {platform}: it is neither a module nor a component of WebAssembly",
            "name a binary that is built for wasm32-wasip1 or wasm32-wasip2",
        )
    elif kind is WasmKind.MODULE and platform == WASI_2.platform:
        yield error(
            Code.WRONG_MACHINE,
            f"{name} is a module of WebAssembly, but {platform} is for components",
            f"name a component (wasm32-wasip2), or give the module to {WASI.platform}",
        )


def check_program(
    found: ResolvedPath, root: RootFs, place: ProgramContext, *, scripts: tuple[str, ...] = ()
) -> Iterator[Finding]:
    """Whether what lies at a path can be started; raises what reading the root file system raises.

    `scripts` are the files that lead there, each as the interpreter of the one before.
    """
    said = f"{found.path} ({place.platform})"
    facts = root.elf(found)
    if facts is None:
        yield from _check_other(found, root, place, scripts)
        return
    wrong = [*check_machine(facts, found.path, place.platform), *check_processor(facts, found.path, place.platform)]
    yield from wrong
    if any(each.severity is Severity.ERROR for each in wrong):
        return
    if facts.interpreter is None:
        return
    interpreter = root.find(facts.interpreter)
    if interpreter is None or not interpreter.node.is_file:
        yield _no_interpreter(facts.interpreter, root, said)
        return
    loader_facts = root.elf(interpreter)
    if loader_facts is None or not fits(loader_facts, facts):
        yield error(
            Code.INTERPRETER_MISSING,
            f"{said} asks for the loader {facts.interpreter}, which in its image is none for {place.platform}",
            "the base is damaged, or is for another platform than it says; choose another base",
        )
        return
    loading = _Loading(found, facts, interpreter, loader_facts, root, place)
    result = loading.on(promised(place.platform))
    if result is None:
        text = f"the libraries of {said} were not checked: the rules of {facts.interpreter} are not known here"
        yield Finding(Severity.NOTE, Code.NOT_CHECKED, text)
        return
    others = [(each.path, each.facts) for each in (*result.everything[1:], *result.by_name.values())]
    yield from check_library_processors(others, said, place.platform)
    findings = list(check_libraries(result, root, said=said))
    yield from findings or _check_beyond(loading, result, said)


def _check_other(
    found: ResolvedPath, root: RootFs, place: ProgramContext, scripts: tuple[str, ...]
) -> Iterator[Finding]:
    """Whether a file that is no ELF can be started."""
    if place.row is not None and place.row.is_wasm:
        yield from check_wasm(wasm_kind(root.start(found)), found.path, place.platform)
    else:
        yield from _check_script(found, root, place, (*scripts, found.node.path))


def _check_beyond(loading: _Loading, everywhere: Loaded, said: str) -> Iterator[Finding]:
    """What keeps a program from starting where the loader finds other libraries: on better processors."""
    libc = everywhere.by_name.get("libc.so.6")
    has = None if libc is None else libc.facts.has_glibc
    if not everywhere.checks_versions or (has is not None and has < SINCE):
        return
    seen = [everywhere.paths]
    for level, levels in beyond(loading.place.platform):
        there = loading.on(levels)
        if there is not None and there.paths not in seen:
            seen.append(there.paths)
            yield from check_libraries(there, loading.root, said=f"{said}, on processors of {level},")


def load_program(found: ResolvedPath, root: RootFs, place: ProgramContext) -> Loaded | None:
    """What the loader finds for a program, as far as it can be known; None for a static one, or a loader's absence."""
    facts = root.elf(found)
    interpreter = None if facts is None or facts.interpreter is None else root.find(facts.interpreter)
    loader_facts = None if interpreter is None else root.elf(interpreter)
    if facts is None or interpreter is None or loader_facts is None or not fits(loader_facts, facts):
        return None
    return _Loading(found, facts, interpreter, loader_facts, root, place).on(promised(place.platform))


class _Loading(Struct, frozen=True):
    """A program and its loader, where they are."""

    found: ResolvedPath
    facts: ElfFacts
    interpreter: ResolvedPath
    loader_facts: ElfFacts
    root: RootFs
    place: ProgramContext

    def on(self, levels: tuple[str, ...]) -> Loaded | None:
        """What is loaded on a processor of these levels; None where the loader's rules are not known."""
        asked = self.facts.interpreter or self.interpreter.path
        loader = loader_of(
            asked, self.loader_facts, self.root, row=self.place.row, env=self.place.env, levels=levels
        )  # fmt: skip
        if loader is None:
            return None
        own = Asker(asked.rpartition("/")[2], asked, self.loader_facts)
        return load(Asker(self.found.path, self.found.path, self.facts), own, loader, self.root)


def _no_interpreter(interpreter: str, root: RootFs, said: str) -> Finding:
    hint = f"build with --libc musl, choose {_MUSL_BASES}, or name the packages that bring it (libc6)"
    other = next(
        (each for each in root.tree.files_below("/lib") if each.path.rpartition("/")[2].startswith("ld-musl-")), None
    )
    text = f"{said} is linked dynamically and asks for {interpreter}, which its image does not have"
    if "ld-musl" in interpreter:
        hint = "link it statically (without -C target-feature=-crt-static), or choose a base with musl, such as alpine"
    elif other is not None:
        text += f": its C library is musl ({other.path})"
        hint = f"build with --libc musl, or choose {_MUSL_BASES}"
    return error(Code.INTERPRETER_MISSING, text, hint)


def _check_script(
    found: ResolvedPath, root: RootFs, place: ProgramContext, scripts: tuple[str, ...]
) -> Iterator[Finding]:
    words = _first_line(root.start(found))
    said = f"{found.path} ({place.platform})"
    if not words:
        yield error(
            Code.NOT_A_PROGRAM,
            f"{said} is not a Linux program: neither a valid ELF file nor a script that names its interpreter",
            "name the binary itself, built for Linux",
        )
        return
    interpreter = root.find(words[0] if words[0].startswith("/") else f"{place.folder}/{words[0]}")
    if len(scripts) > _SCRIPTS_MAX or (interpreter is not None and interpreter.node.path in scripts):
        yield error(Code.NOT_A_PROGRAM, f"{said} is a script whose interpreters never end in a program")
        return
    if interpreter is None or not interpreter.node.is_executable:
        yield error(
            Code.INTERPRETER_MISSING,
            f"{said} is a script for {printable(words[0])}, which its image does not have as a program",
            "give its lines the ends that Linux has: \\n alone"
            if words[0].endswith("\r")
            else "choose a base that has it, or start the program itself",
        )
        return
    yield from check_program(interpreter, root, place, scripts=scripts)
    if interpreter.path.endswith("/env") and len(words) > 1:
        name = [*words[1].split(), ""][0]
        if name and not name.startswith("-") and "=" not in name and find_program(name, root, place.env) is None:
            yield error(
                Code.INTERPRETER_MISSING, f"{said} is a script for {printable(name)}, which its image does not have"
            )


def _first_line(start: bytes) -> list[str]:
    """The interpreter of a script, and what is given to it; nothing for what the kernel takes for none.

    Only blanks and tabs are between them, so that a carriage return is part of a name, and of a line that is too long
    only what follows the interpreter is cut off (Linux, fs/binfmt_script.c).
    """
    line, end, _ = start[2:_LINE_BYTES_MAX].partition(b"\n")
    words = re.split(rb"[ \t]+", line.strip(b" \t"), maxsplit=1)
    if not start.startswith(b"#!") or not words[0]:
        return []
    if not end and len(start) >= _LINE_BYTES_MAX and len(words) == 1:
        return []
    return [word.partition(b"\0")[0].decode("utf-8", "surrogateescape") for word in words]


def find_program(name: str, root: RootFs, env: Mapping[str, str], folder: str = "/") -> ResolvedPath | None:
    """What a container engine starts for a name: a path, from the working folder, or a name on PATH."""
    if name.startswith("/"):
        return root.find(name)
    if "/" in name:
        return root.find(f"{folder}/{name}")
    for part in env.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").split(":"):
        found = root.find(f"{part}/{name}") if part.startswith("/") else None
        if found is not None and found.node.is_executable:
            return found
    return None


def _described(facts: ElfFacts) -> str:
    for candidate in TABLE:
        if (candidate.elf_machine, candidate.elf_bits, candidate.little_endian) == (
            facts.machine, facts.bits, facts.little_endian,
        ):  # fmt: skip
            return str(candidate.platform)
    order = "little" if facts.little_endian else "big"
    return f"{facts.machine.removeprefix('EM_')} ({facts.bits} bits, {order} endian)"
