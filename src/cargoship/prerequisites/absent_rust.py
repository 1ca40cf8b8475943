"""What `doctor` says where the cargo that a project gets cannot be started, such as one that rustup does not have.

Nothing is asked and nothing is added.
"""

from __future__ import annotations

import re

from cargoship.context import Context
from cargoship.errors import ToolchainError, ToolMissing
from cargoship.process import Command
from cargoship.toolchain.diagnose import Diagnosis, Prerequisite
from cargoship.toolchain.locate import Wanted

_SUBJECT = "rust"
_ABSENT = re.compile(r"error: (toolchain '(?P<name>[^']+)' is not installed)")
"""rustup's words."""


def naming_absent(found: Diagnosis, trouble: ToolchainError | None, wanted: Wanted, context: Context) -> Diagnosis:
    """A diagnosis with what kept cargo from being started for the project, in the place of what Rust there is else.

    `trouble` is what loading the project ended with; a cargo that is not there at all is found missing anyway.
    """
    if trouble is None or isinstance(trouble, ToolMissing):
        return found
    finding = _finding(trouble, wanted, context)
    kept = tuple(each for each in found.findings if each.subject != _SUBJECT)
    return Diagnosis((finding, *kept))


def _finding(trouble: ToolchainError, wanted: Wanted, context: Context) -> Prerequisite:
    said = (trouble.details or "").strip().splitlines()
    match = _ABSENT.match(said[0]) if said else None
    if match is None:
        first = said[0].removeprefix("error: ") if said else ""
        return Prerequisite(_SUBJECT, None, f"{trouble.message}: {first}" if first else trouble.message)
    rustup = context.runner.programs.find("rustup", context.env)
    # by its name: without one only rustup 1.28 and later install what the folder asks for
    argv = ("toolchain", "install", match["name"])
    mend = None if rustup is None else Command((str(rustup), *argv), env=context.env)
    return Prerequisite(_SUBJECT, None, f"{match[1]}, and {wanted.cwd} is to be built with it", mend=mend)
