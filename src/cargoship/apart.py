"""A build beside that of the project: in a folder of its own below the target directory, where cargo finds nothing."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec.structs import replace

from cargoship.errors import UsageError
from cargoship.locks import Busy, locked
from cargoship.plan import Plan
from cargoship.unitcache.build import prepare_folder

AUDIT = ".cargoship-audit"
REBUILD = ".cargoship-rebuild"


@contextlib.contextmanager
def folder_apart(made: Plan, name: str, said: str) -> Iterator[Path]:
    """An empty folder in the target directory, for one run at a time; what a killed one has left there goes first.

    `said` is what the run is called, such as `audit`. Raises UsageError while another one goes on, OSError.
    """
    prepare_folder(made.target_dir)
    folder = made.target_dir / name
    try:
        with locked(made.target_dir / f"{name}.lock", timeout_s=0):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    except Busy as error:
        raise UsageError(f"another {said} goes on in {made.target_dir}", hint="wait for its end") from error


def compiled_apart(made: Plan, target: Path) -> Plan:
    """The plan with `target` for cargo's target directory, and for its build directory."""
    return replace(
        made,
        target_dir=target,
        build_dir=target,
        cargo=replace(made.cargo, target_dir=target),
        further=tuple(replace(each, target_dir=target) for each in made.further),
    )


def environment_apart(made: Plan, target: Path, env: Mapping[str, str]) -> Mapping[str, str]:
    """The environment for such a build of the plan `made`: where the project's configuration names a build directory.

    An option of cargo would be a part of the keys of units.
    """
    return env if made.build_dir == made.target_dir else {**env, "CARGO_BUILD_BUILD_DIR": str(target)}
