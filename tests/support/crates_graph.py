"""A small build as cargo's unit graph has it: a service for two targets, with crates on both sides."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from cargoship.cargo.unit_graph import UnitGraph, decode_unit_graph

TRIPLES = ("x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl")
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"
LOCK = f"""\
version = 4

[[package]]
name = "derive"
version = "1.0.0"
source = "{CRATES_IO}"
checksum = "{"d" * 64}"
dependencies = [
 "shared",
]

[[package]]
name = "fork"
version = "0.3.0"
source = "git+https://user:secret@example.org/me/fork?branch=main#{"f" * 40}"

[[package]]
name = "own"
version = "2.0.0"
source = "sparse+https://crates.example.org/index/"
checksum = "{"0" * 64}"

[[package]]
name = "service"
version = "0.1.0"

[[package]]
name = "shared"
version = "1.2.3+meta"
source = "{CRATES_IO}"
checksum = "{"5" * 64}"

[[package]]
name = "bzip2-sys"
version = "0.1.13+1.0.8"
source = "{CRATES_IO}"
checksum = "{"b" * 64}"
"""


def crate_folder(root: Path, name: str, manifest: str, *, registry: bool = True) -> Path:
    """The sources of a crate, as cargo unpacks them; its root file."""
    folder = root / name
    (folder / "src").mkdir(parents=True)
    (folder / "Cargo.toml").write_text(manifest)
    if registry:
        (folder / "Cargo.toml.orig").write_text("# as its author wrote it\n")
    (folder / "src/lib.rs").touch()
    return folder / "src/lib.rs"


_FROM_REGISTRIES = {
    "shared": '[package]\nlicense = "MIT/Apache-2.0"\nauthors = ["Ann <ann@example.org>"]\n',
    "derive": '[package]\nname = "derive"\nlicense-file = "COPYING"\n',
    "own": '[package]\nlicense = "Proprietary (ours)"\n',
    "bzip2-sys": '[package]\nlicense = "MIT"\nrepository = "https://example.org/bzip2"\n',
    "cc": '[package]\nlicense = "MIT OR Apache-2.0"\n',
}
_FROM_ELSEWHERE = {
    "fork": '[package]\nlicense.workspace = true\n[workspace.package]\nlicense = "ISC AND LicenseRef-Ours-1.0"\n',
    "service": '[package]\nname = "service"\n',
}


class _Units:
    def __init__(self) -> None:
        self.units: list[Mapping[str, object]] = []

    def add(
        self,
        package: str,
        source: Path,
        needs: Sequence[int] = (),
        *,
        kind: str = "lib",
        name: str = "",
        platform: str | None = None,
        mode: str = "build",
        features: Sequence[str] = (),
    ) -> int:
        self.units.append(
            {
                "pkg_id": package,
                "target": {
                    "kind": [kind],
                    "crate_types": [kind],
                    "name": name or kind,
                    "src_path": str(source),
                    "edition": "2021",
                },
                "profile": {"opt_level": "3"},
                "platform": platform,
                "mode": mode,
                "features": list(features),
                "dependencies": [{"index": each, "extern_crate_name": "x"} for each in needs],
            }
        )  # fmt: skip
        return len(self.units) - 1


def service(root: Path) -> UnitGraph:
    """The service needs `shared`, a macro that needs it too, a fork, a crate of its own, and bzip2's C sources."""
    at = {name: crate_folder(root, name, manifest) for name, manifest in _FROM_REGISTRIES.items()}
    at |= {name: crate_folder(root, name, manifest, registry=False) for name, manifest in _FROM_ELSEWHERE.items()}
    units = _Units()
    add = units.add
    roots = []
    host_shared = add(f"{CRATES_IO}#shared@1.2.3+meta", at["shared"], features=["proc"])
    macro = add(f"{CRATES_IO}#derive@1.0.0", at["derive"], [host_shared], kind="proc-macro")
    cc = add(f"{CRATES_IO}#cc@1.1.0", at["cc"])
    bzip2 = f"{CRATES_IO}#bzip2-sys@0.1.13+1.0.8"
    script = add(bzip2, at["bzip2-sys"].parent.parent / "build.rs", [cc], kind="custom-build")
    for triple in TRIPLES:
        shared = add(f"{CRATES_IO}#shared@1.2.3+meta", at["shared"], platform=triple, features=["std"])
        run = add(
            bzip2,
            at["bzip2-sys"].parent.parent / "build.rs",
            [script],
            kind="custom-build",
            platform=triple,
            mode="run-custom-build",
        )
        c = add(bzip2, at["bzip2-sys"], [run], platform=triple)
        fork = add(
            "git+https://user:secret@example.org/me/fork?branch=main#0.3.0", at["fork"], [macro], platform=triple
        )
        own = add("sparse+https://crates.example.org/index/#own@2.0.0", at["own"], platform=triple)
        package = "path+file:///somewhere/service#0.1.0"
        lib = add(package, at["service"], [shared, macro, fork, own, c], platform=triple)
        roots.append(add(package, at["service"], [lib, shared], kind="bin", name="serve", platform=triple))
    return decode_unit_graph(json.dumps({"version": 1, "units": units.units, "roots": roots}).encode())
