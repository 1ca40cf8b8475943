"""cargo's configuration files, as cargo finds them: https://doc.rust-lang.org/cargo/reference/config.html.

It knows which files there are and in which order they count. What their keys mean is for those who ask.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cargoship.decoding import decode_toml
from cargoship.reading import is_file, read_file

Table = Mapping[str, Any]
_COLOUR = "CARGO_TERM_COLOR"
_COLOURS = ("auto", "always", "never")
_NATIVE = re.compile(r"(?:target|tune)-cpu(?:=|\s+)native|-m(?:arch|cpu|tune)=native")


def cargo_home(env: Mapping[str, str]) -> Path:
    """The folder that is cargo's own (the cargo book, "Environment variables")."""
    named = env.get("CARGO_HOME")
    return Path(named) if named else Path(env.get("HOME") or "/") / ".cargo"


def configuration_files(cwd: Path, home: Path) -> tuple[Path, ...]:
    """The files that hold in a folder, those that count most first; each is followed by those that it includes."""
    folders = [*(folder / ".cargo" for folder in (cwd, *cwd.parents)), home]
    found: dict[Path, None] = {}
    for folder in dict.fromkeys(folders):
        # the one without a suffix wins where both are
        for path in [path for path in (folder / "config", folder / "config.toml") if is_file(path)][:1]:
            found |= dict.fromkeys(with_includes(path))
    return tuple(found)


def with_includes(path: Path) -> Iterator[Path]:
    """A file and all that it includes, directly or not, as far as they are there; each once.

    `include` has paths, or tables with a path and `optional`, relative to the file that it stands in (cargo 1.94; an
    older cargo does not look at it).
    """
    seen = set()
    pending = [path]
    while pending:
        file = pending.pop(0)
        if file in seen or not is_file(file):
            continue
        seen.add(file)
        yield file
        pending[:0] = [file.parent / name for name in reversed(_included(read_table(file)))]


def read_table(path: Path) -> Table:
    """What a file says; nothing where it is no TOML: cargo will say so."""
    try:
        return decode_toml(read_file(path))
    except (OSError, ValueError):
        return {}


def default_targets(files: Iterable[Table], env: Mapping[str, str]) -> tuple[str, ...]:
    """The targets that cargo compiles for where no option says so (build.target)."""
    named = env.get("CARGO_BUILD_TARGET")
    if named:
        return (named,)
    for table in files:
        value = _table(table, "build").get("target")
        if value:
            return tuple(texts_of(value))
    return ()


def target_name(platform: str) -> str:
    """What configuration and folders call a target: its triple, or the name of the file that describes it."""
    return Path(platform).stem if platform.endswith(".json") else platform


def what_becomes_of_warnings(files: Iterable[Table], env: Mapping[str, str]) -> str:
    """What cargo does with warnings of local packages (build.warnings); nothing where nobody says it."""
    named = env.get("CARGO_BUILD_WARNINGS")
    said = [named, *(_table(table, "build").get("warnings") for table in files)]
    return next((str(each) for each in said if each), "")


def without_colours(env: Mapping[str, str], files: Iterable[Table]) -> dict[str, str]:
    """The environment in which cargo's words have no colours, or what it says of a `term.color` that it refuses.

    Where a file has such a one, a variable of ours would keep it from being seen.
    """
    if env.get(_COLOUR, "auto") not in _COLOURS:
        return dict(env)
    if all(_table(table, "term").get("color", "auto") in _COLOURS for table in files):
        return {**env, _COLOUR: "never"}
    return {name: value for name, value in env.items() if name != _COLOUR}


def named_rustc(files: Iterable[Path], env: Mapping[str, str]) -> tuple[str, str] | None:
    """The compiler that is asked for by name or path, and by what; None where nobody asks for one.

    `files` are those that hold, the one that counts most first. A path in them is relative to the folder above their
    own `.cargo` (the cargo book, "Executable paths with slashes"); one in the environment is left as it is.
    """
    for variable in ("RUSTC", "CARGO_BUILD_RUSTC"):
        if env.get(variable):
            return env[variable], variable
    for file in files:
        name = _table(read_table(file), "build").get("rustc")
        if isinstance(name, str) and name:
            path = str(file.parent.parent / name) if "/" in name else name
            return path, f"build.rustc of {file}"
    return None


def replaced_sources(files: Iterable[Table]) -> list[Table]:
    """What is said of sources where crates are taken from a folder: other files may be in there than were published."""
    sources = [table["source"] for table in files if _table(table, "source")]
    named = {key for table in sources for each in table.values() if isinstance(each, dict) for key in each}
    return sources if named & {"directory", "local-registry"} else []


def local_registries(files: Iterable[tuple[Path, Table]]) -> tuple[Path, ...]:
    """The folders of local registries: of files, each with the folder that its paths are relative to.

    https://doc.rust-lang.org/cargo/reference/source-replacement.html#local-registry-sources
    """
    sources = [(folder, each) for folder, table in files for each in _table(table, "source").values()]
    places = [(folder, each.get("local-registry")) for folder, each in sources if isinstance(each, dict)]
    return tuple(dict.fromkeys(folder / place for folder, place in places if isinstance(place, str)))


def options_tables(words: Sequence[str], cwd: Path) -> Iterator[Table]:
    """What `--config` options say, the one that counts most first: KEY=VALUE, or a file."""
    given: list[str] = []
    for number, word in enumerate(words):
        if word == "--":
            break
        if word == "--config":
            given += words[number + 1 : number + 2]
        elif word.startswith("--config="):
            given.append(word.removeprefix("--config="))
    for text in reversed(given):
        path = cwd / text
        if is_file(path):
            yield from map(read_table, with_includes(path))
            continue
        try:
            yield decode_toml(text.encode())
        except ValueError:
            yield {}  # cargo will say so


def unstable_switches(files: Iterable[Table]) -> dict[str, object]:
    """What [unstable] has, the file that counts most first."""
    found: dict[str, object] = {}
    for table in files:
        found = {**_table(table, "unstable"), **found}
    return found


def says_native(text: str) -> bool:
    """Whether flags ask for the processor of the machine that compiles, whatever that is."""
    return _NATIVE.search(text.replace("\x1f", " ")) is not None


def texts_of(value: object) -> Iterator[str]:
    """All texts in a table, in their order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from texts_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts_of(each)


def _table(table: Table, name: str) -> dict[str, Any]:
    value = table.get(name)
    return value if isinstance(value, dict) else {}


def _included(table: Table) -> list[str]:
    value = table.get("include", ())
    entries = value if isinstance(value, list) else [value]
    paths = (each.get("path") if isinstance(each, dict) else each for each in entries)
    return [path for path in paths if isinstance(path, str) and path]
