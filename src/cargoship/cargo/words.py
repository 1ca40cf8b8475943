"""The words of a cargo invocation that somebody else has written: what options they have, and what they ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from cargoship.cargo.command import MESSAGE_FORMAT
from cargoship.cargo.config import Table

COMPILES = ("build", "b", "check", "c", "clippy", "rustc", "zigbuild")
RUNS = ("test", "t", "bench")
_MAKES_PROGRAMS = ("build", "zigbuild")
"""Not `b`: a user's own alias of that name comes before cargo's, and may ask for anything."""
NO_DEPENDENCIES = "--no-deps"
"""Clippy looks at the packages that were asked for, and no others."""
_CHOOSE = frozenset(
    {"--release", "-r", "--bins", "--workspace", "--all", "--all-features", "--no-default-features"}
    # without it cargo refuses what a newer Rust is asked for by
    | {"--ignore-rust-version"}
)
_CHOOSE_BY = frozenset(
    {"--package", "-p", "--exclude", "--bin", "--features", "-F", "--profile", "--target", "--config"}
)
_INDIFFERENT = frozenset({"--locked", "--offline", "--frozen", "--quiet", "-q", "--keep-going"})
_NUMBER = re.compile(r"default|-?0*[1-9][0-9]{0,5}")
_VALUE = re.compile(r"[^-].*", re.DOTALL)
_INDIFFERENT_BY = {
    "--jobs": _NUMBER,
    "--color": re.compile("auto|always|never"),
    "--manifest-path": _VALUE,
    "--target-dir": _VALUE,
}
"""Each with the values that cargo takes: of others it says what is wrong with them, once it is started."""
_SHORT = re.compile(r"(-[pFjZC])=?(.+)")
_LONG = {"-q": "--quiet", "-j": "--jobs"}
_QUIET = re.compile(r"-v*q[qv]*")
_OF_CARGO = re.compile(r"-[qv]+|--(?:verbose|quiet|locked|offline|frozen)")
_OF_CARGO_BY = frozenset({"--color", "--config", "-Z", "-C"})


_TELLS = re.compile(r"--print(?:=.*)?|--help|-h|--version|-V|-vV|--explain(?:=.*)?")
"""Words of rustc by which it prints something on standard output."""
_RUN_NONE = ("--list", "--format", "terse", "--exact", "cargoship-compiles-alone")
"""Words of tests of which there are none: their names have the places of files in them."""


class AskedOfCargo(Struct, frozen=True):
    """The words that follow `cargo`, apart."""

    toolchain: str | None
    """The one of rustup's that `+NAME` asks for."""
    before: tuple[str, ...]
    """cargo's own options, in front of the subcommand."""
    words: tuple[str, ...]
    """The subcommand, and what follows it; nothing where none was found."""

    @property
    def gathered(self) -> tuple[str, ...]:
        """The subcommand, and all options behind it: there they mean the same, but for the folder of -C."""
        return (*self.words[:1], *self.before, *self.words[1:])


def invocation_of(words: Sequence[str]) -> AskedOfCargo:
    """Where the subcommand is among the words that follow `cargo`."""
    rest = list(words)
    toolchain = rest.pop(0)[1:] if rest and rest[0].startswith("+") else None
    before: list[str] = []
    while rest and rest[0].startswith("-"):
        word = rest[0]
        short = _SHORT.fullmatch(word)
        name = word.partition("=")[0] if short is None else short[1]
        if _OF_CARGO.fullmatch(word) or (name in _OF_CARGO_BY and name != word):
            before.append(rest.pop(0))
        elif name in _OF_CARGO_BY and len(rest) > 1:
            before += [rest.pop(0), rest.pop(0)]
        else:
            # such as --version
            return AskedOfCargo(toolchain, tuple(before), ())
    return AskedOfCargo(toolchain, tuple(before), tuple(rest))


def option_of(words: Sequence[str], name: str) -> str | None:
    """The last value of an option among cargo's words; what follows `--` is not cargo's."""
    return next(iter(reversed(options_of(words, name))), None)


def options_of(words: Sequence[str], name: str) -> list[str]:
    """All values of an option."""
    own = list(words[: words.index("--")] if "--" in words else words)
    found = []
    for number, word in enumerate(own):
        if word == name and number + 1 < len(own):
            found.append(own[number + 1])
        elif word.startswith(f"{name}="):
            found.append(word.partition("=")[2])
    return found


