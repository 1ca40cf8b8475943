"""What options ask for, as a `Selection`: the shape of a request; what values mean is checked in settings and plan."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from cargoship.cli.failing.mistakes import check_project
from cargoship.cli.session import CliSession
from cargoship.errors import UsageError

if TYPE_CHECKING:
    from cargoship.execution.address import ClusterAddress
    from cargoship.plan import Selection


def cache_overrides(given: Mapping[str, Any]) -> dict[str, object]:
    """What the options say about caches, by the keys of the settings; nothing for what they do not say."""
    said = {
        "cache": False if given.get("no_cache") else None,
        "cache-from": tuple(given.get("cache_from", ())),
        "cache-to": tuple(given.get("cache_to", ())),
        "cache-trust": tuple(given.get("cache_trust", ())),
        "cache-sign": given.get("cache_sign"),
    }
    return {key: value for key, value in said.items() if value not in (None, ())}


def selection_of(ctx: click.Context, session: CliSession) -> Selection:
    """What the options ask for; options that a command lacks count as not given. Raises UsageError."""
    from cargoship.plan import Cluster, Output, Selection

    given: Mapping[str, Any] = ctx.params
    cwd = session.world.cwd
    paths = given.get("paths") or (given.get("path", "."),)
    if given.get("manifest_path") is not None:
        if paths != (Path(),) and paths != (".",):
            raise UsageError("--manifest-path and PATH name the project both", hint="leave one of them out")
        paths = (given["manifest_path"],)
    for path in paths:
        if not (cwd / path).exists():
            check_project(str(path))
    said = {
        "platforms": split(given.get("platforms", ())),
        "libc": given.get("libc"),
        "tags": tuple(given.get("tags", ())),
        "base": given.get("base"),
        "compression": given.get("compression"),
        "smoke": _words(given.get("smoke")),
        "user": given.get("user"),
        "sign": given.get("sign"),
        **cache_overrides(given),
    }
    overrides = assigned(given.get("assignments", ()))
    overrides |= {key: value for key, value in said.items() if value not in (None, ())}
    for key, name, option in _TABLES:
        if given.get(name):
            before = overrides.get(key)
            overrides[key] = {**(before if isinstance(before, dict) else {}), **_pairs(given[name], option)}
    return Selection(
        path=cwd / paths[0],
        also=tuple(cwd / path for path in paths[1:]),
        packages=tuple(given.get("packages", ())),
        workspace=given.get("workspace", False),
        exclude=tuple(given.get("exclude", ())),
        changed_since=given.get("changed_since"),
        bins=tuple(given.get("bins", ())),
        profile=given.get("profile"),
        features=split(given.get("features", ())),
        all_features=given.get("all_features", False),
        no_default_features=given.get("no_default_features", False),
        locked=given.get("locked"),
        offline=given.get("offline", False),
        frozen=given.get("frozen", False),
        jobs=given.get("jobs"),
        remote=named_cluster(given),
        overrides=overrides,
        push=given.get("push", False),
        push_by_digest=given.get("push_by_digest", False),
        load=given.get("load", False),
        clusters=tuple(Cluster.parse(text) for text in given.get("clusters", ())),
        require_clean=given.get("require_clean", False),
        outputs=tuple(Output.parse(text, cwd=cwd) for text in given.get("outputs", ())),
    )


def named_cluster(given: Mapping[str, Any]) -> ClusterAddress | None:
    """The cluster that an option names; raises UsageError."""
    from cargoship.execution.address import ClusterAddress

    return ClusterAddress.parse(given["remote"]) if given.get("remote") else None


_TABLES = (
    ("labels", "labels", "--label"),
    ("annotations", "annotations", "--annotation"),
    ("env", "image_env", "--env"),
)
"""Settings that are tables, and the options that give them one entry each."""


def assigned(texts: Sequence[str]) -> dict[str, object]:
    """What `--set KEY=VALUE` says, by keys of settings; `KEY.NAME=VALUE` is an entry of a table. Raises UsageError."""
    found: dict[str, object] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--set {text!r} is not KEY=VALUE", hint="such as --set user=root")
        name, dot, entry = key.partition(".")
        name = name.replace("_", "-")
        if dot:
            before = found.get(name)
            found[name] = {**(before if isinstance(before, dict) else {}), entry: value}
        else:
            found[name] = value
    return found


def _written(option: str, key: str) -> str:
    if option == "--env" and re.fullmatch(r"\w+", key):
        return f'for the value that it has here, write {option} {key}="${key}"'
    return f"such as {option} {key or 'KEY'}=value"


def _pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"{option} {text!r} is not KEY=VALUE", hint=_written(option, key))
        pairs[key] = value
    return pairs


def _words(text: str | None) -> tuple[str, ...]:
    """Words as a shell takes them apart."""
    try:
        return tuple(shlex.split(text or ""))
    except ValueError as error:
        raise UsageError(f"{text!r} cannot be taken apart into words: {error}") from error


def split(values: tuple[str, ...]) -> tuple[str, ...]:
    """Take values apart that may be repeated and comma separated; cargo also allows spaces between features."""
    return tuple(part for value in values for part in value.replace(",", " ").split())
