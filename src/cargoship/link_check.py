"""An empty program, compiled and linked for every target.

It shows that a toolchain links at all. Beyond that, Zig makes for itself what glibc programs are linked with (start
files, stubs of the C library, compiler runtime, unwinder: some twenty CPU seconds a target) at the first link, and
keeps it: where a trial was made, as in a layer of an image, no later build waits for that.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from cargoship.cargo.failure import failure_of
from cargoship.cargo.watch import watch
from cargoship.compile import invocation
from cargoship.context import Context
from cargoship.events import PhaseEnded, PhaseStarted
from cargoship.process import Command
from cargoship.toolchain.environment import compile_environment
from cargoship.toolchain.locate import Toolchain

# a workspace of its own, wherever the folder for temporary files is
_MANIFEST = """\
[package]
name = "trial"
version = "0.0.0"
edition = "2021"

[workspace]
"""


def link_trial(toolchain: Toolchain, context: Context) -> None:
    """Link it for all targets in one invocation; nothing of it is kept.

    Raises CompileFailed, or the error that cargo's words mean; OutputError where there is no room for it.
    """
    started = time.monotonic()
    program, subcommand, triples = invocation(toolchain)
    names = ", ".join(str(target.platform) for target in toolchain.targets)
    context.emit(PhaseStarted("trial", f"an empty program for {names}"))
    with tempfile.TemporaryDirectory(prefix="cargoship-") as scratch:
        folder = Path(scratch)
        notes = folder / "notes"
        notes.touch()
        (folder / "Cargo.toml").write_text(_MANIFEST)
        (folder / "src").mkdir()
        (folder / "src" / "main.rs").write_text("fn main() {}\n")
        targets = [word for triple in triples for word in ("--target", triple)]
        env = compile_environment(toolchain, context.env, cache_dir=context.cache_dir, notes=notes)
        # a target directory that is set for the user's builds is not the place for it
        words = (str(program), subcommand, "--release", "--offline", "--target-dir", str(folder / "target"), *targets)
        done = watch(context.runner, Command(words, cwd=folder, env=env), context.emit)
    if done.code != 0:
        raise failure_of(done.code, done.stderr)
    context.emit(PhaseEnded("trial", time.monotonic() - started))
