"""Folders for one run: those of killed runs go, those of others stay."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from cargoship.scratch import scratch

HOLD = """
import sys, time
from pathlib import Path
from cargoship.scratch import scratch
with scratch("run-", Path(sys.argv[1])) as folder:
    (folder / "closed").mkdir()
    (folder / "closed" / "file").write_text("")
    (folder / "closed").chmod(0)
    print(folder, flush=True)
    time.sleep(60)
"""


def test_a_killed_runs_folder_goes_with_the_next(tmp_path: Path) -> None:
    other = tmp_path / "run-of-mine"
    other.mkdir()
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        held = Path(holder.stdout.readline().strip())
        with scratch("run-", tmp_path) as own:
            assert held.is_dir()
            assert own.stat().st_mode & 0o777 == 0o700
        assert not own.exists()
        os.kill(holder.pid, signal.SIGKILL)
    assert held.is_dir()
    with scratch("run-", tmp_path):
        assert not held.exists()
    assert list(tmp_path.iterdir()) == [other]


def test_a_link_in_the_place_of_a_folder_is_left_alone(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir(mode=0o755)
    link = tmp_path / ("run-" + "0" * 16)
    link.symlink_to(there)
    with scratch("run-", tmp_path):
        assert link.is_symlink()
    assert there.stat().st_mode & 0o777 == 0o755
