"""Keeping credentials where docker and podman find them: in a helper program where one is configured, else in a file.

Formats as in `credentials.py`. A file is replaced whole, and nobody but its owner can read it. No secret is put into a
message.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct

from cargoship.errors import OutputError, UsageError
from cargoship.oci.files import atomic_file, writing
from cargoship.oci.reference import DOCKER_HUB
from cargoship.process import Command, Runner
from cargoship.reading import real_path
from cargoship.registry.auth.credentials import FILE_BYTES, HELPER_NAME, HELPER_TIMEOUT_S
from cargoship.registry.auth.entries import (
    HUB_KEY,
    HUB_NAMES,
    ConfigUnreadable,
    Login,
    helper_of,
    key_place,
    parse_config,
)


class CredentialLocation(Struct, frozen=True):
    """Where credentials are, for people; `plain` says that anybody who reads that file has them."""

    place: str
    plain: bool


@dataclass(frozen=True)
class CredentialStore:
    """The configuration file that `env` names, and the helper that this names for a registry.

    REGISTRY_AUTH_FILE comes first, then DOCKER_CONFIG, then ~/.docker: the first place where they are looked for.
    """

    env: Mapping[str, str] = field(repr=False)
    runner: Runner

    @property
    def path(self) -> Path:
        """The configuration file; raises UsageError where nothing says where it should be."""
        env = self.env
        if env.get("REGISTRY_AUTH_FILE"):
            return Path(env["REGISTRY_AUTH_FILE"])
        if env.get("DOCKER_CONFIG"):
            return Path(env["DOCKER_CONFIG"]) / "config.json"
        if env.get("HOME"):
            return Path(env["HOME"]) / ".docker" / "config.json"
        raise UsageError("nothing says where credentials are kept", hint="set DOCKER_CONFIG to a folder, or HOME")

    def keep(self, registry: str, login: Login) -> CredentialLocation:
        """Keep what `registry` (host[:port]) has accepted; raises OutputError, UsageError."""
        path, config = self.path, self._read()
        key = _key(registry)
        auths = _auths(config)
        for other in _same(auths, registry):
            del auths[other]
        helper = _helper(config, registry)
        if helper is None:
            secret = f"{login.username}:{login.password}"
            auths[key] = {"auth": base64.b64encode(secret.encode()).decode()}
            self._write(config | {"auths": auths})
            return CredentialLocation(str(path), plain=True)
        document = {"ServerURL": key, "Username": login.username, "Secret": login.password}
        self._tell(helper, "store", json.dumps(document).encode())
        # docker lists what its helpers have like this
        auths[key] = {}
        self._write(config | {"auths": auths})
        return CredentialLocation(f"docker-credential-{helper} (named in {path})", plain=False)

    def forget(self, registry: str) -> bool:
        """Remove what is kept for `registry`; False where there was nothing. Raises OutputError, UsageError."""
        config = self._read()
        auths = _auths(config)
        known = _same(auths, registry)
        helper = _helper(config, registry)
        erased = helper is not None and self._tell(helper, "erase", _key(registry).encode(), absent_is_well=True)
        for key in known:
            del auths[key]
        if known:
            self._write(config | {"auths": auths})
        return bool(known) or erased

    def _read(self) -> dict[str, object]:
        path = self.path
        hint = "mend it, or move it away"
        if path.parent.is_file():
            raise OutputError(f"{path.parent} is a file, and not the folder of a config.json", hint=hint)
        try:
            with path.open("rb") as file:
                config = dict(parse_config(file.read(FILE_BYTES)))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise OutputError(f"cannot read {path}: {error.strerror}") from error
        except ConfigUnreadable as error:
            raise OutputError(f"{path} is not a configuration of docker or podman", hint=hint) from error
        # "auths": null is what some tools leave of an empty one
        if not isinstance(config.get("auths"), dict | None):
            raise OutputError(f"{path} is not a configuration of docker or podman", hint=hint)
        return config

    def _write(self, config: Mapping[str, object]) -> None:
        path = self.path
        with writing(path):
            # a link to a file elsewhere stays one
            path = real_path(path) if path.is_symlink() else path
        with atomic_file(path, private=True) as file:
            file.write(json.dumps(config, indent="\t").encode() + b"\n")

    def _tell(self, helper: str, action: str, data: bytes, *, absent_is_well: bool = False) -> bool:
        """Let a helper do something; False where it has nothing of the kind. Raises OutputError, ToolMissing."""
        program = f"docker-credential-{helper}"
        if not HELPER_NAME.fullmatch(helper):
            raise OutputError(f"{helper!r} in {self.path} is not a credential helper's name")
        done = self.runner.run(Command((program, action), env=self.env), stdin=data, timeout_s=HELPER_TIMEOUT_S)
        if done.code == 0:
            return True
        if absent_is_well and b"not found" in done.stdout + done.stderr:
            return False
        # its own words are not repeated: some helpers print what they were given
        ended = "took too long" if done.code < 0 else f"failed with exit code {done.code}"
        raise OutputError(f"{program} {action} {ended}", hint=f"run it by hand, or take it out of {self.path}")


def _key(registry: str) -> str:
    """How docker calls a registry in its configuration."""
    return HUB_KEY if registry == DOCKER_HUB else registry


def _helper(config: Mapping[str, object], registry: str) -> str | None:
    names = HUB_NAMES if registry == DOCKER_HUB else (registry,)
    return helper_of(config, names)


def _auths(config: Mapping[str, object]) -> dict[str, object]:
    auths = config.get("auths")
    return dict(auths) if isinstance(auths, dict) else {}


def _same(auths: Mapping[str, object], registry: str) -> list[str]:
    """The keys that mean this registry, in whatever way they are written."""
    places = {key_place(name) for name in (HUB_NAMES if registry == DOCKER_HUB else (registry,))}
    return [key for key in auths if key_place(key) in places]
