"""The program for WebAssembly as an artifact of its own, which runtimes pull without a container around it.

Format: https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/ (CNCF TAG Runtime).
"""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cargoship.destinations.destination import NOTHING_SAID, About, Destination
from cargoship.destinations.writable import check_writable
from cargoship.errors import CannotStart
from cargoship.events import Emit, Written
from cargoship.oci.decompress import open_reader
from cargoship.oci.descriptor import BytesBlob, MediaType
from cargoship.oci.image import Image
from cargoship.oci.index import Index
from cargoship.oci.layout import write_layout
from cargoship.oci.manifest import Manifest, encode_json, encode_manifest
from cargoship.oci.reference import Reference
from cargoship.oci.tree import ManifestTree
from cargoship.platforms import WASI, WASI_2
from cargoship.wasm import WasmKind, wasm_kind
from cargoship.wasm_component import interfaces_of

CONFIG = "application/vnd.wasm.config.v0+json"
LAYER = "application/wasm"
_MODULE_OS, _COMPONENT_OS = "wasip1", "wasip2"
_PLATFORMS = (WASI.platform, WASI_2.platform)


@dataclass(frozen=True)
class WasmDestination(Destination):
    """The folder `path`, an image layout made or added to, with the artifact under `names`."""

    path: Path
    names: tuple[Reference, ...]
    emit: Emit

    def check(self) -> None:
        """See `Destination.check`."""
        check_writable(self.path)

    def publish(self, index: Index, about: About = NOTHING_SAID) -> None:  # noqa: ARG002 - it is about the image
        """See `Destination.publish`; raises CannotStart for a component that cannot be read, OutputError."""
        image = next(each for each in index.runnable if each.platform in _PLATFORMS)
        # those of cargoship's own say how layers were compressed: this has none
        annotations = {
            name: value for name, value in image.manifest.annotations.items() if not name.startswith("dev.cargoship.")
        }
        tree = wasm_artifact(program_of(image), created=image.config_file.created or "", annotations=annotations)
        write_layout(self.path, tree, names=self.names)
        self.emit(Written("WebAssembly artifact", str(self.path)))


def wasm_artifact(program: bytes, *, created: str, annotations: Mapping[str, str]) -> ManifestTree:
    """The artifact of a module or component; `created` in RFC 3339. Raises CannotStart for anything else."""
    layer = BytesBlob.of(LAYER, program)
    said: dict[str, object] = {
        "created": created,
        "architecture": WASI.platform.architecture,
        **_described(program),
        "layerDigests": [str(layer.descriptor.digest)],
    }
    config = BytesBlob.of(CONFIG, encode_json(said))
    manifest = Manifest(MediaType.OCI_MANIFEST, config.descriptor, (layer.descriptor,), annotations)
    return ManifestTree(BytesBlob.of(MediaType.OCI_MANIFEST, encode_manifest(manifest)), (), (layer,), (config,))


def _described(program: bytes) -> dict[str, object]:
    match wasm_kind(program):
        case WasmKind.MODULE:
            return {"os": _MODULE_OS}
        case WasmKind.COMPONENT:
            try:
                found = interfaces_of(program)
            except ValueError as error:
                raise CannotStart(
                    f"the component cannot be read: {error}", hint="build it again; wkg pushes what is newer than this"
                ) from error
            return {"os": _COMPONENT_OS, "component": {"exports": found.exports, "imports": found.imports}}
        case None:
            raise CannotStart("the program is neither a module nor a component of WebAssembly")


def program_of(image: Image) -> bytes:
    """The program that an image made here starts; raises CannotStart where that is in none of its layers."""
    path = image.config.entrypoint[0].lstrip("/")
    for layer in reversed(image.layers):
        with (
            layer.blob.open() as raw,
            open_reader(raw) as stream,
            tarfile.open(fileobj=stream, mode="r|") as tar,
        ):
            for member in tar:
                content = tar.extractfile(member) if member.name == path and member.isreg() else None
                if content is not None:
                    return content.read()
    raise CannotStart(f"the entrypoint /{path} is not a program of the image", hint="leave entrypoint out")
