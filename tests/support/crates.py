"""Crates of crates.io that tests build with: they are on the machine before a test says `--offline`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from support.programs import distribution_rust, run


def download(folder: Path, project: str = ".", *, env: Mapping[str, str] | None = None) -> None:
    """Let cargo download what a project in `folder` needs, where it has not done so before on this machine.

    It works on a copy: neither a lock file nor anything else comes into the project by that.
    """
    wanted = {**os.environ, **distribution_rust(), **(env or {})}
    fetch = (wanted.get("CARGO", "cargo"), "fetch", "--quiet")
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "copy"
        shutil.copytree(folder, copy, symlinks=True, ignore=shutil.ignore_patterns("target", "between"))
        if run(*fetch, "--offline", cwd=copy / project, env=wanted, check=False).returncode:
            run(*fetch, cwd=copy / project, env=wanted, check=False)
