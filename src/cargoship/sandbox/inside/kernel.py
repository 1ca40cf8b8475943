"""Calls of Linux that Python 3.11 does not have, through the C library; each raises OSError that names the call."""

from __future__ import annotations

import ctypes
import os
import struct

from cargoship.sandbox.inside.numbers import MACHINES

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 4096, 8192, 16384, 1 << 18
MNT_DETACH = 2

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP = 1, 4, 22
_PR_CAPBSET_DROP, _PR_SET_SECUREBITS, _PR_SET_NO_NEW_PRIVS = 24, 28, 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_SECCOMP_MODE_FILTER = 2
_CAPABILITIES_MAX = 64
_CAPABILITY_VERSION = 0x20080522
# NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE, each with its lock: capabilities(7), "securebits flags"
_SECURE_BITS = 0b11000011 | 0b1100 | 0b11000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_AF_INET, _SOCK_DGRAM = 2, 2
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446
_LANDLOCK_SCOPES_ABI = 6
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2
_JOIN_SESSION_KEYRING = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> int:
    result = int(getattr(_libc, name)(*arguments))
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def _long(*values: int) -> tuple[ctypes.c_ulong, ...]:
    """Arguments of calls that take any number of them, each as wide as a register."""
    return tuple(ctypes.c_ulong(value) for value in values)


def unshare(flags: int) -> None:
    """Leave namespaces for new ones."""
    _call("unshare", flags)


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount, move, bind or change a mount, as the flags have it; see its manual page."""
    try:
        _call("mount", source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())
    except OSError as error:
        raise OSError(error.errno, f"mount {kind or source} on {target}: {os.strerror(error.errno or 0)}") from error


def unmount(target: str) -> None:
    """Take a mount and all below it away, now for those to come, and when nobody uses it for those who do."""
    _call("umount2", target.encode(), MNT_DETACH)


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root of this mount namespace, with the one before it at `old`."""
    _call("pivot_root", new.encode(), old.encode())


def die_with_parent(number: int) -> None:
    """Have the thread's end that started this process send a signal; to be asked for again after a change of user."""
    _call("prctl", _PR_SET_PDEATHSIG, *_long(number, 0, 0, 0))


def hide_memory() -> None:
    """Nobody without rights over this process may look into /proc for its memory, program and open files."""
    _call("prctl", _PR_SET_DUMPABLE, *_long(0, 0, 0, 0))


def forbid_capabilities() -> None:
    """No program that is started, and no user, gets a capability again; this process keeps its own for now."""
    for number in range(_CAPABILITIES_MAX):
        try:
            _call("prctl", _PR_CAPBSET_DROP, *_long(number, 0, 0, 0))
        except OSError:
            break  # beyond the last that this kernel knows
    _call("prctl", _PR_CAP_AMBIENT, *_long(_PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
    _call("prctl", _PR_SET_SECUREBITS, *_long(_SECURE_BITS, 0, 0, 0))
    _call("prctl", _PR_SET_NO_NEW_PRIVS, *_long(1, 0, 0, 0))


def drop_capabilities() -> None:
    """Give up every capability."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION, 0))
    _call("capset", header, ctypes.create_string_buffer(24))


def leave_keyring(machine: str) -> None:
    """Change the session's keyring, where the caller may keep secrets, for an empty one: keyctl(2)."""
    if machine in MACHINES:
        try:
            _call("syscall", *_long(MACHINES[machine][0].denied["keyctl"], _JOIN_SESSION_KEYRING, 0))
        except OSError:
            return  # a kernel without keys, or a container that forbids the call


def set_hostname(name: str) -> None:
    """Name the machine in this UTS namespace."""
    _call("sethostname", name.encode(), ctypes.c_size_t(len(name.encode())))


def raise_loopback() -> None:
    """Start the loopback of this network namespace: netdevice(7)."""
    handle = _call("socket", _AF_INET, _SOCK_DGRAM, 0)
    try:
        request = ctypes.create_string_buffer(struct.pack("16sH22x", b"lo", 0))
        _call("ioctl", handle, *_long(_SIOCGIFFLAGS), request)
        (flags,) = struct.unpack_from("H", request.raw, 16)
        struct.pack_into("H", request, 16, flags | _IFF_UP)
        _call("ioctl", handle, *_long(_SIOCSIFFLAGS), request)
    finally:
        os.close(handle)


def scope_sockets_and_signals() -> bool:
    """Keep abstract sockets and signals among this process and those it starts: landlock(7), since Linux 6.12.

    False where the kernel cannot.
    """
    try:
        if _call("syscall", *_long(_LANDLOCK_CREATE, 0, 0, 1)) < _LANDLOCK_SCOPES_ABI:
            return False
        rules = ctypes.create_string_buffer(struct.pack("=QQQ", 0, 0, _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS), 24)
        handle = _call("syscall", *_long(_LANDLOCK_CREATE), rules, *_long(24, 0))
        try:
            _call("syscall", *_long(_LANDLOCK_RESTRICT, handle, 0))
        finally:
            os.close(handle)
    except OSError:
        return False
    return True


def filter_calls(program: bytes) -> None:
    """Have a seccomp filter judge the calls of this process and of those it starts: seccomp(2)."""
    code = ctypes.create_string_buffer(program, len(program))
    description = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    _call("prctl", _PR_SET_SECCOMP, *_long(_SECCOMP_MODE_FILTER), description, *_long(0, 0))
