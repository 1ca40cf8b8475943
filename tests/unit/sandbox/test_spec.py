"""What passes between the sandbox's processes."""

from __future__ import annotations

import subprocess
import sys

from cargoship.sandbox.inside.spec import unwrapped, wrapped


def test_variables_of_odd_names_arrive() -> None:
    """Images made from Windows keep the folder of a drive in `=C:`, which no child of Python's may have."""
    env = {"=C:": "C:\\x", "LD_PRELOAD": "a=b", "é\udcff": "ü"}
    show = "import os; print(sorted(os.environ))"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", show], env=wrapped(env), check=True, capture_output=True, text=True
    )
    assert "LD_PRELOAD" not in done.stdout
    assert unwrapped(wrapped(env)) == env
