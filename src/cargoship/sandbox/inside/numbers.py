"""The kernel's calls by their numbers, on each processor that the sandbox's filter knows: asm/unistd.h of Linux."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LAST_KNOWN = 462
"""The last call of all processors that was known when these tables were written."""

# the same number on every processor since Linux 5.1
SINCE_5_1 = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_getfd": 438, "process_madvise": 440,
    "mount_setattr": 442, "quotactl_fd": 443, "statmount": 457, "listmount": 458,
}  # fmt: skip
# What programs have another way for where a kernel does not know it.
UNKNOWN = {"clone3": 435, "memfd_secret": 447}

_GENERIC = {
    "lookup_dcookie": 18, "umount2": 39, "mount": 40, "pivot_root": 41, "nfsservctl": 42, "chroot": 51, "vhangup": 58,
    "quotactl": 60, "acct": 89, "unshare": 97, "kexec_load": 104, "init_module": 105, "delete_module": 106,
    "clock_settime": 112, "syslog": 116, "ptrace": 117, "reboot": 142, "sethostname": 161, "setdomainname": 162,
    "settimeofday": 170, "shmget": 194, "add_key": 217, "request_key": 218, "keyctl": 219, "swapon": 224,
    "swapoff": 225, "perf_event_open": 241, "fanotify_init": 262, "name_to_handle_at": 264, "open_by_handle_at": 265,
    "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "bpf": 280,
    "userfaultfd": 282, "kexec_file_load": 294,
}  # fmt: skip
_X86_64 = {
    "shmget": 29, "ptrace": 101, "syslog": 103, "uselib": 134, "vhangup": 153, "pivot_root": 155, "_sysctl": 156,
    "chroot": 161, "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168,
    "reboot": 169, "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "create_module": 174,
    "init_module": 175, "delete_module": 176, "quotactl": 179, "nfsservctl": 180, "lookup_dcookie": 212,
    "clock_settime": 227, "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250, "unshare": 272,
    "perf_event_open": 298, "fanotify_init": 300, "name_to_handle_at": 303, "open_by_handle_at": 304, "setns": 308,
    "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "kexec_file_load": 320,
    "bpf": 321, "userfaultfd": 323,
}  # fmt: skip
_I386 = {
    "mount": 21, "umount": 22, "stime": 25, "ptrace": 26, "acct": 51, "umount2": 52, "chroot": 61, "sethostname": 74,
    "settimeofday": 79, "uselib": 86, "swapon": 87, "reboot": 88, "ioperm": 101, "syslog": 103, "iopl": 110,
    "vhangup": 111, "vm86old": 113, "swapoff": 115, "setdomainname": 121, "create_module": 127, "init_module": 128,
    "delete_module": 129, "quotactl": 131, "_sysctl": 149, "vm86": 166, "nfsservctl": 169, "pivot_root": 217,
    "lookup_dcookie": 253, "clock_settime": 264, "kexec_load": 283, "add_key": 286, "request_key": 287, "keyctl": 288,
    "unshare": 310, "perf_event_open": 336, "fanotify_init": 338, "name_to_handle_at": 341, "open_by_handle_at": 342,
    "setns": 346, "process_vm_readv": 347, "process_vm_writev": 348, "kcmp": 349, "finit_module": 350, "bpf": 357,
    "userfaultfd": 374, "shmget": 395, "clock_settime64": 404,
}  # fmt: skip
_ARM = {
    "mount": 21, "ptrace": 26, "acct": 51, "umount2": 52, "chroot": 61, "sethostname": 74, "settimeofday": 79,
    "uselib": 86, "swapon": 87, "reboot": 88, "syslog": 103, "vhangup": 111, "swapoff": 115, "setdomainname": 121,
    "init_module": 128, "delete_module": 129, "quotactl": 131, "_sysctl": 149, "nfsservctl": 169, "pivot_root": 218,
    "lookup_dcookie": 249, "clock_settime": 262, "pciconfig_iobase": 271, "pciconfig_read": 272, "pciconfig_write": 273,
    "shmget": 307, "add_key": 309, "request_key": 310, "keyctl": 311, "unshare": 337, "kexec_load": 347,
    "perf_event_open": 364, "fanotify_init": 367, "name_to_handle_at": 370, "open_by_handle_at": 371, "setns": 375,
    "process_vm_readv": 376, "process_vm_writev": 377, "kcmp": 378, "finit_module": 379, "bpf": 386, "userfaultfd": 388,
    "kexec_file_load": 401, "clock_settime64": 404,
}  # fmt: skip
_PPC64 = {
    "mount": 21, "umount": 22, "stime": 25, "ptrace": 26, "acct": 51, "umount2": 52, "chroot": 61, "sethostname": 74,
    "settimeofday": 79, "uselib": 86, "swapon": 87, "reboot": 88, "ioperm": 101, "syslog": 103, "iopl": 110,
    "vhangup": 111, "vm86": 113, "swapoff": 115, "setdomainname": 121, "create_module": 127, "init_module": 128,
    "delete_module": 129, "quotactl": 131, "_sysctl": 149, "nfsservctl": 168, "pciconfig_read": 198,
    "pciconfig_write": 199, "pciconfig_iobase": 200, "pivot_root": 203, "lookup_dcookie": 235, "clock_settime": 245,
    "rtas": 255, "kexec_load": 268, "add_key": 269, "request_key": 270, "keyctl": 271, "spu_run": 278,
    "spu_create": 279, "unshare": 282, "perf_event_open": 319, "fanotify_init": 323, "name_to_handle_at": 345,
    "open_by_handle_at": 346, "setns": 350, "process_vm_readv": 351, "process_vm_writev": 352, "finit_module": 353,
    "kcmp": 354, "bpf": 361, "userfaultfd": 364, "kexec_file_load": 382, "shmget": 395,
}  # fmt: skip
_S390X = {
    "mount": 21, "umount": 22, "ptrace": 26, "acct": 51, "umount2": 52, "chroot": 61, "sethostname": 74,
    "settimeofday": 79, "uselib": 86, "swapon": 87, "reboot": 88, "syslog": 103, "lookup_dcookie": 110, "vhangup": 111,
    "swapoff": 115, "setdomainname": 121, "create_module": 127, "init_module": 128, "delete_module": 129,
    "quotactl": 131, "_sysctl": 149, "nfsservctl": 169, "pivot_root": 217, "clock_settime": 259, "kexec_load": 277,
    "add_key": 278, "request_key": 279, "keyctl": 280, "unshare": 303, "perf_event_open": 331, "fanotify_init": 332,
    "name_to_handle_at": 335, "open_by_handle_at": 336, "setns": 339, "process_vm_readv": 340, "process_vm_writev": 341,
    "kcmp": 343, "finit_module": 344, "bpf": 351, "s390_pci_mmio_write": 352, "s390_pci_mmio_read": 353,
    "userfaultfd": 355, "kexec_file_load": 381, "shmget": 395,
}  # fmt: skip


@dataclass(frozen=True)
class Calls:
    """The calls of one architecture: what is denied, and what is looked at more closely."""

    architecture: int
    """AUDIT_ARCH_* of linux/audit.h."""
    denied: Mapping[str, int]
    clone: int
    ioctl: int
    socket: int
    socketpair: int
    memfd_create: int
    packed: tuple[int, int] | None = None
    """socketcall and ipc, by whose number alone a filter cannot tell what is asked for."""
    clone_flags: int = 0
    """Which argument of clone has the flags: clone(2), "C library/kernel differences"."""
    beyond: tuple[int, ...] = ()
    """What every program needs of the calls that are numbered above all others."""


_X86_64_CALLS = Calls(0xC000003E, _X86_64, 56, 16, 41, 53, 319)
_I386_CALLS = Calls(0x40000003, _I386, 120, 54, 359, 360, 356, packed=(102, 117))
# cacheflush, set_tls, get_tls
_ARM_CALLS = Calls(0x40000028, _ARM, 120, 54, 281, 288, 385, beyond=(0xF0002, 0xF0005, 0xF0006))
_PPC64LE_CALLS = Calls(0xC0000015, _PPC64, 120, 54, 326, 333, 360, packed=(102, 117))
_S390X_CALLS = Calls(0x80000016, _S390X, 120, 54, 359, 360, 350, packed=(102, 117), clone_flags=1)


def _generic(architecture: int) -> Calls:
    return Calls(architecture, _GENERIC, 220, 29, 198, 199, 279)


MACHINES: Mapping[str, tuple[Calls, ...]] = {
    "x86_64": (_X86_64_CALLS, _I386_CALLS),
    "aarch64": (_generic(0xC00000B7), _ARM_CALLS),
    "riscv64": (_generic(0xC00000F3),),
    "loongarch64": (_generic(0xC0000102),),
    "ppc64le": (_PPC64LE_CALLS,),
    "s390x": (_S390X_CALLS,),
    "armv7l": (_ARM_CALLS,),
    "armv8l": (_ARM_CALLS,),
}
"""Whose programs a machine runs, as uname names it: its own first."""
BIG_ENDIAN = frozenset({"s390x"})
