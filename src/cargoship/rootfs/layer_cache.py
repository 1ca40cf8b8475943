"""What layers are known to hold, kept between runs: each layer is read once.

    <folder>/<hex>-<format>         the facts of the layer with that digest, as MessagePack
    <folder>/<hex>-elf-<format>     those of the program with that digest

Facts that are lost or damaged are read again. Several processes may use one folder at once.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from cargoship.elf.facts import ElfFacts
from cargoship.elf.read import read_elf_stream
from cargoship.errors import ContentInvalid, OutputError
from cargoship.oci.digest import Digest
from cargoship.oci.files import write_atomically
from cargoship.oci.layer import Layer
from cargoship.rootfs.item import FORMAT, LayerFacts
from cargoship.rootfs.scan import scan_layer

_FACTS_BYTES_MAX = 512 << 20
_IDLE_S = 30 * 24 * 3600
_JOBS = 2
# Made here, by one thread: two that are the first to decode a type at the same time make msgspec 0.22 crash.
_DECODER = msgspec.msgpack.Decoder(LayerFacts)
_ELF_DECODER = msgspec.msgpack.Decoder(ElfFacts)


@dataclass(frozen=True)
class LayerCache:
    """The folder of kept facts; it is made when something is put into it."""

    folder: Path
    _read: dict[str, LayerFacts] = field(default_factory=dict, repr=False, compare=False)

    def facts(self, layers: Sequence[Layer]) -> tuple[LayerFacts, ...]:
        """What layers hold, those that are not known being read now, whole.

        Raises ContentInvalid for a damaged layer, or another than its image's config says; and what reading its blob
        raises.
        """
        with ThreadPoolExecutor(_JOBS) as workers:
            return tuple(workers.map(self._facts, layers))

    def known(self, layers: Sequence[Layer]) -> tuple[LayerFacts, ...] | None:
        """The same if all of it is known already, else None; nothing is read but this folder."""
        found = []
        for layer in layers:
            facts = self._recall(layer)
            if facts is None:
                return None
            found.append(facts)
        return tuple(found)

    def program(self, path: Path) -> ElfFacts:
        """What a program on this machine says of itself, whatever its place; raises CannotStart and OSError."""
        with path.open("rb") as stream:
            place = self.folder / f"{Digest.of_stream(stream)[0].hex}-elf-{FORMAT}"
            with contextlib.suppress(OSError, msgspec.MsgspecError, ValueError, RecursionError):
                facts = _ELF_DECODER.decode(place.read_bytes())
                os.utime(place)
                return facts
            stream.seek(0)
            facts = read_elf_stream(stream, str(path))
        with contextlib.suppress(OutputError):
            write_atomically(place, msgspec.msgpack.encode(facts))
            self._prune(place)
        return facts

    def _facts(self, layer: Layer) -> LayerFacts:
        facts = self._recall(layer)
        if facts is None:
            facts = self._read[self._path(layer).name] = scan_layer(layer.blob, layer.diff_id.algorithm)
            # a full disk costs the next run some time, and this one nothing
            with contextlib.suppress(OutputError):
                write_atomically(self._path(layer), msgspec.msgpack.encode(facts))
                self._prune(self._path(layer))
        if not facts.is_of(layer.diff_id):
            raise ContentInvalid(f"layer {layer.descriptor.digest} is not the one that its image's config names")
        return facts

    def _recall(self, layer: Layer) -> LayerFacts | None:
        path = self._path(layer)
        known = self._read.get(path.name)
        if known is not None and known.is_named_as(layer.diff_id):
            return known
        try:
            with path.open("rb") as stream:
                facts = _DECODER.decode(stream.read(_FACTS_BYTES_MAX))
            os.utime(path)
        except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
            return None
        if not facts.is_named_as(layer.diff_id):
            return None
        self._read[path.name] = facts
        return facts

    def _path(self, layer: Layer) -> Path:
        return self.folder / f"{layer.descriptor.digest.hex}-{FORMAT}"

    def _prune(self, newest: Path) -> None:
        """Remove what nobody has used for long, by the clock of the file system."""
        with contextlib.suppress(OSError), os.scandir(self.folder) as files:
            now_s = newest.stat().st_mtime
            for file in files:
                if now_s - file.stat(follow_symlinks=False).st_mtime > _IDLE_S:
                    Path(file.path).unlink(missing_ok=True)
