"""What `cargoship watch` takes for a change, with real files."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cargoship.context import Context
from cargoship.deploy.changes import FileChanges, OwnFiles
from cargoship.deploy.watching import watch
from cargoship.events import Event, SourcesWritten, UnitFinished
from cargoship.process import SystemRunner
from unit.deploy.test_watching import Diary

DONE = UnitFinished("app 0.1.0", "app", fresh=False)


class Quiet(Exception):
    """Nothing has changed for a while."""


def attempts(folder: Path, *steps: Callable[[Callable[[Event], None]], None], but: tuple[str, ...] = ()) -> int:
    """How often a watch attempts where each attempt does one of `steps`, and nothing else ever changes anything."""
    diary, number = Diary(), 0
    context = Context(env={}, cwd=folder, runner=SystemRunner())

    with FileChanges([folder], but=[folder / name for name in but]) as changes:
        own = OwnFiles(changes, folder)

        def attempt() -> Callable[[], Diary]:
            nonlocal number
            number += 1
            if number <= len(steps):
                steps[number - 1](own.noted(context).emit)
            return lambda: diary

        def until_quiet() -> Iterator[bool]:
            quiet = 0
            for changed in changes:
                quiet = 0 if changed else quiet + 1
                yield changed
                if quiet == 5:
                    raise Quiet

        with pytest.raises(Quiet):
            watch(until_quiet(), attempt, diary, time.monotonic)
    return number


def writes(*paths: Path, text: str = "x", tells: tuple[Event, ...] = ()) -> Callable[[Callable[[Event], None]], None]:
    def step(emit: Callable[[Event], None]) -> None:
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for event in tells:
            emit(event)

    return step


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("src/main.rs", True), ("Cargo.toml", True), (".cargo/config.toml", True), ("templates/a.html", True),
        (".sqlx/query-1.json", True), ("Cargo.lock", True), ("target/release/app", False), (".git/index", False),
        (".idea/x", False), ("src/.main.rs.swp", False), ("src/main.rs~", False),
    ],
)  # fmt: skip
def test_what_counts_as_a_change(tmp_path: Path, name: str, *, counts: bool) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
    assert attempts(tmp_path, writes(tmp_path / name), but=("target",)) == (2 if counts else 1)


def test_an_edit_during_the_first_build_was_lost(tmp_path: Path) -> None:
    code = tmp_path / "main.rs"
    code.write_text("one")
    assert attempts(tmp_path, writes(code, text="two"), writes(code, text="three")) == 3


def test_an_edit_during_a_build_that_fails_is_built(tmp_path: Path) -> None:
    code = tmp_path / "main.rs"
    # the second attempt of a diary fails
    assert attempts(tmp_path, writes(code), writes(code, text="broken"), writes(code, text="mended")) == 4


def test_a_lock_file_that_cargo_writes_is_no_edit(tmp_path: Path) -> None:
    locks = writes(tmp_path / "Cargo.lock", tmp_path / "cargoship.lock", tells=(DONE, DONE))
    assert attempts(tmp_path, locks) == 1


def test_a_lock_file_that_is_changed_while_crates_are_compiled_is_an_edit(tmp_path: Path) -> None:
    def step(emit: Callable[[Event], None]) -> None:
        writes(tmp_path / "Cargo.lock", tells=(DONE,))(emit)
        writes(tmp_path / "Cargo.lock", text="cargo update", tells=(DONE,))(emit)

    assert attempts(tmp_path, step, writes(tells=(DONE,))) == 2


def test_what_build_scripts_write_is_no_edit_until_somebody_edits_it(tmp_path: Path) -> None:
    made, reported = (
        tmp_path / "src" / "made.rs",
        (SourcesWritten((str(tmp_path / "src/made.rs"), str(tmp_path / "src"))),),
    )
    assert attempts(tmp_path, writes(made, tells=reported)) == 1
    assert attempts(tmp_path, writes(made, text="by hand"), writes(made, tells=reported)) == 2

    def again(emit: Callable[[Event], None]) -> None:
        writes(made, text="first", tells=reported)(emit)
        writes(made, text="by hand")(emit)

    assert attempts(tmp_path, again, writes(made, text="first")) == 3


def test_files_that_others_write_into_cargos_folder_do_not_hold_up(tmp_path: Path) -> None:
    """As an editor does that checks the code all the time."""
    (tmp_path / "target").mkdir()
    busy = """
import sys, time
from pathlib import Path
for number in range(10**6):
    Path(sys.argv[1], str(number % 9)).write_text("x")
    time.sleep(0.01)
"""
    with subprocess.Popen([sys.executable, "-c", busy, str(tmp_path / "target")]) as writer:
        try:
            assert attempts(tmp_path, writes(tmp_path / "main.rs"), but=("target",)) == 2
        finally:
            writer.kill()


def test_output_that_goes_to_a_file_in_the_project_is_no_edit(tmp_path: Path) -> None:
    log = tmp_path / "watch.log"
    code = """
import sys, time
from pathlib import Path
from cargoship.deploy.changes import FileChanges
with FileChanges([Path(sys.argv[1])], but=[]) as changes:
    print("told", flush=True)
    time.sleep(0.2)
    told = iter(changes)
    assert not any(next(told) for _ in range(4))
    Path(sys.argv[1], "main.rs").write_text("x")
    assert any(next(told) for _ in range(4))
"""
    with log.open("w") as out:
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], stdout=out, check=True)
    assert log.read_text() == "told\n"


def test_folders_of_others_are_passed_over(tmp_path: Path) -> None:
    closed = tmp_path / "data"
    closed.mkdir(mode=0)
    assert attempts(tmp_path, writes(tmp_path / "main.rs")) == 2


def test_what_cannot_be_watched_is_said(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from cargoship.deploy.changes import FileChanges
from cargoship.errors import OutputError
import watchfiles
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
try:
    with FileChanges([Path(sys.argv[1])], but=[]):
        pass
except OutputError as error:
    print(error.message)
"""
    words = [sys.executable, "-c", code, str(tmp_path)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert said.startswith("changes cannot be watched: ")
    assert "Too many open files" in said
