"""An image's config: how to run it, and what its layers are (image-spec, config.md; Docker's image spec v1.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from cargoship.errors import ContentInvalid
from cargoship.oci.digest import Digest
from cargoship.oci.manifest import decode_json, encode_json, parse_platform
from cargoship.oci.platform import Platform

CONFIG_BYTES_MAX = 8 << 20


class _Run(msgspec.Struct, rename="pascal"):
    user: str | None = None
    exposed_ports: dict[str, Any] | None = None
    env: list[str] | None = None
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    volumes: dict[str, Any] | None = None
    working_dir: str | None = None
    labels: dict[str, str] | None = None
    stop_signal: str | None = None
    healthcheck: dict[str, Any] | None = None


class _RootFs(msgspec.Struct):
    diff_ids: list[str] | None = None
    type: str = "layers"


class _History(msgspec.Struct):
    created: str | None = None
    created_by: str | None = None
    author: str | None = None
    comment: str | None = None
    empty_layer: bool | None = None


class _Document(msgspec.Struct):
    architecture: str = ""
    os: str = ""
    variant: str | None = None
    created: str | None = None
    author: str | None = None
    config: _Run | None = None
    rootfs: _RootFs | None = None
    history: list[_History] | None = None


@dataclass(frozen=True)
class ImageConfig:
    """How a container of the image is run.

    `env` and `labels` are name to value; `exposed_ports` such as `8080/tcp`; `volumes` are absolute paths.
    `healthcheck` is Docker's object with Test, Interval, ... (durations in nanoseconds); OCI does not know it, and
    Docker reads it from the same place.
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

    def to_json(self) -> dict[str, Any]:
        """The `config` object of an image's config, without what is empty."""
        document: dict[str, Any] = {
            "User": self.user,
            "ExposedPorts": {port: {} for port in self.exposed_ports},
            "Env": [f"{name}={value}" for name, value in self.env.items()],
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.cmd),
            "Volumes": {path: {} for path in self.volumes},
            "WorkingDir": self.working_dir,
            "Labels": dict(self.labels),
            "StopSignal": self.stop_signal,
            "Healthcheck": None if self.healthcheck is None else dict(self.healthcheck),
        }
        return {name: value for name, value in document.items() if value}


@dataclass(frozen=True)
class ConfigFile:
    """A whole config, as read: `history` holds who made each layer, lowest first (empty where unknown)."""

    platform: Platform
    run: ImageConfig
    diff_ids: tuple[Digest, ...]
    history: tuple[str, ...] = ()
    created: str | None = None
    author: str | None = None


def decode_config(raw: bytes) -> ConfigFile:
    """Read an image's config; raises ContentInvalid."""
    wire = decode_json(raw, _Document, "config", bytes_max=CONFIG_BYTES_MAX)
    run = wire.config or _Run()
    diff_ids = (wire.rootfs.diff_ids if wire.rootfs else None) or []
    history = [entry.created_by or "" for entry in wire.history or [] if not entry.empty_layer]
    return ConfigFile(
        platform=parse_platform(wire.os, wire.architecture, wire.variant),
        run=ImageConfig(
            user=run.user or None,
            exposed_ports=tuple(run.exposed_ports or ()),
            env=dict(_variable(text) for text in run.env or ()),
            entrypoint=tuple(run.entrypoint or ()),
            cmd=tuple(run.cmd or ()),
            volumes=tuple(run.volumes or ()),
            working_dir=run.working_dir or None,
            labels=run.labels or {},
            stop_signal=run.stop_signal or None,
            healthcheck=run.healthcheck,
        ),
        diff_ids=tuple(Digest.parse(text) for text in diff_ids),
        history=tuple(history),
        created=wire.created,
        author=wire.author,
    )


def encode_config(
    platform: Platform,
    run: ImageConfig,
    layers: Sequence[tuple[Digest, str]],
    *,
    created: str,
    author: str | None = None,
) -> bytes:
    """The bytes of a new config. `layers` are diff_id and history text, lowest first; `created` is RFC 3339."""
    document: dict[str, Any] = {
        "created": created,
        "os": platform.os,
        "architecture": platform.architecture,
        "config": run.to_json(),
        "rootfs": {"type": "layers", "diff_ids": [str(diff_id) for diff_id, _ in layers]},
        "history": [_history(created, text) for _, text in layers],
    }
    if platform.variant:
        document["variant"] = platform.variant
    if author is not None:
        document["author"] = author
    return encode_json(document)


def replace_run(raw: bytes, run: ImageConfig) -> bytes:
    """The config with another `config` object; fields that `ImageConfig` does not know stay as they are."""
    document = _document(raw)
    known = set(_Run.__struct_encode_fields__)
    kept = {name: value for name, value in (document.get("config") or {}).items() if name not in known}
    document["config"] = kept | run.to_json()
    return encode_json(document)


def append_history(raw: bytes, layers: Sequence[tuple[Digest, str]], *, created: str) -> bytes:
    """The config with more layers on top, and `created` as its new time; everything else stays."""
    document = _document(raw)
    rootfs = document.get("rootfs") or {"type": "layers"}
    rootfs["diff_ids"] = [*(rootfs.get("diff_ids") or []), *(str(diff_id) for diff_id, _ in layers)]
    document["rootfs"] = rootfs
    document["history"] = [*(document.get("history") or []), *(_history(created, text) for _, text in layers)]
    document["created"] = created
    return encode_json(document)


def _document(raw: bytes) -> dict[str, Any]:
    decode_config(raw)  # says what is wrong, if anything is
    return decode_json(raw, dict[str, Any], "config", bytes_max=CONFIG_BYTES_MAX)


def _history(created: str, created_by: str) -> dict[str, str]:
    return {"created": created, "created_by": created_by}


def _variable(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name:
        raise ContentInvalid(f"a config sets a variable without a name: {text!r}")
    return name, value
