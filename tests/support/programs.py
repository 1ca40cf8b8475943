"""Programs of the system that tests run. A missing one fails the test that needs it: nothing is skipped."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest

REPOSITORY = Path(__file__).parents[2]
CARGOSHIP = Path(sys.executable).parent / "cargoship"


def distribution_rust() -> dict[str, str]:
    """The environment that names the distribution's Rust, which scripts/setup installs, where it is there.

    A rustup before it on PATH would be asked to download targets: no test depends on the network for that.
    """
    cargo, rustc = Path("/usr/bin/cargo"), Path("/usr/bin/rustc")
    return {"CARGO": str(cargo), "RUSTC": str(rustc)} if cargo.exists() and rustc.exists() else {}


def unmeasured() -> dict[str, str]:
    """This process's environment, but for what has coverage measured in every Python that is started."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def program(name: str) -> str:
    """Path of a program, or a failure that says how to get it."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not installed; scripts/setup --test installs it")
    return found


def run(
    *argv: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    timeout_s: float = 3600,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end with its output captured; with `check` a failure shows all of that output.

    `env` is added to this process's own environment.
    """
    arguments = [program(str(argv[0])), *map(str, argv[1:])]
    done = subprocess.run(
        arguments,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_s,
        check=False,
    )
    if check and done.returncode:
        shown = " ".join(map(str, argv))
        pytest.fail(f"{shown}\nended with {done.returncode}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}")
    return done


# A namespace in which no others may be made, as where an administrator forbids them.
WITHOUT_NAMESPACES = (
    "unshare", "--user", "--map-root-user", "sh", "-c",
    'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', "sh",
)  # fmt: skip


def run_as_nobody(
    folder: Path, *arguments: str | Path, env: Mapping[str, str] | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run cargoship as a user without rights, to whom `folder` is given; as this one where that is no root.

    Root's Python may lie where nobody else gets at it: then the system's runs the same packages.
    """
    env = {"CARGOSHIP_CACHE_DIR": str(folder / "cache"), "HOME": str(folder), **distribution_rust(), **(env or {})}
    if os.geteuid() != 0:
        return run(CARGOSHIP, *arguments, env=env, check=check)
    run("chown", "-R", "65534:65534", folder)
    become = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    words = [sys.executable]
    if run(*become, "sh", "-c", 'test -x "$0"', Path(sys.executable).resolve(), check=False).returncode != 0:
        words = [program("/usr/bin/python3")]
        env["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY / "src"), *site.getsitepackages()])
    return run(*become, *words, "-m", "cargoship", *arguments, env=env, check=check)


class RunCargoship(Protocol):
    """Runs the installed program; with `check` an exit code other than 0 fails the test."""

    def __call__(
        self, *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]: ...
