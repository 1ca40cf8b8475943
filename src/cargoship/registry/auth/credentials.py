"""Where credentials come from: the files and helper programs that docker and podman use.

Formats: docker/cli's config file (cli/config/configfile), docker-credential-helpers' protocol, and
containers-auth.json(5). Nothing here is ever written (`keeping.py` does that), and no secret is put into a message.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from cargoship.errors import ToolMissing
from cargoship.events import Emit, Level, Note
from cargoship.oci.reference import DOCKER_HUB
from cargoship.process import Command, Runner

HUB_KEY = "https://index.docker.io/v1/"
HUB_NAMES = (HUB_KEY, DOCKER_HUB, "index.docker.io", "registry-1.docker.io")
HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
HELPER_TIMEOUT_S = 30.0
TOKEN_USER = "<token>"  # noqa: S105 - the name by which helpers say that the secret is an identity token
FILE_BYTES = 4 << 20


@dataclass(frozen=True)
class Login:
    """User name and password."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class IdentityToken:
    """An OAuth 2 refresh token, good for access tokens only."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class RegistryToken:
    """A bearer token that is sent as it is."""

    token: str = field(repr=False)


Credential = Login | IdentityToken | RegistryToken


@dataclass(frozen=True)
class Found:
    """A credential, and where it came from, for people."""

    credential: Credential
    source: str


class Credentials(Protocol):
    """Finds the credential for a registry."""

    def find(self, registry: str, repository: str | None = None) -> Found | None:
        """The first credential that is found for this registry (host[:port]) and repository, or None."""
        ...


@dataclass(frozen=True)
class FixedCredentials:
    """One credential for one registry, from a caller that has it already."""

    registry: str
    credential: Credential
    source: str = "the caller"

    def find(self, registry: str, repository: str | None = None) -> Found | None:  # noqa: ARG002 - the protocol's
        """See `Credentials.find`."""
        return Found(self.credential, self.source) if registry == self.registry else None


class NoCredentials:
    """For registries that want none."""

    def find(self, registry: str, repository: str | None = None) -> Found | None:  # noqa: ARG002 - the protocol's
        """See `Credentials.find`."""
        return None


@dataclass(frozen=True)
class ConfigFiles:
    """The configuration files of docker and podman, asked in turn.

    `env` names the files and is what helper programs get; `user_id` names podman's folder in /run where
    XDG_RUNTIME_DIR is not set.
    """

    env: Mapping[str, str] = field(repr=False)
    runner: Runner
    emit: Emit
    user_id: int | None = None
    _files: dict[Path, Mapping[str, object] | None] = field(default_factory=dict, init=False, repr=False, compare=False)
    _answers: dict[tuple[str, str], Credential | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def find(self, registry: str, repository: str | None = None) -> Found | None:
        """See `Credentials.find`. A file or helper that does not work is passed over with a warning.

        Each file is read once, each helper asked once, as long as this object lives.
        """
        for path in self.files():
            if path not in self._files:
                self._files[path] = self._read(path)
            config = self._files[path]
            if config is not None and (found := self._find_in(config, path, registry, repository)) is not None:
                return found
        return None

    def files(self) -> tuple[Path, ...]:
        """The files that are looked at, first to last; DOCKER_CONFIG stands in for ~/.docker, as for docker."""
        env = self.env
        paths = [Path(env["REGISTRY_AUTH_FILE"])] if env.get("REGISTRY_AUTH_FILE") else []
        if env.get("DOCKER_CONFIG"):
            paths.append(Path(env["DOCKER_CONFIG"]) / "config.json")
        elif env.get("HOME"):
            paths.append(Path(env["HOME"]) / ".docker" / "config.json")
        if env.get("XDG_RUNTIME_DIR"):
            paths.append(Path(env["XDG_RUNTIME_DIR"]) / "containers" / "auth.json")
        elif self.user_id is not None:
            paths.append(Path("/run/containers") / str(self.user_id) / "auth.json")
        return tuple(paths)

    def _read(self, path: Path) -> Mapping[str, object] | None:
        try:
            with path.open("rb") as file:
                config = json.loads(file.read(FILE_BYTES))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self._warn(f"cannot read {path}: {error.strerror}")
            return None
        except (ValueError, RecursionError):
            # the parser's own words would quote the file, and with it a secret
            config = None
        if not isinstance(config, Mapping):
            self._warn(f"{path} is not a JSON object: its credentials are not used")
            return None
        return config

    def _warn(self, text: str) -> None:
        self.emit(Note(text, Level.WARNING))

    def _find_in(self, config: Mapping[str, object], path: Path, registry: str, repository: str | None) -> Found | None:
        names = HUB_NAMES if registry == DOCKER_HUB else (registry,)
        # helpers know registries only; files may know namespaces and repositories in them
        for helper in helpers_of(config, names):
            if (helper, names[0]) not in self._answers:
                self._answers[helper, names[0]] = self._ask(helper, names[0])
            if (credential := self._answers[helper, names[0]]) is not None:
                return Found(credential, f"docker-credential-{helper} (named in {path})")
        auths = config.get("auths")
        entries: dict[str, object] = {}
        for key, entry in auths.items() if isinstance(auths, Mapping) else ():
            entries.setdefault(key_place(str(key)), entry)
        for place in _places(names, repository):
            entry = entries.get(place)
            if isinstance(entry, Mapping) and (credential := _from_entry(entry)) is not None:
                return Found(credential, str(path))
        return None

    def _ask(self, helper: str, server: str) -> Credential | None:
        program = f"docker-credential-{helper}"
        if not HELPER_NAME.fullmatch(helper):
            self._warn(f"{helper!r} is not a credential helper's name")
            return None
        command = Command((program, "get"), env=self.env)
        try:
            done = self.runner.run(command, stdin=server.encode(), timeout_s=HELPER_TIMEOUT_S)
        except ToolMissing:
            self._warn(f"the credential helper {program} is not on PATH")
            return None
        if done.code == 0:
            return self._read_answer(done.stdout, program)
        # having nothing for this server is a failure with these words, in all helpers
        if b"not found" not in done.stdout + done.stderr:
            ended = "took too long" if done.code < 0 else f"failed with exit code {done.code}"
            self._warn(f"the credential helper {program} {ended}")
        return None

    def _read_answer(self, data: bytes, program: str) -> Credential | None:
        try:
            answer = msgspec.json.decode(data, type=_HelperAnswer)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._warn(f"the credential helper {program} gave an answer that is not its protocol")
            return None
        if not answer.secret:
            return None
        return IdentityToken(answer.secret) if answer.username == TOKEN_USER else Login(answer.username, answer.secret)


class _HelperAnswer(msgspec.Struct, rename="pascal"):
    username: str
    secret: str


def helpers_of(config: Mapping[str, object], names: Iterable[str]) -> Iterator[str]:
    """The helpers to ask, the one for this registry first."""
    chosen = config.get("credHelpers")
    if isinstance(chosen, Mapping):
        yield from (helper for name in names if isinstance(helper := chosen.get(name), str) and helper)
    store = config.get("credsStore")
    if isinstance(store, str) and store:
        yield store


def _places(names: Iterable[str], repository: str | None) -> Iterator[str]:
    """The keys that may hold a credential, the most particular first: containers-auth.json(5)."""
    hosts = tuple(dict.fromkeys(key_place(name) for name in names))
    path = repository or ""
    while path:
        yield from (f"{host}/{path}" for host in hosts)
        path = path.rpartition("/")[0]
    yield from hosts


def key_place(key: str) -> str:
    """A key of `auths` without scheme and API version: docker has written all of these over the years."""
    bare = re.sub(r"^https?://", "", key).rstrip("/")
    return re.sub(r"/v[12]$", "", bare)


def _from_entry(entry: Mapping[str, object]) -> Credential | None:
    """The credential of an `auths` entry; None for the empty one that docker leaves where a store is used."""
    token = entry.get("identitytoken")
    if isinstance(token, str) and token:
        return IdentityToken(token)
    token = entry.get("registrytoken")
    if isinstance(token, str) and token:
        return RegistryToken(token)
    username, password = entry.get("username"), entry.get("password")
    auth = entry.get("auth")
    if isinstance(auth, str) and auth:
        try:
            username, colon, password = base64.b64decode(auth).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        # docker pads with NUL bytes
        password = password.strip("\0") if colon else None
    if isinstance(username, str) and isinstance(password, str) and username and password:
        return Login(username, password)
    return None
