"""Where credentials come from: the files and helper programs that docker and podman use.

`entries.py` has the formats; helpers speak docker-credential-helpers' protocol. Nothing here is ever written
(`credential_store.py` does that), and no secret is put into a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from cargoship.decoding import Undecodable, decode_json
from cargoship.errors import ToolMissing
from cargoship.events import Emit, Level, Note
from cargoship.oci.reference import DOCKER_HUB
from cargoship.process import Command, Runner
from cargoship.registry.auth.entries import (
    HUB_NAMES,
    TOKEN_USER,
    ConfigUnreadable,
    Credential,
    IdentityToken,
    Login,
    credential_in,
    helper_of,
    parse_config,
)

HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
HELPER_TIMEOUT_S = 30.0
DOCKER_VARIABLE = "DOCKER_AUTH_CONFIG"
FILE_BYTES = 4 << 20


class FoundCredential(Struct, frozen=True):
    """A credential, and where it came from, for people."""

    credential: Credential
    source: str


class Credentials(Protocol):
    """Finds the credential for a registry."""

    def find(self, registry: str, repository: str | None = None) -> FoundCredential | None:
        """The first credential that is found for this registry (host[:port]) and repository, or None."""
        ...


class FixedCredentials(Struct, frozen=True):
    """One credential for one registry, from a caller that has it already."""

    registry: str
    credential: Credential
    source: str = "the caller"

    def find(self, registry: str, repository: str | None = None) -> FoundCredential | None:  # noqa: ARG002 - the protocol's
        """See `Credentials.find`."""
        return FoundCredential(self.credential, self.source) if registry == self.registry else None


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
    _warned: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def find(self, registry: str, repository: str | None = None) -> FoundCredential | None:
        """See `Credentials.find`. A file or helper that does not work is passed over with a warning.

        Each file is read once, each helper asked once, as long as this object lives.
        """
        for place, config in self._configurations():
            if (found := self._find_in(config, place, registry, repository)) is not None:
                return found
        return None

    def files(self) -> tuple[Path, ...]:
        """The files that are looked at, first to last; DOCKER_CONFIG stands in for ~/.docker, as for docker."""
        named = [Path(self.env["REGISTRY_AUTH_FILE"])] if self.env.get("REGISTRY_AUTH_FILE") else []
        return (*named, *docker_file(self.env), *self._podmans())

    def _podmans(self) -> Iterator[Path]:
        """containers-auth.json(5): where a user's logins are, and where those are that outlive a session."""
        env = self.env
        if env.get("XDG_RUNTIME_DIR"):
            yield Path(env["XDG_RUNTIME_DIR"]) / "containers" / "auth.json"
        elif self.user_id is not None:
            yield Path("/run/containers") / str(self.user_id) / "auth.json"
        if env.get("XDG_CONFIG_HOME"):
            yield Path(env["XDG_CONFIG_HOME"]) / "containers" / "auth.json"
        elif env.get("HOME"):
            yield Path(env["HOME"]) / ".config" / "containers" / "auth.json"

    def _configurations(self) -> Iterator[tuple[str, Mapping[str, object]]]:
        """What is said where, first to last: docker's variable comes before docker's file."""
        docker = docker_file(self.env)
        for path in self.files():
            if path in docker:
                yield from self._said_in_variable()
            if path not in self._files:
                self._files[path] = self._read(path)
            if (config := self._files[path]) is not None:
                yield str(path), config
        if not docker:
            yield from self._said_in_variable()

    def _said_in_variable(self) -> Iterator[tuple[str, Mapping[str, object]]]:
        """DOCKER_AUTH_CONFIG holds the text of a configuration; helpers are none of it (docker/cli, "memorystore")."""
        text = self.env.get(DOCKER_VARIABLE, "")
        if not text:
            return
        place = Path(f"${DOCKER_VARIABLE}")
        if place not in self._files:
            try:
                self._files[place] = {"auths": parse_config(text).get("auths")}
            except ConfigUnreadable as error:
                self._warn(f"{DOCKER_VARIABLE} is {error}: its credentials are not used")
                self._files[place] = None
        if (config := self._files[place]) is not None:
            yield DOCKER_VARIABLE, config

    def _read(self, path: Path) -> Mapping[str, object] | None:
        try:
            if path.parent.is_file() and path in docker_file(self.env):
                self._warn(f"DOCKER_CONFIG names the file {path.parent}, and docker wants the folder of a config.json")
                path = path.parent
            with path.open("rb") as file:
                return parse_config(file.read(FILE_BYTES))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self._warn(f"cannot read {path}: {error.strerror}")
        except ConfigUnreadable as error:
            self._warn(f"{path} is {error}: its credentials are not used")
        return None

    def _warn(self, text: str) -> None:
        self.emit(Note(text, Level.WARNING))

    def _find_in(
        self, config: Mapping[str, object], place: str, registry: str, repository: str | None
    ) -> FoundCredential | None:
        names = HUB_NAMES if registry == DOCKER_HUB else (registry,)
        # helpers know registries only; files may know namespaces and repositories in them
        helper = helper_of(config, names)
        if helper is not None:
            if (helper, names[0]) not in self._answers:
                self._answers[helper, names[0]] = self._ask(helper, names[0])
            if (credential := self._answers[helper, names[0]]) is not None:
                return FoundCredential(credential, f"docker-credential-{helper} (named in {place})")
        try:
            credential = credential_in(config, names, repository)
        except ConfigUnreadable as error:
            self._warn_once(f"what {place} has for {registry} is not used: {error}")
            return None
        return None if credential is None else FoundCredential(credential, place)

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._warn(text)

    def _ask(self, helper: str, server: str) -> Credential | None:
        program = f"docker-credential-{helper}"
        if not HELPER_NAME.fullmatch(helper):
            self._warn(f"{helper!r} is not a credential helper's name")
            return None
        command = Command((program, "get"), env=self.env)
        try:
            done = self.runner.run(command, stdin=server.encode(), timeout_s=HELPER_TIMEOUT_S)
        except ToolMissing as missing:
            self._warn(f"the credential helper {missing.message}")
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
            answer = decode_json(data, _HelperAnswer)
        except Undecodable:
            self._warn(f"the credential helper {program} gave an answer that is not its protocol")
            return None
        if not answer.secret:
            return None
        return IdentityToken(answer.secret) if answer.username == TOKEN_USER else Login(answer.username, answer.secret)


class _HelperAnswer(msgspec.Struct, rename="pascal"):
    username: str
    secret: str


def docker_file(env: Mapping[str, str]) -> tuple[Path, ...]:
    """Docker's own file, where there is one."""
    if env.get("DOCKER_CONFIG"):
        return (Path(env["DOCKER_CONFIG"]) / "config.json",)
    return (Path(env["HOME"]) / ".docker" / "config.json",) if env.get("HOME") else ()
