"""Whatever happens inside becomes one line, an exit code, and nothing left behind: with real processes."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cargoship.cli.failing.failures import REPORT, explain_error
from cargoship.cli.main import main
from cargoship.cli.session import World
from cargoship.errors import EXIT_UNEXPECTED, OutputError
from cargoship.oci.files import write_atomically
from support import obedient

PROGRAM = Path(obedient.__file__)
CLEAN = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("CARGOSHIP_", "CARGO_TERM_", "CLICOLOR", "NO_COLOR"))
}


def run(behaviour: str, *arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, PROGRAM, behaviour, *arguments],
        cwd=cwd,
        env={**CLEAN, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("behaviour", "arguments", "code", "stderr"),
    [
        ("fail-to-compile", ("build",), 101, [
            "   Compiling 2 targets",
            "error[E0308]: mismatched types",
            "     Located the toolchain in 0.1s",
            "error: cargo ended with exit code 101",
        ]),
        ("fail-to-compile", ("build", "-q"), 101, [
            "error[E0308]: mismatched types",
            "error: cargo ended with exit code 101",
        ]),
        ("refuse", ("inspect", "x"), 51, [
            "error: registry.example.com does not answer",
            "dial tcp: refused",
            "hint: is it up?",
        ]),
        ("refuse", ("inspect", "x", "--color=always"), 51, [
            "\x1b[1;31merror\x1b[0m: registry.example.com does not answer",
            "dial tcp: refused",
            "\x1b[1mhint\x1b[0m: is it up?",
        ]),
        ("fill-the-disk", ("plan",), 60, [
            "error: cannot write /full/blob: No space left on device",
            "hint: free some space there, or build into another folder",
        ]),
        ("break-down", ("doctor",), 70, [
            "error: unexpected KeyError: 'nobody expected this'",
            f"hint: {REPORT}",
        ]),
        ("refuse", ("buidl",), 2, [
            "error: no such command 'buidl'; did you mean build?",
            "hint: see 'cargoship --help'",
        ]),
        ("refuse", ("base",), 2, [
            "error: cargoship base needs one of its commands: pin",
            "hint: see 'cargoship base --help'",
        ]),
        ("refuse", ("recipe",), 2, [
            "error: cargoship recipe needs one of its commands: cook, prepare",
            "hint: see 'cargoship recipe --help'",
        ]),
        ("refuse", ("build", "--pusch"), 2, [
            "error: no such option --pusch; did you mean --push?",
            "hint: see 'cargoship build --help'",
        ]),
        ("refuse", ("build", "-j0"), 2, [
            "error: --jobs: 0 is not a whole number of at least 1",
            "hint: write --jobs N: parallel compiler processes",
        ]),
        ("refuse", ("build", "-o", "oci"), 2, [
            "error: output 'oci' is not KIND:PATH",
            "hint: use oci:FOLDER, oci-archive:FILE, docker-archive:FILE, rootfs:FOLDER or wasm:FOLDER",
        ]),
        ("refuse", ("build", "--metadata-file", "no/m.json"), 60, [
            "error: cannot write {cwd}/no/m.json: there is no folder {cwd}/no",
        ]),
        ("refuse", ("build", "--image-refs", "."), 60, ["error: cannot write {cwd}: it is a folder"]),
        ("refuse", ("pack",), 2, ["error: missing option '--binary'", "hint: see 'cargoship pack --help'"]),
        ("refuse", ("pack", "--binary", "x"), 2, [
            "error: --binary 'x' is not PLATFORM=FILE",
            "hint: such as --binary linux/amd64=out/server",
        ]),
        ("refuse", ("pack", "--binary", "amd64=x"), 2, ["error: --binary amd64=x: there is no file {cwd}/x"]),
        ("refuse", ("copy", "a", "b", "--all", "--platform", "amd64"), 2, [
            "error: --all and --platform exclude each other",
        ]),
        ("refuse", ("merge", "a/b@sha256:1"), 2, [
            "error: missing option '-t' / '--tag'", "hint: see 'cargoship merge --help'",
        ]),
        ("refuse", ("merge", "-t", "a/b:1"), 2, [
            "error: missing argument 'IMAGE...'", "hint: see 'cargoship merge --help'",
        ]),
        ("show-colours", ("plan",), 51, ["error: never"]),
        ("show-colours", ("plan", "--color", "always"), 51, ["\x1b[1;31merror\x1b[0m: always"]),
    ],
)  # fmt: skip
def test_an_error_is_reported_once(
    behaviour: str, arguments: tuple[str, ...], code: int, stderr: list[str], tmp_path: Path
) -> None:
    out, err = io.StringIO(), io.StringIO()
    pipeline = obedient.Obedient(obedient.BEHAVIOURS[behaviour])
    ended = main(arguments, World({}, tmp_path, out, err, operations=pipeline))
    assert err.getvalue().splitlines() == [line.replace("{cwd}", str(tmp_path)) for line in stderr]
    assert (ended, out.getvalue()) == (code, "")
    assert list(tmp_path.iterdir()) == []


def test_a_process_ends_with_the_code_of_its_error(tmp_path: Path) -> None:
    done = run("refuse", "plan", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (51, "")
    assert done.stderr.startswith("error: registry.example.com does not answer\n")


def test_errors_are_json_among_json_lines(tmp_path: Path) -> None:
    done = run("fail-to-compile", "build", "--progress=json", "-v", cwd=tmp_path)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == [
        "phase-started", "compile-progress", "tool-output", "note", "phase-ended", "error",
    ]  # fmt: skip
    assert lines[-1]["exit_code"] == done.returncode == 101


@pytest.mark.parametrize(
    ("arguments", "env", "shown"),
    [
        ((), {}, False),
        (("-v",), {}, False),
        (("-vv",), {}, True),
        ((), {"CARGOSHIP_BACKTRACE": "1"}, True),
        ((), {"CARGOSHIP_BACKTRACE": "0"}, False),
    ],
)
def test_a_traceback_is_shown_on_request_only(
    arguments: tuple[str, ...], env: dict[str, str], *, shown: bool, tmp_path: Path
) -> None:
    done = run("break-down", "plan", *arguments, cwd=tmp_path, **env)
    assert done.returncode == 70
    assert ("Traceback" in done.stderr) is shown


def waiting(behaviour: str, cwd: Path, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, PROGRAM, behaviour, "build", *arguments],
        cwd=cwd, env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert "waiting" in process.stderr.readline()
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_children_and_leaves_nothing(number: signal.Signals, code: int, tmp_path: Path) -> None:
    with waiting("wait-for-ever", tmp_path) as process:
        child = tmp_path / "child"
        while not (child.exists() and child.read_text()):
            time.sleep(0.01)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout, stderr) == (code, "", "error: interrupted\n")
    assert not (tmp_path / "half-written").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(child.read_text()), 0)


def test_an_impatient_hand_does_not_break_the_clean_up(tmp_path: Path) -> None:
    with waiting("clean-up-slowly", tmp_path) as process:
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
            process.send_signal(number)
            time.sleep(0.05)
        _, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr) == (130, "error: interrupted\n")
    assert (tmp_path / "cleaned").exists()


def test_an_interrupt_is_json_among_json_lines(tmp_path: Path) -> None:
    with waiting("clean-up-slowly", tmp_path, "--progress=json") as process:
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=20)
    assert json.loads(stderr)["message"] == "interrupted"
    assert json.loads(stderr)["exit_code"] == process.returncode == 143


def test_a_reader_that_went_away_is_no_error(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    for arguments in (["schema"], ["--help"], ["--version"]):
        done = subprocess.run(
            [sys.executable, PROGRAM, "refuse", *arguments],
            cwd=tmp_path, env=CLEAN, stdout=write, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (141, "")
    os.close(write)


def test_a_name_that_is_no_text_is_shown_all_the_same(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM, "refuse", "pack", "--binary", b"amd64=\xff\xfe"],
        cwd=tmp_path,
        env=CLEAN,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "error: --binary amd64=\\udcff\\udcfe: there is no file" in done.stderr


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("cargoship bu", {"build"}),
        ("cargoship build --pu", {"--push", "--push-by-digest"}),
        ("cargoship x y", set()),
        # there is no project whose packages could be named
        ("cargoship build -p ", set()),
    ],
)
def test_the_shell_completes(words: str, offered: set[str], tmp_path: Path) -> None:
    asked = {"_CARGOSHIP_COMPLETE": "bash_complete", "COMP_LINE": words, "COMP_WORDBREAKS": ":="}
    done = run("refuse", cwd=tmp_path, **asked)
    assert (done.returncode, done.stderr) == (0, "")
    assert {line.split("\t")[1] for line in done.stdout.splitlines() if line} == offered


def test_a_full_disk_behind_standard_output_is_reported(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, PROGRAM, "refuse", "schema"],
            cwd=tmp_path, env=CLEAN, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 60
    assert done.stderr.startswith("error: cannot write: No space left on device\n")
    assert "standard output" in done.stderr.splitlines()[1]


def test_a_folder_that_is_gone_is_reported(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        ["sh", "-c", 'rmdir "$0" && exec "$@"', gone, sys.executable, "-m", "cargoship", "plan"],
        cwd=gone, env=CLEAN, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.endswith("error: the current folder does not exist any more\nhint: cd to another one\n")


@pytest.mark.parametrize("name", ["nowhere", "nowhere/app"])
def test_a_link_to_nowhere_is_no_file_that_exists(name: str, tmp_path: Path) -> None:
    """It was "File exists", of a folder of the cache, too: where somebody looks for it, there is none."""
    (tmp_path / "nowhere").symlink_to("gone")
    with pytest.raises(OutputError) as raised:
        write_atomically(tmp_path / name / "file", b"")
    failure = explain_error(raised.value)
    place = tmp_path / "nowhere"
    assert failure.message == f"cannot write {tmp_path / name / 'file'}: {place}: a link to gone, which is not there"
    assert failure.exit_code == OutputError.exit_code


def test_a_file_in_the_place_of_a_folder_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError) as raised:
        (tmp_path / "file").mkdir(exist_ok=True)
    failure = explain_error(raised.value)
    assert failure.message == f"cannot write {tmp_path / 'file'}: a file, and a folder belongs there"
    assert failure.exit_code == OutputError.exit_code


def test_an_error_that_nothing_can_explain_any_more_is_said_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another version was installed while a build of 40 minutes ran, and it ended with 70 and no word."""
    monkeypatch.setitem(sys.modules, "cargoship.cli.session", None)
    monkeypatch.setitem(sys.modules, "cargoship.cli.failing.failures", None)
    assert main(["--version"]) == EXIT_UNEXPECTED
    assert (
        capsys.readouterr().err
        == "error: ModuleNotFoundError: import of cargoship.cli.session halted; None in sys.modules\n"
    )
