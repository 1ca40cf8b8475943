"""Who says which mirrors a registry has: a variable, else the files of podman and docker.

    CARGOSHIP_REGISTRY_MIRRORS    docker.io=mirror.gcr.io,ghcr.io/team=https://cache.example.com/ghcr; empty: none
    registries.conf               containers-registries.conf(5), with its folder of drop-ins
    daemon.json                   `registry-mirrors`, for Docker Hub alone (docker docs, "Docker Hub mirror")

A file that is no such thing is passed over with a warning: a cache saves time, and nobody depends on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from cargoship.decoding import Undecodable, decode_toml
from cargoship.errors import UsageError
from cargoship.events import Emit, Level, Note
from cargoship.oci.reference import DOCKER_HUB
from cargoship.registry.mirrors.model import Mirror, Mirrors, Rule, Takes, digests_alone

MIRRORS_VARIABLE = "CARGOSHIP_REGISTRY_MIRRORS"
_BYTES_MAX = 1 << 20
_NAMED = "CONTAINERS_REGISTRIES_CONF"


class RegistrySettings(Struct, frozen=True):
    """What the files say: mirrors, and hosts to speak plain http to."""

    mirrors: Mirrors = field(default_factory=Mirrors)
    plain: frozenset[str] = frozenset()


def read_mirrors(env: Mapping[str, str], emit: Emit) -> RegistrySettings:
    """Read what `env` says and names; raises UsageError for a variable that cannot be read."""
    said = env.get(MIRRORS_VARIABLE)
    if said is not None:
        mirrors = Mirrors(tuple(_from_variable(said)))
        return RegistrySettings(mirrors, frozenset(mirrors.plain_hosts()))
    rules: dict[str, Rule] = {}
    plain: set[str] = set()
    for path in _registries_files(env):
        for table in _tables(path, emit):
            try:
                rule, insecure = _rule(table, path)
            except UsageError as error:
                emit(Note(f"{path}: {error.message}", Level.WARNING))
                continue
            # a later file says all that is said of a prefix
            rules[rule.prefix] = rule
            plain |= insecure
    if DOCKER_HUB not in rules and (of_docker := tuple(_from_docker(env, emit))):
        rules[DOCKER_HUB] = Rule(DOCKER_HUB, of_docker)
    mirrors = Mirrors(tuple(rules.values()))
    return RegistrySettings(mirrors, frozenset(plain | set(mirrors.plain_hosts())))


def _from_variable(text: str) -> Iterator[Rule]:
    mirrors: dict[str, list[Mirror]] = {}
    for word in text.replace(",", " ").split():
        prefix, equals, place = word.partition("=")
        if not equals or not prefix:
            hint = "such as docker.io=mirror.gcr.io"
            raise UsageError(f"{MIRRORS_VARIABLE}: {word!r} is not REGISTRY=MIRROR", hint=hint)
        mirrors.setdefault(_lower_host(prefix), []).append(Mirror.parse(place))
    yield from (Rule(prefix, tuple(found)) for prefix, found in mirrors.items())


def _registries_files(env: Mapping[str, str]) -> Iterator[Path]:
    """registries.conf and its drop-ins, as containers/image finds them."""
    if env.get(_NAMED):
        yield Path(env[_NAMED])
        return
    own = [Path(env["XDG_CONFIG_HOME"])] if env.get("XDG_CONFIG_HOME") else []
    own += [Path(env["HOME"]) / ".config"] if not own and env.get("HOME") else []
    folders = [Path("/etc/containers"), *(folder / "containers" for folder in own)]
    main = [path for folder in reversed(folders) if (path := folder / "registries.conf").is_file()]
    yield from main[:1]
    for folder in folders:
        yield from sorted((folder / "registries.conf.d").glob("*.conf"))


def _tables(path: Path, emit: Emit) -> list[Mapping[str, Any]]:
    data = _read(path, emit)
    # the files of a fresh machine say nothing, and the parser need not be loaded for them
    if data is None or b"[[registry]]" not in data:
        return []
    try:
        tables = decode_toml(data).get("registry", [])
    except Undecodable as error:
        emit(Note(f"{path} is not TOML: {error}", Level.WARNING))
        return []
    return [table for table in tables if isinstance(table, Mapping)] if isinstance(tables, list) else []


def _rule(table: Mapping[str, Any], path: Path) -> tuple[Rule, set[str]]:
    """One [[registry]] table, and the hosts that it calls insecure; raises UsageError."""
    location = _text(table, "location")
    prefix = _lower_host(_text(table, "prefix") or location)
    if not prefix:
        raise UsageError("a [[registry]] has neither prefix nor location")
    mirrors = tuple(_mirror(each, "mirror") for each in table.get("mirror", ()) if isinstance(each, Mapping))
    if table.get("mirror-by-digest-only") is True:
        mirrors = tuple(digests_alone(mirror) for mirror in mirrors)
    instead = _mirror(table, "registry") if _lower_host(location) not in {"", prefix} else None
    insecure = {prefix.partition("/")[0]} if table.get("insecure") is True and instead is None else set()
    return Rule(prefix, mirrors, instead, str(path) if table.get("blocked") is True else None), insecure


def _lower_host(name: str) -> str:
    """The same name with its host in the case that references have it in."""
    host, slash, rest = name.partition("/")
    return host.lower() + slash + rest


def _mirror(table: Mapping[str, Any], what: str) -> Mirror:
    place = Mirror.parse(_text(table, "location"))
    takes = table.get("pull-from-mirror", Takes.ALL.value) if what == "mirror" else Takes.ALL.value
    if takes not in {each.value for each in Takes}:
        raise UsageError(f"pull-from-mirror is {takes!r}")
    return Mirror(place.registry, place.path, plain=table.get("insecure") is True, takes=Takes(takes))


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise UsageError(f"{key} is no text")
    return value


def _from_docker(env: Mapping[str, str], emit: Emit) -> Iterator[Mirror]:
    """The mirrors of Docker Hub that the engine has; Docker Desktop and rootless engines keep theirs at home."""
    home = [Path(env["HOME"])] if env.get("HOME") else []
    own = [path for folder in home for path in (folder / ".docker", folder / ".config" / "docker")]
    for folder in (*own, Path("/etc/docker")):
        path = folder / "daemon.json"
        data = _read(path, emit)
        if data is None:
            continue
        try:
            found = json.loads(data)["registry-mirrors"] if b"registry-mirrors" in data else []
            yield from [Mirror.parse(text) for text in found]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, UsageError):
            emit(Note(f"{path}: registry-mirrors is no list of addresses", Level.WARNING))
        return


def _read(path: Path, emit: Emit) -> bytes | None:
    try:
        with path.open("rb") as stream:
            return stream.read(_BYTES_MAX)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        emit(Note(f"cannot read {path}: {error.strerror}", Level.WARNING))
        return None
