"""The words of a cargo invocation that somebody else has written: what options they have, and what they ask for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cargoship.cargo.command import MESSAGE_FORMAT

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
_INDIFFERENT_BY = frozenset({"--jobs", "-j", "--color", "--manifest-path", "--target-dir"})
_SHORT = re.compile(r"(-[pFj])=?(.+)")


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
    more = ("--no-run",) if words[0] in RUNS and "--no-run" not in own else ()
    # a test's own words are of no use to a compilation; clippy's and rustc's are
    return (*kept, "--message-format", MESSAGE_FORMAT, *more, *(() if words[0] in RUNS else rest))


def has_more(words: Sequence[str]) -> bool:
    """Whether there is something left to do when all is compiled."""
    runs = words[0] in RUNS and "--no-run" not in words
    return runs or option_of(words, "--message-format") is not None


def lints_asked_for(words: Sequence[str]) -> tuple[str, ...]:
    """What `cargo clippy` gives to Clippy, of its own words (rust-lang/rust-clippy, src/main.rs); none for others."""
    if words[:1] != ("clippy",):
        return ()
    end = words.index("--") if "--" in words else len(words)
    given = (*(word for word in words[1:end] if word == NO_DEPENDENCIES), *words[end + 1 :])
    return (*given, NO_DEPENDENCIES) if "--fix" in words[1:end] and NO_DEPENDENCIES not in given else given


def choosing(words: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The words that have a say in which programs come out, and the first one that asks for more than programs.

    More is what cargo prints or reports, and what it makes beside them; empty where there is no such word.
    """
    if words[0] not in _MAKES_PROGRAMS:
        return (), f"cargo {words[0]}"
    found = [words[0]]
    rest = list(words[1:])
    while rest:
        word = rest.pop(0)
        if word in _CHOOSE:
            found.append(word)
            continue
        if word in _INDIFFERENT:
            continue
        short = _SHORT.fullmatch(word)
        name, equals, value = (short[1], "=", short[2]) if short is not None else word.partition("=")
        if name not in _CHOOSE_BY | _INDIFFERENT_BY or not (equals or rest):
            return (), word
        value = value if equals else rest.pop(0)
        if name in _CHOOSE_BY:
            found += [name, value]
    return tuple(found), ""
