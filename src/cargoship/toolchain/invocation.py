"""cargo, made ready to compile with a toolchain: the program, its names for the targets, and what it sees."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cargoship.events import Emit, Level, Note
from cargoship.platforms import LibcFamily
from cargoship.toolchain.environment import compile_environment
from cargoship.toolchain.locate import Toolchain, Way
from cargoship.toolchain.runtime import objects_of_a_run


@dataclass(frozen=True)
class Invocation:
    """What is started, but for the words of the build itself."""

    program: Path
    """cargo, or cargo-zigbuild."""
    subcommand: str
    triples: tuple[str, ...]
    """The targets, by the names that the program has for them."""
    env: Mapping[str, str] = field(repr=False)


@contextlib.contextmanager
def open_invocation(
    toolchain: Toolchain, env: Mapping[str, str], *, cache_dir: Path, emit: Emit, root: Path | None = None
) -> Iterator[Invocation]:
    """Make cargo ready; what compiler wrappers note while it runs is emitted at the end. Raises OutputError.

    `root` is the folder of the workspace: what is compiled does not name it.
    """
    program, subcommand, triples = _program(toolchain)
    with tempfile.TemporaryDirectory(prefix="cargoship-") as scratch, objects_of_a_run(cache_dir) as objects:
        notes = Path(scratch) / "notes"
        notes.touch()
        made = compile_environment(toolchain, env, cache_dir=cache_dir, notes=notes, root=root)
        yield Invocation(program, subcommand, triples, {**made, **objects})
        for line in notes.read_text().splitlines():
            emit(Note(line, Level.VERBOSE))


def _program(toolchain: Toolchain) -> tuple[Path, str, tuple[str, ...]]:
    if toolchain.way is Way.DIRECT or toolchain.zigbuild is None:
        return toolchain.rust.cargo, "build", toolchain.triples
    triples = []
    for target in toolchain.targets:
        floor = toolchain.libc.floor or target.row.gnu_floor
        suffix = ".{}.{}".format(*floor) if toolchain.libc.family is LibcFamily.GNU else ""
        triples.append(target.triple + suffix)
    return toolchain.zigbuild, "zigbuild", tuple(dict.fromkeys(triples))
