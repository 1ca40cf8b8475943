"""The filter of calls: its numbers are the kernel's, and it judges as it says."""

from __future__ import annotations

import errno
import importlib.resources
import re
import struct
from pathlib import Path

import pytest

from cargoship.sandbox.inside.calls import filter_for
from cargoship.sandbox.inside.numbers import MACHINES, SINCE_5_1, UNKNOWN

X86_64, I386, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028
PPC64LE, S390X, S390 = 0xC0000015, 0x80000016, 0x16
ALLOWED = 0
HEADERS = Path(str(importlib.resources.files("ziglang"))) / "lib" / "libc" / "include"
"""Linux's own, which come with Zig."""
TABLES = [
    ("x86-linux-any/asm/unistd_64.h", "x86_64", 0),
    ("x86-linux-any/asm/unistd_32.h", "x86_64", 1),
    ("aarch64-linux-any/asm/unistd_64.h", "aarch64", 0),
    ("arm-linux-any/asm/unistd-eabi.h", "aarch64", 1),
    ("arm-linux-any/asm/unistd-eabi.h", "armv7l", 0),
    ("riscv-linux-any/asm/unistd_64.h", "riscv64", 0),
    ("loongarch-linux-any/asm/unistd_64.h", "loongarch64", 0),
    ("powerpc-linux-any/asm/unistd_64.h", "ppc64le", 0),
    ("s390x-linux-any/asm/unistd_64.h", "s390x", 0),
]
NAMED = ("clone", "ioctl", "socket", "socketpair", "memfd_create")
GONE = {"vm86old", "vm86", "uselib", "_sysctl", "create_module", "nfsservctl", "lookup_dcookie"}


def numbers_in(header: str) -> dict[str, int]:
    """Every call of a header; those of 32-bit ARM are written as sums."""
    found = re.findall(
        r"^#define __NR_(\w+)\s+\(?(?:__NR_SYSCALL_BASE \+ )?(\d+)", (HEADERS / header).read_text(), re.MULTILINE
    )
    return {name: int(number) for name, number in found}


@pytest.mark.parametrize(("header", "machine", "place"), TABLES, ids=[f"{each[1]}-{each[2]}" for each in TABLES])
def test_numbers_are_the_kernels(header: str, machine: str, place: int) -> None:
    kernels, calls = numbers_in(header), MACHINES[machine][place]
    named = {name: getattr(calls, name) for name in NAMED}
    if calls.packed is not None:
        named |= dict(zip(("socketcall", "ipc"), calls.packed, strict=True))
    optional = {*GONE, *SINCE_5_1, *UNKNOWN}
    for name, number in {**calls.denied, **SINCE_5_1, **UNKNOWN, **named}.items():
        assert kernels.get(name, number if name in optional else None) == number, name


@pytest.mark.parametrize(("header", "machine", "place"), TABLES, ids=[f"{each[1]}-{each[2]}" for each in TABLES])
def test_what_is_denied_anywhere_is_denied_wherever_it_is(header: str, machine: str, place: int) -> None:
    everywhere = {name for calls in MACHINES.values() for each in calls for name in each.denied}
    assert everywhere & numbers_in(header).keys() <= MACHINES[machine][place].denied.keys()


