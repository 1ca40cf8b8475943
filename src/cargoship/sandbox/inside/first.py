"""The first process of a sandbox (PID 1): it closes the door behind itself, starts the program, and passes signals on.

The kernel ends everything in the namespace with it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
from typing import NoReturn

from cargoship.sandbox.inside import kernel, mounts
from cargoship.sandbox.inside.calls import filter_for
from cargoship.sandbox.inside.spec import EXIT_NO_SANDBOX, SandboxSpec

PASSED_ON = (
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH,
)  # fmt: skip
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127
# With 0 a program of the machine still gets the dump where /proc/sys/kernel/core_pattern names one, outside of the
# sandbox and as root; for 1 byte the kernel starts none (fs/coredump.c), and writes no file either.
_NO_CORE_BYTES = 1


def live(spec: SandboxSpec, env: dict[str, str], alive: int, outcome: int) -> NoReturn:
    """Be the first process: `alive` ends with the one outside, and `outcome` takes its word of how it ended."""
    code = EXIT_NO_SANDBOX
    try:
        _settle(spec)
        if select.select([alive], [], [], 0)[0]:
            os._exit(code)  # what starts this had ended before it could be tied to it
        signal.pthread_sigmask(signal.SIG_BLOCK, {*PASSED_ON, signal.SIGCHLD})
        program = os.fork()
        if program == 0:
            _start(spec, env)
        os.write(outcome, b"r")
        os.write(outcome, _outlast(program).to_bytes(4, "little"))
        code = 0
    except OSError as error:
        complain(error)
    finally:
        os._exit(code)


def complain(error: OSError) -> None:
    """Say why the world could not be made."""
    place = f" ({error.filename})" if error.filename else ""
    os.write(2, f"cargoship: the sandbox cannot be made: {error.strerror or error}{place}\n".encode())


def _settle(spec: SandboxSpec) -> None:
    """Take on the image's files, names and user, and give up every right."""
    kernel.die_with_parent(signal.SIGKILL)
    os.setsid()
    mounts.enter(own_network=spec.own_network)
    _go_first()
    kernel.set_hostname(spec.hostname)
    if spec.own_network:
        kernel.raise_loopback()
    with contextlib.suppress(OSError):
        os.makedirs(spec.workdir, exist_ok=True)
    kernel.leave_keyring(os.uname().machine)
    kernel.forbid_capabilities()
    if spec.uid_map:
        os.setgroups([])
        os.setresgid(spec.gid, spec.gid, spec.gid)
        os.setresuid(spec.uid, spec.uid, spec.uid)
    kernel.drop_capabilities()
    kernel.hide_memory()
    kernel.die_with_parent(signal.SIGKILL)
    os.umask(0o022)


def _go_first() -> None:
    """Where the machine runs out of memory before anybody has looked, nobody else's process is ended for it."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb") as file:
        file.write(b"1000")


def _start(spec: SandboxSpec, env: dict[str, str]) -> NoReturn:
    """Become the image's program."""
    code = EXIT_NO_SANDBOX
    try:
        os.setsid()
        os.closerange(3, _open_max())
        own = {"RLIMIT_NPROC": spec.limits.processes, "RLIMIT_CORE": _NO_CORE_BYTES}
        for name, value in {**spec.limits.resources, **own}.items():
            limit(getattr(resource, name), value)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
        has_scopes = kernel.scope_sockets_and_signals()
        code = _NOT_FOUND
        if spec.argv:
            os.chdir(spec.workdir)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        calls = filter_for(os.uname().machine, unix_sockets=spec.own_network or has_scopes)
        if calls is not None:
            kernel.filter_calls(calls)
        if not spec.argv:
            os._exit(0)
        os.execve(spec.argv[0], spec.argv, env)
    except FileNotFoundError as error:
        _cannot_start(spec, error)
    except OSError as error:
        code = _NOT_EXECUTABLE
        _cannot_start(spec, error)
    finally:
        os._exit(code)


def _cannot_start(spec: SandboxSpec, error: OSError) -> None:
    place = error.filename or " ".join(spec.argv[:1])
    os.write(2, f"cargoship: cannot start {place}: {error.strerror}\n".encode())


def limit(which: int, value: int) -> None:
    """Set a limit, and where a lower one is in force keep that."""
    _, most = resource.getrlimit(which)
    value = value if most == resource.RLIM_INFINITY else min(value, most)
    resource.setrlimit(which, (value, value))


def _open_max() -> int:
    return min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1 << 20)


def _outlast(program: int) -> int:
    """Pass signals on and collect every process that ends, until the program does; its status as waitpid(2) has it."""
    while True:
        number = signal.sigwait({*PASSED_ON, signal.SIGCHLD})
        if number != signal.SIGCHLD:
            os.kill(program, number)
            continue
        with contextlib.suppress(ChildProcessError):
            while True:
                ended, status = os.waitpid(-1, os.WNOHANG)
                if ended == program:
                    return status
                if ended == 0:
                    break
