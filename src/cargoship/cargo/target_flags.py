"""Where cargo takes the flags for rustc from, and how one is added without loss of those that are there.

cargo takes them from the first place that has any: CARGO_ENCODED_RUSTFLAGS; RUSTFLAGS; what is said of the target, by
its triple and by `cfg(...)`; build.rustflags. Of one place, what files and variables say is joined
(https://doc.rust-lang.org/cargo/reference/config.html#buildrustflags). A flag in the wrong place would silence others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cargoship.cargo.command import CargoBuild
from cargoship.cargo.config import Table, cargo_home, configuration_files, options_tables, read_table, texts_of

_ENCODED, _PLAIN, _OF_BUILD = "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"
_BETWEEN = "\x1f"
_WORD = re.compile(r'\s*(?:(?P<name>[\w-]+)(?:\s*=\s*"(?P<value>[^"]*)")?\s*(?P<opens>\()?|(?P<mark>[(),]))')


def environment_for(build: CargoBuild, env: Mapping[str, str]) -> Mapping[str, str]:
    """The environment of a build, with the processor that it is for among the flags of rustc."""
    if build.processor is None:
        return env
    flag = f"-Ctarget-cpu={build.processor}"
    if _ENCODED in env:
        return {**env, _ENCODED: _BETWEEN.join(filter(None, (env[_ENCODED], flag)))}
    if _PLAIN in env:
        return {**env, _PLAIN: f"{env[_PLAIN]} {flag}".strip()}
    made = dict(env)
    tables = [table for _, table in _tables(build, env)]
    for triple in build.targets:
        of_target = _variable(triple)
        has = env.get(of_target, "").strip() or any(target_flags(table, triple) for table in tables)
        name = of_target if has else _OF_BUILD
        made[name] = f"{env.get(name, '')} {flag}".strip()
    return made


def counting_flags(build: CargoBuild, triple: str, env: Mapping[str, str]) -> list[tuple[str, str]]:
    """The flags that cargo gives rustc for a target, with the names of the places where they stand."""
    for name in (_ENCODED, _PLAIN):
        if name in env:
            return [(name, env[name].replace(_BETWEEN, " "))]
    files = list(_tables(build, env))
    of_target = _variable(triple)
    found = [(place, " ".join(target_flags(table, triple))) for place, table in files]
    found = [each for each in (*found, (of_target, env.get(of_target, ""))) if each[1].strip()]
    if found:
        return found
    own = ((place, table.get("build")) for place, table in files)
    found = [(place, " ".join(texts_of(table.get("rustflags")))) for place, table in own if isinstance(table, dict)]
    return [each for each in (*found, (_OF_BUILD, env.get(_OF_BUILD, ""))) if each[1].strip()]


def _tables(build: CargoBuild, env: Mapping[str, str]) -> Iterator[tuple[str, Table]]:
    """What configures a build, with names, what counts most first."""
    yield from (("--config", table) for table in options_tables(build.arguments(), build.cwd))
    yield from ((str(path), read_table(path)) for path in configuration_files(build.cwd, cargo_home(env)))


def _variable(triple: str) -> str:
    return f"CARGO_TARGET_{triple.upper().replace('-', '_').replace('.', '_')}_RUSTFLAGS"


def target_flags(table: Table, triple: str) -> list[str]:
    """What a configuration file says of a target: by its triple, and by a `cfg(...)` that holds there."""
    said = table.get("target")
    tables: Mapping[str, Any] = said if isinstance(said, dict) else {}
    return [
        text
        for name, own in tables.items()
        if isinstance(own, dict) and is_for(name, triple)
        for text in texts_of(own.get("rustflags"))
        if text.strip()
    ]


def is_for(name: str, triple: str) -> bool:
    """Whether a table `[target.NAME]` holds for a target; of a `cfg(...)` what the triple says is known."""
    if not name.lstrip().startswith("cfg("):
        return name == triple
    words = [match for match in _WORD.finditer(name) if match.group().strip()]
    return all(_held(iter(words[1:]), _facts(triple)))


def _facts(triple: str) -> set[tuple[str, str | None]]:
    """What rustc's --print cfg says of a target, as far as triples of Linux and WASI say it too."""
    architecture, *rest = triple.split("-")
    environment = rest[-1].partition(".")[0]
    family = "wasm" if architecture.startswith("wasm") else "unix"
    abi = re.sub(r"^(?:gnu|musl)", "", environment)
    known: set[tuple[str, str | None]] = {
        ("target_arch", _ARCHITECTURES.get(architecture, architecture)),
        ("target_os", "linux" if "linux" in rest else "wasi"),
        ("target_env", environment.removesuffix(abi) if "linux" in rest else environment.removeprefix("wasi")),
        ("target_abi", abi if "linux" in rest else ""),
        ("target_vendor", rest[0] if len(rest) > 2 else "unknown"),  # noqa: PLR2004 - vendor, system, environment
        ("target_family", family),
        ("target_endian", "big" if architecture == "s390x" else "little"),
        ("target_pointer_width", "64" if "64" in architecture or architecture == "s390x" else "32"),
        ("panic", "unwind"),
    }
    return known | ({("unix", None)} if family == "unix" else set())


_ARCHITECTURES = {
    "i686": "x86", "armv7": "arm", "riscv64gc": "riscv64", "powerpc64le": "powerpc64", "wasm32": "wasm32",
}  # fmt: skip


def _held(words: Iterator[re.Match[str]], facts: set[tuple[str, str | None]]) -> Iterator[bool]:
    """Each predicate of a list, up to the parenthesis that closes it (Rust reference, "Conditional compilation")."""
    for word in words:
        if word["mark"] == ")":
            return
        name = word["name"]
        if name is None:
            continue
        if word["opens"]:
            inside = list(_held(words, facts))
            yield (
                {"all": all, "any": any}[name](inside) if name in {"all", "any"} else name == "not" and not any(inside)
            )
        elif name in {"true", "false"} and word["value"] is None:
            yield name == "true"
        else:
            yield (name, word["value"]) in facts
