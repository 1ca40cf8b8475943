"""An empty program, compiled and linked for every target.

It shows that a toolchain links at all. Beyond that, Zig makes for itself what glibc programs are linked with (start
files, stubs of the C library, compiler runtime, unwinder: some twenty CPU seconds a target) at the first link, and
keeps it: where a trial was made, as in a layer of an image, no later build waits for that.
"""

from __future__ import annotations

from cargoship.cargo.above import check_owners
from cargoship.cargo.failure import failure_of
from cargoship.cargo.watch import watch_cargo
from cargoship.clock import phase
from cargoship.context import Context
from cargoship.process import Command
from cargoship.scratch import scratch
from cargoship.toolchain.invocation import open_invocation
from cargoship.toolchain.locate import Toolchain

# a workspace of its own, wherever the folder for temporary files is
_MANIFEST = """\
[package]
name = "trial"
version = "0.0.0"
edition = "2021"

[workspace]
"""


def check_linking(toolchain: Toolchain, context: Context) -> None:
    """Link it for all targets in one invocation; nothing of it is kept.

    Raises CompileFailed, or the error that cargo's words mean; OutputError where there is no room for it.
    """
    names = ", ".join(str(target.platform) for target in toolchain.targets)
    with (
        phase(context.emit, "trial", f"an empty program for {names}"),
        scratch("cargoship-") as folder,
        open_invocation(toolchain, context.env, cache_dir=context.cache_dir, emit=context.emit) as cargo,
    ):
        check_owners(folder, context.env)
        (folder / "Cargo.toml").write_text(_MANIFEST)
        (folder / "src").mkdir()
        (folder / "src" / "main.rs").write_text("fn main() {}\n")
        targets = [word for triple in cargo.triples for word in ("--target", triple)]
        # a target directory that is set for the user's builds is not the place for it
        words = ("--release", "--offline", "--target-dir", str(folder / "target"), *targets)
        command = Command((str(cargo.program), cargo.subcommand, *words), cwd=folder, env=cargo.env)
        done = watch_cargo(context.runner, command, context.emit)
        if done.code != 0:
            raise failure_of(done.code, done.stderr)
