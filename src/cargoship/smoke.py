"""A smoke run: each platform's program started once in its own root file system, before anything is published.

The program has the image's files, user, environment and folder; no network; limits of time and memory; and processes,
mounts and names of its own (namespaces of Linux, entered by util-linux). A foreign processor is QEMU's. What cannot be
run here is said, and does not refuse the image.
"""

from __future__ import annotations

import os
import platform as machine
import secrets
import shlex
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cargoship.checks.finding import Code, error, refuse
from cargoship.checks.program import find_program
from cargoship.checks.users import Owner, owner_of
from cargoship.contents import config_of, contents_of
from cargoship.errors import PlatformUnknown
from cargoship.events import Emit, Level, Note
from cargoship.oci.config import ImageConfig
from cargoship.oci.platform import Platform
from cargoship.plan import Plan
from cargoship.platforms import row
from cargoship.process import Command, Runner
from cargoship.rootfs.book import LayerBook
from cargoship.rootfs.unpack import unpacked
from cargoship.rootfs.view import RootFs, view_of
from cargoship.sources import Sources

_TIME_S = 30
_EMULATED_TIME_S = 120
_MEMORY_BYTES = 2 << 30
_OUTPUT_BYTES = 32 << 10
_EMULATOR = ".cargoship-qemu"
_DEVICES = ("null", "zero", "full", "random", "urandom")
_TOOLS = ("timeout", "prlimit", "setpriv", "unshare", "mount", "sh")
# What `timeout` leaves when it had to end the program: it ends itself in the same way, which a shell calls 128 + 9.
_KILLED = frozenset({-9, 137})
_BINFMT = Path("/proc/sys/fs/binfmt_misc")

# $1 is the root; the rest is what to start in it. A container may forbid a new /proc, and most programs need none.
_ENTER = """\
root=$1 mount=$2; shift 2
for name in null zero full random urandom; do "$mount" --bind "/dev/$name" "$root/dev/$name" || exit 125; done
"$mount" -t proc proc "$root/proc" 2>/dev/null
exec "$@"
"""


@dataclass(frozen=True)
class Tools:
    """Programs of this machine, by name, and how it starts those of a platform."""

    paths: Mapping[str, str]
    native: Platform

    @classmethod
    def find(cls, path: str | None) -> Tools | str:
        """Those on a PATH, or what is missing."""
        if not sys.platform.startswith("linux"):
            return "programs of images can be started on Linux alone"
        found = {name: shutil.which(name, path=path) for name in _TOOLS}
        missing = [name for name, where in found.items() if where is None]
        if missing:
            return f"{', '.join(missing)} is missing (util-linux, coreutils)"
        return cls({name: where for name, where in found.items() if where}, row(machine.machine()).platform)

    def emulator(self, platform: Platform, path: str | None) -> Path | str | None:
        """QEMU for a platform, None where none is needed, or what is missing."""
        if platform == self.native or (self.native.architecture, platform.architecture) == ("amd64", "386"):
            return None
        try:
            name = row(platform).qemu
        except PlatformUnknown:
            return f"{platform} is not known here"
        # registered with the kernel, and held open by it (F), so that it is found from inside of any root
        registered = _BINFMT / f"qemu-{name}"
        if registered.exists() and _has_flag_f(registered):
            return None
        found = shutil.which(f"qemu-{name}-static", path=path)
        return Path(found) if found else f"qemu-{name}-static is not installed"


@dataclass(frozen=True)
class Smoke:
    """Starts programs of a plan's images; `env` is this process's."""

    plan: Plan
    book: LayerBook
    runner: Runner
    env: Mapping[str, str]
    emit: Emit

    def run(self, sources: Sequence[Sources], programs: Sequence[Mapping[Platform, Mapping[str, Path]]]) -> None:
        """Start what the settings ask for; raises CannotStart for all that failed, and what unpacking raises."""
        failed = []
        for own, binaries in zip(sources, programs, strict=True):
            words = own.image.settings.smoke
            for platform in own.bases if words else ():
                said = self._one(own, platform, binaries[platform], words)
                if said is not None:
                    failed.append(said)
        refuse([error(Code.SMOKE_FAILED, text, hint) for text, hint in failed], self.emit)

    def _one(
        self, own: Sources, platform: Platform, binaries: Mapping[str, Path], words: tuple[str, ...]
    ) -> tuple[str, str] | None:
        """Run one; what is to be said when it failed, and what next."""
        path = self.env.get("PATH")
        tools = Tools.find(path)
        emulator = tools if isinstance(tools, str) else tools.emulator(platform, path)
        trouble = emulator if isinstance(emulator, str) else self._sandbox_trouble(tools)
        name = f"{own.image.name} ({platform})"
        if trouble is not None or isinstance(tools, str) or isinstance(emulator, str):
            self.emit(Note(f"no smoke run of {name}: {trouble}", Level.WARNING))
            return None
        base = own.bases[platform]
        config = config_of(own.image, base.config)
        entries = [entry for layer in contents_of(own.image, own.files, binaries) for entry in layer.entries]
        root = view_of(base.layers, self.book, entries)
        folder = self.plan.target_dir / "cargoship" / f"smoke-{os.getpid()}-{secrets.token_hex(4)}"
        argv = (*config.entrypoint, *words)
        with unpacked(root, folder):
            _furnish(folder, emulator, config)
            limit_s = _TIME_S if platform == tools.native else _EMULATED_TIME_S
            command = _command(tools, folder, root, config, argv, platform=platform, emulator=emulator, limit_s=limit_s)
            started = time.monotonic()
            code, output = self._run(command)
            took_s = time.monotonic() - started
        shown = shlex.join(argv)
        if code == 0:
            how = "" if platform == tools.native else " under QEMU"
            first = output.strip().partition("\n")[0][:200]
            self.emit(Note(f"{shown} of {name} ran{how} in {took_s:.1f}s" + (f": {first}" if first else "")))
            return None
        why = f"ended with {code}" if code > 0 else f"was ended by signal {-code}"
        if code in _KILLED:
            why = f"was ended after {limit_s} s" if took_s >= limit_s else "was killed"
        said = "\n".join(f"  {line}" for line in output.strip().splitlines()[-20:])
        text = f"the smoke run {shown} of {name} {why}" + (f":\n{said}" if said else "")
        return text, f"it runs without a network, in {_MEMORY_BYTES >> 30} GiB; correct the program, or smoke"

    def _sandbox_trouble(self, tools: Tools | str) -> str | None:
        """Why this process may not make namespaces; None where it may."""
        if isinstance(tools, str):
            return tools
        tried = self.runner.run(Command((*_outside(tools), tools.paths["sh"], "-c", ":")), timeout_s=20)
        if tried.code == 0:
            return None
        return f"this user may not make namespaces here ({tried.error_text.strip().partition(chr(10))[0]})"

    def _run(self, command: Command) -> tuple[int, str]:
        kept = bytearray()

        def keep(piece: bytes) -> None:
            kept.extend(piece[-_OUTPUT_BYTES:])
            del kept[:-_OUTPUT_BYTES]

        code = self.runner.stream(command, on_stdout=keep, on_stderr=keep)
        return code, bytes(kept).decode("utf-8", "replace")