def configuring(words: Sequence[str]) -> Iterator[str]:
    """The words that change what cargo's configuration says, with their values."""
    own = list(words[: words.index("--")] if "--" in words else words)
    for number, word in enumerate(own):
        if word in {"--config", "-Z"}:
            yield from own[number : number + 2]
        elif word.startswith(("--config=", "-Z")):
            yield word


def compiling_words(words: Sequence[str]) -> tuple[str, ...]:
    """The words with which cargo compiles, and tells what in JSON."""
    end = words.index("--") if "--" in words else len(words)
    own, rest = list(words[:end]), words[end:]
    kept: list[str] = []
    skip = False
    for word in own:
        if not (skip or word == "--message-format" or word.startswith("--message-format=")):
            kept.append(word)
        skip = word == "--message-format"
    if words[0] == "test" and "--doc" in own:
        # cargo refuses --no-run with it, and documentation that is searched for no test runs none
        return (*kept, "--message-format", MESSAGE_FORMAT, "--", *_RUN_NONE)
    more = ("--no-run",) if words[0] in RUNS and "--no-run" not in own else ()
    # a test's own words are of no use to a compilation; clippy's and rustc's are
    return (*kept, "--message-format", MESSAGE_FORMAT, *more, *(() if words[0] in RUNS else rest))


def only_tells(words: Sequence[str]) -> bool:
    """Whether cargo, or rustc, prints what somebody wants to know: it belongs on standard output."""
    end = words.index("--") if "--" in words else len(words)
    if not {"-h", "--help"}.isdisjoint(words[1:end]):
        return True
    given = words[end + 1 :] if words[0] == "rustc" else ()
    return any(_TELLS.fullmatch(word) for word in given)


def has_more(words: Sequence[str]) -> bool:
    """Whether there is something left to do when all is compiled."""
    # with --no-run cargo says where the tests are, but not where it tells all in JSON
    return words[0] in RUNS or option_of(words, "--message-format") is not None


def is_quiet(words: Sequence[str], tables: Iterable[Table], env: Mapping[str, str]) -> bool:
    """Whether cargo is to say nothing but errors: by an option, a variable, or its configuration (term.quiet)."""
    own = words[: words.index("--")] if "--" in words else words
    if any(word == "--quiet" or _QUIET.fullmatch(word) for word in own):
        return True
    terms = (table.get("term") for table in tables)
    said = [env.get("CARGO_TERM_QUIET"), *(term.get("quiet") for term in terms if isinstance(term, dict))]
    return next((value in {True, "true"} for value in said if value is not None), False)


def lints_asked_for(words: Sequence[str]) -> tuple[str, ...]:
    """What `cargo clippy` gives to Clippy, of its own words (rust-lang/rust-clippy, src/main.rs); none for others."""
    if words[:1] != ("clippy",):
        return ()
    end = words.index("--") if "--" in words else len(words)
    given = (*(word for word in words[1:end] if word == NO_DEPENDENCIES), *words[end + 1 :])
    return (*given, NO_DEPENDENCIES) if "--fix" in words[1:end] and NO_DEPENDENCIES not in given else given


def choosing(words: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The words that have a say in which programs come out, and the first one that asks for more than programs.

    More is what cargo prints or reports, and what it makes beside them, and what it refuses; empty where there is no
    such word.
    """
    if words[0] not in _MAKES_PROGRAMS:
        return (), f"cargo {words[0]}"
    found = [words[0]]
    # cargo takes each of these once
    seen: set[str] = set()
    rest = list(words[1:])
    while rest:
        word = rest.pop(0)
        if word in _CHOOSE:
            found.append(word)
            continue
        short = _SHORT.fullmatch(word)
        name, equals, value = (short[1], "=", short[2]) if short is not None else word.partition("=")
        name = _LONG.get(name, name)
        if name in seen:
            return (), word
        if name in _INDIFFERENT and not equals:
            seen.add(name)
            continue
        if name not in _CHOOSE_BY | _INDIFFERENT_BY.keys() or not (equals or rest):
            return (), word
        value = value if equals else rest.pop(0)
        if name in _CHOOSE_BY:
            found += [name, value]
            continue
        seen.add(name)
        if not _INDIFFERENT_BY[name].fullmatch(value):
            return (), word
    return tuple(found), ""
