"""How git is asked: by its own rules of ownership, and so that nothing starts that a repository's configuration names.

What git starts by itself, and what is done about it (the settings are those of git-config(1)):

- hooks, `core.fsmonitor`: set to nothing; and the index is never written (`GIT_OPTIONAL_LOCKS`).
- `filter.*.clean` and `filter.*.process`: empty where the repository's own configuration has a word in it. What the
  user's configuration alone defines is the user's, and runs as for `git status`. The filter `lfs` never runs: `changes`
  does its work.
- `gpg.program`: no signature is asked for. Pagers, external diffs, textconv, editors: nothing that is asked uses them.
- Objects that a partial clone lacks are not fetched, and no transport is allowed: no ssh, proxy, credential helper.
- Submodules: each is asked by itself, in the same way (`changes`).
- Names of people: not looked up, for `mailmap.file` may be a device without an end. So may `core.attributesFile` and
  `core.excludesFile`, which count where they are the user's.
- A bare repository among other files is none (`safe.bareRepository`), nor is one whose files are said to be elsewhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cargoship.errors import ToolMissing
from cargoship.process import Command, Completed, Runner
from cargoship.programs import without_secrets
from cargoship.reading import real_path

_NOTHING = "CARGOSHIP_GIT_NOTHING"
_OPTIONS = (
    "--no-pager",
    *("-c", "core.fsmonitor=false"),
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "safe.bareRepository=explicit"),
    *("-c", "log.showSignature=false"),
    *("-c", "log.mailmap=false"),
    *("-c", "i18n.logOutputEncoding=UTF-8"),
    *("-c", "protocol.allow=never"),
    *("-c", "status.submoduleSummary=false"),
)
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",  # git 2.39.4; for those before it no transport is left:
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "LC_ALL": "C",
    _NOTHING: "",
}
_UNUSED = frozenset(
    {
        "GIT_ASKPASS",
        "GIT_CONFIG",
        "GIT_EDITOR",
        "GIT_EXTERNAL_DIFF",
        "GIT_PAGER",
        "GIT_PROXY_COMMAND",
        "GIT_SEQUENCE_EDITOR",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "LANGUAGE",
        "SSH_ASKPASS",
    }
)
"""Programs of the user's that nothing here needs, and what would change the words that are read."""
_OF_ONE_REPOSITORY = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)
"""Where the user, or a hook that started cargoship, says that the repository is. It counts for that one alone."""
_USERS = frozenset({"system", "global", "command"})
"""Scopes of settings that are the user's; every other one is the repository's."""
_FILTER = re.compile(r"filter\.(?P<name>.*)\.(?:clean|smudge|process|required)", re.DOTALL)
_REFUSED = re.compile(r"(?:dubious ownership in|unsafe) repository (?:at )?\(?'(?P<folder>[^\n]*?)'(?: is owned|\n|$)")
_CONSENT = re.compile(r"^\s*(git config --global --add safe\.directory .+)$", re.MULTILINE)
_LISTS = frozenset({"core.attributesfile", "core.excludesfile"})
_TIMEOUT_S = 120.0
"""Large trees on slow disks take a minute; a device or pipe among a repository's files takes for ever."""

_MEMORY_BYTES = 2 << 30
"""Objects of a repository may say that they are of any size; packs are mapped, and do not count."""


class GitRefused(Exception):
    """The repository in `folder` belongs to another user, and git has no consent to read it."""

    def __init__(self, folder: str, consent: str) -> None:
        super().__init__(folder)
        self.folder = folder
        self.consent = consent
        """git's own words for giving consent."""


