"""What the calls of the library are given: their options, checked, and what becomes of them.

Python itself takes keywords that there are not, and one text in place of several.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from cargoship.context import Context
from cargoship.errors import CargoshipError, KeywordInvalid
from cargoship.events import Emit, ignore
from cargoship.execution.address import ClusterAddress
from cargoship.plan import Cluster, Output, Selection
from cargoship.process import Runner, SystemRunner
from cargoship.programs import ProgramFinder
from cargoship.settings.fields import BY_KEY
from cargoship.suggest import did_you_mean

_LISTS = frozenset(
    {"also", "binaries", "bins", "clusters", "exclude", "features", "outputs", "packages", "parts", "platforms", "tags"}
)
"""Keywords that take several texts."""


class Surroundings(TypedDict, total=False):
    """What a call may use of the machine; all of it can be left out."""

    env: Mapping[str, str]
    """The environment, for settings (CARGOSHIP_*), credentials and the programs that are started; default: this
    process's."""
    cwd: str | os.PathLike[str]
    """Where relative paths start; default: this process's."""
    emit: Emit
    """Called with each `Event`, from several threads; default: nobody listens."""
    runner: Runner
    """Starts programs; default: really."""


class Options(Surroundings, total=False):
    """What to build and where to put it: the options of `cargoship build`, under the same names."""

    packages: Sequence[str]
    """Names or patterns, such as `svc-*`."""
    workspace: bool
    exclude: Sequence[str]
    changed_since: str
    """A commit, branch or tag; raises NothingChanged where no image may have changed."""
    also: Sequence[str | os.PathLike[str]]
    """Further folders of packages in the same workspace."""
    bins: Sequence[str]
    platforms: Sequence[str]
    """Such as `linux/amd64`."""
    libc: str
    profile: str
    features: Sequence[str]
    all_features: bool
    no_default_features: bool
    locked: bool
    offline: bool
    frozen: bool
    jobs: int
    remote: str
    """A cluster that compiles libraries: `reapi://HOST:PORT/INSTANCE?slots=8`."""
    tags: Sequence[str]
    base: str
    compression: str
    settings: Mapping[str, object]
    """Any other settings by their names in Cargo.toml: `{"user": "root", "expose": [8080]}`."""
    push: bool
    push_by_digest: bool
    """To the repositories of `tags`, without a tag: what `merge` takes."""
    load: bool
    clusters: Sequence[str]
    """Local clusters whose nodes get the images: `kind`, `minikube`, `k3d`, `kind:NAME`."""
    outputs: Sequence[str]
    """`oci:FOLDER`, `oci-archive:FILE`, `docker-archive:FILE`, `rootfs:FOLDER`, `wasm:FOLDER`."""
    require_clean: bool
    """Whether to refuse a tree that differs from its commit; default: no."""
    verify: bool
    """Whether to check that each binary can start on its base; default: yes."""


def check_keywords(
    call: str,
    given: Mapping[str, object],
    kind: type,
    *,
    more: Mapping[str, object] = {},
    without: Mapping[str, str] = {},
) -> None:
    """Refuse keywords that a call does not have, which Python lets through; raises KeywordInvalid.

    `more` are those that the call names itself, `without` those of `kind` that it does not take, and why.
    """
    known = [name for name in (*more, *kind.__annotations__) if name not in without]
    for name in given:
        if name not in known:
            raise _unknown(call, name, known, without.get(name))
    _check_texts(call, {**given, **more})


def _unknown(call: str, name: str, known: Sequence[str], reason: str | None) -> CargoshipError:
    key = name.replace("_", "-")
    if reason is None and key in BY_KEY and "settings" in known:
        reason = f'settings have their own place: settings={{"{key}": ...}}'
    guess = "" if reason else did_you_mean(name, known)
    return KeywordInvalid(
        f"cargoship.{call} has no keyword {name!r}{guess}", hint=reason or f"there are {', '.join(known)}"
    )


def _check_texts(call: str, given: Mapping[str, object]) -> None:
    """Refuse one text where several belong: Python would take its letters. Raises KeywordInvalid."""
    for name, value in given.items():
        if isinstance(value, str) and name.partition("[")[0] in _LISTS:
            raise KeywordInvalid(f"cargoship.{call}: {name} is the text {value!r}", hint=f"give a list: [{value!r}]")


def selection_for_call(path: str | os.PathLike[str], options: Options) -> Selection:
    """What a call asks for; raises UsageError for an output or a cluster that is none."""
    cwd = _cwd(options)
    said: dict[str, object] = {**options.get("settings", {})}
    lists = {"platforms": options.get("platforms"), "tags": options.get("tags")}
    said |= {key: tuple(texts) for key, texts in lists.items() if texts is not None}
    words = {"libc": options.get("libc"), "base": options.get("base"), "compression": options.get("compression")}
    said |= {key: word for key, word in words.items() if word is not None}
    return Selection(
        path=cwd / path,
        also=tuple(cwd / each for each in options.get("also", ())),
        packages=tuple(options.get("packages", ())),
        workspace=options.get("workspace", False),
        exclude=tuple(options.get("exclude", ())),
        changed_since=options.get("changed_since"),
        bins=tuple(options.get("bins", ())),
        profile=options.get("profile"),
        features=tuple(options.get("features", ())),
        all_features=options.get("all_features", False),
        no_default_features=options.get("no_default_features", False),
        locked=options.get("locked"),
        offline=options.get("offline", False),
        frozen=options.get("frozen", False),
        jobs=options.get("jobs"),
        remote=ClusterAddress.parse(options["remote"]) if options.get("remote") else None,
        overrides=said,
        push=options.get("push", False),
        push_by_digest=options.get("push_by_digest", False),
        load=options.get("load", False),
        clusters=tuple(Cluster.parse(text) for text in options.get("clusters", ())),
        require_clean=options.get("require_clean", False),
        outputs=tuple(Output.parse(text, cwd=cwd) for text in options.get("outputs", ())),
    )


def _cwd(surroundings: Surroundings) -> Path:
    return Path.cwd() / surroundings.get("cwd", ".")


def context_for_call(surroundings: Surroundings, path: str | os.PathLike[str] = ".", *, verify: bool = True) -> Context:
    """What a call may use of the world; programs of the project in `path` are not found by name."""
    env, cwd = dict(surroundings.get("env", os.environ)), _cwd(surroundings)
    return Context(
        env=env,
        cwd=cwd,
        runner=surroundings.get("runner") or SystemRunner(ProgramFinder.outside((cwd, cwd / path), env)),
        emit=surroundings.get("emit", ignore),
        verify=verify,
        clock=time.time,
    )
