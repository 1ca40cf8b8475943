"""The virtual environment that scripts/setup makes, for scripts that somebody starts with another Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[1]


def enter() -> None:
    """Start this script again with the virtual environment's Python, unless that one runs it; VENV names another."""
    venv = _REPOSITORY / os.environ.get("VENV", ".venv")
    if Path(sys.prefix).resolve() == venv.resolve():
        return
    done = subprocess.run([_REPOSITORY / "scripts" / "setup", "--check"], check=False)  # noqa: S603 - our own
    if done.returncode:
        raise SystemExit(done.returncode)
    # by its whole path: Python finds its packages by the name that it is started with
    python = str(venv / "bin" / "python")
    os.execv(python, [python, *sys.argv])  # noqa: S606 - our own


enter()
