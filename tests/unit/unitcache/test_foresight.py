"""How long a build will take is guessed from what its units took before."""

from __future__ import annotations

from cargoship.cargo.unit_graph import RUN_CUSTOM_BUILD, Unit, UnitGraph
from cargoship.events import CompileForeseen
from cargoship.oci.digest import Digest
from cargoship.unitcache.foresight import foresee_compiling
from cargoship.unitcache.packs.index import UnitEntry

HOST = "x86_64-unknown-linux-gnu"
MUSL = "aarch64-unknown-linux-musl"


def unit(package: str, version: str, kind: str = "lib", mode: str = "build", platform: str | None = MUSL) -> Unit:
    return Unit(
        f"registry+https://x#{package}@{version}", (kind,), (kind,), package, "", "2021", mode, platform, (), {}
    )


def entry(name: str, seconds: float) -> UnitEntry:
    key = Digest.of(name.encode())
    return UnitEntry(key, key, 0, 1, key, 1, name=name, seconds=seconds)


def test_another_version_of_a_unit_tells_too_and_what_is_kept_does_not_count() -> None:
    units = (
        unit("serde", "1.0.1"),
        unit("serde", "1.0.1", platform=None),
        unit("ring", "0.17.9", "custom-build", RUN_CUSTOM_BUILD),
        unit("ring", "0.17.9", "custom-build", platform=None),
        unit("new", "1.0.0"),
        unit("kept", "1.0.0"),
    )
    entries = [
        entry(f"serde 1.0.0 lib {MUSL}", 3.0),
        entry(f"serde 1.0.1 lib {HOST}", 2.0),
        entry(f"ring 0.17.8 build script run {MUSL}", 60.0),
        entry(f"ring 0.17.8 custom-build {HOST}", 0.0),
        entry(f"kept 1.0.0 lib {MUSL}", 9.0),
    ]
    foreseen = foresee_compiling(UnitGraph(units, (0,)), {5: entries[-1]}, entries, HOST)
    assert foreseen == CompileForeseen(5, {"serde": (3.0, 2.0), "ring(build)": (60.0,)})
