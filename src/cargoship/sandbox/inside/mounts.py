"""The files of a program in the sandbox: the image's below, what is written above, and a few of the kernel's own.

All is put together where no name is the image's, and the image becomes the root with the last step: a link of the image
is followed in the image alone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Sequence

from cargoship.sandbox.inside.kernel import (
    MS_BIND,
    MS_MOVE,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    mount,
    pivot_root,
    unmount,
)  # fmt: skip

# Hidden by mounts in this namespace, which alone sees it: a place that is surely there and that nobody needs here.
STAGE = "/tmp"  # noqa: S108 - not written to before it is hidden
CONSOLE = f"{STAGE}/dev/console"
"""A named pipe, where a terminal cannot be opened by its name."""
_QUIET = MS_NOSUID | MS_NODEV | MS_NOEXEC
_DEVICES = ("null", "zero", "full", "random", "urandom")
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
_SHM_BYTES = 64 << 20
_BYTES_PER_FILE = 8192
# As container engines have it (moby, oci/defaults.go), and a little more.
_HIDDEN = (
    "acpi", "asound", "interrupts", "kallsyms", "kcore", "keys", "kmsg", "kpagecount", "kpageflags", "latency_stats",
    "modules", "sched_debug", "scsi", "timer_list", "timer_stats",
)  # fmt: skip
_READ_ONLY = ("bus", "driver", "fs", "irq", "sys", "sysrq-trigger", "sysvipc", "pressure")

# Where programs look for the names of others: resolv.conf(5), hosts(5).
_NAMES = ("/etc/resolv.conf", "/etc/hosts")
_NAMES_BYTES = 1 << 20


def keep_private() -> None:
    """Nothing that is mounted from here on is seen outside, nor the other way round."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)


def make_reachable(folder: str) -> None:
    """Have the image's files where they can be reached no matter who may enter the folders above them."""
    mount(folder, STAGE, flags=MS_BIND)


def stage(disk_bytes: int, terminals: Sequence[str]) -> None:
    """Lay what is written, which has a size, over the image's files, and make the devices; see `make_reachable`.

    The names of /dev in `terminals` lead to CONSOLE.
    """
    image = os.open(STAGE, os.O_PATH | os.O_DIRECTORY)
    files = max(1024, disk_bytes // _BYTES_PER_FILE)
    mount("tmpfs", STAGE, "tmpfs", MS_NOSUID | MS_NODEV, f"mode=0755,size={disk_bytes},nr_inodes={files}")
    for name in ("upper", "work", "root", "dev", "proc"):
        os.mkdir(f"{STAGE}/{name}")
    known = os.fstat(image)
    with contextlib.suppress(OSError):
        os.chown(f"{STAGE}/upper", known.st_uid, known.st_gid)
    os.chmod(f"{STAGE}/upper", stat.S_IMODE(known.st_mode))
    layers = f"lowerdir=/proc/self/fd/{image},upperdir={STAGE}/upper,workdir={STAGE}/work,userxattr"
    mount("overlay", f"{STAGE}/root", "overlay", MS_NOSUID | MS_NODEV, layers)
    os.close(image)
    _devices(f"{STAGE}/dev", terminals)


def _devices(dev: str, terminals: Sequence[str]) -> None:
    mount("tmpfs", dev, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k")
    for name in _DEVICES:
        os.close(os.open(f"{dev}/{name}", os.O_CREAT | os.O_WRONLY, 0o666))
        mount(f"/dev/{name}", f"{dev}/{name}", flags=MS_BIND)
    for name, to in _LINKS.items():
        os.symlink("console" if name in terminals else to, f"{dev}/{name}")
    if terminals:
        os.mkfifo(CONSOLE)
        os.chmod(CONSOLE, 0o622)  # noqa: S103 - for any user that the program may be
    for name in ("shm", "pts"):
        os.mkdir(f"{dev}/{name}")
    mount("tmpfs", f"{dev}/shm", "tmpfs", _QUIET, f"mode=1777,size={_SHM_BYTES},nr_inodes=4096")
    with contextlib.suppress(OSError):
        mount("devpts", f"{dev}/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620")
    # devices are mounts of their own: that this one has none makes no difference to them
    mount("none", dev, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | _QUIET)


def enter(*, own_network: bool) -> None:
    """Make what `stage` has laid out the root, with this PID namespace's /proc and nothing of the machine.

    But for the names of its network, where that is shared: as engines have it.
    """
    names = {} if own_network else {path: _text(path) for path in _NAMES}
    _proc(f"{STAGE}/proc", f"{STAGE}/dev/null")
    old = f".old-{secrets.token_hex(8)}"
    os.mkdir(f"{STAGE}/root/{old}", 0o700)
    pivot_root(f"{STAGE}/root", f"{STAGE}/root/{old}")
    os.chdir("/")
    # from here on the image's links lead to the image
    for name in ("dev", "proc"):
        _folder(f"/{name}", 0o755)
        mount(f"/{old}{STAGE}/{name}", f"/{name}", flags=MS_MOVE)
    unmount(f"/{old}")
    os.rmdir(f"/{old}")
    _folder("/tmp", 0o1777)  # noqa: S108 - the image's
    for path, text in names.items():
        _folder("/etc", 0o755)
        if os.path.isdir(path) and not os.path.islink(path):
            continue
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with open(path, "xb") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o644)


def _text(path: str) -> bytes:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(_NAMES_BYTES)
    return b""


def _proc(proc: str, null: str) -> None:
    # the kernel allows it where a whole /proc is seen already: a container whose own is masked has no rights to more
    mount("proc", proc, "proc", _QUIET)
    for name in _HIDDEN:
        place = f"{proc}/{name}"
        if os.path.isdir(place):
            mount("tmpfs", place, "tmpfs", _QUIET | MS_RDONLY, "size=0,mode=0555")
        elif os.path.exists(place):
            mount(null, place, flags=MS_BIND)
    for name in _READ_ONLY:
        place = f"{proc}/{name}"
        if os.path.exists(place):
            mount(place, place, flags=MS_BIND | MS_REC)
            mount("none", place, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | _QUIET)


def _folder(path: str, mode: int) -> None:
    """A folder there, whatever the image has in its place."""
    if os.path.islink(path) or (os.path.lexists(path) and not os.path.isdir(path)):
        os.unlink(path)
    if not os.path.lexists(path):
        os.mkdir(path)
        os.chmod(path, mode)
