"""What cargo may refuse of all that has no say in what it compiles: how it talks, how much it does at once. Pure.

None of it is part of a unit's key. A build that comes back as a whole never meets cargo, though, and nobody would
object to `jobs = 0`. What cargo is known to take is nothing here; all else becomes part of that build's key. cargo is
started then: it objects, and nothing is kept, or it does not, and the build is kept under those words.

https://doc.rust-lang.org/cargo/reference/config.html has the keys, and the types of their values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

import msgspec

from cargoship.cargo.config import Table
from cargoship.oci.digest import Digest

_Takes = Callable[[object], bool]
_NUMBERS = 1_000_000_000
"""Below it are those that fit into all of cargo's types."""
_WRITTEN_NUMBER = re.compile(r"-?[0-9]{1,9}")
_URL = re.compile(r"(?:sparse\+|registry\+)?(?:https?|ssh|git|file)://[^\s/][^\s\[\]]*|file:///\S*")
_PLACES = frozenset({"registry", "local-registry", "directory", "git"})
_OF_SOURCES = _PLACES | {"replace-with", "branch", "tag", "rev"}
_CRATES_IO = "crates-io"
_RUNNER = re.compile(r"CARGO_TARGET_.+_RUNNER")


def _text(value: object) -> bool:
    return isinstance(value, str)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _switch(value: object) -> bool:
    return isinstance(value, bool)


def _number(value: object) -> bool:
    return type(value) is int and 0 <= value < _NUMBERS


def _jobs(value: object) -> bool:
    """How many at once: below zero it is a number of processors that stay free."""
    return value == "default" or (type(value) is int and 0 < abs(value) < _NUMBERS)


def _one_of(*words: str) -> _Takes:
    return lambda value: isinstance(value, str) and value in words


_WHEN = _one_of("auto", "always", "never")
_TAKEN: Mapping[str, _Takes] = {
    "build.jobs": _jobs,
    "future-incompat-report.frequency": _one_of("always", "never"),
    "http.cainfo": _text,
    "http.check-revoke": _switch,
    "http.debug": _switch,
    "http.low-speed-limit": _number,
    "http.multiplexing": _switch,
    "http.proxy": _text,
    "http.proxy-cainfo": _text,
    "http.ssl-version": _text,
    "http.ssl-version.max": _text,
    "http.ssl-version.min": _text,
    "http.timeout": _number,
    "http.user-agent": _text,
    "net.git-fetch-with-cli": _switch,
    "net.offline": _switch,
    "net.retry": _number,
    "net.ssh.known-hosts": _texts,
    "term.color": _WHEN,
    "term.hyperlinks": _switch,
    "term.progress.term-integration": _switch,
    "term.progress.when": _WHEN,
    "term.progress.width": _number,
    "term.quiet": _switch,
    "term.unicode": _switch,
    "term.verbose": _switch,
}
_TABLES = tuple(sorted({name.partition(".")[0] for name in _TAKEN} - {"build"}))
_AGAINST_EACH_OTHER = ("term.quiet", "term.verbose")
_WHEN_SHOWN, _WIDTH = "term.progress.when", "term.progress.width"
_COLOUR = "term.color"
_COLOUR_VARIABLE = "CARGO_TERM_COLOR"


def objectionable(tables: Iterable[Table], env: Mapping[str, str]) -> str:
    """What configuration files and variables say that cargo may not take: names, and digests of values, in lines."""
    tables = list(tables)
    said = [*chain.from_iterable(map(_of_table, tables)), *_of_environment(env)]
    found = [(name, value) for name, value in said if not _is_taken(name, value)]
    on = {name for name, value in said if value is True}
    if on.issuperset(_AGAINST_EACH_OTHER):
        found.append((" and ".join(_AGAINST_EACH_OTHER), True))
    if (_WHEN_SHOWN, "always") in said and _WIDTH not in dict(said):
        found.append((f"{_WHEN_SHOWN} without {_WIDTH}", "always"))
    found += chain.from_iterable(map(_of_targets, tables))
    found += _of_sources(tables)
    lines = {f"{name}={_digest(value)}" for name, value in found}
    return "\n".join(sorted(lines))


