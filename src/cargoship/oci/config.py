"""An image's config: how to run it, and what its layers are (image-spec, config.md; Docker's image spec v1.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct, field

from cargoship.oci.digest import Digest
from cargoship.oci.manifest import decode_content, encode_json, parse_platform
from cargoship.oci.platform import UNKNOWN, Platform

CONFIG_BYTES_MAX = 8 << 20
# Go's time.Time reads this form of RFC 3339, section 5.6, alone
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII)


class _Run(msgspec.Struct, rename="pascal"):
    user: str | None = None
    exposed_ports: dict[str, Any] | None = None
    env: list[str | None] | None = None
    entrypoint: list[str | None] | str | None = None
    cmd: list[str | None] | str | None = None
    volumes: dict[str, Any] | None = None
    working_dir: str | None = None
    labels: dict[str, str | None] | None = None
    stop_signal: str | None = None
    healthcheck: dict[str, Any] | None = None
    on_build: list[str | None] | None = None


class _RootFs(msgspec.Struct):
    diff_ids: list[str] | None = None
    type: str | None = None


class _History(msgspec.Struct):
    created: str | None = None
    created_by: str | None = None
    author: str | None = None
    comment: str | None = None
    empty_layer: bool | None = None


class _Document(msgspec.Struct):
    architecture: str | None = None
    os: str | None = None
    variant: str | None = None
    os_version: str | None = field(name="os.version", default=None)
    os_features: list[str | None] | None = field(name="os.features", default=None)
    created: str | None = None
    author: str | None = None
    config: _Run | None = None
    rootfs: _RootFs | None = None
    history: list[_History | None] | None = None


class ImageConfig(Struct, frozen=True):
    """How a container of the image is run.

    `env` and `labels` are name to value, `bare_env` variables that have no value, not even an empty one;
    `exposed_ports` such as `8080/tcp`; `volumes` are absolute paths. `healthcheck` is Docker's object with Test,
    Interval, ... (durations in nanoseconds); OCI does not know it, and Docker reads it from the same place.
    """

    user: str | None = None
    exposed_ports: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    working_dir: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str | None = None
    healthcheck: Mapping[str, Any] | None = None
    bare_env: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The `config` object of an image's config, without what is empty."""
        document: dict[str, Any] = {
            "User": self.user,
            "ExposedPorts": {port: {} for port in self.exposed_ports},
            "Env": [
                *(f"{name}={value}" for name, value in self.env.items()),
                *(name for name in self.bare_env if name not in self.env),
            ],
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.cmd),
            "Volumes": {path: {} for path in self.volumes},
            "WorkingDir": self.working_dir,
            "Labels": dict(self.labels),
            "StopSignal": self.stop_signal,
            "Healthcheck": None if self.healthcheck is None else dict(self.healthcheck),
        }
        return {name: value for name, value in document.items() if value}


class ConfigFile(Struct, frozen=True):
    """A whole config, as read: `history` holds who made each layer, lowest first (empty where unknown).

    `steps` is the history as it was written, with the steps that made no layer. `platform` is UNKNOWN where it is not
    said. `os_version` and `os_features` are what Windows has beside it.
    """

    platform: Platform
    run: ImageConfig
    diff_ids: tuple[Digest, ...]
    history: tuple[str, ...] = ()
    created: str | None = None
    author: str | None = None
    steps: tuple[Mapping[str, Any], ...] = ()
    os_version: str | None = None
    os_features: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    """Steps of a Dockerfile that Docker runs when an image is built on this one (ONBUILD)."""


def decode_config(raw: bytes) -> ConfigFile:
    """Read an image's config; raises ContentInvalid."""
    wire = decode_content(raw, _Document, "config", bytes_max=CONFIG_BYTES_MAX)
    run = wire.config or _Run()
    diff_ids = (wire.rootfs.diff_ids if wire.rootfs else None) or []
    steps = [entry or _History() for entry in wire.history or []]
    history = [entry.created_by or "" for entry in steps if not entry.empty_layer]
    variables = [(text, _variable(text)) for text in run.env or () if text]
    return ConfigFile(
        platform=parse_platform(wire.os, wire.architecture, wire.variant) or UNKNOWN,
        run=ImageConfig(
            user=run.user or None,
            exposed_ports=tuple(run.exposed_ports or ()),
            env=dict(variable for _, variable in variables if variable is not None),
            entrypoint=_words(run.entrypoint),
            cmd=_words(run.cmd),
            volumes=tuple(run.volumes or ()),
            working_dir=run.working_dir or None,
            labels={name: text or "" for name, text in (run.labels or {}).items()},
            stop_signal=run.stop_signal or None,
            healthcheck=run.healthcheck,
            bare_env=tuple(dict.fromkeys(text for text, variable in variables if variable is None)),
        ),
        diff_ids=tuple(Digest.parse(text) for text in diff_ids),
        history=tuple(history),
        created=wire.created,
        author=wire.author,
        steps=tuple(
            {name: value for name, value in msgspec.structs.asdict(entry).items() if value is not None}
            for entry in steps
        ),
        os_version=wire.os_version or None,
        os_features=tuple(text for text in wire.os_features or () if text),
        triggers=tuple(text for text in run.on_build or () if text),
    )


def is_time(text: str) -> bool:
    """Whether Go reads a text as a time."""
    match = _TIME.fullmatch(text)
    try:
        return match is not None and datetime.fromisoformat(match[1]) is not None
    except ValueError:
        return False


def encode_config(
    platform: Platform,
    run: ImageConfig,
    layers: Sequence[tuple[Digest, str]],
    *,
    created: str,
    author: str | None = None,
    below: Sequence[Mapping[str, Any]] = (),
) -> bytes:
    """The bytes of a new config. `layers` are diff_id and history text, lowest first; `created` is RFC 3339.

    `below` is the history of the image that it stands on, which stays as it was written.
    """
    stood_on = sum(1 for step in below if not step.get("empty_layer"))
    document: dict[str, Any] = {
        "created": created,
        "os": platform.os,
        "architecture": platform.architecture,
        "config": run.to_json(),
        "rootfs": {"type": "layers", "diff_ids": [str(diff_id) for diff_id, _ in layers]},
        "history": [*map(dict, below), *(_history(created, text) for _, text in layers[stood_on:])],
    }
    if platform.variant:
        document["variant"] = platform.variant
    if author is not None:
        document["author"] = author
    return encode_json(document)


def _history(created: str, created_by: str) -> dict[str, str]:
    return {"created": created, "created_by": created_by}


def _variable(text: str) -> tuple[str, str] | None:
    """Name and value; None without a value. A name may begin with `=`: Windows keeps the folder of a drive in `=C:`."""
    name, equals, value = text[1:].partition("=")
    return (text[:1] + name, value) if equals else None


def _words(given: list[str | None] | str | None) -> tuple[str, ...]:
    """Docker takes a text for a list of one (moby, api/types/strslice)."""
    return (given,) if isinstance(given, str) and given else tuple(word or "" for word in given or ())