@dataclass(frozen=True)
class Git:
    """git, in one checkout."""

    runner: Runner = field(repr=False)
    root: Path
    """Where the checkout begins."""
    env: Mapping[str, str] = field(repr=False)
    """The user's environment."""

    @classmethod
    def at(cls, runner: Runner, folder: Path, env: Mapping[str, str]) -> Git | None:
        """Find the checkout that `folder` is in; None without one. Raises GitRefused, and ToolMissing without git."""
        done = _run(runner, folder, env, "rev-parse", "--show-toplevel")
        if done.code != 0:
            refused = _REFUSED.search(done.error_text)
            if refused is None:
                return None
            consent = _CONSENT.search(done.error_text)
            name = refused["folder"]
            raise GitRefused(name, consent[1] if consent else f"git config --global --add safe.directory '{name}'")
        root = Path(os.fsdecode(done.stdout.removesuffix(b"\n")))
        named = bool(env.keys() & {"GIT_DIR", "GIT_WORK_TREE"})
        # core.worktree may name any folder of the machine as the repository's files
        whole = named or ((root / ".git").exists() and real_path(folder).is_relative_to(real_path(root)))
        return cls(runner, root, env) if whole else None

    def below(self, path: str) -> Git | None:
        """The checkout of a submodule, `path` from here; None where it is not checked out. Raises GitRefused.

        An index may have any path. One that leads out of the checkout, as `..` or a link does, is no submodule's.
        """
        root = real_path(self.root)
        folder = root / path
        if not (folder / ".git").exists() or real_path(folder) != folder or root not in folder.parents:
            return None
        alone = {name: value for name, value in self.env.items() if name not in _OF_ONE_REPOSITORY}
        found = Git.at(self.runner, folder, alone)
        return found if found is not None and found.root.samefile(folder) else None

    def answer(self, *words: str, stdin: bytes | None = None) -> bytes | None:
        """What a command says; None where it fails."""
        done = _run(self.runner, self.root, self.env, *self._without_programs, *words, stdin=stdin)
        return done.stdout if done.code == 0 else None

    def line(self, *words: str) -> str:
        """The only line that a command says; nothing where it fails."""
        return (self.answer(*words) or b"").decode("utf-8", "replace").strip()

    @cached_property
    def settings(self) -> tuple[tuple[str, str, str], ...]:
        """Scope, name and value of each of git's settings here; a later one wins. Raises ToolMissing."""
        listed = self._listed("--show-scope")
        if listed is not None:
            return tuple((scope, *_parted(pair)) for scope, pair in zip(listed[::2], listed[1::2], strict=False))
        # before git 2.26 nobody says whose a setting is: then none is the user's
        listed = self._listed()
        if listed is None:
            # without them nothing could be kept from running
            raise ToolMissing("git does not tell its settings")
        return tuple(("unknown", *_parted(pair)) for pair in listed)

    def _listed(self, *options: str) -> list[str] | None:
        done = _run(self.runner, self.root, self.env, "config", "--list", *options, "-z")
        return os.fsdecode(done.stdout).split("\0")[:-1] if done.code == 0 else None

    @cached_property
    def filters(self) -> frozenset[str]:
        """The filters that do not run here."""
        named = ((scope, _FILTER.fullmatch(key)) for scope, key, _ in self.settings)
        return frozenset({"lfs"}.union(name["name"] for scope, name in named if name and scope not in _USERS))

    @cached_property
    def _without_programs(self) -> tuple[str, ...]:
        keys = [f"filter.{name}.{part}" for name in sorted(self.filters) for part in ("clean", "process", "required")]
        # an equals sign in a filter's name would end the key; `--config-env` came with git 2.31
        none = [
            word for key in keys for word in ((f"--config-env={key}={_NOTHING}",) if "=" in key else ("-c", f"{key}="))
        ]
        # a file of lists that the repository names may be a device without an end
        named = {key for scope, key, _ in self.settings if key in _LISTS and scope not in _USERS}
        return (*none, *(word for key in sorted(named) for word in ("-c", f"{key}={os.devnull}")))


def _run(runner: Runner, folder: Path, env: Mapping[str, str], *words: str, stdin: bytes | None = None) -> Completed:
    env = {name: value for name, value in without_secrets(env).items() if name not in _UNUSED} | _ENVIRONMENT
    command = Command(("git", *_OPTIONS, *words), folder, env, _MEMORY_BYTES)
    return runner.run(command, stdin=stdin, timeout_s=_TIMEOUT_S)


def _parted(pair: str) -> tuple[str, str]:
    # a name without a value means `true`
    name, found, value = pair.partition("\n")
    return name, value if found else "true"
