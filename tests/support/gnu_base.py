"""A base image with glibc, made of this machine's own libraries and written by hand.

It is what a user's base is to cargoship: an OCI layout that some other tool wrote.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

# What Debian 12 has with rustc and with libstd-rust-web-dev:arm64.
_LOADERS = {
    "amd64": ("lib64/ld-linux-x86-64.so.2", "x86_64-linux-gnu"),
    "arm64": ("lib/ld-linux-aarch64.so.1", "aarch64-linux-gnu"),
}
_LIBRARIES = ("libc.so.6", "libm.so.6", "libgcc_s.so.1", "libdl.so.2", "libpthread.so.0", "librt.so.1")


def _blob(root: Path, media_type: str, data: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    path = root / "blobs" / "sha256" / digest
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


def _json(root: Path, media_type: str, value: object) -> dict[str, Any]:
    return _blob(root, media_type, json.dumps(value).encode())


def gnu_files(architecture: str) -> list[tuple[str, Path]]:
    """The C library of an architecture: paths in a root file system, and where they are on this machine."""
    loader, multiarch = _LOADERS[architecture]
    found = [(path, Path("/", path)) for path in (loader, *(f"lib/{multiarch}/{name}" for name in _LIBRARIES))]
    for _, source in found:
        if not source.exists():
            pytest.fail(f"{source} is missing; scripts/setup --test installs it")
    return found


def _root_file_system(architecture: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, source in gnu_files(architecture):
            content = source.read_bytes()
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def write_gnu_base(root: Path) -> Path:
    """Write an OCI layout with an index of both architectures to `root`; returns it."""
    manifests = []
    for architecture in _LOADERS:
        layer = _root_file_system(architecture)
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Env": ["BASE=gnu"]},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
            "history": [{"created_by": "write_gnu_base"}],
        }
        packed = gzip.compress(layer, compresslevel=1, mtime=0)
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _json(root, "application/vnd.oci.image.config.v1+json", config),
            "layers": [_blob(root, "application/vnd.oci.image.layer.v1.tar+gzip", packed)],
        }
        descriptor = _json(root, "application/vnd.oci.image.manifest.v1+json", manifest)
        manifests.append({**descriptor, "platform": {"architecture": architecture, "os": "linux"}})
    media_type = "application/vnd.oci.image.index.v1+json"
    index = _json(root, media_type, {"schemaVersion": 2, "mediaType": media_type, "manifests": manifests})
    named = {**index, "annotations": {"org.opencontainers.image.ref.name": "latest"}}
    (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    (root / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
    return root