def judge(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """What the filter says to a call: 0 or an error's number, as the kernel's interpreter would."""
    order = ">" if architecture in {S390X, S390} else "<"
    data = struct.pack(f"{order}iIQ6Q", number, architecture, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    code = list(struct.iter_unpack(f"{order}HBBI", program))
    value = place = 0
    while True:
        operation, yes, no, operand = code[place]
        place += 1
        match operation:
            case 0x20:
                (value,) = struct.unpack_from(f"{order}I", data, operand)
            case 0x54:
                value &= operand
            case 0x05:
                place += operand
            case 0x15:
                place += yes if value == operand else no
            case 0x25:
                place += yes if value > operand else no
            case 0x45:
                place += yes if value & operand else no
            case 0x06:
                return 0 if operand == 0x7FFF0000 else operand & 0xFFFF
            case _:
                pytest.fail(f"operation {operation}")


@pytest.mark.parametrize(
    ("architecture", "number", "arguments", "verdict"),
    [
        (X86_64, 0, (), ALLOWED),  # read
        (X86_64, 165, (), errno.EPERM),  # mount
        (X86_64, 435, (), errno.ENOSYS),  # clone3
        (X86_64, 463, (), errno.ENOSYS),  # newer than the filter
        (X86_64, 0x40000000, (), errno.ENOSYS),  # x32's read
        (X86_64, 56, (0x3D0F00,), ALLOWED),  # clone of a thread
        (X86_64, 56, (0x10000011,), errno.EPERM),  # of a user namespace
        (X86_64, 16, (0, 0x5413), ALLOWED),  # ioctl: TIOCGWINSZ
        (X86_64, 16, (0, 0x5412), errno.EPERM),
        (X86_64, 16, (0, 0xFFFF00005412), errno.EPERM),  # the kernel looks at the lower half too
        (X86_64, 41, (1, 1, 0), ALLOWED),  # socket: AF_UNIX
        (X86_64, 41, (2, 1, 0), ALLOWED),
        (X86_64, 41, (10, 1, 0), ALLOWED),
        (X86_64, 41, (16, 3, 0), ALLOWED),
        (X86_64, 41, (16, 3, 9), errno.EAFNOSUPPORT),
        (X86_64, 41, (40, 1, 0), errno.EAFNOSUPPORT),  # vsock
        (X86_64, 53, (1, 1, 0), ALLOWED),
        (X86_64, 53, (30, 1, 0), errno.EAFNOSUPPORT),
        (I386, 165, (), ALLOWED),  # getresuid
        (I386, 21, (), errno.EPERM),  # mount
        (I386, 102, (1,), errno.ENOSYS),  # socketcall
        (I386, 117, (23,), errno.EPERM),  # ipc: shmget
        (I386, 117, (0x10017,), errno.EPERM),
        (I386, 117, (2,), ALLOWED),
        (AARCH64, 0, (), errno.ENOSYS),  # not this machine's
    ],
)
def test_judgements(architecture: int, number: int, arguments: tuple[int, ...], verdict: int) -> None:
    program = filter_for("x86_64", unix_sockets=True)
    assert program is not None
    assert judge(program, architecture, number, *arguments) == verdict


def test_unix_sockets_without_names_alone() -> None:
    program = filter_for("aarch64", unix_sockets=False)
    assert program is not None
    assert judge(program, AARCH64, 198, 1, 1, 0) == errno.EAFNOSUPPORT
    assert judge(program, AARCH64, 199, 1, 1, 0) == ALLOWED
    assert judge(program, AARCH64, 40) == errno.EPERM


def test_a_machine_whose_calls_are_not_known() -> None:
    assert filter_for("m68k", unix_sockets=True) is None


@pytest.mark.parametrize(
    ("machine", "architecture", "number", "arguments", "verdict"),
    [
        ("aarch64", ARM, 3, (), ALLOWED),  # read of a 32-bit program
        ("aarch64", ARM, 21, (), errno.EPERM),  # mount
        ("armv7l", ARM, 0xF0005, (), ALLOWED),  # set_tls, without which nothing starts
        ("armv7l", ARM, 0xF0001, (), errno.ENOSYS),
        ("armv7l", ARM, 281, (40, 1, 0), errno.EAFNOSUPPORT),  # vsock
        ("ppc64le", PPC64LE, 255, (), errno.EPERM),  # rtas: the firmware's
        ("ppc64le", PPC64LE, 102, (1,), errno.ENOSYS),
        ("ppc64le", PPC64LE, 120, (0x10000011,), errno.EPERM),
        ("s390x", S390X, 3, (), ALLOWED),
        ("s390x", S390X, 120, (0x10000011, 0x11), ALLOWED),  # clone: a stack, then the flags
        ("s390x", S390X, 120, (0, 0x10000011), errno.EPERM),
        ("s390x", S390X, 54, (0, 0x5412), errno.EPERM),
        ("s390x", S390X, 54, (0, 0x541200000000), ALLOWED),
        ("s390x", S390X, 359, (2, 1, 0), ALLOWED),
        ("s390x", S390X, 359, (40, 1, 0), errno.EAFNOSUPPORT),
        ("s390x", S390, 3, (), errno.ENOSYS),  # 31-bit programs
    ],
)
def test_judgements_elsewhere(
    machine: str, architecture: int, number: int, arguments: tuple[int, ...], verdict: int
) -> None:
    program = filter_for(machine, unix_sockets=True)
    assert program is not None
    assert judge(program, architecture, number, *arguments) == verdict
