"""What a static musl program is linked with besides Rust's own code: start files, libc.a, libunwind.a.

rustup's musl targets bring them in a folder `self-contained`. For a standard library that was built here they
are put together: start files and C library from the distribution's musl-dev where the target's is installed
(seconds), else compiled by Zig (a minute or two); the unwinder, LLVM's, from Zig's sources.

Rust has no say in any of it: what Zig compiles is kept for the next version of Rust, and for targets that share it.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path

from msgspec import Struct

from cargoship.errors import SysrootBuildFailed
from cargoship.locks import locked
from cargoship.oci.digest import Digest
from cargoship.oci.files import atomic_folder
from cargoship.platforms import PlatformSpec
from cargoship.process import Command, Runner
from cargoship.programs import without_secrets
from cargoship.toolchain.marks import mark_used
from cargoship.toolchain.zig import Zig

FORMAT = "1"
"""Part of the names of what is kept: a change of how start files are made makes new ones. So does `sysroot.FORMAT`."""

_FROM_MUSL = ("crt1.o", "rcrt1.o", "Scrt1.o", "crti.o", "crtn.o")
# rustc names these for musl; what they hold in GCC (constructors, exception frames) musl and lld do themselves
_EMPTY = ("crtbegin.o", "crtbeginS.o", "crtbeginT.o", "crtend.o", "crtendS.o")
# Zig has taken parts of musl over into libzigc, and memcpy and its like into its compiler runtime
_ZIGS_PARTS = ("libc.a", "libzigc.a", "libcompiler_rt.a")
_WASI_START = "crt1-command.o"
_OF_COMPONENTS = "cabi_realloc.c"
_UNWINDER = (
    "libunwind.cpp",
    "Unwind-EHABI.cpp",
    "UnwindLevel1.c",
    "UnwindLevel1-gcc-ext.c",
    "UnwindRegistersRestore.S",
    "UnwindRegistersSave.S",
    "gcc_personality_v0.c",
)


class MuslSource(Struct, frozen=True):
    """Where the C library of a target comes from."""

    folder: Path | None
    """An installed musl-dev; None: Zig compiles its own."""
    library: str = "musl"

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.library} compiled by Zig" if self.folder is None else f"musl from {self.folder}"

    @property
    def identity(self) -> str:
        """Changes when the C library does."""
        if self.folder is None:
            return "zig"
        with (self.folder / "libc.a").open("rb") as library:
            return str(Digest.of_stream(library)[0])


def find_musl(row: PlatformSpec, *, root: Path = Path("/usr/lib")) -> MuslSource:
    """Musl of a target: the distribution's where musl-dev for it is installed (Debian's multiarch folders).

    For WebAssembly that is wasi-libc, of which musl is the larger part.
    """
    if row.is_wasm:
        return MuslSource(None, "wasi-libc")
    folder = root / row.debian_musl
    complete = bool(row.debian_musl) and all((folder / name).exists() for name in (*_FROM_MUSL, "libc.a"))
    return MuslSource(folder if complete else None)


def compile_start_files(
    runner: Runner, zig: Zig, row: PlatformSpec, musl: MuslSource, *, kept: Path, env: Mapping[str, str]
) -> None:
    """Have Zig compile what `make_start_files` takes from `kept`, which may be done before there is a place for it.

    Nothing is done where it is there, or comes from an installed musl-dev. Raises SysrootBuildFailed, OSError.
    """
    if musl.folder is None:
        _kept(_Maker(runner, zig, row, without_secrets(env)), kept, component=row.is_component)


def make_start_files(
    runner: Runner, zig: Zig, row: PlatformSpec, musl: MuslSource, into: Path, *, kept: Path, env: Mapping[str, str]
) -> None:
    """Fill the folder `into` for one target; `kept` is the folder of all that Zig has compiled of them.

    Raises SysrootBuildFailed, OSError.
    """
    maker = _Maker(runner, zig, row, without_secrets(env))
    if musl.folder is None:
        shutil.copytree(_kept(maker, kept, component=row.is_component), into, dirs_exist_ok=True)
        return
    into.mkdir(parents=True, exist_ok=True)
    with maker.scratch(into.parent) as work:
        _make_empty(work, into)
        for name in (*_FROM_MUSL, "libc.a"):
            shutil.copyfile(musl.folder / name, into / name)
        _compile_unwinder(work, into)


def _kept(maker: _Maker, kept: Path, *, component: bool) -> Path:
    """The folder of a target's start files, made if need be; a second run that wants them waits."""
    zig, row = maker.zig, maker.row
    parts = (FORMAT, zig.version, row.zig_musl, row.zig_cpu or "", str(component))
    folder = kept / f"{zig.version}-{row.zig_musl}-{Digest.of(chr(0).join(parts).encode()).short}"
    kept.mkdir(parents=True, exist_ok=True)
    with locked(kept / f".lock-{folder.name}"):
        if not folder.is_dir():
            # what a killed run leaves is swept away as one folder
            with atomic_folder(folder) as made, maker.scratch(made) as work:
                if component:
                    shutil.copytree(_kept(maker, kept, component=False), made, dirs_exist_ok=True)
                    _add_component(work, made)
                elif row.is_wasm:
                    _compile_wasi(work, made)
                else:
                    _make_empty(work, made)
                    _compile_musl(work, made)
                    _compile_unwinder(work, made)
    mark_used(folder)
    return folder


