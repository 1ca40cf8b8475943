"""A smoke run: each platform's program started once in its own root file system, before anything is published.

The program has the image's files, user, environment and folder; no network; limits of time and memory; and processes,
mounts and names of its own (namespaces of Linux, entered by util-linux). A foreign processor is QEMU's. What cannot be
run here is said, and does not refuse the image.
"""

from __future__ import annotations

import os
import secrets
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cargoship.checks.finding import Code, error, refuse
from cargoship.contents import config_of, contents_of
from cargoship.events import Emit, Level, Note
from cargoship.oci.config import ImageConfig
from cargoship.oci.platform import Platform
from cargoship.plan import Plan
from cargoship.platforms import row
from cargoship.process import Command, Runner
from cargoship.rootfs.book import LayerBook
from cargoship.rootfs.unpack import unpacked
from cargoship.rootfs.view import view_of
from cargoship.sandbox import Tools, entering, furnish, namespaces, obeyed_here
from cargoship.sources import Sources

_TIME_S = 30
_EMULATED_TIME_S = 120
_MEMORY_BYTES = 2 << 30
_OUTPUT_BYTES = 32 << 10
_TOOLS = ("timeout", "prlimit")
# What `timeout` leaves when it had to end the program: it ends itself in the same way, which a shell calls 128 + 9.
_KILLED = frozenset({-9, 137})


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
        tools = Tools.find(path, *_TOOLS)
        emulator = tools if isinstance(tools, str) else tools.emulator(platform, path)
        trouble = emulator if isinstance(emulator, str) else self._sandbox_trouble(tools)
        name = f"{own.image.name} ({platform})"
        if trouble is not None or isinstance(tools, str) or isinstance(emulator, str):
            self.emit(Note(f"no smoke run of {name}: {trouble}", Level.WARNING))
            return None
        base = own.bases[platform]
        config = config_of(own.image, base.config)
        obeyed = obeyed_here(config.env)
        if obeyed is not None:
            self.emit(Note(f"no smoke run of {name}: this machine's programs would obey its {obeyed}", Level.WARNING))
            return None
        entries = [entry for layer in contents_of(own.image, own.files, binaries) for entry in layer.entries]
        root = view_of(base.layers, self.book, entries)
        folder = self.plan.target_dir / "cargoship" / f"smoke-{os.getpid()}-{secrets.token_hex(4)}"
        argv = (*config.entrypoint, *words)
        with unpacked(root, folder):
            furnish(folder, emulator, config)
            limit_s = _TIME_S if tools.runs(platform) else _EMULATED_TIME_S
            enter = entering(tools, folder, root, config, argv, emulator)
            command = _command(tools, enter, config, platform=platform, limit_s=limit_s)
            started = time.monotonic()
            code, output = self._run(command)
            took_s = time.monotonic() - started
        shown = shlex.join(argv)
        if code == 0:
            how = "" if tools.runs(platform) else " under QEMU"
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


def _command(tools: Tools, enter: tuple[str, ...], config: ImageConfig, *, platform: Platform, limit_s: int) -> Command:
    paths = tools.paths
    memory = f"--data={_MEMORY_BYTES}"
    if not tools.runs(platform):
        # QEMU reserves the whole address space of a 32-bit program, and hangs when its own data meet a limit
        place = row(platform)
        memory = f"--as={_MEMORY_BYTES + (4 << 30 if place.elf_bits == 32 else 0)}"  # noqa: PLR2004 - bits
    limits = [paths["timeout"], "--signal=KILL", str(limit_s)]
    limits += [paths["prlimit"], memory, "--core=0", f"--fsize={_MEMORY_BYTES}", "--nproc=4096"]
    env = {"HOME": "/", "HOSTNAME": "smoke", **config.env}
    return Command((*limits, *_outside(tools), *enter), env=env)


def _outside(tools: Tools) -> tuple[str, ...]:
    """The world that is left for it: no network, no processes, mounts or names of this machine."""
    return (tools.paths["setpriv"], "--no-new-privs", *namespaces(tools, "mount", "net", "ipc", "uts", "pid"))
