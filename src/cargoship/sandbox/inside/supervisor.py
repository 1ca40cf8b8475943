"""The sandbox's process outside of its PID namespace: it makes the world, watches over it, and ends it.

It ends with the one it works for, with the program, with time or memory that are used up; and everything in the sandbox
ends with it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import time
from typing import NoReturn

from cargoship.sandbox.inside import first, kernel, mounts
from cargoship.sandbox.inside.memory import Memory
from cargoship.sandbox.inside.spec import EXIT_NO_SANDBOX, SandboxSpec, unwrapped
from cargoship.sandbox.inside.streams import Console, Relays, fix_terminals, terminals

_LOOK_S = 0.1
_WORLD = (
    kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWCGROUP
)  # fmt: skip


def main(text: str) -> NoReturn:
    """Run what a spec asks for, and end as its program has ended."""
    spec = SandboxSpec.parse(text)
    env = unwrapped(os.environ)
    os.closerange(3, 1 << 16)
    os.chdir("/")  # pivot_root moves who is there along
    status = None
    relays = Relays(spec.owner)
    try:
        parent = os.pidfd_open(spec.parent)
        if os.getppid() == spec.parent:
            status = _supervise(spec, env, parent, _leave(spec))
    except OSError as error:
        first.complain(error)
    relays.finish()
    if status is None:
        os._exit(EXIT_NO_SANDBOX)
    if os.WIFSIGNALED(status):
        _end_by(os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


def _leave(spec: SandboxSpec) -> Console | None:
    """Leave the machine's namespaces for new ones, with the image's files at hand."""
    shifted = bool(spec.uid_map)
    written = terminals() if shifted else ()
    console = Console() if written else None
    if shifted:
        # with the rights of root, who may enter the folders above
        kernel.unshare(kernel.CLONE_NEWNS)
        mounts.keep_private()
        mounts.make_reachable(spec.root)
    map_ids = _mapper(spec) if shifted else None
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(_WORLD | (kernel.CLONE_NEWNET if spec.own_network else 0))
    if map_ids is not None:
        map_ids()
        os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        mounts.keep_private()
    else:
        _write_map("self", "setgroups", "deny")
        _write_map("self", "uid_map", f"{spec.uid} {uid} 1")
        _write_map("self", "gid_map", f"{spec.gid} {gid} 1")
        mounts.keep_private()
        fix_terminals()
        mounts.make_reachable(spec.root)
    mounts.stage(spec.limits.disk_bytes, written)
    if console is not None:
        console.open(mounts.CONSOLE)
    return console


class _mapper:  # noqa: N801 - made and called, as a function would be
    """A process that stays outside, where it may give this one's namespace its users."""

    def __init__(self, spec: SandboxSpec) -> None:
        target = os.getpid()
        here, self._go = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            code = 1
            try:
                os.close(self._go)
                if os.read(here, 1):
                    for name, lines in (("uid_map", spec.uid_map), ("gid_map", spec.gid_map)):
                        _write_map(str(target), name, "\n".join(" ".join(map(str, line)) for line in lines))
                    code = 0
            except OSError as error:
                first.complain(error)
            finally:
                os._exit(code)
        os.close(here)

    def __call__(self) -> None:
        os.write(self._go, b"1")
        os.close(self._go)
        _, status = os.waitpid(self._pid, 0)
        if status != 0:
            os._exit(EXIT_NO_SANDBOX)


def _write_map(process: str, name: str, text: str) -> None:
    with open(f"/proc/{process}/{name}", "w", encoding="ascii") as file:
        file.write(text)


def _supervise(spec: SandboxSpec, env: dict[str, str], parent: int, console: Console | None) -> int | None:
    """Start the first process and see it through; the program's status, None where it never was."""
    alive, held = os.pipe()
    hear, outcome = os.pipe()
    signals = _signals()
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        os.close(held)
        first.live(spec, env, alive, outcome)
    os.close(outcome)
    os.close(alive)
    until = None if spec.limits.time_s is None else began + spec.limits.time_s
    said, overdue, watch = b"", None, None
    while overdue is None:
        ready, _, _ = select.select([parent, signals, hear], [], [], _LOOK_S)
        if hear in ready:
            news = os.read(hear, 64)
            said += news
            if not news:
                break
        for number in os.read(signals, 64) if signals in ready else ():
            os.kill(pid, number)
        if said and watch is None:
            watch = Memory(spec.limits)  # /proc is the sandbox's own now
        overdue = _overdue(until, watch, parent_gone=parent in ready)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    if console is not None:
        console.finish()
    if overdue is not None:
        os.write(2, overdue.encode())
        return int(signal.SIGKILL)
    return int.from_bytes(said[1:], "little") if len(said) > 1 else None


def _signals() -> int:
    """A pipe with the numbers of signals that came, which end this process no more."""
    came, here = os.pipe()
    os.set_blocking(here, False)
    for number in first.PASSED_ON:
        # nohup and background jobs start with signals ignored, and mean it
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(here, warn_on_full_buffer=False)
    return came


def _overdue(until: float | None, watch: Memory | None, *, parent_gone: bool) -> str | None:
    """What there is to say of a program that must end now; None while it may go on."""
    if parent_gone or (until is not None and time.monotonic() > until):
        return ""
    return None if watch is None else watch.complaint()


def _end_by(number: int) -> NoReturn:
    """End as the program has ended, without leaving a core."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    os._exit(128 + number)