class _Maker(Struct, frozen=True):
    """Zig, for one target."""

    runner: Runner
    zig: Zig
    row: PlatformSpec
    env: dict[str, str]

    @contextlib.contextmanager
    def scratch(self, beside: Path) -> Iterator[_Work]:
        """A folder to work in, which is removed afterwards."""
        with tempfile.TemporaryDirectory(dir=beside) as folder:
            yield _Work(self, Path(folder))

    @property
    def target(self) -> tuple[str, ...]:
        cpu = () if self.row.zig_cpu is None else (f"-mcpu={self.row.zig_cpu}",)
        return ("-target", self.row.zig_musl, *cpu)

    def compile(self, source: Path, output: Path, *flags: str) -> None:
        language = "c++" if source.suffix == ".cpp" else "cc"
        self.run(language, *self.target, "-g0", "-w", "-fno-sanitize=all", *flags, "-c", str(source), "-o", str(output))

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        done = self.runner.run(Command((str(self.zig.path), *arguments), env={**self.env, **(env or {})}))
        if done.code != 0:
            raise SysrootBuildFailed(
                f"zig could not make the start files for {self.row.platform}",
                hint=f"install musl-dev for {self.row.debian}, or use --libc gnu" if self.row.debian else None,
                details=done.error_text.strip(),
            )


class _Work(Struct, frozen=True):
    """A scratch folder, and who works in it."""

    maker: _Maker
    folder: Path


def has_start_files(triple: str, folder: Path) -> bool:
    """Whether a standard library, as rustc's lib/rustlib/<triple>, brings what its programs begin with."""
    name = _WASI_START if triple.startswith("wasm") else "crt1.o"
    return (folder / "lib" / "self-contained" / name).exists()


def _compile_wasi(work: _Work, into: Path) -> None:
    maker, made = work.maker, _linked(work, "-O2", "-fno-sanitize=all")
    start = next(iter(made[_WASI_START]), None)
    if start is None:
        raise SysrootBuildFailed(f"zig {maker.zig.version} made no start file for {maker.row.platform}")
    shutil.copyfile(start, into / _WASI_START)
    _archive(maker, made, into)


def _add_component(work: _Work, into: Path) -> None:
    source, output = work.folder / _OF_COMPONENTS, work.folder / "cabi_realloc.o"
    source.write_text((resources.files("cargoship.toolchain") / "scripts" / _OF_COMPONENTS).read_text())
    work.maker.compile(source, output, "-O2")
    work.maker.run("ar", "rsD", str(into / "libc.a"), str(output))


def _make_empty(work: _Work, into: Path) -> None:
    nothing = work.folder / "nothing.c"
    nothing.write_text("")
    work.maker.compile(nothing, into / _EMPTY[0])
    for name in _EMPTY[1:]:
        shutil.copyfile(into / _EMPTY[0], into / name)


def _linked(work: _Work, *how: str) -> dict[str, list[Path]]:
    """What Zig compiles of its own for an empty program: by name, the files that there are."""
    main = work.folder / "main.c"
    main.write_text("int main(void) { return 0; }\n")
    cache = work.folder / "cache"
    env = {"ZIG_GLOBAL_CACHE_DIR": str(cache), "ZIG_LOCAL_CACHE_DIR": str(cache)}
    work.maker.run("cc", *work.maker.target, *how, str(main), "-o", str(work.folder / "main"), env=env)
    return {name: sorted(cache.rglob(name)) for name in (*_ZIGS_PARTS, _WASI_START)}


def _archive(maker: _Maker, made: Mapping[str, list[Path]], into: Path) -> None:
    parts = [path for name in _ZIGS_PARTS for path in made[name]]
    if len(parts) != len(_ZIGS_PARTS):
        raise SysrootBuildFailed(f"zig {maker.zig.version} made no whole C library for {maker.row.platform}")
    maker.run("ar", "qcLsD", str(into / "libc.a"), *map(str, parts))


def _compile_musl(work: _Work, into: Path) -> None:
    maker = work.maker
    source = maker.zig.lib / "libc" / "musl"
    architecture = maker.row.zig_musl.partition("-")[0]
    architecture = {"x86": "i386", "powerpc64le": "powerpc64"}.get(architecture, architecture)
    folders = (f"arch/{architecture}", "arch/generic", "src/internal", "src/include")
    includes = [f"-I{source / folder}" for folder in folders]
    for name in ("crt1", "rcrt1", "Scrt1"):
        maker.compile(
            source / "crt" / f"{name}.c", into / f"{name}.o",
            "-Os", "-fPIC", "-std=c99", "-ffreestanding", "-fno-stack-protector", "-DCRT", *includes,
        )  # fmt: skip
    # musl's _init and _fini are optional: programs use the arrays of constructors that lld collects
    for name in ("crti.o", "crtn.o"):
        shutil.copyfile(into / _EMPTY[0], into / name)
    # position-independent, for Rust links static programs so on some processors
    _archive(maker, _linked(work, "-static", "-fPIE", "-pie", "-O2", "-fno-sanitize=all"), into)


def _compile_unwinder(work: _Work, into: Path) -> None:
    maker = work.maker
    source = maker.zig.lib / "libunwind"
    objects = []
    for name in _UNWINDER:
        output = work.folder / f"{name}.o"
        cxx = ("-fno-exceptions", "-fno-rtti", "-nostdinc++") if name.endswith(".cpp") else ()
        maker.compile(
            source / "src" / name, output,
            "-O3", "-DNDEBUG", "-fPIC", "-funwind-tables", "-fstrict-aliasing", "-D_LIBUNWIND_IS_NATIVE_ONLY",
            f"-I{source / 'include'}", *cxx,
        )  # fmt: skip
        objects.append(str(output))
    maker.run("ar", "rcsD", str(into / "libunwind.a"), *objects)
