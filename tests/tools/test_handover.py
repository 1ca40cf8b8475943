"""Programs that cargoship hands over to: they have the terminal, their exit code counts, and they stop in peace."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support.programs import CARGOSHIP

pytestmark = pytest.mark.tools

# a Compose that takes its time to stop, and writes down what it was sent
SLOW = """\
#!/bin/sh
echo "$@" > words
trap 'echo told >> told; sleep 1; echo stopped >> told; exit 5' INT TERM
cat "$4" > seen
echo ready >> told
[ -z "$WAIT" ] || while :; do sleep 0.1; done
exit 4
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker-compose").write_text(SLOW)
    (tmp_path / "bin" / "docker-compose").chmod(0o755)
    (tmp_path / "docker-compose.yml").write_text("services: {a: {image: x}} # here\n")
    (tmp_path / "docker-compose.override.yml").write_text("services: {a: {tty: true}}\n")
    return tmp_path


def environment(place: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{place}/bin:/usr/bin:/bin", "CARGOSHIP_CACHE_DIR": f"{place}/cache", **more}


def test_the_exit_code_is_passed_on_and_files_are_gone(place: Path) -> None:
    # nothing in PATH answers to `docker compose`
    (place / "bin" / "docker").write_text("#!/bin/sh\nexit 1\n")
    (place / "bin" / "docker").chmod(0o755)
    done = subprocess.run(
        [CARGOSHIP, "up", "--", "-d", "--no-color"], cwd=place, env=environment(place), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert "docker-compose up ended with 4" in done.stderr
    words = (place / "words").read_text().split()
    assert words[:2] == ["--project-directory", str(place)]
    assert [words[2], words[4], *words[6:]] == ["-f", "-f", "up", "-d", "--no-color"]
    assert [Path(words[3]).name, Path(words[5]).name] == ["0-docker-compose.yml", "1-docker-compose.override.yml"]
    assert (place / "seen").read_text() == (place / "docker-compose.yml").read_text()
    assert list((place / "cache" / "deploy").iterdir()) == []


def _up(place: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CARGOSHIP, "up", *words],
        cwd=place,
        env=environment(place, **more),
        capture_output=True,
        text=True,
        check=False,
    )


def test_paths_of_all_files_begin_where_compose_has_them_begin(place: Path) -> None:
    """A build of a second file in another folder was looked for beside that file, and another project was built."""
    (place / "more" / "web").mkdir(parents=True)
    (place / "more" / "web" / "Cargo.toml").touch()
    (place / "more" / "web.yaml").write_text("services: {web: {build: ./web}}\n")
    done = _up(place, "-f", "docker-compose.yml", "-f", "more/web.yaml")
    assert "more/web.yaml:1:18: the build of web is left alone: there is no Cargo.toml in ./web" in done.stderr
    assert (done.returncode, (place / "words").read_text().split()[:2]) == (4, ["--project-directory", str(place)])


def test_a_reference_that_compose_would_fill_in_is_refused(place: Path) -> None:
    """Compose looked for an image called cargoship://web, once all others were built and pushed."""
    (place / "docker-compose.yml").write_text("services:\n  a:\n    image: ${NO:-${IMAGE}}\n")
    (place / ".env").write_text("# of ours\nexport IMAGE='cargoship://web'\n")
    done = _up(place)
    assert done.returncode == 24
    assert "docker-compose.yml:3:12: IMAGE, of which Compose makes the image of a, is cargoship://web" in done.stderr
    assert "write image: ${IMAGE:-cargoship://web} there" in done.stderr
    assert not (place / "words").exists()
    (place / "other.env").write_text("IMAGE=x\n")
    assert _up(place, COMPOSE_ENV_FILES="other.env").returncode == 4
    assert _up(place, COMPOSE_ENV_FILES="other.env", IMAGE="cargoship://web").returncode == 24


def test_ctrl_c_in_a_terminal_reaches_the_other_program_once(place: Path) -> None:
    (place / "bin" / "docker").write_text("#!/bin/sh\nexit 1\n")
    (place / "bin" / "docker").chmod(0o755)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(place)
        os.execve(CARGOSHIP, [str(CARGOSHIP), "up"], environment(place, WAIT="1"))  # noqa: S606 - in a terminal of its own
    reported = place / "told"
    until = time.monotonic() + 30
    while not (reported.exists() and "ready" in reported.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    os.write(terminal, b"\x03")
    shown = b""
    with contextlib.suppress(OSError):  # the terminal is gone with the program
        while piece := os.read(terminal, 4096):
            shown += piece
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 130, shown
    # a second interrupt would mean: at once, and leave the containers
    assert reported.read_text() == "ready\ntold\nstopped\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_is_passed_on_once_and_waited_out(place: Path, number: signal.Signals, code: int) -> None:
    (place / "bin" / "docker").write_text("#!/bin/sh\nexit 1\n")
    (place / "bin" / "docker").chmod(0o755)
    process = subprocess.Popen(
        [CARGOSHIP, "up"], cwd=place, env=environment(place, WAIT="1"), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - see obedient.py
    )  # fmt: skip
    reported = place / "told"
    until = time.monotonic() + 30
    while not (reported.exists() and "ready" in reported.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == code
    assert stderr.endswith("error: interrupted\n")
    assert reported.read_text() == "ready\ntold\nstopped\n"
    assert list((place / "cache" / "deploy").iterdir()) == []
