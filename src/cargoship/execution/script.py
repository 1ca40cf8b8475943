"""What a worker runs: a call of rustc, with its files in a folder whose place nobody knows before. Pure.

Below the folder in which an action runs, FILES has the files of this machine, each at its own absolute path, and RUST
has the toolchain. The script says where that folder is, and gives rustc the same paths below it; what rustc writes of
paths is what it would write here.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping

from cargoship.execution.call import REMAP, RustcCall, Word

FILES = ".cargoship-files"
"""A name that nothing else has: where it is found in what was compiled, a worker's path has got into it."""
RUST = ".cargoship-rust"
SCRIPT = ".cargoship-run"
SEEN = ".cargoship-seen"
"""A folder into which the library beside it, WATCH, writes what was read."""
WATCH = ".cargoship-watch.so"


def script_of(call: RustcCall, variables: Mapping[str, str], moved: Collection[str], *, watched: bool = False) -> bytes:
    """The text of the script; `moved` are variables whose values are paths.

    With `watched` reads are noted. What a worker has set besides is then not there: rustc says which value a crate has
    looked at, and of a macro nobody does.
    """
    clean = ""
    if watched:
        kept = " ".join(f'{name}="${name}"' for name in ("PATH", "LD_LIBRARY_PATH", *sorted(variables)))
        clean = f'env -i {kept} LD_PRELOAD="$root/{WATCH}" CARGOSHIP_WATCH="$root/{SEEN}" '
    lines = [
        # where it is: a worker's root is not said twice
        'root=$(pwd -P); [ "$root" != / ] || root=',
        "printf '%s\\n' \"$root\"",
        f'export LD_LIBRARY_PATH="$root/{RUST}/lib"',
        *(
            f"export {name}={_place(value) if name in moved else shlex.quote(value)}"
            for name, value in sorted(variables.items())
        ),
        f"cd {_place(call.cwd)} || exit 125",
        " ".join((f'exec {clean}"$root/{RUST}/bin/rustc" --sysroot "$root/{RUST}"', *_words(call))),
    ]
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def _words(call: RustcCall) -> list[str]:
    found = [f'{REMAP} "$root/{FILES}"=/']
    skipped = False
    for word in call.words:
        if skipped or word.text == "--sysroot":
            skipped = not skipped
        elif not word.text.startswith("--sysroot="):
            found.append(_word(word))
    return found


def _word(word: Word) -> str:
    if not word.path:
        return shlex.quote(word.text)
    return (shlex.quote(word.text) if word.text else "") + _place(word.path)


def _place(path: str) -> str:
    return f'"$root/{FILES}"' + shlex.quote(path)
