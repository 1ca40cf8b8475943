"""What a worker runs: a call of rustc, with its files in a folder whose place nobody knows before. Pure.

Below the folder in which an action runs, FILES has the files of this machine, each at its own absolute path, and RUST
has the toolchain. The script says where that folder is, and gives rustc the same paths below it; what rustc writes of
paths is what it would write here.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence

from cargoship.execution.call import REMAP, RustcCall, StaysHere, Word
from cargoship.execution.rust_files import SOURCES

FILES = ".cargoship-files"
"""Where files of this machine are on a worker, a name that nothing else has; and the toolchain:"""
RUST = ".cargoship-rust"
SCRIPT = ".cargoship-run"
SEEN = ".cargoship-seen"
"""A folder into which the library beside it, WATCH, writes what was read."""
WATCH = ".cargoship-watch.so"
LINKER = ".cargoship-linker"
"""A folder with a program that has the name of a linker, and keeps what it is given: in another folder, LINKED."""
LINKED = ".cargoship-linked"
TEMPORARY = ".cargoship-temporary"
"""Where rustc puts files for a linker alone."""


def names_worker(data: bytes) -> bool:
    """Whether a path of a worker's has got into what was compiled."""
    return FILES.encode() in data or RUST.encode() in data


def script_of(
    call: RustcCall, variables: Mapping[str, str], moved: Collection[str], *, sources: str = "", watched: bool = False
) -> bytes:
    """The text of the script; `moved` are variables whose values are paths.

    `sources` is where rustc has the sources of the standard library here: code that comes from there names them.

    With `watched` reads are noted. What a worker has set besides is then not there: rustc says which value a crate has
    looked at, and of a macro nobody does.
    """
    clean = ""
    if watched:
        own = ("PATH", "LD_LIBRARY_PATH", *(["TMPDIR"] if call.is_program else []))
        kept = " ".join(f'{name}="${name}"' for name in (*own, *sorted(variables)))
        clean = f'env -i {kept} LD_PRELOAD="$root/{WATCH}" CARGOSHIP_WATCH="$root/{SEEN}" '
    lines = [
        # where it is: a worker's root is not said twice
        'root=$(pwd -P); [ "$root" != / ] || root=',
        "printf '%s\\n' \"$root\"",
        f'export LD_LIBRARY_PATH="$root/{RUST}/lib"',
        *([f'export TMPDIR="$root/{TEMPORARY}"'] if call.is_program else []),
        *(
            f"export {name}={_place(value) if name in moved else shlex.quote(value)}"
            for name, value in sorted(variables.items())
        ),
        f"cd {_place(call.cwd)} || exit 125",
        " ".join((f'exec {clean}"$root/{RUST}/bin/rustc" --sysroot "$root/{RUST}"', *_words(call, sources))),
    ]
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def replaced(path: str, remaps: Sequence[tuple[str, str]]) -> str:
    """What rustc calls a folder whose path is replaced; of several that fit it takes the last one.

    Raises StaysHere where a part of the folder has a name of its own.
    """
    for before, after in reversed(remaps):
        if before.startswith(f"{path}/"):
            raise StaysHere("a part of the standard library's sources has another name")
        if f"{path}/".startswith(f"{before.rstrip('/')}/"):
            return f"{after}{path.removeprefix(before)}"
    return path


def linker_of(call: RustcCall) -> str:
    """What stands in for the linker of a program: by its name rustc knows how to speak to it."""
    return f"{LINKER}/{call.linker.rpartition('/')[2]}"


def _words(call: RustcCall, sources: str) -> list[str]:
    found = [f'{REMAP} "$root/{FILES}"=/']
    if sources:
        found.append(f'{REMAP} "$root/{RUST}/{SOURCES}"={shlex.quote(replaced(sources, call.remaps))}')
    skipped = False
    for word in call.words:
        if skipped or word.text == "--sysroot":
            skipped = not skipped
        elif not word.text.startswith("--sysroot="):
            found.append(_word(word))
    if call.is_program:
        # the last one counts
        found.append(f'-C linker="$root/{linker_of(call)}"')
    return found


def _word(word: Word) -> str:
    if not word.path:
        return shlex.quote(word.text)
    return (shlex.quote(word.text) if word.text else "") + _place(word.path)


def _place(path: str) -> str:
    return f'"$root/{FILES}"' + shlex.quote(path)
