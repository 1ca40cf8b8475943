"""The sandbox by itself: a program with the machine's network, odd users, streams, and ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cargoship.oci.config import ImageConfig
from cargoship.oci.tar import LayerEntry
from cargoship.process import Command
from cargoship.rootfs.layer_cache import LayerCache
from cargoship.rootfs.unpack import private, unpack_root
from cargoship.rootfs.view import view_of
from cargoship.sandbox.inside.spec import Limits
from cargoship.sandbox.start import Sandbox, SandboxRoot
from support.programs import run

pytestmark = pytest.mark.tools

SOURCE = Path(__file__).parents[1] / "support" / "escapes.c"
Start = Callable[..., tuple[list[str], dict[str, str]]]
LIMITS = Limits(1 << 30, 64 << 20, 256, {"RLIMIT_NOFILE": 4096}, 20)


@pytest.fixture(scope="module")
def escapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that tries ways out, which needs no other file."""
    program = tmp_path_factory.mktemp("escapes") / "escapes"
    run("cc", "-static", "-O1", "-w", SOURCE, "-o", program)
    return program


@contextlib.contextmanager
def sandboxed(
    folder: Path, program: Path, *words: str, user: str = "0", limits: Limits = LIMITS, own_network: bool = True
) -> Iterator[Command]:
    """The command that starts the program in the sandbox."""
    entries = [
        LayerEntry.file("app/app", program.read_bytes(), 0o755),
        LayerEntry.file("app/su", program.read_bytes(), 0o4755),
    ]
    config = ImageConfig(user=user, working_dir="/app")
    root = view_of((), LayerCache(folder / "book"), entries)
    with private("files-", folder) as place:
        files = SandboxRoot.of(place / "files", root, config, None)
        unpack_root(root, files.folder, files.owner)
        yield Sandbox(limits, own_network, "sandbox").command(files, ("/app/app", *words), config, {"A": "b"})


