"""Records of builds that never ran."""

from __future__ import annotations

from typing import Any

from cargoship.records.model import (
    CacheUse,
    ImageRecord,
    LayerRecord,
    Machine,
    PhaseSpan,
    PlatformRecord,
    RunRecord,
    Traffic,
    UnitSpan,
)

AMD64, ARM64 = "x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"


def build_record(number: int = 0, **fields: object) -> RunRecord:
    """A record with no units, of the second `number`."""
    about: dict[str, Any] = {
        "id": f"20270115T0800{number:02}.000Z-0a0b", "began": f"2027-01-15T08:00:{number:02}.000Z", "seconds": 12.5,
        "cargoship": "0.1.0", "project": "app", "machine": Machine(2, "x86_64-unknown-linux-gnu"), **fields,
    }  # fmt: skip
    return RunRecord(**about)


def unit_span(package: str, began: float | None, seconds: float, *needs: int, **fields: object) -> UnitSpan:
    about: dict[str, Any] = {
        "version": "1.0.0", "kind": "lib", "target": AMD64, "state": "restored" if began is None else "compiled",
        "size": 1000, **fields,
    }  # fmt: skip
    return UnitSpan(package=package, began=began, seconds=seconds, needs=needs, **about)


def image_record(name: str = "app", size: int = 5_000_000) -> ImageRecord:
    layers = (LayerRecord("sha256:" + "1" * 64, size, f"cargoship: /app/{name}"),)
    platforms = tuple(
        PlatformRecord(f"linux/{each}", "sha256:" + "2" * 64, size, layers) for each in ("amd64", "arm64")
    )
    return ImageRecord(
        name, f"oci:target/cargoship/{name}@sha256:{'3' * 64}", "sha256:" + "3" * 64, changed=True, platforms=platforms
    )


def sample_record(number: int = 0, **fields: object) -> RunRecord:
    """A build of seven units: a changed library, what depends on it, and C in a build script, for two platforms."""
    changed = ("the file helper/src/lib.rs",)
    new = ("the cache having nothing of it yet",)
    units = (
        unit_span("cc", 0.5, 1.0, kind="lib", for_host=True, target="x86_64-unknown-linux-gnu", because=new),
        unit_span("sys", 1.5, 4.0, 0, kind="build script run", because=new),
        unit_span("helper", 0.5, 2.0, because=changed, local=True),
        unit_span("app", 5.5, 3.0, 1, 2, kind="bin", waits_for=2, local=True),
        unit_span("helper", 2.5, 1.5, because=changed, local=True, target=ARM64),
        unit_span("app", 4.0, 2.5, 4, kind="bin", waits_for=4, local=True, target=ARM64),
        unit_span("serde", None, 3.5),
    )
    about: dict[str, Any] = {
        "units": units,
        "platforms": ("linux/amd64", "linux/arm64"),
        "phases": (PhaseSpan("metadata", 0.0, 0.3), PhaseSpan("compile", 0.4, 8.6, "6 units, 1 fresh")),
        "cache": CacheUse(because=changed, restored=1, restored_bytes=1000, spared_seconds=3.5),
        "traffic": {"registry": Traffic(5_000_000, 1000)},
        "images": (image_record(),),
        "revision": "0" * 40,
        **fields,
    }
    return build_record(number, **about)
