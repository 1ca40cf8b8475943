"""The lock file of a recipe from which members were left out, made to agree with those that remain.

Which packages a lock file holds, and what each of them needs, follows from the features that any member turns on, and
the features of a registry's packages are known to cargo alone. So cargo takes out what nobody asks for any more;
versions and sources stay as they are, or the lock file does.
https://doc.rust-lang.org/cargo/commands/cargo-update.html
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cargoship.errors import ManifestInvalid
from cargoship.events import Emit, Level, Note
from cargoship.oci.files import write_atomically
from cargoship.process import Command, Runner
from cargoship.recipe.document import read_optional
from cargoship.recipe.lock import is_part_of, parse_cargo_lock
from cargoship.recipe.model import Recipe

_TIMEOUT_S = 600.0


def settle_lock(
    recipe: Recipe, manifest: Path, *, cargo: Path, runner: Runner, env: Mapping[str, str], offline: bool, emit: Emit
) -> bool:
    """Let cargo take out of the Cargo.lock beside `manifest`, the root's, what a partial recipe has no use for.

    Returns whether it did. Where cargo would change anything else, or fails, the lock file is the recipe's again, and
    `--locked` says what is wrong with it. Raises OutputError and ToolMissing.
    """
    text = recipe.skeleton.lock_file
    if recipe.partial is not True or text is None:
        return False
    path = manifest.parent / "Cargo.lock"
    argv = (str(cargo), "update", "--workspace", "--quiet", "--manifest-path", str(manifest))
    command = Command((*argv, *(("--offline",) if offline else ())), manifest.parent, env)
    done = runner.run(command, timeout_s=_TIMEOUT_S)
    if done.code == 0 and _is_part(read_optional(path), text, path):
        return True
    write_atomically(path, text.encode())
    if done.code != 0:
        # the lock file may do as it is; where it does not, this is why
        said = next(iter(done.stderr.decode(errors="replace").strip().splitlines()), f"it ended with {done.code}")
        emit(Note(f"cargo could not take out of Cargo.lock what other members need: {said}", Level.WARNING))
    return False


def _is_part(found: str | None, text: str, path: Path) -> bool:
    try:
        return found is not None and is_part_of(parse_cargo_lock(found, path), parse_cargo_lock(text, path))
    except ManifestInvalid:
        return False