@pytest.mark.parametrize("user", ["0", "65532:65532", "1000680000:2000000"])
@pytest.mark.parametrize("own_network", [True, False])
def test_no_way_leads_out_of_the_machines_network(
    tmp_path: Path,
    escapes: Path,
    user: str,
    own_network: bool,  # noqa: FBT001 - data
) -> None:
    name = f"cargoship-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"\0{name}")
        listening.listen()
        words = ("all", str(escapes), str(os.getppid()), "0", name)
        with sandboxed(tmp_path, escapes, *words, user=user, own_network=own_network) as command:
            done = run_with(command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_program_has_its_time(tmp_path: Path, escapes: Path) -> None:
    limits = Limits(LIMITS.memory_bytes, LIMITS.disk_bytes, LIMITS.processes, {}, 0.5)
    with sandboxed(tmp_path, escapes, "wait", limits=limits) as command:
        assert run_with(command).returncode == -signal.SIGKILL


@pytest.mark.parametrize(("words", "said"), [("forks", "253 forks"), ("disk", "128 MiB written")])
# the sandbox's two processes and the program are among them; /dev/shm has 64 MiB beside
def test_limits_are_those_that_were_asked_for(tmp_path: Path, escapes: Path, words: str, said: str) -> None:
    with sandboxed(tmp_path, escapes, words) as command:
        assert said in run_with(command).stdout


@pytest.mark.parametrize("words", ["tables", "sockets"])
def test_memory_that_the_kernel_keeps_for_a_program_counts(tmp_path: Path, escapes: Path, words: str) -> None:
    resources = {"RLIMIT_DATA": 64 << 20, "RLIMIT_NOFILE": 4096}
    with sandboxed(
        tmp_path, escapes, "memory", words, limits=Limits(256 << 20, 64 << 20, 64, resources, 20)
    ) as command:
        done = run_with(command)
    assert done.returncode == -signal.SIGKILL
    assert "it took more than 256 MiB of memory" in done.stderr


def test_files_behind_the_streams_are_out_of_reach(tmp_path: Path, escapes: Path) -> None:
    """A program that runs as the caller could change the mode of such a file, or open it again to write to it."""
    given, kept, said = tmp_path / "given", tmp_path / "kept", tmp_path / "said"
    given.write_bytes(os.urandom(1 << 20))
    kept.write_bytes(b"before")
    with (
        sandboxed(tmp_path, escapes, "streams") as command,
        given.open("rb") as stdin, kept.open("ab") as stdout, said.open("wb") as stderr,
    ):  # fmt: skip
        done = subprocess.run(
            command.argv,
            env=dict(command.env or {}),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0
        # all of it is there as soon as the command has ended
        assert kept.read_bytes() == b"before" + given.read_bytes()
        assert said.read_bytes() == b"all is read"


@pytest.fixture(params=["root", "nobody"])
def start(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Makes the command that starts a program, as the one who runs the tests or as one without rights."""
    nobody = request.param == "nobody" and os.geteuid() == 0
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-", dir="/var/tmp")))
        if nobody:
            monkeypatch.setattr(os, "geteuid", lambda: 65534)

        def command(program: Path, *words: str, user: str) -> tuple[list[str], dict[str, str]]:
            made = stack.enter_context(sandboxed(folder, program, *words, user=user))
            if not nobody:
                return [*made.argv], dict(made.env or {})
            run("chown", "-R", "65534:65534", folder)
            become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3"]
            return [*become, *made.argv[1:]], dict(made.env or {})

        yield command


@pytest.mark.parametrize("user", ["0", "65532:65532"])
def test_streams_can_be_opened_by_their_names(tmp_path: Path, escapes: Path, start: Start, user: str) -> None:
    """Images let programs log to files that are links to /dev/stdout, no matter who they run as or what that is."""
    argv, env = start(escapes, "names", "and", user=user)
    piped = subprocess.run(argv, env=env, input=b"x", capture_output=True, check=False, timeout=60)
    assert (piped.returncode, piped.stderr) == (0, b"by name 1\n")
    assert piped.stdout == b"by name 0\nby name 2\n"
    with (tmp_path / "log").open("wb") as log:
        filed = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False, timeout=60)
    assert filed.returncode == 0
    assert (tmp_path / "log").read_bytes() == b"by name 0\nby name 1\nby name 2\n"
    nowhere = subprocess.DEVNULL
    done = subprocess.run(argv, env=env, stdin=nowhere, stdout=nowhere, stderr=nowhere, check=False, timeout=60)
    assert done.returncode == 0
    ours, theirs = os.openpty()
    try:
        if os.geteuid() != 0:
            os.fchown(theirs, 65534, 65534)
        argv, env = start(escapes, "names", user=user)
        done = subprocess.run(argv, env=env, stdin=nowhere, stdout=theirs, stderr=theirs, check=False, timeout=60)
        assert done.returncode == 0, os.read(ours, 4096)
        assert os.read(ours, 4096) == b"by name 0\r\nby name 1\r\n"
    finally:
        os.close(ours)
        os.close(theirs)


def test_what_others_wrote_to_a_pipe_is_theirs(tmp_path: Path, escapes: Path) -> None:
    """A program that may open its output for reading would read what is on its way there."""
    here, there = os.pipe()
    with sandboxed(tmp_path, escapes, "drain") as command, os.fdopen(here, "rb") as ours:
        with os.fdopen(there, "wb") as theirs:
            theirs.write(b"a secret\n")
            theirs.flush()
            done = subprocess.run(
                command.argv, env=dict(command.env or {}), stdin=subprocess.DEVNULL, stdout=theirs,
                check=False, timeout=60,
            )  # fmt: skip
        assert done.returncode == 0
        assert ours.read() == b"a secret\n"


def test_a_reader_of_nothing_does_not_outlast_the_program(tmp_path: Path, escapes: Path) -> None:
    here, there = os.pipe()
    with os.fdopen(here, "rb") as stdin, os.fdopen(there, "wb"), sandboxed(tmp_path, escapes, "core") as command:
        done = subprocess.run(command.argv, env=dict(command.env or {}), stdin=stdin, check=False, timeout=20)
    assert done.returncode == 0


def test_no_program_of_the_machine_gets_a_core_dump(tmp_path: Path, escapes: Path) -> None:
    """A limit of 0 keeps files from being written alone: what core_pattern names would be started as root."""
    with sandboxed(tmp_path, escapes, "core") as command:
        assert run_with(command).stdout == "1\n"


def test_a_closed_stream_is_nothing(tmp_path: Path, escapes: Path) -> None:
    with sandboxed(tmp_path, escapes, "streams") as command:
        words = ["sh", "-c", 'exec "$@" <&- >&-', "sh", *command.argv]
        done = subprocess.run(words, env=dict(command.env or {}), capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"all is read")


def test_the_callers_own_terminal_keeps_its_mode(escapes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program without a range of users is its caller, who owns the terminal and could open it to everybody."""
    become: tuple[str, ...] = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3")
    ours, theirs = os.openpty()
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, ours)
        stack.callback(os.close, theirs)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-", dir="/var/tmp")))
        if os.geteuid() == 0:
            monkeypatch.setattr(os, "geteuid", lambda: 65534)
            os.fchown(theirs, 65534, 65534)
        else:
            become = ()
        os.fchmod(theirs, 0o600)
        command = stack.enter_context(sandboxed(folder, escapes, "streams"))
        if become:
            run("chown", "-R", "65534:65534", folder)
        os.write(ours, b"\x04")  # the end of what is typed
        argv = (*become, *command.argv[1:]) if become else command.argv
        env = dict(command.env or {})
        done = subprocess.run(argv, env=env, stdin=theirs, capture_output=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, b"all is read")
        assert stat.S_IMODE(os.fstat(theirs).st_mode) == 0o600


def test_a_program_ends_with_the_sandboxs_own_process(tmp_path: Path, escapes: Path) -> None:
    token = f"cargoship-lasting-{os.getpid()}-{time.monotonic_ns()}"
    program = shutil.copyfile(escapes, tmp_path / "app")
    with sandboxed(tmp_path, program, "wait", token) as command:
        started = subprocess.Popen(command.argv, env=dict(command.env or {}))
        assert eventually(lambda: running(token))
        started.send_signal(signal.SIGTERM)
        assert started.wait(20) == -signal.SIGTERM
        assert eventually(lambda: not running(token))
        started = subprocess.Popen(command.argv, env=dict(command.env or {}))
        assert eventually(lambda: running(token))
        started.kill()
        started.wait()
        assert eventually(lambda: not running(token))


def test_only_the_one_it_works_for_starts_it(tmp_path: Path, escapes: Path) -> None:
    """A process that has ended before its sandbox began leaves nothing that runs."""
    with sandboxed(tmp_path, escapes, "wait") as command:
        words = ["sh", "-c", '"$@"; exit $?', "sh", *command.argv]
        done = subprocess.run(words, env=dict(command.env or {}), check=False, timeout=20)
    assert done.returncode == 125


def run_with(command: Command) -> subprocess.CompletedProcess[str]:
    env = dict(command.env or {})
    return subprocess.run(
        command.argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
    )


def running(token: str) -> bool:
    """Whether a process is left that has the word among its own, and is not the sandbox's with its orders."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if token.encode() in words and words[0] == b"/app/app":
                return True
    return False


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait for something that comes soon."""
    for _ in range(200):
        if holds():
            return True
        time.sleep(0.05)
    return False