def _command(
    tools: Tools,
    folder: Path,
    root: RootFs,
    config: ImageConfig,
    argv: Sequence[str],
    *,
    platform: Platform,
    emulator: Path | None,
    limit_s: int,
) -> Command:
    workdir = config.working_dir or "/"
    found = find_program(argv[0], root, config.env, workdir)
    program = [found.path if found is not None else argv[0], *argv[1:]]
    if emulator is not None:
        program = [f"/{_EMULATOR}", *program]
    owner = owner_of(config.user or "", root) or Owner(0, 0)
    paths = tools.paths
    memory = f"--data={_MEMORY_BYTES}"
    if platform != tools.native:
        # QEMU reserves the whole address space of a 32-bit program, and hangs when its own data meet a limit
        place = row(platform)
        memory = f"--as={_MEMORY_BYTES + (4 << 30 if place.elf_bits == 32 else 0)}"  # noqa: PLR2004 - bits
    # root becomes the image's user; anybody else is that user in a world of its own
    user = ["--setgid", str(owner.gid), "--setuid", str(owner.uid)]
    if os.geteuid() != 0:
        user = [f"--map-user={owner.uid}", f"--map-group={owner.gid}"]
    enter = [paths["unshare"], *user, f"--root={folder}", f"--wd={workdir}", *program]
    if os.geteuid() == 0:
        enter = [paths["setpriv"], "--clear-groups", *enter]
    limits = [paths["timeout"], "--signal=KILL", str(limit_s)]
    limits += [paths["prlimit"], memory, "--core=0", f"--fsize={_MEMORY_BYTES}", "--nproc=4096"]
    script = [paths["sh"], "-c", _ENTER, "sh", str(folder), paths["mount"]]
    env = {"HOME": "/", "HOSTNAME": "smoke", **config.env}
    return Command((*limits, *_outside(tools), *script, *enter), env=env)


def _outside(tools: Tools) -> list[str]:
    """The world that is left for it: no network, no processes, mounts or names of this machine."""
    own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    spaces = ["--mount", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child"]
    return [tools.paths["setpriv"], "--no-new-privs", tools.paths["unshare"], *own, *spaces]


def _furnish(folder: Path, emulator: Path | None, config: ImageConfig) -> None:
    """What an engine puts into every container, and QEMU where the program needs it."""
    for name in ("dev", "proc", "tmp"):
        place = folder / name
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            place.unlink()
        if not place.exists():
            place.mkdir()
            place.chmod(0o1777 if name == "tmp" else 0o755)
    for name in _DEVICES:
        device = folder / "dev" / name
        if not device.exists() and not device.is_symlink():
            device.touch()
    workdir = (config.working_dir or "/").strip("/")
    # inside the root by its parts: a link in it is followed in the root alone, and not from here
    if workdir and not os.path.lexists(folder / workdir) and not _has_links(folder, workdir):
        (folder / workdir).mkdir(parents=True)
    if emulator is not None:
        shutil.copyfile(emulator, folder / _EMULATOR)
        (folder / _EMULATOR).chmod(0o755)


def _has_links(folder: Path, path: str) -> bool:
    place = folder
    for part in path.split("/"):
        place /= part
        if place.is_symlink():
            return True
    return False


def _has_flag_f(registered: Path) -> bool:
    text = registered.read_text(errors="replace")
    flags = next((line for line in text.splitlines() if line.startswith("flags:")), "")
    return text.startswith("enabled") and "F" in flags.partition(":")[2]
