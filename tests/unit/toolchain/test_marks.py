"""What is made on this machine has the time of its last use, by which `cargoship cache gc` goes."""

from __future__ import annotations

import os
from pathlib import Path

from cargoship.oci.platform import Platform
from cargoship.platforms import row
from cargoship.toolchain.sysroot import compose
from cargoship.toolchain.wrappers import write_wrappers
from cargoship.unitcache.care.cache_folder import remove_unused

TRIPLE = "x86_64-unknown-linux-musl"


def test_what_is_used_again_stays(tmp_path: Path) -> None:
    library = tmp_path / "std/1.96"
    library.mkdir(parents=True)
    rows = [(TRIPLE, row(Platform("linux", "amd64")))]

    def use() -> tuple[Path, Path]:
        return write_wrappers(tmp_path, rows, identity="one"), compose(tmp_path, {TRIPLE: library})

    made = (library, *use())
    for folder in made:
        os.utime(folder, (1, 1))
    use()
    remove_unused(tmp_path, days=1)
    assert all(folder.is_dir() for folder in made)
    for folder in made:
        os.utime(folder, (1, 1))
    remove_unused(tmp_path, days=1)
    assert not any(folder.exists() for folder in made)
