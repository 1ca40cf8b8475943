"""A smoke run: each platform's program started once in its own root file system, before anything is published.

The program has the image's files, user, environment and folder, and is in the sandbox: no network, and limits of time,
memory, processes and disk. A foreign processor is QEMU's. What cannot be run here is said, and does not refuse the
image.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from msgspec import Struct

from cargoship.checks.finding import Code, error, refuse
from cargoship.events import Emit, Level, Note
from cargoship.image_inputs import ImageInputs
from cargoship.image_layers import file_layers, image_config
from cargoship.native import native_platform, runs_natively
from cargoship.oci.platform import Platform
from cargoship.plan import Plan
from cargoship.platforms import row
from cargoship.printable import printable
from cargoship.process import Command, Runner
from cargoship.rootfs.layer_cache import LayerCache
from cargoship.rootfs.unpack import private, unpack_root
from cargoship.rootfs.view import view_of
from cargoship.sandbox.emulators import emulator_for
from cargoship.sandbox.inside.spec import Limits
from cargoship.sandbox.start import Sandbox, SandboxRoot

_TIME_S = 30
_EMULATED_TIME_S = 120
_MEMORY_BYTES = 2 << 30
_DISK_BYTES = 1 << 30
_PROCESSES = 1024
_OPEN_FILES = 4096
_OUTPUT_BYTES = 32 << 10
# What the sandbox leaves when it had to end the program: it ends itself in the same way, which a shell calls 128 + 9.
_KILLED = frozenset({-9, 137})


class Smoke(Struct, frozen=True, dict=True):
    """Starts programs of a plan's images; `env` is this process's."""

    plan: Plan
    layer_cache: LayerCache
    runner: Runner
    env: Mapping[str, str]
    emit: Emit

    def run(self, sources: Sequence[ImageInputs], programs: Sequence[Mapping[Platform, Mapping[str, Path]]]) -> None:
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
        self, own: ImageInputs, platform: Platform, binaries: Mapping[str, Path], words: tuple[str, ...]
    ) -> tuple[str, str] | None:
        """Run one; what is to be said when it failed, and what next."""
        limit_s = _TIME_S if runs_natively(platform) else _EMULATED_TIME_S
        sandbox = Sandbox(_limits(platform, limit_s), own_network=True, hostname="smoke")
        place = self.plan.target_dir / "cargoship"
        emulator = emulator_for(platform, self.runner.programs, self.env)
        trouble = emulator if isinstance(emulator, str) else self._trouble
        name = f"{own.image.name} ({platform})"
        if trouble is not None or isinstance(emulator, str):
            self.emit(Note(f"no smoke run of {name}: {trouble}", Level.WARNING))
            return None
        base = own.bases[platform]
        config = image_config(own.image, base.config)
        layers = file_layers(own.image, own.files, binaries, own.probes.get(platform))
        entries = [entry for layer in layers for entry in layer.entries]
        root = view_of(base.layers, self.layer_cache, entries)
        argv = (*config.entrypoint, *words)
        with private("smoke-", place) as folder:
            files = SandboxRoot.of(folder / "files", root, config, emulator)
            unpack_root(root, files.folder, files.owner)
            files.furnish()
            command = sandbox.command(files, argv, config, {"HOME": "/", "HOSTNAME": "smoke", **config.env})
            started = time.monotonic()
            code, output = self._run(command)
            took_s = time.monotonic() - started
        shown = printable(shlex.join(argv))
        lines = [printable(line.rstrip("\r").expandtabs()) for line in output.strip().split("\n")]
        if code == 0:
            how = "" if runs_natively(platform) else " under QEMU"
            first = lines[0][:200]
            self.emit(Note(f"{shown} of {name} ran{how} in {took_s:.1f}s" + (f": {first}" if first else "")))
            return None
        why = f"ended with {code}" if code > 0 else f"was ended by signal {-code}"
        if code in _KILLED:
            why = f"was ended after {limit_s} s" if took_s >= limit_s else "was killed"
        said = "\n".join(f"  {line}" for line in lines[-20:] if any(lines))
        text = f"the smoke run {shown} of {name} {why}" + (f":\n{said}" if said else "")
        return text, f"it runs without a network, in {_MEMORY_BYTES >> 30} GiB; correct the program, or smoke"

    @cached_property
    def _trouble(self) -> str | None:
        """Why no program can be started here; None where they can."""
        sandbox = Sandbox(_limits(native_platform(), _TIME_S), own_network=True, hostname="smoke")
        trouble = sandbox.trouble(self.runner, self.plan.target_dir / "cargoship")
        if trouble is None and sandbox.weakness is not None:
            self.emit(Note(sandbox.weakness, Level.WARNING))
        return trouble

    def _run(self, command: Command) -> tuple[int, str]:
        kept = bytearray()

        def keep(piece: bytes) -> None:
            kept.extend(piece[-_OUTPUT_BYTES:])
            del kept[:-_OUTPUT_BYTES]

        code = self.runner.stream(command, on_stdout=keep, on_stderr=keep)
        return code, bytes(kept).decode("utf-8", "replace")


def _limits(platform: Platform, time_s: float) -> Limits:
    memory = {"RLIMIT_DATA": _MEMORY_BYTES}
    if not runs_natively(platform):
        # QEMU reserves the whole address space of a 32-bit program, and hangs when its own data meet a limit
        place = row(platform)
        memory = {"RLIMIT_AS": _MEMORY_BYTES + (4 << 30 if place.elf_bits == 32 else 0)}  # noqa: PLR2004 - bits
    resources = {**memory, "RLIMIT_FSIZE": _DISK_BYTES, "RLIMIT_NOFILE": _OPEN_FILES}
    return Limits(_MEMORY_BYTES, _DISK_BYTES, _PROCESSES, resources, time_s)
