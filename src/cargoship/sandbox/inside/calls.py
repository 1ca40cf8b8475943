"""Which calls of the kernel a program in the sandbox may make, as a seccomp filter. Pure.

The filter takes away what could reach out of namespaces (mounts, namespaces, tracing, keys, modules, handles of files),
what has often had holes and no use here (bpf, io_uring, userfaultfd, performance counters), memory that belongs to no
process and so is not counted (memfd, System V), and kinds of sockets that no namespace holds (vsock, for one).
Everything beyond what was known when it was written is answered as an older kernel would. Under QEMU the calls are
QEMU's own, of this machine's processor.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from cargoship.sandbox.inside.numbers import BIG_ENDIAN, LAST_KNOWN, MACHINES, SINCE_5_1, UNKNOWN, Calls

_LOAD, _AND, _JUMP, _EQUAL, _GREATER, _SET, _RETURN = 0x20, 0x54, 0x05, 0x15, 0x25, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET; NEWTIME is clone3's alone
_NAMESPACES = 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x10000000 | 0x20000000 | 0x40000000
# TIOCSTI types into a terminal, TIOCLINUX pastes
_TYPING = (0x5412, 0x541C)
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_SHMGET_OF_IPC = 23

_Code = list[tuple[int, int, int, int]]


def filter_for(machine: str, *, unix_sockets: bool) -> bytes | None:
    """The program of a filter for a machine as uname names it; None for one whose calls are not known here.

    Without `unix_sockets` only unnamed pairs can be had.
    """
    known = MACHINES.get(machine)
    if known is None:
        return None
    is_big = machine in BIG_ENDIAN
    families = (*((_AF_UNIX,) if unix_sockets else ()), _AF_INET, _AF_INET6)
    code: _Code = [(_LOAD, 0, 0, _ARCHITECTURE)]
    for calls in known:
        section = _Section(calls, families, is_big).code()
        code += [(_EQUAL, 1, 0, calls.architecture), (_JUMP, 0, 0, len(section)), *section]
    code.append(_refused(errno.ENOSYS))  # calls of another architecture
    return b"".join(struct.pack(">HBBI" if is_big else "<HBBI", *each) for each in code)


@dataclass(frozen=True)
class _Section:
    """What judges the calls of one architecture, and always comes to a judgement."""

    calls: Calls
    families: Sequence[int]
    is_big: bool

    def code(self) -> _Code:
        calls = self.calls
        code: _Code = [(_LOAD, 0, 0, _NUMBER)]
        for number in calls.beyond:
            code += _when(number, [_ALLOWED])
        # x32's numbers are above all others
        code += [(_GREATER, 0, 1, LAST_KNOWN), _refused(errno.ENOSYS)]
        for number in sorted({*calls.denied.values(), *SINCE_5_1.values()}):
            code += _when(number, [_refused(errno.EPERM)])
        for number in (*UNKNOWN.values(), calls.memfd_create):
            code += _when(number, [_refused(errno.ENOSYS)])
        flags = self._argument(calls.clone_flags)
        code += _when(calls.clone, [flags, (_SET, 0, 1, _NAMESPACES), _refused(errno.EPERM), _ALLOWED])
        code += _when(calls.ioctl, [self._argument(1), *_equal(_TYPING, errno.EPERM), _ALLOWED])
        code += _when(calls.socket, self._sockets())
        pair: _Code = [(_EQUAL, 1, 0, _AF_UNIX), _refused(errno.EAFNOSUPPORT), _ALLOWED]
        code += _when(calls.socketpair, [self._argument(0), *pair])
        if calls.packed is not None:
            socketcall, ipc = calls.packed
            code += _when(socketcall, [_refused(errno.ENOSYS)])
            shmget: _Code = [(_AND, 0, 0, 0xFFFF), *_equal((_SHMGET_OF_IPC,), errno.EPERM), _ALLOWED]
            code += _when(ipc, [self._argument(0), *shmget])
        return [*code, _ALLOWED]

    def _sockets(self) -> _Code:
        asked: _Code = [self._argument(0)]
        for family in self.families:
            asked += [(_EQUAL, 0, 1, family), _ALLOWED]
        # routes and addresses are what programs ask for; other families of netlink are the kernel's inside
        routes: _Code = [(_EQUAL, 0, 3, _AF_NETLINK), self._argument(2), (_EQUAL, 0, 1, 0), _ALLOWED]
        return [*asked, *routes, _refused(errno.EAFNOSUPPORT)]

    def _argument(self, index: int) -> tuple[int, int, int, int]:
        """The lower half of an argument: the kernel looks at no more of these."""
        return (_LOAD, 0, 0, _ARGUMENTS + 8 * index + (4 if self.is_big else 0))


_ALLOWED = (_RETURN, 0, 0, _ALLOW)


def _refused(number: int) -> tuple[int, int, int, int]:
    return (_RETURN, 0, 0, _ERRNO | number)


def _when(number: int, then: _Code) -> _Code:
    return [(_EQUAL, 0, len(then), number), *then]


def _equal(values: Sequence[int], number: int) -> _Code:
    return [each for value in values for each in ((_EQUAL, 0, 1, value), _refused(number))]
