"""How much cargo is to do at once, where somebody says so: its words, its variable, or its configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from cargoship.cargo.config import cargo_home, configuration_files, options_tables, read_table

VARIABLE = "CARGO_BUILD_JOBS"
_GLUED = re.compile(r"(?:--jobs=|-j=?)(.+)")
_NUMBER = re.compile(r"-?[0-9]{1,6}")


class SaidJobs(Struct, frozen=True):
    """A number that somebody has given."""

    by: str
    """What says so, for people."""
    number: int
    """At least 1."""


def said_jobs(words: Sequence[str], env: Mapping[str, str], cwd: Path, *, cores: int) -> SaidJobs | None:
    """What counts for an invocation of cargo (the cargo book, `build.jobs`); None where nobody says a number.

    A negative number is one of cores that are left alone. What cargo will refuse is nobody's number.
    """
    for by, value in _said(words, env, cwd):
        text = str(value)
        if _NUMBER.fullmatch(text) and int(text):
            number = int(text)
            return SaidJobs(by, number if number > 0 else max(cores + number, 1))
        return None
    return None


def _said(words: Sequence[str], env: Mapping[str, str], cwd: Path) -> Iterator[tuple[str, object]]:
    """What says so and what it says, the one that counts first."""
    own = list(words[: words.index("--")] if "--" in words else words)
    for number, word in enumerate(own):
        glued = _GLUED.fullmatch(word)
        if glued is not None:
            yield "--jobs", glued[1]
        elif word in {"-j", "--jobs"} and number + 1 < len(own):
            yield "--jobs", own[number + 1]
    tables = options_tables(own, cwd)
    yield from (("--config build.jobs", value) for value in map(_build_jobs, tables) if value is not None)
    if env.get(VARIABLE):
        yield VARIABLE, env[VARIABLE]
    for file in configuration_files(cwd, cargo_home(env)):
        value = _build_jobs(read_table(file))
        if value is not None:
            yield f"build.jobs in {file}", value


def _build_jobs(table: Mapping[str, object]) -> object:
    build = table.get("build")
    return build.get("jobs") if isinstance(build, dict) else None
