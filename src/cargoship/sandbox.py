"""Starting an image's program in the image's own files, without a container engine.

The program gets namespaces of Linux, entered by util-linux: as root it becomes the image's user, and anybody else is
that user in a world of its own. A foreign processor is QEMU's.
"""

from __future__ import annotations

import os
import platform as machine
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cargoship.checks.program import find_program
from cargoship.checks.users import Owner, owner_of
from cargoship.errors import PlatformUnknown
from cargoship.oci.config import ImageConfig
from cargoship.oci.platform import Platform
from cargoship.platforms import row
from cargoship.rootfs.view import RootFs

_EMULATOR = ".cargoship-qemu"
_DEVICES = ("null", "zero", "full", "random", "urandom")
_TOOLS = ("setpriv", "unshare", "mount", "sh")
_LOADED_BY = frozenset({"GCONV_PATH", "LOCPATH", "NLSPATH"})
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
    def find(cls, path: str | None, *more: str) -> Tools | str:
        """Those on a PATH, and more of them; or what is missing."""
        if not sys.platform.startswith("linux"):
            return "programs of images can be started on Linux alone"
        found = {name: shutil.which(name, path=path) for name in (*more, *_TOOLS)}
        missing = [name for name, where in found.items() if where is None]
        if missing:
            return f"{', '.join(missing)} is missing (util-linux, coreutils)"
        return cls({name: where for name, where in found.items() if where}, row(machine.machine()).platform)

    def runs(self, platform: Platform) -> bool:
        """Whether this machine's processor runs programs of a platform by itself."""
        return platform == self.native or (self.native.architecture, platform.architecture) == ("amd64", "386")

    def emulator(self, platform: Platform, path: str | None) -> Path | str | None:
        """QEMU for a platform, None where none is needed, or what is missing."""
        if self.runs(platform):
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


def namespaces(tools: Tools, *names: str) -> tuple[str, ...]:
    """The words that start something in namespaces of its own: mount, pid, net, ..."""
    own = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    return (tools.paths["unshare"], *own, *(f"--{name}" for name in names), "--fork", "--kill-child")


def entering(
    tools: Tools, folder: Path, root: RootFs, config: ImageConfig, argv: Sequence[str], emulator: Path | None
) -> tuple[str, ...]:
    """The words that start a program as the image's user in `folder`, where `root` is unpacked and furnished.

    They belong into a mount namespace of their own.
    """
    workdir = config.working_dir or "/"
    found = find_program(argv[0], root, config.env, workdir)
    program = [found.path if found is not None else argv[0], *argv[1:]]
    if emulator is not None:
        program = [f"/{_EMULATOR}", *program]
    owner = owner_of(config.user or "", root) or Owner(0, 0)
    paths = tools.paths
    user = ["--setgid", str(owner.gid), "--setuid", str(owner.uid)]
    if os.geteuid() != 0:
        user = [f"--map-user={owner.uid}", f"--map-group={owner.gid}"]
    enter = [paths["unshare"], *user, f"--root={folder}", f"--wd={workdir}", *program]
    if os.geteuid() == 0:
        enter = [paths["setpriv"], "--clear-groups", *enter]
    return (paths["sh"], "-c", _ENTER, "sh", str(folder), paths["mount"], *enter)


def furnish(folder: Path, emulator: Path | None, config: ImageConfig) -> None:
    """Put into an image's files what an engine puts into every container, and QEMU where the program needs it."""
    for name in ("dev", "proc", "tmp"):
        place = folder / name
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            place.unlink()
        if not place.exists():
            place.mkdir()
            place.chmod(0o1777 if name == "tmp" else 0o755)
    for name in _DEVICES:
        device = folder / "dev" / name
        _clear_link(device)
        if not device.exists():
            device.touch()
    workdir = (config.working_dir or "/").strip("/")
    # inside the root by its parts: a link in it is followed in the root alone, and not from here
    if workdir and not os.path.lexists(folder / workdir) and not _has_links(folder, workdir):
        (folder / workdir).mkdir(parents=True)
    if emulator is not None:
        place = folder / _EMULATOR
        # a link of the image's there would be followed on this machine
        _clear_link(place)
        shutil.copyfile(emulator, place)
        place.chmod(0o755)


def _clear_link(place: Path) -> None:
    if place.is_symlink():
        place.unlink()


def obeyed_here(env: Mapping[str, str]) -> str | None:
    """A variable of an image that this machine's own programs would obey on the way into it, if there is one.

    glibc ignores them in programs that are privileged in themselves (sysdeps/generic/unsecvars.h); these are not.
    """
    return next((name for name in sorted(env) if name.startswith("LD_") or name in _LOADED_BY), None)


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
