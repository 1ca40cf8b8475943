"""The command that starts an image's program in the sandbox."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from cargoship.checks.program import find_program
from cargoship.checks.users import Owner, owner_of
from cargoship.errors import CannotStart
from cargoship.native import machine_name
from cargoship.oci.config import ImageConfig
from cargoship.process import Command, Runner
from cargoship.rootfs.view import RootFs
from cargoship.sandbox.inside.numbers import MACHINES
from cargoship.sandbox.inside.spec import Limits, SandboxSpec, wrapped
from cargoship.sandbox.users import Numbers
from cargoship.scratch import remove, scratch

EMULATOR = ".cargoship-qemu"
_MAIN = (
    "import sys; sys.path.append(sys.argv[1]); from cargoship.sandbox.inside.supervisor import main; main(sys.argv[2])"
)
_TRY_S = 20
_SOMEBODY = Owner(65532, 65532)


class Sandbox(Struct, frozen=True):
    """What the programs of one kind of run get: limits, and a network of their own (nothing) or the machine's."""

    limits: Limits
    own_network: bool
    hostname: str

    def trouble(self, runner: Runner, near: Path) -> str | None:
        """Why no sandbox can be had here, tried with an empty one beside files in `near`; None where it can."""
        if not sys.platform.startswith("linux"):
            return "programs of images can be started on Linux alone"
        with scratch("sandbox-", near) as place:
            folder = place / "files"
            folder.mkdir(mode=0o755)
            numbers = Numbers.choose(_SOMEBODY)
            owned = numbers.here(0, 0)
            if owned is not None:
                os.chown(folder, *owned)
            spec = self._spec(folder, (), "/", numbers)
            tried = runner.run(_command(spec, {}), timeout_s=_TRY_S)
        if tried.code == 0:
            return None
        said = tried.error_text.strip().rpartition("\n")[2].removeprefix("cargoship: ")
        return (
            f"{said or f'the sandbox ended with {tried.code}'}; it takes Linux 5.11, and a user who may make namespaces"
        )

    @property
    def weakness(self) -> str | None:
        """What the sandbox lacks on this machine; None where it has all that it can have."""
        name = machine_name()
        if name in MACHINES:
            return None
        return f"the sandbox has no filter of the kernel's calls on {name}: its numbers are not known here"

    def command(self, files: SandboxRoot, argv: Sequence[str], config: ImageConfig, env: Mapping[str, str]) -> Command:
        """What starts a program of unpacked files as their user, with `env` and nothing more.

        Raises CannotStart for words and variables that no process can have.
        """
        texts = (*argv, *env, *env.values(), config.working_dir or "/")
        if any("\0" in text for text in texts):
            # not shown: it may be a secret
            raise CannotStart(
                "a word or variable of the image has a NUL, which no process can", hint="correct the image"
            )
        workdir = config.working_dir or "/"
        found = find_program(argv[0], files.root, config.env, workdir)
        # QEMU has options of its own before the program's name
        first = f"./{argv[0]}" if argv[0].startswith("-") else argv[0]
        program = (found.path if found is not None else first, *argv[1:])
        if files.emulator is not None:
            program = (f"/{EMULATOR}", *program)
        return _command(self._spec(files.folder, program, workdir, files.numbers), env)

    def _spec(self, folder: Path, argv: tuple[str, ...], workdir: str, numbers: Numbers) -> SandboxSpec:
        return SandboxSpec(
            root=str(folder),
            argv=argv,
            workdir=workdir if workdir.startswith("/") else f"/{workdir}",
            uid=numbers.user.uid,
            gid=numbers.user.gid,
            uid_map=numbers.uid_map,
            gid_map=numbers.gid_map,
            own_network=self.own_network,
            hostname=self.hostname,
            parent=os.getpid(),
            limits=self.limits,
        )


class SandboxRoot(Struct, frozen=True):
    """A root file system for the sandbox, as it is unpacked into a folder."""

    folder: Path
    root: RootFs
    numbers: Numbers
    emulator: Path | None

    @classmethod
    def of(cls, folder: Path, root: RootFs, config: ImageConfig, emulator: Path | None) -> SandboxRoot:
        """For the user of an image; without one that the image knows, for root."""
        return cls(folder, root, Numbers.choose(owner_of(config.user or "", root) or Owner(0, 0)), emulator)

    @property
    def owner(self) -> Callable[[int, int], tuple[int, int] | None]:
        """Who owns here what users of the image own; for unpacking."""
        return self.numbers.here

    def furnish(self) -> None:
        """Put QEMU into the unpacked files where the program needs it."""
        if self.emulator is None:
            return
        place = self.folder / EMULATOR
        # whatever the image has there: a link would be followed on this machine
        if place.is_dir() and not place.is_symlink():
            remove(place)
        place.unlink(missing_ok=True)
        shutil.copyfile(self.emulator, place)
        place.chmod(0o755)


def machine_memory_bytes() -> int:
    """How much memory this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _command(spec: SandboxSpec, env: Mapping[str, str]) -> Command:
    # -I and -S: nothing of this machine's Python settings, and nothing but its standard library
    place = Path(__file__).parents[2]
    return Command((sys.executable, "-I", "-S", "-c", _MAIN, str(place), spec.text), env=wrapped(env))