def talking(
    env: Mapping[str, str], tables: Iterable[Table], how: Mapping[str, str], *, colour: str | None = None
) -> tuple[str, ...]:
    """Cargo's options that say how it talks, but for what would keep from it what it may refuse.

    Options, and no variables: build scripts and compilers see these, and may put them into programs. `how` has keys of
    its configuration with values as TOML has them; `colour` is a value of term.color.
    """
    tables = list(tables)
    refused = objectionable(tables, env)
    told: dict[str, str] = {}
    if colour is not None and _COLOUR not in objectionable([] if _COLOUR_VARIABLE in env else tables, env):
        # what a file says is nothing to cargo where a variable says it
        told[_COLOUR] = f'"{colour}"'
    if not any(each in refused for each in ("term.progress", "term.quiet")):
        told |= how
    return tuple(chain.from_iterable(("--config", f"{name}={value}") for name, value in told.items()))


def _is_taken(name: str, value: object) -> bool:
    return name in _TAKEN and _TAKEN[name](value)


def _of_table(table: Table) -> Iterator[tuple[str, object]]:
    build = table.get("build")
    if isinstance(build, dict) and "jobs" in build:
        yield "build.jobs", build["jobs"]
    for name in _TABLES:
        if name in table:
            yield from _leaves(name, table[name])
    registry = table.get("registry", {})
    if not isinstance(registry, dict):
        yield "registry", registry
    elif "index" in registry:
        yield "registry.index", registry["index"]


def _leaves(name: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(f"{name}.{key}", each)
    else:
        yield name, value


def _of_environment(env: Mapping[str, str]) -> Iterator[tuple[str, object]]:
    by_variable = {f"CARGO_{re.sub('[.-]', '_', name).upper()}": name for name in _TAKEN}
    for variable, name in by_variable.items():
        if variable in env:
            yield name, _typed(env[variable])
    for variable, value in env.items():
        if variable == "CARGO_REGISTRY_INDEX" or (_RUNNER.fullmatch(variable) and not value.strip()):
            yield variable, value


def _typed(text: str) -> object:
    """What a variable says, as a file would say it."""
    if text in {"true", "false"}:
        return text == "true"
    return int(text) if _WRITTEN_NUMBER.fullmatch(text) else text


def _of_targets(table: Table) -> Iterator[tuple[str, object]]:
    """Runners that are no commands, whatever target they are for."""
    targets = table.get("target", {})
    if not isinstance(targets, dict):
        yield "target", targets
        return
    for name, target in targets.items():
        if not isinstance(target, dict):
            yield f"target.{name}", target
            continue
        runner = target.get("runner", "runner")
        words = runner.split() if isinstance(runner, str) else runner
        if not (isinstance(words, list) and words and all(isinstance(word, str) for word in words)):
            yield f"target.{name}.runner", runner


def _of_sources(tables: Sequence[Table]) -> Iterator[tuple[str, object]]:
    """Sources that lead nowhere, and what no source is."""
    known = {_CRATES_IO}
    for kind in ("source", "registries"):
        for table in tables:
            each = table.get(kind, {})
            if isinstance(each, dict):
                known |= set(each)
            else:
                yield kind, each
    for table in tables:
        sources = table.get("source", {})
        for name, source in sources.items() if isinstance(sources, dict) else ():
            if not _is_source(name, source, known):
                yield f"source.{name}", source


def _is_source(name: str, source: object, known: set[str]) -> bool:
    if not isinstance(source, dict) or not source.keys() <= _OF_SOURCES:
        return False
    if not all(isinstance(value, str) for value in source.values()):
        return False
    if not all(_URL.fullmatch(source[key]) for key in ("registry", "git") if key in source):
        return False
    places = len(source.keys() & _PLACES)
    if "replace-with" not in source:
        return places == 1
    # crates.io has a place without anybody's saying so
    leads_on = source["replace-with"] in known - {name}
    return leads_on and (places == 1 or (places == 0 and name == _CRATES_IO))


def _digest(value: object) -> str:
    return Digest.of(msgspec.json.encode(value, order="deterministic", enc_hook=str)).hex
